"""Downloads: a recording as one MP4 file, of which only the head is made.

head, made once by a process ── media of file 0 ── media of file 1 …     see head.py
"""

import asyncio
import json
import shutil
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from headend.http.ranges import FileRange, RemoteRange
from headend.record.fetching import fetch
from headend.record.head import HeadSource
from headend.record.known import KnownRecording
from headend.record.places import Places
from headend.record.playlist import SegmentList
from headend.record.values import RecordedFile
from headend.record.worker import run_worker

MADE_S: Final = 120.0  # for one head; a day of media takes about ten seconds
AT_ONCE: Final = 2  # processes
MOST: Final = 64  # heads that are kept
MOST_BYTES: Final = 512 * 1024 * 1024  # of all heads that are kept; that of a day has 50 MB
WORKER: Final = "headend.record.head_worker"


class Download(NamedTuple):
    """The parts of one MP4 file.

    Attributes:
        pieces: Its bytes, in their order.
        size: Size of the file, bytes.
    """

    pieces: list[FileRange | RemoteRange]
    size: int


class Downloads:
    """The heads of MP4 files that are downloaded, made and kept; `close` removes them."""

    def __init__(self, folder: Path, places: Places) -> None:
        """Take the parts.

        Args:
            folder: Folder for heads, with nothing else in it.
            places: Finds the files of recordings.
        """
        self._folder: Final = folder
        self._places_of: Final = places
        self._heads: Final[OrderedDict[str, int]] = OrderedDict()  # sizes, by recording
        self._making: Final[dict[str, asyncio.Lock]] = {}
        self._places: Final = asyncio.Semaphore(AT_ONCE)

    async def of(self, known: KnownRecording, listing: SegmentList) -> Download:
        """Return the MP4 file of a recording that is over.

        Args:
            known: The recording.
            listing: Its segments.

        Raises:
            MediaError: The recording is no MP4, has no media, or its head took too long.
            OSError: A file is not there.
            StoreError: The store does not give a file that is there.
        """
        id = known.recording.id
        files = [file for number, file in sorted(known.files.items()) if number in listing.starts]
        media = [await self._places_of.whole(file) for file in files]
        async with self._making.setdefault(id, asyncio.Lock()):
            if id not in self._heads:
                await self._make(id, listing, files, media)
            self._heads.move_to_end(id)
        self._making.pop(id, None)
        pieces: list[FileRange | RemoteRange] = [FileRange(self._head(id), 0, self._heads[id])]
        pieces += [
            replace(each, offset=file.init_size, size=each.size - file.init_size)
            for file, each in zip(files, media, strict=True)
        ]
        return Download(pieces, sum(piece.size for piece in pieces))

    def forget(self, id: str) -> None:
        """Remove the head of a recording that is deleted, or was mended."""
        if self._heads.pop(id, None) is not None:
            self._head(id).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all heads."""
        self._heads.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _make(
        self,
        id: str,
        listing: SegmentList,
        files: list[RecordedFile],
        media: list[FileRange | RemoteRange],
    ) -> None:
        async with self._places:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._head(id)
            copies: list[Path] = []
            try:
                sources: list[HeadSource] = []
                for file, each in zip(files, media, strict=True):
                    is_placed = not sources or file.discontinuity
                    start = listing.starts[file.number] if is_placed else None
                    if isinstance(each, FileRange):
                        read = each.path
                    else:
                        read = self._folder / f"{id}.{file.number}"
                        copies.append(read)
                        await fetch(each, read)
                    sources.append(HeadSource(str(read), file.init_size, each.size, start))
                job = {"path": str(path), "sources": [list(_fields(each)) for each in sources]}
                await run_worker(WORKER, json.dumps(job), MADE_S)
            finally:
                for copy in copies:
                    copy.unlink(missing_ok=True)
            self._heads[id] = (await asyncio.to_thread(path.stat)).st_size
        while len(self._heads) > MOST or sum(self._heads.values()) > MOST_BYTES:
            oldest = next(iter(self._heads))
            if oldest == id:
                break
            self.forget(oldest)

    def _head(self, id: str) -> Path:
        return self._folder / f"{id}.head"


def _fields(source: HeadSource) -> tuple[object, ...]:
    return source.path, source.init_size, source.end, source.start_s
