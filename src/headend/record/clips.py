"""Clips: a range of a recording, copied at its segments into a recording of its own.

    recording   │ head │ segment │ segment │ segment │ …
                └──┬───┘         └─────────┬─────────┘
    clip        │ head │      segment │ segment      │

Nothing is converted. A clip of several files, behind a gap or a change of codec, has as many files.
"""

import asyncio
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path, PurePosixPath
from time import time
from typing import Final

from headend.errors import HeadendError
from headend.events import Events, RecordingReady
from headend.record.fetching import append
from headend.record.index import RecordingIndex
from headend.record.journal import sync_folder
from headend.record.known import KnownRecording
from headend.record.places import Places
from headend.record.values import RecordedFile, RecordedSegment, Recording

AT_ONCE: Final = 2  # clips that are written
MOST: Final = 8  # clips that are wanted at a time, written or not
SLACK_S: Final = 1.0  # that an end may be behind the recording's: players round


class ClipRefused(HeadendError):
    """A clip that cannot be: says what was wrong, for people."""


class ClipsBusy(HeadendError):
    """Too many clips are being written."""


class Clips:
    """Cuts clips from the recordings of one server."""

    def __init__(
        self, index: RecordingIndex, places: Places, folder: Callable[[], Path], bus: Events
    ) -> None:
        """Take the parts.

        Args:
            index: Index with the rows.
            places: Finds the files of recordings.
            folder: Returns the folder of all files.
            bus: Told of clips that are ready.
        """
        self._index: Final = index
        self._places: Final = places
        self._folder: Final = folder
        self._bus: Final = bus
        self._writing: Final = asyncio.Semaphore(AT_ONCE)
        self._wanted = 0

    async def cut(self, known: KnownRecording, start_s: float, end_s: float) -> Recording:
        """Cut a clip, which begins and ends with whole segments.

        Args:
            known: The recording; it may run.
            start_s: Seconds on its timeline: the clip begins with the segment that is then.
            end_s: Seconds on its timeline: the clip ends with the segment that is then.

        Raises:
            ClipRefused: There is no such range.
            ClipsBusy: Too many clips are being written; try again.
            DatabaseError: The database fails; nothing is left of the clip.
            OSError: A file cannot be read or written; nothing is left of the clip.
            StoreError: The object store fails; nothing is left of the clip.
        """
        if self._wanted >= MOST:
            raise ClipsBusy(f"{MOST} clips are being written")
        self._wanted += 1
        try:
            async with self._writing:
                with known.in_use():
                    return await self._cut(known, start_s, end_s)
        finally:
            self._wanted -= 1

    async def _cut(self, known: KnownRecording, start_s: float, end_s: float) -> Recording:
        source = known.recording
        segments = await self._segments(source.id, start_s, end_s)
        files = {file.number: file for file in await self._index.tables().files(source.id)}
        clip = _begun(source, segments)
        made: list[RecordedFile] = []
        rows: list[RecordedSegment] = []
        try:
            for number, some in groupby(segments, key=lambda segment: segment.file):
                file, rows_of_file = await self._copy(clip, files[number], list(some), len(made))
                made.append(file)
                rows += rows_of_file
            clip = _whole(clip, made, rows)
            tables = self._index.tables()
            publishers = [
                replace(each, recording_id=clip.id) for each in await tables.publishers(source.id)
            ]
            await tables.write(
                {clip: False}, made, [(clip.id, each) for each in _shifted(rows)], publishers
            )
        except BaseException:
            for file in made:
                (self._folder() / file.path).unlink(missing_ok=True)
            raise
        self._tell(clip)
        return clip

    async def _segments(self, id: str, start_s: float, end_s: float) -> list[RecordedSegment]:
        """Return the segments of a clip, the first of which begins with a keyframe."""
        if not 0 <= start_s < end_s:
            raise ClipRefused("start must be 0 or more, and before end")
        tables = self._index.tables()
        last = await tables.last_segment(id)
        length = 0.0 if last is None else last.start_s + last.duration_s
        if end_s > length + SLACK_S or start_s >= length:
            raise ClipRefused(f"the clip must be within the recording, which has {length:.3f} s")
        found = await tables.segments_at(id, start_s, end_s)
        if not found:
            raise ClipRefused("nothing was recorded then: the publisher was away")
        if not found[0].is_keyframe:
            before = await tables.last_segment(id, found[0].start_s)
            if before is not None and before.file == found[0].file:
                found = await tables.segments_at(id, before.start_s, end_s)
        return found

    async def _copy(
        self, clip: Recording, source: RecordedFile, segments: list[RecordedSegment], number: int
    ) -> tuple[RecordedFile, list[RecordedSegment]]:
        """Copy the head of a file and some of its segments; return what is written."""
        whole = await self._places.whole(source)
        first, last = segments[0], segments[-1]
        began = datetime.fromtimestamp(clip.started, UTC)
        suffix = source.path.rpartition(".")[2]
        name = f"{began:%Y-%m-%dT%H-%M-%SZ}-clip-{clip.id[-8:]}-{number}.{suffix}"
        path = str(PurePosixPath(clip.stream, name))
        there = self._folder() / path
        await asyncio.to_thread(there.parent.mkdir, 0o750, parents=True, exist_ok=True)
        part = there.with_name(f".{name}.part")
        try:
            with part.open("wb", 0) as file:
                await append(replace(whole, offset=0, size=source.init_size), file)
                size = last.offset + last.size - first.offset
                await append(replace(whole, offset=first.offset, size=size), file)
                await asyncio.to_thread(os.fdatasync, file.fileno())
            await asyncio.to_thread(part.rename, there)
            await asyncio.to_thread(sync_folder, there.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        is_break = source.discontinuity and number > 0
        moved = first.offset - source.init_size
        return (
            RecordedFile(
                clip.id, number, path, source.init_size, is_break, source.codecs, source.width,
                source.height,
            ),
            [each._replace(file=number, offset=each.offset - moved) for each in segments],
        )  # fmt: skip

    def _tell(self, clip: Recording) -> None:
        self._bus.emit(
            RecordingReady(
                time=time(),
                recording=clip.id,
                stream=clip.stream,
                bytes=clip.bytes,
                duration_s=clip.duration_s,
            )
        )


def _begun(source: Recording, segments: Sequence[RecordedSegment]) -> Recording:
    """Return a clip that has nothing yet."""
    began = segments[0].date
    id = f"{datetime.fromtimestamp(began, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    return Recording(id, source.stream, "ready", began, None, 0, 0, 0.0, "clip", source.id)


def _whole(
    clip: Recording, files: Sequence[RecordedFile], segments: Sequence[RecordedSegment]
) -> Recording:
    last = segments[-1]
    return replace(
        clip,
        ended=max(clip.started, last.date + last.duration_s),
        bytes=sum(file.init_size for file in files) + sum(each.size for each in segments),
        files=len(files),
        duration_s=sum(each.duration_s for each in segments),
    )


def _shifted(segments: Sequence[RecordedSegment]) -> list[RecordedSegment]:
    """Have the timeline begin at 0."""
    start_s = segments[0].start_s
    return [each._replace(start_s=each.start_s - start_s) for each in segments]
