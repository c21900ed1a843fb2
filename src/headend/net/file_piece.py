"""A piece of a file that a transport sends: out of the kernel's cache, never through ours.

    piece ─► is it in the cache? ─ yes ─► sendfile, in the loop
                     │ no
                     └─► a thread reads it, so that it is ─► sendfile

A disk that is slow holds up those who wait for its files, and nobody else.
"""

import asyncio
import errno
import os
from asyncio import AbstractEventLoop
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

CHUNK_BYTES: Final = 256 * 1024  # sent at once: a tenth of a millisecond of the loop
AHEAD_BYTES: Final = 1024 * 1024  # that a thread reads at once, ahead of what is sent
THREADS: Final = 8  # that read: disks are fastest with a few questions at once
_STEP: Final = 64 * 1024  # between two looks into the cache: the kernel reads ahead as much
_NOWAIT: Final[int | None] = getattr(os, "RWF_NOWAIT", None)  # Linux


class FileReads:
    """The threads that read files for the pieces of one server."""

    def __init__(self, loop: AbstractEventLoop, threads: int = THREADS) -> None:
        self._loop: Final = loop
        self._pool: Final = ThreadPoolExecutor(threads, "files")

    def submit(self, read: Callable[[], OSError | None], then: Callable[[object], None]) -> None:
        """Read in a thread; then be told in the loop what went wrong, or None."""
        future = self._pool.submit(read)

        def tell(_: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(then, future.result())

        future.add_done_callback(tell)

    async def open(self, path: Path, offset: int, count: int) -> "FilePiece":
        """Open a file for a piece of it, in a thread.

        Raises:
            OSError: That is not possible.
        """
        future = self._pool.submit(os.open, path, os.O_RDONLY)
        try:
            descriptor = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(_close_opened)
            raise
        return FilePiece(self, descriptor, offset, count)

    def close(self) -> None:
        """Take no more; a read that hangs is left behind."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _close_opened(future: "Future[int]") -> None:
    """Close a file that nobody waits for any more."""
    if not future.cancelled() and future.exception() is None:
        os.close(future.result())


class FilePiece:
    """A piece of an open file, and how much of it is left to send.

    The piece has the descriptor, and closes it.
    """

    __slots__ = ("_descriptor", "_is_closed", "_is_loading", "_offset", "_reads", "_ready", "left")

    def __init__(self, reads: FileReads, descriptor: int, offset: int, count: int) -> None:
        """Take over a descriptor.

        Args:
            reads: What reads it.
            descriptor: Open for reading.
            offset: Of the first byte.
            count: Bytes, at least one.
        """
        self._reads: Final = reads
        self._descriptor: Final = descriptor
        self._offset = offset
        self._ready = offset  # what is before was seen in the cache
        self._is_loading = False
        self._is_closed = False
        self.left = count

    def __len__(self) -> int:
        return self.left

    @property
    def is_loading(self) -> bool:
        """Say whether a thread reads it: nothing of it can be sent now."""
        return self._is_loading

    def is_loaded(self) -> bool:
        """Say whether what comes next can be sent without a wait for the disk."""
        end = self._offset + min(self.left, CHUNK_BYTES)
        if self._ready < end and self._is_cached(end):
            self._ready = end
        return self._ready >= end

    def load(self, then: Callable[[OSError | None], None]) -> None:
        """Have what comes next read by a thread.

        Args:
            then: Told in the loop, once, what went wrong; not if the piece is closed before.
        """
        self._is_loading = True
        end = self._offset + min(self.left, AHEAD_BYTES)

        def told(error: object) -> None:
            self._is_loading = False
            if self._is_closed:
                os.close(self._descriptor)
                return
            self._ready = end
            then(error if isinstance(error, OSError) else None)

        self._reads.submit(lambda: self._read(self._offset, end), told)

    def send_to(self, descriptor: int) -> int:
        """Give some of what is loaded to a socket; return how many bytes that were.

        Raises:
            BlockingIOError: The socket takes nothing now.
            OSError: The socket is gone, or the file is shorter than was said.
        """
        size = min(self.left, CHUNK_BYTES)
        return self._sent(os.sendfile(descriptor, self._descriptor, self._offset, size))

    def send_by(self, send: Callable[[bytes], int], size: int) -> int:
        """Send by a function that takes up to `size` bytes: over TLS they must be copied."""
        data = os.pread(self._descriptor, min(self.left, size), self._offset)
        return self._sent(send(data) if data else 0)

    def close(self) -> None:
        """Close the file, after what a thread reads of it."""
        if not self._is_closed:
            self._is_closed = True
            if not self._is_loading:
                os.close(self._descriptor)

    def _sent(self, size: int) -> int:
        if not size:
            raise OSError(errno.EIO, "the file is shorter than was said")
        self._offset += size
        self.left -= size
        return size

    def _is_cached(self, end: int) -> bool:
        if _NOWAIT is None:
            return False
        byte = [bytearray(1)]
        try:
            for offset in (*range(self._ready, end, _STEP), end - 1):
                os.preadv(self._descriptor, byte, offset, _NOWAIT)
        except OSError:  # it would wait, or this file system cannot say
            return False
        return True

    def _read(self, offset: int, end: int) -> OSError | None:
        """Read all of it, for the kernel to keep."""
        into = bytearray(_STEP)
        try:
            while offset < end:
                size = os.preadv(self._descriptor, [into], offset)
                if not size:
                    break  # sending says so
                offset += size
        except OSError as error:
            return error
        return None
