"""The media files of `vod.folder`: found by name, indexed, and cut into segments as players ask.

name ─► MediaPath ─► index, once ─► segments, each once ─► HLS and RTMP
"""

import asyncio
import os
import re
import stat
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from headend.codec.file_index import FORMATS, FileIndex
from headend.errors import MediaError
from headend.vod.cache import Cache, Maker
from headend.vod.readers import Readers
from headend.vod.values import FileJob, MediaPath, index_of

INDEXES: Final = 64  # that are kept in memory; one of four days has 3 MB
FAULTS: Final = 256  # files that cannot be played, and why
FAULT_S: Final = 60.0  # until it is tried again
WAIT_S: Final = 8.0  # that a player waits for an index; making it goes on


class NotIndexed(MediaError):
    """The index of a file is still being made."""


class VodLibrary:
    """The files of one folder."""

    def __init__(self, cache: Cache, readers: Readers) -> None:
        """Take the parts.

        Args:
            cache: Keeps indexes and segments.
            readers: Processes that make them.
        """
        self._cache: Final = cache
        self._readers: Final = readers
        self._indexes: Final[OrderedDict[str, FileIndex]] = OrderedDict()
        self._faults: Final[OrderedDict[str, tuple[str, float]]] = OrderedDict()

    async def find(self, folder: Path, name: str) -> MediaPath | None:
        """Return a file by its name; None: there is none that may be played.

        Args:
            folder: The folder that it is in.
            name: Seen from the folder, with slashes. Where it has no ending, as RTMP clients leave
                out `.flv`, that is added.
        """
        return await asyncio.to_thread(_find, folder, name)

    async def index(self, media: MediaPath) -> FileIndex:
        """Return what is in a file.

        Raises:
            MediaError: It cannot be played. NotIndexed: it is still looked at.
        """
        key = media.key
        if key not in self._indexes:
            self._check(key)
            try:
                async with asyncio.timeout(WAIT_S):
                    await self._read_index(media)
            except TimeoutError:
                raise NotIndexed("it is being looked at: try again in a minute") from None
        self._indexes.move_to_end(key)
        return self._indexes[key]

    def _check(self, key: str) -> None:
        """Return if nobody has found lately that a file cannot be played."""
        fault, until = self._faults.get(key, ("", 0.0))
        if asyncio.get_running_loop().time() < until:
            raise MediaError(fault)

    async def _read_index(self, media: MediaPath) -> None:
        key, name = media.key, _index_name(media)
        async with self._cache.held(name, self._index_maker(media)) as path:
            try:
                self._indexes[key] = index_of(await asyncio.to_thread(path.read_bytes))
            except (OSError, ValueError, TypeError) as error:
                self._cache.forget(name)
                raise MediaError("its index cannot be read") from error
        if len(self._indexes) > INDEXES:
            self._indexes.popitem(last=False)

    def _index_maker(self, media: MediaPath) -> Maker:
        async def make(target: Path) -> None:
            try:
                await self._readers.work(FileJob(str(media.path), media.identity, str(target), ""))
            except MediaError as error:
                until = asyncio.get_running_loop().time() + FAULT_S
                self._faults[media.key] = str(error), until
                if len(self._faults) > FAULTS:
                    self._faults.popitem(last=False)
                raise

        return make

    @asynccontextmanager
    async def segment(
        self, media: MediaPath, number: int, tracks: Sequence[int], suffix: str = ".mp4"
    ) -> AsyncIterator[Path]:
        """Give a file with some tracks of a segment, and keep it while the block runs.

        Args:
            media: The file, whose index is made.
            number: Number of the segment.
            tracks: Tracks of its index: video and audio, or one of texts.
            suffix: `.mp4`, or `.vtt` for texts.

        Raises:
            MediaError: It cannot be made.
            OSError: There is no room for it.
        """

        async def make(target: Path) -> None:
            held = self._cache.held(_index_name(media), self._index_maker(media))
            async with held as index:
                source, where = str(media.path), str(target)
                job = FileJob(source, media.identity, where, str(index), number, tracks)
                await self._readers.work(job)

        name = f"{media.key}-{'_'.join(map(str, tracks))}-{number}{suffix}"
        async with self._cache.held(name, make) as path:
            if not await asyncio.to_thread(path.exists):  # somebody has emptied the folder
                self._cache.forget(name)
                raise MediaError("a segment is gone")
            yield path


def _index_name(media: MediaPath) -> str:
    return f"{media.key}.json"


def _find(folder: Path, name: str) -> MediaPath | None:
    if _is_hidden(name) or "\0" in name:
        return None
    root = os.path.realpath(folder)
    is_named = os.path.splitext(name)[1].lower() in FORMATS
    name = name if is_named else f"{name}.flv"
    with suppress(OSError, ValueError):
        path = os.path.realpath(os.path.join(root, name))
        found = os.stat(path)
        is_media = os.path.splitext(path)[1].lower() in FORMATS and stat.S_ISREG(found.st_mode)
        if is_media and not _is_hidden(os.path.relpath(path, root)):
            identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            return MediaPath(name, Path(path), identity)
    return None


def _is_hidden(name: str) -> bool:
    """Say whether a name has a hidden part, or leads out of its folder."""
    return any(not part or part.startswith(".") for part in re.split(r"[/\\]", name))
