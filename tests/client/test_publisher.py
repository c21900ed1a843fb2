"""Tests of what publishes a whole file."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.client.peers import assert_joined, our_server
from tests.sources.media import make

from headend.client import play, publish
from headend.errors import MediaError
from headend.media import flv
from headend.media.tag import AUDIO, VIDEO, Tag
from headend.testing.clip import make_clip

CLIP = make_clip(0.4)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clip.flv"
    data = b"".join(flv.serialize_tag(tag) for tag in CLIP.tags)
    path.write_bytes(flv.serialize_header(has_audio=True, has_video=True) + data)
    return path


async def through(tmp_path: Path, file: Path, *, is_paced: bool) -> list[Tag]:
    async with our_server(tmp_path / "data") as ours, play(f"{ours.rtmp}/live/a") as stream:
        async with publish(f"{ours.rtmp}/live/a") as out:
            await out.write_file(file, is_paced=is_paced)
        return [tag async for tag in stream]


async def test_file_is_published_as_it_is_in_its_own_time(file: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    tags = await through(tmp_path, file, is_paced=True)
    assert time.monotonic() - began > CLIP.tags[-1].timestamp / 1000
    assert_joined(tags, CLIP)


async def test_what_rtmp_cannot_carry_is_encoded(tmp_path: Path) -> None:
    film = make(tmp_path / "a.avi", "mpeg4", "pcm_s16le")

    tags = await through(tmp_path, film, is_paced=False)
    assert {tag.body[:2] for tag in tags if tag.kind is VIDEO} >= {b"\x17\x00", b"\x17\x01"}
    assert {tag.body[:2] for tag in tags if tag.kind is AUDIO} == {b"\xaf\x00", b"\xaf\x01"}


async def test_file_is_repeated_until_it_is_enough(file: Path, tmp_path: Path) -> None:
    async with (
        our_server(tmp_path / "data") as ours,
        play(f"{ours.rtmp}/live/a") as stream,
        publish(f"{ours.rtmp}/live/a") as out,
    ):
        sending = asyncio.create_task(out.write_file(file, is_looped=True))
        tags = [await anext(stream) for _ in range(2 * len(CLIP.tags))]
        sending.cancel()
        await asyncio.wait([sending])
    pictures = [t.timestamp for t in tags if t.kind is VIDEO and not t.is_sequence_header]
    assert pictures == sorted(set(pictures))
    assert len(pictures) > 10


async def test_file_that_is_no_media_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")

    async with our_server(tmp_path / "data") as ours, publish(f"{ours.rtmp}/live/a") as out:
        for name in ("a.txt", "none"):
            with pytest.raises(MediaError, match=name):
                await out.write_file(tmp_path / name)
