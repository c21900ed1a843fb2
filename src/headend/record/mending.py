"""Mending of rows that a crash, or a database that was away, left out: read from the files.

journals, unfinished rows ─► files read in a thread ─► rows written anew ─► journal deleted
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headend.errors import DatabaseError
from headend.logs import shown
from headend.record import journal
from headend.record.index import RecordingIndex
from headend.record.interrupted import Interrupted, interrupted
from headend.record.journal import Noted, Unfinished
from headend.record.locks import JournalLocks
from headend.record.scan import segments_of
from headend.record.values import RecordedFile, RecordedSegment, Recording

if TYPE_CHECKING:
    from headend.record.tables import RecordingTables

log = logging.getLogger(__name__)

RETRY_S: Final = 10.0  # while the database is away
LOOK_S: Final = 1.0

Rows = tuple[dict[int, RecordedFile], list[RecordedSegment]]


class Mending:
    """Mends the rows of recordings in the background."""

    def __init__(
        self,
        index: RecordingIndex,
        folder: Callable[[], Path],
        segment_s: Callable[[str], float],
        locks: JournalLocks,
    ) -> None:
        """Take the parts.

        Args:
            index: Index with the rows.
            folder: Returns the folder of all recordings.
            segment_s: Returns how long segments of a stream should be.
            locks: Tells what other servers record into the same folder.
        """
        self._index: Final = index
        self._folder: Final = folder
        self._segment_s: Final = segment_s
        self._locks: Final = locks
        self._ended: set[str] = set()
        self._interrupted: dict[str, Interrupted] = {}  # by stream

    def resume(self, stream: str, suffix: str, since: float) -> Interrupted | None:
        """Return the recording of a stream that was cut short, to go on; None: there is none.

        Args:
            stream: `APP/NAME`.
            suffix: Suffix of its files from now on.
            since: Unix seconds: it was recorded after this time.
        """
        found = self._interrupted.pop(stream, None)
        if found is None or found.suffix != suffix or found.ended < since:
            return None
        return found

    def ended(self, id: str) -> None:
        """Take note of a recording that has ended, whose journal is still there."""
        self._ended.add(id)

    async def run(self) -> None:
        """Mend the recordings of before the start, then those that end, until cancelled."""
        noted = await asyncio.to_thread(self._journals)  # before another recording has one
        self._interrupted = await asyncio.to_thread(interrupted, self._folder(), noted)
        for running in await self._undone(noted):
            await self._safely(self._mend(running))
        while True:
            await asyncio.sleep(LOOK_S)
            for id in [id for id in self._ended if self._index.is_written(id)]:
                await self._safely(self._close(id))

    async def _safely(self, job: Coroutine[Any, Any, None]) -> None:
        """Do something for one recording; what goes wrong there costs no other."""
        try:
            await job
        except Exception:
            log.exception("a recording is not mended: a bug")

    async def _close(self, id: str) -> None:
        """Delete the journal of a recording that is written, or mend one that lacks rows."""
        self._ended.discard(id)
        if id in self._index.torn:
            for running in await asyncio.to_thread(self._journals):
                if running.recording.id == id:
                    await self._mend(running)
        await self._forget(id)

    async def _forget(self, id: str) -> None:
        await asyncio.to_thread(journal.remove, self._folder(), id)
        self._locks.release(id)

    async def _undone(self, noted: list[Unfinished]) -> list[Unfinished]:
        """Return what was not finished when the server ended last."""
        tables = await self._index.opened()
        while True:
            try:
                return [each async for each in self._unfinished(tables, noted)]
            except DatabaseError:
                await asyncio.sleep(RETRY_S)

    async def _unfinished(
        self, tables: "RecordingTables", noted: list[Unfinished]
    ) -> AsyncIterator[Unfinished]:
        journals = {each.recording.id: each for each in noted}
        for recording in await tables.unfinished():
            if recording.id in journals:
                yield journals.pop(recording.id)
            elif self._index.running(recording.id):
                continue
            elif not await asyncio.to_thread(self._is_elsewhere, recording.id):
                files = await tables.files(recording.id)
                yield _from_rows(recording, files, await tables.segments(recording.id))
        for id, running in journals.items():
            if self._index.running(id) or await tables.get(id) is None:  # never written
                yield running
            else:
                await self._forget(id)

    def _journals(self) -> list[Unfinished]:
        found = journal.read_all(self._folder())
        return [each for each in found if not self._is_elsewhere(each.recording.id)]

    def _is_elsewhere(self, id: str) -> bool:
        """Say whether another server records it: its files are not whole, and not ours."""
        return self._locks.is_elsewhere(self._folder(), id)

    async def _mend(self, running: Unfinished) -> None:
        id, stream = running.recording.id, running.recording.stream
        if id in self._ended:  # it went on and is over: all of it is mended once it is written
            self._index.torn.add(id)
            return
        while True:
            try:
                kept = await self._kept(running)
                recording, files, segments = await asyncio.to_thread(self._read, running, kept)
                if segments:
                    last = max(noted.file.number for noted in running.files)
                    await self._index.mend(recording, files, segments, last)
                elif not self._index.running(id):
                    await self._index.delete(id)
                break
            except DatabaseError:
                await asyncio.sleep(RETRY_S)
        if not (self._index.running(id) or id in self._ended):
            cut_short = self._interrupted.pop(stream, None)  # none goes on without its journal
            await self._forget(id)
            if cut_short is not None and cut_short.recording.id != id:
                self._interrupted[stream] = cut_short
            elif cut_short is not None and segments:
                cut_short.recording = recording
                self._interrupted[stream] = cut_short
        log.info(
            "recording %s of %s is mended: %d files, %.1f s",
            id,
            shown(recording.stream),
            len(files),
            recording.duration_s,
        )

    async def _kept(self, running: Unfinished) -> Rows:
        """Return the rows that are whole.

        They are those of files in a store, which may not be here, and of files that the journal
        does not have: they were mended before.
        """
        id, tables = running.recording.id, self._index.tables()
        first = min((noted.file.number for noted in running.files), default=0)
        found = await tables.files(id)
        files = {file.number: file for file in found if file.store or file.number < first}
        rows = await tables.segments(id) if files else []
        return files, [row for row in rows if row.file in files]

    def _read(
        self, running: Unfinished, whole: Rows
    ) -> tuple[Recording, list[RecordedFile], list[RecordedSegment]]:
        """Read files of a recording; those that are gone or hold nothing are not part of it."""
        kept, segments = whole
        files = list(kept.values())
        goal = self._segment_s(running.recording.stream)
        for noted in running.files:
            if noted.file.number in kept:
                continue
            try:
                found = segments_of(self._folder(), noted, goal)
            except OSError as error:
                log.warning("recording %s: %s", running.recording.id, error)
                continue
            if found:
                files.append(noted.file)
                segments += found
        size = sum(file.init_size for file in files) + sum(each.size for each in segments)
        started = running.recording.started
        last = segments[-1] if segments else None
        recording = replace(
            running.recording,
            state="ready",
            ended=started if last is None else max(started, last.date + last.duration_s),
            bytes=size,
            files=len(files),
            duration_s=sum(each.duration_s for each in segments),
        )
        return recording, files, segments


def _from_rows(
    recording: Recording, files: list[RecordedFile], rows: list[RecordedSegment]
) -> Unfinished:
    """Make of rows what a journal would have said."""
    noted = []
    for file in files:
        first = next((row for row in rows if row.file == file.number), None)
        start_s, date = (0.0, recording.started) if first is None else (first.start_s, first.date)
        noted.append(Noted(file, start_s, date))
    return Unfinished(recording, noted)
