"""Recordings that tests make of tags, without a server and a database."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tests.defaults import hls_limits
from tests.hls.media import audio_header, video_header
from tests.record.made import bus

from headend.errors import DatabaseError
from headend.hls.packager import HlsPackager
from headend.media.tag import Tag
from headend.record.disk import DiskWriter
from headend.record.index import RecordingIndex
from headend.record.mp4_store import Mp4Store
from headend.record.tape import Tape, TapeSettings
from headend.record.values import RecordedFile, RecordedSegment, Recording, State
from headend.store.database import Database

WALL = 1_800_000_000.0  # 2027-01-15 08:00


class Rows(RecordingIndex):
    """An index that keeps what it is told."""

    def __init__(self) -> None:
        async def nothing() -> Database:
            raise DatabaseError("there is none")

        super().__init__(nothing, "here", bus([]))
        self.recordings: list[Recording] = []
        self.files: list[RecordedFile] = []
        self.segments: list[RecordedSegment] = []
        self.state: State | None = None

    def begin(self, recording: Recording) -> None:
        self.recordings.append(recording)

    def resume(self, recording: Recording) -> None:
        self.recordings.append(recording)

    def add_file(self, file: RecordedFile) -> None:
        self.files.append(file)

    def add_segments(self, id: str, segments: Sequence[RecordedSegment]) -> None:
        self.segments += segments

    def finish(self, id: str, ended: float, failure: str = "") -> Recording:
        self.state = "failed" if failure else "ready"
        return self.recordings[0]


class Taped:
    """A packager whose archive is a recording; its wall clock goes with the tags."""

    def __init__(
        self, folder: Path, *, part_s: float = 1.0, file_s: float = 3600.0, stream: str = "live/a"
    ) -> None:
        self.folder = folder
        self.now = 0.0
        self.rows = Rows()
        self.failure: str | None = None
        self.over = asyncio.Event()
        self.disk = DiskWriter(asyncio.get_running_loop(), threads=1)
        settings = TapeSettings("id", stream, folder, "mp4", part_s, file_s, 0)
        self.tape = Tape(settings, self.disk, self.rows, self, clock=self.clock)
        limits = hls_limits(part_s=0.2)
        self.packager = HlsPackager(limits, None, self, self.clock)
        self.packager.archive.join(Mp4Store(self.tape))
        self.packager.start((video_header(), audio_header()))

    def clock(self) -> float:
        return WALL + self.now

    def reported(self, fault: str) -> None:
        raise AssertionError(fault)

    def tape_over(self, tape: Tape, failure: str) -> None:
        self.failure = failure
        self.over.set()

    def push(self, tags: Sequence[Tag], *, later_s: float = 0.0) -> None:
        for tag in tags:
            self.now = tag.timestamp / 1000 + later_s
            self.packager.push(tag)

    async def end(self) -> None:
        self.packager.end()
        await self.over.wait()
        self.disk.close()

    def assert_fits(self) -> None:
        """Check that rows and files say the same."""
        for file in self.rows.files:
            own = [row for row in self.rows.segments if row.file == file.number]
            end = file.init_size
            for row in own:
                assert row.offset == end
                end += row.size
            data = (self.folder / file.path).read_bytes()
            assert len(data) == end
            assert data[4:8] == b"ftyp"
            assert all(data[row.offset + 4 : row.offset + 8] == b"moof" for row in own)


def places(rows: Sequence[RecordedSegment]) -> list[tuple[int, float, float, float]]:
    return [
        (row.file, round(row.start_s, 3), round(row.duration_s, 3), round(row.date - WALL, 3))
        for row in rows
    ]
