"""A page of memory that all workers of a server share: signs of life, and numbers given out.

    supervisor ── reads the beats ──┐
    worker 0, 1, 2 … ── each writes its own row: beat, last number

A row has one writer and whole words of eight bytes, so no lock is needed.
"""

import mmap
import struct
from typing import Final

_BEAT: Final = struct.Struct("=d")
_NUMBER: Final = struct.Struct("=q")
ROW: Final = 64  # bytes of a worker: a cache line, so that none waits for another


class Board:
    """The page; made before the workers are forked, which then share it."""

    def __init__(self, count: int) -> None:
        """Make it empty.

        Args:
            count: How many workers there are.
        """
        self._count: Final = count
        self._page: Final = mmap.mmap(-1, count * ROW)

    def beat(self, worker: int, now: float) -> None:
        """Note that the loop of a worker turns; `now` in monotonic seconds."""
        _BEAT.pack_into(self._page, worker * ROW, now)

    def last_beat(self, worker: int) -> float:
        """Return when the loop of a worker was last seen to turn."""
        return float(_BEAT.unpack_from(self._page, worker * ROW)[0])

    def next_number(self, worker: int) -> int:
        """Return a number from 1 on that no other worker gives out, above all seen so far.

        A worker that is started again goes on where the one before it was.
        """
        rounds = max(self._rounds(each) for each in range(self._count)) + 1
        _NUMBER.pack_into(self._page, worker * ROW + _BEAT.size, rounds)
        return (rounds - 1) * self._count + worker + 1

    def _rounds(self, worker: int) -> int:
        return int(_NUMBER.unpack_from(self._page, worker * ROW + _BEAT.size)[0])
