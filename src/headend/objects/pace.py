"""A limit on the rate at which files are read, to leave room on the line for others."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from headend.errors import StoreError

SLICE: Final = 256 * 1024  # bytes that are read at once


class UploadPace:
    """The rate of all files that are read together; used by threads."""

    def __init__(self, rate: Callable[[], int], clock: Callable[[], float] = time.monotonic):
        """Take the parts.

        Args:
            rate: Returns the rate that holds now, bit/s; 0: any.
            clock: Gives monotonic seconds.
        """
        self._rate: Final = rate
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._over: Final = threading.Event()
        self._free_at = 0.0

    @property
    def is_limited(self) -> bool:
        return self._rate() > 0

    def wait(self, size: int) -> None:
        """Wait until so many bytes may be read.

        Raises:
            StoreError: Nothing is read any more.
        """
        rate = self._rate()
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now) + (8 * size / rate if rate else 0.0)
            wait = self._free_at - now if rate else 0.0
        if self._over.wait(wait) or self._over.is_set():
            raise StoreError("uploads have ended")

    def close(self) -> None:
        """End all waits."""
        self._over.set()


def paced(path: Path, pace: UploadPace) -> Iterator[bytes]:
    """Give the bytes of a file, no faster than a pace.

    Raises:
        OSError: It cannot be read.
        StoreError: Nothing is read any more.
    """
    with path.open("rb") as file:
        while piece := file.read(SLICE):
            pace.wait(len(piece))
            yield piece
