"""Tests of recordings in FLV: every message as it came."""

import asyncio
from pathlib import Path

import pytest
from tests.hls.media import audio_header, stream, video_header
from tests.record.taped import WALL, Rows, places

from headend.media.flv import Reader
from headend.media.tag import Tag, TagKind
from headend.record import journal
from headend.record.disk import DiskWriter
from headend.record.flv_sink import FlvSink
from headend.record.scan import segments_of
from headend.record.tape import Tape, TapeSettings

HEADERS = (video_header(), audio_header())


class Taped:
    """A sink that records, with what it is told."""

    def __init__(self, folder: Path, *, file_s: float = 3600.0) -> None:
        self.folder = folder
        self.now = 0.0
        self.rows = Rows()
        self.over = asyncio.Event()
        self.disk = DiskWriter(asyncio.get_running_loop(), threads=1)
        settings = TapeSettings("id", "live/a", folder, "flv", 1.0, file_s, 0)
        self.tape = Tape(settings, self.disk, self.rows, self, clock=self.clock)
        self.sink = FlvSink(self.tape, 2.0, lambda: HEADERS, self.clock)
        self.sink.start(HEADERS)

    def clock(self) -> float:
        return WALL + self.now

    def tape_over(self, tape: Tape, failure: str) -> None:
        self.over.set()

    async def record(self, *tags: Tag) -> None:
        for tag in tags:
            self.now = tag.timestamp / 1000
            self.sink.push(tag)
        self.sink.interrupt()
        self.sink.resume()
        self.sink.end()
        await self.over.wait()
        self.disk.close()

    def tags(self, number: int) -> list[Tag]:
        """Return the tags of a file."""
        reader = Reader()
        reader.receive_data((self.folder / self.rows.files[number].path).read_bytes())
        return reader.tags()


async def test_every_message_is_kept_data_too(tmp_path: Path) -> None:
    out = Taped(tmp_path)
    data = Tag(TagKind.SCRIPT, 1500, b"\x02\x00\x04note", False, False)
    tags = sorted([*stream(5000), data], key=lambda tag: tag.timestamp)
    await out.record(*tags)
    assert [tag[:3] for tag in out.tags(0)] == [tag[:3] for tag in (*HEADERS, *tags)]
    assert [place[1] for place in places(out.rows.segments)] == [0, 2, 4]
    assert [row.is_keyframe for row in out.rows.segments] == [True, True, True]


async def test_each_file_begins_with_headers_and_a_keyframe(tmp_path: Path) -> None:
    out = Taped(tmp_path, file_s=3.0)
    await out.record(*stream(9000))
    assert [row.file for row in out.rows.segments] == [0, 0, 1, 1, 2]
    for number in range(3):
        first = out.tags(number)[: len(HEADERS) + 1]
        assert [tag.body for tag in first[:-1]] == [tag.body for tag in HEADERS]
        assert first[-1].is_keyframe


@pytest.mark.parametrize("cut", [0, 1, 300])
async def test_file_is_read_again_after_a_crash(tmp_path: Path, cut: int) -> None:
    out = Taped(tmp_path)
    await out.record(*stream(5000))
    path = tmp_path / out.rows.files[0].path
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - cut)
    (running,) = journal.read_all(tmp_path)
    read = segments_of(tmp_path, running.files[0], 2.0)
    assert [row[:2] for row in read] == [row[:2] for row in out.rows.segments]
    assert path.stat().st_size == read[-1].offset + read[-1].size
