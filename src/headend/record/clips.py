"""Clips: a range of a recording, copied at its segments into a recording of its own.

    recording   │ head │ segment │ segment │ segment │ …
                └──┬───┘         └─────────┬─────────┘
    clip        │ head │      segment │ segment      │

Nothing is converted. A clip of several files, behind a gap or a change of codec, has as many files.

An exact clip has a file more for each edge within a segment: what is wanted of that one segment,
whose pictures a process encodes anew.
"""

import asyncio
import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from headend.errors import HeadendError
from headend.events import Events
from headend.record.fetching import append
from headend.record.index import RecordingIndex, tell_ready
from headend.record.journal import sync_folder
from headend.record.known import KnownRecording
from headend.record.places import Places
from headend.record.scan import media_of
from headend.record.values import RecordedFile, RecordedSegment, Recording
from headend.record.worker import run_worker

AT_ONCE: Final = 2  # clips that are written
MOST: Final = 8  # clips that are wanted at a time, written or not
WORKER: Final = "headend.record.clip_worker"
EDGE_S: Final = 120.0  # to encode one edge
EPSILON_S: Final = 0.01  # nearer to the end of a segment than a picture
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

    async def cut(
        self, known: KnownRecording, start_s: float, end_s: float, *, is_exact: bool = False
    ) -> Recording:
        """Cut a clip.

        Args:
            known: The recording; it may run.
            start_s: Seconds on its timeline: the clip begins with the segment that is then.
            end_s: Seconds on its timeline: the clip ends with the segment that is then.
            is_exact: It begins and ends there to the picture.

        Raises:
            ClipRefused: There is no such range.
            ClipsBusy: Too many clips are being written; try again.
            DatabaseError: The database fails; nothing is left of the clip.
            OSError: A file cannot be read or written; nothing is left of the clip.
            StoreError: The object store fails; nothing is left of the clip.
            MediaError: An edge cannot be encoded; nothing is left of the clip.
        """
        if self._wanted >= MOST:
            raise ClipsBusy(f"{MOST} clips are being written")
        self._wanted += 1
        try:
            async with self._writing:
                with known.in_use():
                    return await self._cut(known, start_s, end_s, is_exact=is_exact)
        finally:
            self._wanted -= 1

    async def _cut(
        self, known: KnownRecording, start_s: float, end_s: float, *, is_exact: bool
    ) -> Recording:
        source = known.recording
        if is_exact and known.is_flv:
            raise ClipRefused(
                "a recording as FLV is cut at segments: ask for a clip that is not exact"
            )
        segments = await self._segments(source.id, start_s, end_s)
        files = {file.number: file for file in await self._index.tables().files(source.id)}
        pieces = _pieces(segments, start_s, end_s) if is_exact else _whole_pieces(segments)
        clip = _begun(source, segments[0].date + pieces[0].from_s)
        made: list[RecordedFile] = []
        rows: list[RecordedSegment] = []
        try:
            for piece in pieces:
                file, some = await self._copy(clip, files[piece.segments[0].file], piece, len(made))
                made.append(file)
                rows += some
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
        tell_ready(self._bus, clip)
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
        self, clip: Recording, source: RecordedFile, piece: "_ClipPiece", number: int
    ) -> tuple[RecordedFile, list[RecordedSegment]]:
        """Copy the head of a file and some of its segments; return what is written."""
        whole = await self._places.whole(source)
        segments = piece.segments
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
            init_size, rows = source.init_size, _moved(segments, number, source.init_size)
            if piece.is_edge:
                init_size, rows = await self._encode(part, piece, number)
            await asyncio.to_thread(part.rename, there)
            await asyncio.to_thread(sync_folder, there.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        made = replace(
            source, recording_id=clip.id, number=number, path=path, init_size=init_size,
            discontinuity=number > 0 and (source.discontinuity or piece.is_break),
            store="", size=None, is_local=True,
        )  # fmt: skip
        return made, rows

    async def _encode(
        self, path: Path, piece: "_ClipPiece", number: int
    ) -> tuple[int, list[RecordedSegment]]:
        """Have a file that is one segment replaced by what is wanted of it."""
        target = path.with_name(f"{path.name}.edge")
        job = {
            "source": str(path), "target": str(target), "start_s": piece.from_s,
            "end_s": piece.until_s,
        }  # fmt: skip
        try:
            await run_worker(WORKER, json.dumps(job), EDGE_S)
            init_size, end = await asyncio.to_thread(media_of, target)
            await asyncio.to_thread(target.rename, path)
        finally:
            target.unlink(missing_ok=True)
        first = piece.segments[0]
        row = RecordedSegment(
            number, init_size, end - init_size, first.start_s + piece.from_s,
            piece.until_s - piece.from_s, first.date + piece.from_s, True,
        )  # fmt: skip
        return init_size, [row]


class _ClipPiece(NamedTuple):
    """A file of a clip.

    Attributes:
        segments: Segments of one file that follow each other; one, if it is an edge.
        is_edge: Only a part of the segment is wanted.
        from_s: Where it begins, seconds after its first segment does.
        until_s: Where an edge ends, seconds after its first segment begins.
        is_break: Its codec parameters differ from those of the file before.
    """

    segments: list[RecordedSegment]
    is_edge: bool = False
    from_s: float = 0.0
    until_s: float = 0.0
    is_break: bool = False


def _whole_pieces(segments: Sequence[RecordedSegment]) -> list[_ClipPiece]:
    groups = groupby(segments, key=lambda segment: segment.file)
    return [_ClipPiece(list(some)) for _, some in groups]


def _pieces(segments: Sequence[RecordedSegment], start_s: float, end_s: float) -> list[_ClipPiece]:
    """Part a clip into what is copied and what is encoded."""
    pieces: list[_ClipPiece] = []
    for segment in segments:
        from_s = max(0.0, start_s - segment.start_s)
        until_s = min(segment.duration_s, end_s - segment.start_s)
        is_edge = from_s > EPSILON_S or until_s < segment.duration_s - EPSILON_S
        before = pieces[-1] if pieces else None
        if is_edge:
            pieces.append(_ClipPiece([segment], True, from_s, until_s, True))
        elif before is None or before.is_edge or before.segments[-1].file != segment.file:
            is_break = before is not None and before.is_edge
            pieces.append(_ClipPiece([segment], is_break=is_break))
        else:
            before.segments.append(segment)
    return pieces


def _moved(
    segments: Sequence[RecordedSegment], number: int, init_size: int
) -> list[RecordedSegment]:
    moved = segments[0].offset - init_size
    return [each._replace(file=number, offset=each.offset - moved) for each in segments]


def _begun(source: Recording, began: float) -> Recording:
    """Return a clip that has nothing yet."""
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
