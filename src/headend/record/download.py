"""Downloads: a recording as one MP4 file, of which only the head is made.

head, made once by a process ── media of file 0 ── media of file 1 …     see head.py
"""

import asyncio
import json
import os
import shutil
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from headend.errors import MediaError
from headend.http.ranges import FileRange
from headend.record.head import HeadSource
from headend.record.known import KnownRecording
from headend.record.playlist import SegmentList
from headend.record.values import RecordedFile

MADE_S: Final = 120.0  # for one head; a day of media takes about ten seconds
AT_ONCE: Final = 2  # processes
MOST: Final = 64  # heads that are kept
MOST_BYTES: Final = 512 * 1024 * 1024  # of all heads that are kept; that of a day has 50 MB
SECRETS: Final = "HEADEND_"  # environment variables that begin so hold settings


class Download(NamedTuple):
    """The parts of one MP4 file.

    Attributes:
        pieces: Its bytes, in their order.
        size: Size of the file, bytes.
    """

    pieces: list[FileRange]
    size: int


class Downloads:
    """The heads of MP4 files that are downloaded, made and kept; `close` removes them."""

    def __init__(self, folder: Path, path_of: Callable[[RecordedFile], Path]) -> None:
        """Take the parts.

        Args:
            folder: Folder for heads, with nothing else in it.
            path_of: Returns the path of a file of a recording.
        """
        self._folder: Final = folder
        self._path_of: Final = path_of
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
        """
        id = known.recording.id
        files = [file for number, file in sorted(known.files.items()) if number in listing.starts]
        sources = await asyncio.to_thread(self._sources, files, listing)
        async with self._making.setdefault(id, asyncio.Lock()):
            if id not in self._heads:
                await self._make(id, sources)
            self._heads.move_to_end(id)
        self._making.pop(id, None)
        pieces = [FileRange(self._head(id), 0, self._heads[id])]
        pieces += [
            FileRange(Path(each.path), each.init_size, each.end - each.init_size)
            for each in sources
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

    def _sources(self, files: list[RecordedFile], listing: SegmentList) -> list[HeadSource]:
        sources: list[HeadSource] = []
        for file in files:
            path, is_first = self._path_of(file), not sources
            start = listing.starts[file.number] if is_first or file.discontinuity else None
            sources.append(HeadSource(str(path), file.init_size, path.stat().st_size, start))
        return sources

    async def _make(self, id: str, sources: list[HeadSource]) -> None:
        async with self._places:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._head(id)
            job = {"path": str(path), "sources": [list(_fields(each)) for each in sources]}
            await _run(json.dumps(job))
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


async def _run(job: str) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(SECRETS)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "headend.record.head_worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environ,
        start_new_session=True,  # Ctrl-C is the server's to handle
    )
    try:
        async with asyncio.timeout(MADE_S):
            said, _ = await process.communicate(job.encode())
    except TimeoutError:
        raise MediaError(f"the file was not made within {MADE_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise MediaError(said.decode(errors="replace").strip() or "the file cannot be made")
