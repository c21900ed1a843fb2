"""The encoded bytes of a stream from its newest keyframe on, for all viewers.

Positions are counted from the first byte ever appended, so a viewer needs only a number to know
where it is, whatever is merged or dropped meanwhile.
"""

from bisect import bisect_right
from typing import Final

# A viewer that catches up gets blocks of about this size, bytes: few calls, and little kept alive
# by a viewer that takes only part of one.
MERGED_BYTES: Final = 128 * 1024


class ByteLog:
    """Blocks of bytes by position.

    Every block ends where a message ends.

    Attributes:
        start: Position of the newest keyframe, where a newcomer starts; None: there is none.
        end: Position behind the last byte.
    """

    __slots__ = ("_blocks", "_positions", "end", "start")

    def __init__(self) -> None:
        self.start: int | None = None
        self.end = 0
        self._blocks: list[bytes] = []
        self._positions: list[int] = []

    def append(self, block: bytes) -> None:
        """Add bytes at the end; they are kept only while there is a start."""
        if self.start is not None:
            self._blocks.append(block)
            self._positions.append(self.end)
        self.end += len(block)

    def restart(self, block: bytes, offset: int) -> None:
        """Add bytes at the end, and start anew inside them, where a keyframe begins."""
        self.start = self.end + offset
        self._blocks = [block[offset:]]
        self._positions = [self.start]
        self.end += len(block)

    def clear(self) -> None:
        """Keep nothing until the next `restart`."""
        self.start = None
        self._blocks.clear()
        self._positions.clear()

    def read(self, position: int) -> bytes:
        """Return bytes from `position` (start to end, exclusive) on, up to where a message ends."""
        index = bisect_right(self._positions, position) - 1
        self._merge(index)
        return self._blocks[index][position - self._positions[index] :]

    def _merge(self, index: int) -> None:
        """Put small blocks from `index` on together, so that the next viewer finds one."""
        last = index
        size = 0
        while last < len(self._blocks) and size + len(self._blocks[last]) <= MERGED_BYTES:
            size += len(self._blocks[last])
            last += 1
        if last - index > 1:
            self._blocks[index:last] = [b"".join(self._blocks[index:last])]
            del self._positions[index + 1 : last]
