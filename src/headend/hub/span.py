"""This module measures how much a log holds, in time and bytes, against its limits."""


class Span:
    """Span of a log since its first tag.

    Once over a limit it stays over until `restart`.
    """

    __slots__ = ("_bytes", "_first", "_is_over", "_max_bytes", "_max_ms")

    def __init__(self, max_s: float, max_bytes: int) -> None:
        self._max_ms = int(max_s * 1000)
        self._max_bytes = max_bytes
        self._first = -1
        self._bytes = 0
        self._is_over = False

    def restart(self) -> None:
        """Forget everything: the log starts anew."""
        self._first = -1
        self._bytes = 0
        self._is_over = False

    def passes(self, timestamp: int, size: int) -> bool:
        """Count a tag of `size` bytes at `timestamp` (ms, 32 bits); say whether the log is over."""
        if self._is_over:
            return True
        if self._first < 0:
            self._first = timestamp
        self._bytes += size
        past = (timestamp - self._first) & 0xFFFFFFFF
        # A difference in the upper half is a small step back, not a long span.
        self._is_over = self._bytes > self._max_bytes or self._max_ms < past < 0x80000000
        return self._is_over
