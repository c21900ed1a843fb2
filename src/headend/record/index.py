"""The index of what was recorded: written beside the recording, read by all who play it.

    recorder ─► memory, bounded ─► a batch a second ─► database ─► lists, playlists

The recorder never waits for it. While the database is away, rows wait in memory; a recording whose
rows find no room is marked, and its rows are written anew from its files later (`mend`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from time import time
from typing import TYPE_CHECKING, Final

from headend.errors import DatabaseError
from headend.events import (
    Event,
    Events,
    RecordingFailed,
    RecordingReady,
    RecordingStarted,
    SessionEnded,
    SessionStarted,
)
from headend.record.values import (
    RecordedFile,
    RecordedPublisher,
    RecordedSegment,
    Recording,
    State,
)
from headend.store.writer import BackgroundWriter

if TYPE_CHECKING:
    from headend.record.stored_tables import StoredTables
    from headend.record.tables import RecordingTables
    from headend.store.database import Database

log = logging.getLogger(__name__)

BATCH_S: Final = 1.0  # so long rows gather
BATCH: Final = 2000  # files and segments of one transaction, about so many
RETRY_S: Final = 5.0  # after an attempt that failed
QUEUED: Final = 50_000  # files and segments that wait, about 300 bytes each


@dataclass(slots=True)
class _Waiting:
    """What is to be written of one recording."""

    files: list[RecordedFile] = field(default_factory=list)
    segments: list[RecordedSegment] = field(default_factory=list)
    publishers: list[RecordedPublisher] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return len(self.files) + len(self.segments)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is being written of one recording."""

    id: str
    waiting: _Waiting
    files: list[RecordedFile]
    segments: list[RecordedSegment]
    publishers: list[RecordedPublisher]
    is_part: bool  # there is more of it


def tell_ready(bus: Events, recording: Recording) -> None:
    """Tell that a recording or a clip is whole."""
    bus.emit(
        RecordingReady(
            time=time(),
            recording=recording.id,
            stream=recording.stream,
            bytes=recording.bytes,
            duration_s=recording.duration_s,
        )
    )


def _ignore(id: str) -> None:
    """Have nothing to do."""


