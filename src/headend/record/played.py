"""Recordings over RTMP: found by their id or as the newest of a stream, and read as tags.

play recordings/ID              that recording
play APP/NAME, start 0 or more  the newest recording of the stream

index ─► segments, some at once ─► thread: a fragment of a file ─► tags of one timeline
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from typing import ClassVar, Final, TypeVar

from headend.errors import (
    DatabaseError,
    HeadendError,
    MediaError,
    Refusal,
    Rejected,
    StoreError,
)
from headend.hub.headers import METADATA
from headend.live.on_demand import Stored, StoredStreams
from headend.media import amf0
from headend.media.amf0 import EcmaArray, Value
from headend.media.codecs import script_tag
from headend.media.tag import Tag
from headend.record.file_bytes import RemoteBytes
from headend.record.known import KnownRecording
from headend.record.recordings import Recordings
from headend.record.stored_file import StoredFile, is_before, open_stored
from headend.record.tables import RecordingFilter, RecordingTables
from headend.record.values import RecordedSegment

T = TypeVar("T")

APP: Final = "recordings"
SEGMENTS: Final = 64  # that are asked for at once
THREADS: Final = 4  # that read files
GROWS_S: Final = 1.0  # between two looks at a recording that runs
AWAY_S: Final = 30.0  # so long the database may be away in the middle of a play


class PlayedRecordings(StoredStreams):
    """The recordings of a server, as RTMP plays them."""

    name: ClassVar[str] = "recordings over RTMP"

    def __init__(self, recordings: Recordings) -> None:
        """Take the parts.

        Args:
            recordings: Their index and files.
        """
        self.recordings: Final = recordings
        self._threads: Final = ThreadPoolExecutor(THREADS, "played")
        # A store that hangs holds up those who play what is there, and nobody else.
        self._far_threads: Final = ThreadPoolExecutor(THREADS, "played far")
        self._is_stopped = False

    def is_asked(self, path: str, start_ms: int | None) -> bool:
        is_live = self.recordings.services.registry.publication(path) is not None
        return start_ms is not None or (path.startswith(f"{APP}/") and not is_live)

    async def find(self, path: str, start_ms: int | None) -> Stored | None:
        app, _, id = path.partition("/")
        if app == APP:
            known = await self.recordings.known.get(id)
            if known is None:
                raise Rejected(Refusal.NOT_FOUND, "there is no such recording")
            return PlayedRecording(self, known)
        tables = self.recordings.index.tables()
        newest = await tables.page(RecordingFilter(name=path), limit=1)
        known = await self.recordings.known.get(newest[0].id) if newest else None
        return None if known is None else PlayedRecording(self, known)

    async def read(self, work: Callable[[], T], *, is_far: bool) -> T:
        """Have a thread read a file, which may be in an object store.

        Raises:
            MediaError: The server stops.
        """
        if self._is_stopped:
            raise MediaError("the server stops")
        threads = self._far_threads if is_far else self._threads
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    async def stop(self) -> None:
        self._is_stopped = True
        for threads in (self._threads, self._far_threads):
            threads.shutdown(wait=False, cancel_futures=True)


class PlayedRecording:
    """A recording that one player plays.

    Attributes:
        name: `recordings/ID`.
        stream: That was recorded.
    """

    def __init__(self, played: PlayedRecordings, known: KnownRecording) -> None:
        self._played: Final = played
        self._known: Final = known
        self._id: Final = known.recording.id
        self.name: Final = f"{APP}/{known.recording.id}"
        self.stream: Final = known.recording.stream
        self._is_far = False  # the file that is read is in a store

    def in_use(self) -> AbstractContextManager[None]:
        return self._known.in_use()

    async def tags(self, position: int) -> AsyncGenerator[Sequence[Tag], None]:
        number, file = -1, None
        headers: Sequence[Tag] = ()
        start = -1
        async for segment in self._segments(position):
            if file is None or segment.file != number:
                number, file = segment.file, await self._open(segment)
            at, end = segment.offset, segment.offset + segment.size
            if start < 0:
                at, start = await self._read(partial(file.start, segment, position))
            if headers != file.headers:
                headers = file.headers
                begin = max(start, round(segment.start_s * 1000)) & 0xFFFF_FFFF
                yield [tag._replace(timestamp=begin) for tag in await self._head(number, headers)]
            while at < end:
                batch = await self._read(partial(file.batch, segment, at))
                at = batch.next
                yield [tag for tag in batch.tags if not is_before(tag, start)]

    # ------------------------------------------------------------------ the index

    async def _segments(self, position: int) -> AsyncGenerator[RecordedSegment, None]:
        """Give the segments from a position on; those of a recording that runs as they come."""
        after: tuple[int, int] | None = None
        first = await self._ask(
            lambda: self._tables.last_segment(self._id, (position + 0.5) / 1000)
        )
        if first is not None:
            after = first.file, first.offset
            yield first
        while True:
            is_over = (await self._current()).is_over
            found = await self._ask(partial(self._some, after, SEGMENTS))
            for segment in found:
                after = segment.file, segment.offset
                yield segment
            if not found:
                if is_over:
                    return
                await asyncio.sleep(GROWS_S)

    @property
    def _tables(self) -> RecordingTables:
        return self._played.recordings.index.tables()

    async def _some(self, after: tuple[int, int] | None, limit: int) -> list[RecordedSegment]:
        return await self._tables.segments(self._id, after=after, limit=limit)

    async def _current(self) -> KnownRecording:
        """Return what is known of the recording now."""
        known = await self._ask(lambda: self._played.recordings.known.get(self._id))
        if known is None:
            raise MediaError("the recording was deleted")
        return known

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask the database, again and again while it is away."""
        until = time.monotonic() + AWAY_S
        while True:
            try:
                return await question()
            except DatabaseError:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(GROWS_S)

    # ------------------------------------------------------------------ the files

    async def _open(self, segment: RecordedSegment) -> StoredFile:
        """Read the head of the file that a segment is in."""
        file = (await self._current()).files.get(segment.file)
        if file is None:
            raise MediaError("a file of the recording is not there")
        first = segment
        if segment.offset != file.init_size:
            (first,) = await self._ask(partial(self._some, (segment.file, -1), 1))
        bytes_of = await self._read(partial(self._played.recordings.places.bytes_of, file))
        self._is_far = isinstance(bytes_of, RemoteBytes)
        return await self._read(partial(open_stored, bytes_of, file.init_size, first))

    async def _read(self, work: Callable[[], T]) -> T:
        try:
            return await self._played.read(work, is_far=self._is_far)
        except StoreError as error:
            raise MediaError(str(error)) from error
        except OSError as error:
            why = error.strerror or error
            raise MediaError(f"a file of the recording cannot be read: {why}") from error

    async def _head(self, number: int, headers: Sequence[Tag]) -> list[Tag]:
        """Return what comes before media: metadata with the duration, and sequence headers."""
        known = await self._current()
        values = EcmaArray()  # FFmpeg ignores metadata in an object
        rest = []
        for tag in headers:
            if tag.body.startswith(METADATA):
                values.update(_metadata(tag.body))
            else:
                rest.append(tag)
        file = known.files[number]
        if file.width:
            values.update(width=float(file.width), height=float(file.height))
        last = await self._ask(lambda: self._tables.last_segment(self._id))
        if known.is_over and last is not None:
            values["duration"] = round(last.start_s + last.duration_s, 3)
        return [script_tag(0, amf0.serialize_values("onMetaData", values)), *rest]


def _metadata(body: bytes) -> dict[str, Value]:
    """Return what recorded metadata say, if they can be read."""
    try:
        values = amf0.parse_values(body)
    except HeadendError:
        return {}
    return values[1] if len(values) > 1 and isinstance(values[1], dict) else {}
