"""How much a log holds, in time and bytes, measured against its limits."""

from typing import Final

_NEVER: Final = -1  # no timestamp is as small


class Span:
    """Span of a log since its first tag.

    Once over a limit it stays over until `restart`.
    """

    __slots__ = ("_first", "_is_over", "_last", "_left", "_max_bytes", "_max_ms")

    def __init__(self, max_s: float, max_bytes: int) -> None:
        self.configure(max_s, max_bytes)
        self.restart()

    def configure(self, max_s: float, max_bytes: int) -> None:
        """Change the limits, from the next `restart` on."""
        self._max_ms = int(max_s * 1000)
        self._max_bytes = max_bytes

    def restart(self) -> None:
        """Forget everything: the log starts anew."""
        self._first = self._last = _NEVER  # the span of time, where it does not wrap
        self._left = self._max_bytes
        self._is_over = False

    def passes(self, timestamp: int, size: int) -> bool:
        """Count a tag of `size` bytes at `timestamp` (ms, 32 bits); say whether the log is over."""
        # Hot path: once for every tag.
        left = self._left = self._left - size
        if self._first <= timestamp <= self._last and left >= 0:
            return False
        return self._look(timestamp)

    def _look(self, timestamp: int) -> bool:
        if self._is_over:
            return True
        if self._first == _NEVER:
            self._first = timestamp
            self._last = timestamp + self._max_ms
        past = (timestamp - self._first) & 0xFFFFFFFF
        # A difference in the upper half is a small step back, not a long span.
        self._is_over = self._left < 0 or self._max_ms < past < 0x80000000
        if self._is_over:
            self._last = _NEVER
        return self._is_over
