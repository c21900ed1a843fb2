"""Tests of headend.codec.source and headend.codec.sink, without a server between them."""

import asyncio
import io
import subprocess
import sys
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path

import av
import numpy as np
import pytest
from tests.harness import until
from tests.sources.media import make

from headend.codec import Encoding, TagSink, TagSource
from headend.errors import MediaError
from headend.media.flv import serialize_header, serialize_tag
from headend.media.tag import VIDEO, Tag
from headend.testing import Recording, make_clip

CLIP = make_clip(1.0, gop=10)


class Tags(TagSource):
    """A stream of tags that are there already; or wait for `more`."""

    def __init__(self, tags: Iterable[Tag], *, stays_open: bool = False) -> None:
        self._tags = list(tags)
        self._stays_open = stays_open
        self.taken = 0

    async def __anext__(self) -> Tag:
        if self.taken == len(self._tags):
            if self._stays_open:
                await asyncio.Event().wait()
            raise StopAsyncIteration
        self.taken += 1
        return self._tags[self.taken - 1]


class Sink(TagSink):
    def __init__(self) -> None:
        self.tags: list[Tag] = []

    async def write(self, tag: Tag) -> None:
        self.tags.append(tag)


async def test_packets_frames_and_pictures_are_those_of_the_stream() -> None:
    packets = [packet async for packet in Tags(CLIP.tags).packets()]
    assert sum(packet.stream.type == "video" for packet in packets) == 25
    frames = [frame async for frame in Tags(CLIP.tags).frames()]
    assert [(frame.width, frame.height) for frame in frames] == [(160, 96)] * 25
    sounds = [frame async for frame in Tags(CLIP.tags).frames("audio")]
    assert sum(sound.samples for sound in sounds) >= 40_000
    pictures = [picture async for picture in Tags(CLIP.tags).pictures("gray")]
    assert {picture.shape for picture in pictures} == {(96, 160)}
    assert pictures[0].std() > 10


async def test_every_frame_comes_in_order_also_those_the_decoder_holds_back() -> None:
    tags = [*make_clip(1.0, has_b_frames=True).tags, *make_clip(0.4, width=320).tags]
    frames = [frame async for frame in Tags(tags).frames()]
    assert [frame.width for frame in frames] == [160] * 25 + [320] * 10
    times = [frame.time or 0 for frame in frames[:25]]
    assert times == sorted(times)


async def test_slow_consumer_of_the_newest_skips_and_gets_the_last() -> None:
    source = Tags(CLIP.tags)
    seen = []
    async with aclosing(source.frames(policy="newest")) as frames:
        async for frame in frames:
            seen.append(frame.time)
            await until(lambda: source.taken == len(CLIP.tags))
    assert len(seen) < 25
    assert seen[-1] == Recording(CLIP.tags).media(VIDEO)[-1].timestamp / 1000
    assert source.frames_skipped == 25 - len(seen)


@pytest.mark.parametrize("policy", ["all", "newest"])
async def test_consumer_that_leaves_early_leaves_no_task(policy: str) -> None:
    source = Tags(CLIP.tags, stays_open=True)
    async with aclosing(source.frames(policy=policy)) as frames:  # type: ignore[call-overload]
        async for _ in frames:
            break
    assert len(asyncio.all_tasks()) == 1


async def test_what_the_source_raises_is_raised() -> None:
    class Failing(Tags):
        async def __anext__(self) -> Tag:
            if self.taken == 30:
                raise MediaError("it broke")
            return await super().__anext__()

    for policy in ("all", "newest"):
        with pytest.raises(MediaError, match="it broke"):
            async for _ in Failing(CLIP.tags).frames(policy=policy):
                pass


async def test_damage_is_left_out_and_said() -> None:
    source = Tags(tag for tag in CLIP.tags if not tag.is_sequence_header)
    assert source.faults == []
    assert [frame async for frame in source.frames()] == []
    assert any("without a sequence header" in fault for fault in source.faults)


async def test_frames_are_written_and_come_back() -> None:
    sink = Sink()
    sink.encoding = Encoding(frame_rate=25, preset="ultrafast")
    async for frame in Tags(CLIP.tags).frames():
        await sink.write_frame(frame)
    async for sound in Tags(CLIP.tags).frames("audio"):
        await sink.write_frame(sound)
    await sink.flush()
    recording = Recording(sink.tags).assert_decodes().assert_tracks("avc1", "mp4a")
    assert len(recording.media(VIDEO)) == 25


async def test_paced_pictures_wait_until_their_time_has_come() -> None:
    sink = Sink()
    sink.encoding = Encoding(frame_rate=20, preset="ultrafast", is_paced=True)
    now = asyncio.get_running_loop().time
    started = now()
    for _ in range(5):
        await sink.write_frame(np.zeros((96, 160), np.uint8))
    assert now() - started >= 0.2
    assert [tag.timestamp for tag in Recording(sink.tags).media(VIDEO)] == [
        0,
        50,
        100,
        150,
        200,
    ]


async def test_packets_are_written_as_they_are() -> None:
    sink = Sink()
    await sink.flush()  # nothing yet
    head = serialize_header(has_audio=True, has_video=True)
    file = io.BytesIO(head + b"".join(map(serialize_tag, CLIP.tags)))
    with av.open(file, "r") as container:
        for packet in container.demux():
            await sink.write_packet(packet)
    await sink.flush()
    Recording(sink.tags).assert_same_media(CLIP.tags)


async def test_packets_of_av1_are_written_though_they_are_read_by_another_name(
    tmp_path: Path,
) -> None:
    path = make(tmp_path / "a.mkv", "libsvtav1", "libopus")

    sink = Sink()
    with av.open(str(path)) as container:
        payloads = [bytes(packet) for packet in container.demux(video=0) if packet.size]
        container.seek(0)
        for packet in container.demux():
            await sink.write_packet(packet)
    await sink.flush()
    coded = [tag.body for tag in Recording(sink.tags).media(VIDEO) if tag.body[0] & 15 == 1]
    assert {body[1:5] for body in coded} == {b"av01"}
    assert [body[5:] for body in coded] == payloads


def test_tags_do_not_load_pyav() -> None:
    code = "import sys, headend.codec, headend.client; assert 'av' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
