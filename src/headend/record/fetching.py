"""Bytes of recordings copied into a file of ours, from a disk or an object store."""

import asyncio
import errno
import os
import shutil
from pathlib import Path
from typing import BinaryIO, Final

from headend.http.ranges import FileRange, RemoteRange

COPIED: Final = 4 * 1024 * 1024  # bytes at once
LEFT: Final = 64 * 1024 * 1024  # bytes that stay free on the disk


async def fetch(source: FileRange | RemoteRange, path: Path) -> None:
    """Write bytes into a new file.

    Raises:
        OSError: They cannot be read or written.
        StoreError: The store does not give them.
    """
    with await asyncio.to_thread(path.open, "wb", 0) as file:
        await append(source, file)


async def append(source: FileRange | RemoteRange, file: BinaryIO) -> None:
    """Write bytes behind what is in a file; see `fetch`."""
    if shutil.disk_usage(Path(file.name).parent).free < source.size + LEFT:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if isinstance(source, FileRange):
        await asyncio.to_thread(_copy, source, file)
        return
    left = source.size
    async for piece in source.read(source.offset, source.size):
        await asyncio.to_thread(file.write, piece)
        left -= len(piece)
    if left:
        raise OSError(errno.EIO, "the object is shorter than it was")


def _copy(source: FileRange, file: BinaryIO) -> None:
    at, end = source.offset, source.offset + source.size
    with source.path.open("rb", 0) as read:
        while at < end:
            count = os.sendfile(file.fileno(), read.fileno(), at, min(COPIED, end - at))
            if not count:
                raise OSError(errno.EIO, "the file is shorter than it was")
            at += count