class RecordingIndex:
    """The index of one server; `start` and `close` once each.

    Attributes:
        torn: Ids of recordings whose rows found no room; they are mended once they are over.
        changed: Called with the id of a recording whose rows were deleted or written anew.
    """

    def __init__(
        self,
        database: "Callable[[], Awaitable[Database]]",
        node: str,
        bus: Events,
        *,
        batch_s: float = BATCH_S,
        retry_s: float = RETRY_S,
    ) -> None:
        """Make one that takes rows already; `start` has them written.

        Args:
            database: Returns the database; awaited in the background, as it may open late.
            node: Names this server among those that share the database; up to 32 characters.
            bus: Told of recordings that begin and end.
            batch_s: Seconds between two writes of rows.
            retry_s: Seconds until the next attempt after one that failed.
        """
        self.torn: Final[set[str]] = set()
        self.changed: Callable[[str], None] = _ignore
        self._database: Final = database
        self._node: Final = node
        self._bus: Final = bus
        self._recordings: dict[str, Recording] = {}  # that run, or are not written as they are
        self._changed: set[str] = set()  # ids of those
        self._waiting: dict[str, _Waiting] = {}
        self._queued = 0
        self._publishing: dict[str, dict[str, SessionStarted]] = {}  # by stream and id
        self._tables: RecordingTables | None = None
        self._stored: StoredTables | None = None
        self._opened = asyncio.Event()
        self._written = asyncio.Event()
        self._writer: Final = BackgroundWriter(
            "index of recordings", self._begin, self._write, batch_s=batch_s, retry_s=retry_s
        )

    # ------------------------------------------------------------------ what is recorded

    def begin(self, recording: Recording) -> None:
        """Take a recording that begins."""
        self._change(recording)
        for session in self._publishing.get(recording.stream, {}).values():
            self._note_publisher(recording.id, session)
        self._bus.emit(
            RecordingStarted(time=time(), recording=recording.id, stream=recording.stream)
        )

    def resume(self, recording: Recording) -> None:
        """Take a recording of before the start that goes on; what it has is known or `mend`ed."""
        self._change(replace(recording, state="recording", ended=None))
        for session in self._publishing.get(recording.stream, {}).values():
            self._note_publisher(recording.id, session)

    def add_file(self, file: RecordedFile) -> None:
        """Take a file that begins, of a recording that runs."""
        before = self._recordings[file.recording_id]
        after = replace(before, files=before.files + 1, bytes=before.bytes + file.init_size)
        self._change(after)
        if self._has_room(before.id, 1):
            self._wait(before.id).files.append(file)

    def add_segments(self, id: str, segments: Sequence[RecordedSegment]) -> None:
        """Take segments that are whole, of a recording that runs; in their order."""
        before = self._recordings[id]
        size = before.bytes + sum(segment.size for segment in segments)
        duration = before.duration_s + sum(segment.duration_s for segment in segments)
        self._change(replace(before, bytes=size, duration_s=duration))
        if self._has_room(id, len(segments)):
            self._wait(id).segments.extend(segments)

    def finish(self, id: str, ended: float, failure: str = "") -> Recording:
        """Take the end of a recording that runs; return the recording as it is then.

        The bus is told that it is ready once all of its rows are written.

        Args:
            id: Id of the recording.
            ended: Unix seconds.
            failure: Why it ended before its stream did, for people; empty: it is whole.
        """
        before = self._recordings[id]
        state: State = "failed" if failure else "ready"
        over = replace(before, state=state, ended=max(ended, before.started))
        self._change(over)
        if failure:
            self._bus.emit(
                RecordingFailed(
                    time=time(),
                    recording=id,
                    stream=over.stream,
                    reason=failure,
                    bytes=over.bytes,
                    duration_s=over.duration_s,
                )
            )
        return over

    def running(self, id: str) -> bool:
        """Say whether a recording goes on in this server."""
        return id in self._recordings and self._recordings[id].state == "recording"

    def running_of(self, stream: str) -> str | None:
        """Return the id of the recording of a stream that goes on in this server."""
        return next(
            (
                each.id
                for each in self._recordings.values()
                if each.stream == stream and each.state == "recording"
            ),
            None,
        )

    def is_written(self, id: str) -> bool:
        """Say whether all rows of a recording that is over have been written."""
        return id not in self._recordings and id not in self._waiting

    def event(self, event: Event) -> None:
        """Note the publisher of a stream that is recorded."""
        match event:
            case SessionStarted(action="publish", stream=stream, id=id):
                self._publishing.setdefault(stream, {})[id] = event
                for recording in self._recordings.values():
                    if recording.stream == stream and recording.state == "recording":
                        self._note_publisher(recording.id, event)
            case SessionEnded(action="publish", stream=stream, id=id):
                sessions = self._publishing.get(stream, {})
                sessions.pop(id, None)
                if not sessions:
                    self._publishing.pop(stream, None)

    @property
    def waiting(self) -> int:
        """Rows that are not written yet, those of recordings not counted."""
        return self._queued

    def _change(self, recording: Recording) -> None:
        self._recordings[recording.id] = recording
        self._changed.add(recording.id)

    def _wait(self, id: str) -> _Waiting:
        return self._waiting.setdefault(id, _Waiting())

    def _has_room(self, id: str, rows: int) -> bool:
        """Take places in the queue; a recording that gets none loses those that it has."""
        if id in self.torn:
            return False
        if self._queued + rows <= QUEUED:
            self._queued += rows
            return True
        self.torn.add(id)
        lost = self._waiting.pop(id, _Waiting())
        self._queued -= lost.rows
        self._wait(id).publishers = lost.publishers
        log.warning(
            "recording %s: the database takes nothing, and no more rows fit into memory; they are "
            "read from its files later",
            id,
        )
        return False

    def _note_publisher(self, id: str, session: SessionStarted) -> None:
        subject = session.key_id or session.subject
        publisher = RecordedPublisher(id, session.id, session.address, subject)
        self._wait(id).publishers.append(publisher)

    # ------------------------------------------------------------------ writing

    @property
    def is_failing(self) -> bool:
        """The last attempt to write the rows that wait has failed."""
        return self._writer.is_failing

    def start(self) -> None:
        """Begin to write rows."""
        self._writer.start()

    async def close(self) -> None:
        """Write the rows that wait, if the database answers in time, and end."""
        was_started = await self._writer.close()
        if was_started and (self._changed or self._queued):
            log.warning(
                "index of recordings: %d rows are not written; the next start reads them from the "
                "files",
                len(self._changed) + self._queued,
            )

    async def opened(self) -> "RecordingTables":
        """Return the tables once the database is open; wait for ever."""
        await self._opened.wait()
        return self.tables()

    def tables(self) -> "RecordingTables":
        """Return the tables, which answer questions.

        Raises:
            DatabaseError: The database is not open yet.
        """
        if self._tables is None:
            raise DatabaseError("database: it is not open yet")
        return self._tables

    async def stored(self) -> "StoredTables":
        """Return the queue to the object store once the database is open; wait for ever."""
        await self._opened.wait()
        assert self._stored is not None
        return self._stored

    async def settled(self) -> None:
        """Wait until all rows that wait now are written; for ever while the database is away."""
        while self._changed or self._waiting:
            self._written.clear()
            await self._written.wait()

    async def mend(
        self,
        recording: Recording,
        files: Sequence[RecordedFile],
        segments: Sequence[RecordedSegment],
        last: int,
    ) -> None:
        """Write a recording anew, as its files have it: of one that goes on, what was before.

        Args:
            recording: As it ended, or was cut short.
            files: Its files until then.
            segments: Their segments.
            last: Number of the last file that there was until then.

        Raises:
            DatabaseError: Nothing was written.
        """
        id = recording.id
        went_on = self.running(id)
        over = replace(recording, state="recording", ended=None) if went_on else recording
        await self.tables().mend(over, files, segments, last)
        self.changed(id)
        if self.running(id):
            self._join(recording)
        elif went_on:  # it has ended meanwhile, and knows nothing of this
            self.torn.add(id)
        else:
            self.torn.discard(id)
            self._tell_ready(recording)

    def _join(self, before: Recording) -> None:
        now = self._recordings[before.id]
        size, duration = now.bytes + before.bytes, now.duration_s + before.duration_s
        files = now.files + before.files
        self._change(replace(now, bytes=size, files=files, duration_s=duration))

    async def delete(self, id: str) -> None:
        """Delete all rows of a recording that is over.

        Raises:
            DatabaseError: The rows cannot be deleted now.
        """
        await self.tables().delete(id)
        self.torn.discard(id)
        self._recordings.pop(id, None)
        self._changed.discard(id)
        self._queued -= self._waiting.pop(id, _Waiting()).rows
        self.changed(id)

    async def _begin(self) -> None:
        opened = await self._database()
        # Loaded by now in any case; a server whose database is never there does without.
        from headend.record.stored_tables import StoredTables
        from headend.record.tables import RecordingTables

        self._stored = StoredTables(opened, self._node)
        self._tables = RecordingTables(opened, self._node)
        self._opened.set()

    async def _write(self) -> None:
        """Write what waits; it leaves the memory once it is written.

        Raises:
            DatabaseError: Some was not written.
        """
        while self._changed or self._waiting:
            await self._write_batch()
        self._written.set()

    async def _write_batch(self) -> None:
        assert self._tables is not None
        batch = self._batch()
        later = self._waiting.keys() - {each.id for each in batch if not each.is_part}
        changed = {
            id: self._recordings[id]
            for id in self._changed
            # Who reads that it is over reads all of its rows, and not again.
            if id not in later or self._recordings[id].state == "recording"
        }
        await self._tables.write(
            {recording: id in self.torn for id, recording in changed.items()},
            [file for each in batch for file in each.files],
            [(each.id, segment) for each in batch for segment in each.segments],
            [publisher for each in batch for publisher in each.publishers],
        )
        for each in batch:
            self._written_of(each)
        for id, recording in changed.items():
            if self._recordings.get(id) is recording:  # not changed meanwhile
                self._changed.discard(id)
                if recording.state != "recording":
                    del self._recordings[id]
                    self._tell_ready(recording)

    def _tell_ready(self, recording: Recording) -> None:
        if recording.state == "ready" and recording.id not in self.torn:
            tell_ready(self._bus, recording)

    def _batch(self) -> list[_Batch]:
        """Return what is written next: as many recordings as give about BATCH rows."""
        batch, rows = [], 0
        for id, waiting in self._waiting.items():
            files, segments = waiting.files[:BATCH], waiting.segments[:BATCH]
            is_part = waiting.rows > len(files) + len(segments)
            batch.append(_Batch(id, waiting, files, segments, list(waiting.publishers), is_part))
            rows += len(files) + len(segments)
            if rows >= BATCH:
                break
        return batch

    def _written_of(self, batch: _Batch) -> None:
        """Forget what was written, unless it has been dropped meanwhile."""
        waiting = batch.waiting
        if self._waiting.get(batch.id) is not waiting:
            return
        del waiting.files[: len(batch.files)]
        del waiting.segments[: len(batch.segments)]
        del waiting.publishers[: len(batch.publishers)]
        self._queued -= len(batch.files) + len(batch.segments)
        if not (waiting.rows or waiting.publishers):
            del self._waiting[batch.id]
