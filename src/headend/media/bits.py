"""Bits, read as fixed fields and as the exp-Golomb codes of H.264 and HEVC."""

import re
from typing import Final

from headend.errors import MediaError

# A code of more leading zeros than this is no number of any syntax read here.
MAX_ZEROS: Final = 32

_CUT_SHORT: Final = "configuration is cut short"
_EMULATION: Final = re.compile(rb"\x00\x00\x03")


class BitReader:
    """Reads from the first bit on, each number in a time that does not depend on what follows it.

    Every method raises MediaError when the bits do not suffice.
    """

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._end = 8 * len(data)

    @property
    def position(self) -> int:
        """How many bits were read."""
        return self._position

    def bits(self, count: int) -> int:
        """Read an unsigned number of `count` bits."""
        number = self._peek(count)
        self._position += count
        return number

    def flag(self) -> bool:
        """Read one bit."""
        return bool(self.bits(1))

    def skip(self, count: int) -> None:
        """Pass over bits."""
        if count > self._end - self._position:
            raise MediaError(_CUT_SHORT)
        self._position += count

    def ue(self) -> int:
        """Read an unsigned exp-Golomb code (H.264 9.1)."""
        size = min(MAX_ZEROS + 1, self._end - self._position)
        zeros = size - self._peek(size).bit_length()
        if zeros > MAX_ZEROS:
            raise MediaError("exp-Golomb code is too long")
        self.skip(zeros)
        return self.bits(zeros + 1) - 1

    def _peek(self, count: int) -> int:
        end = self._position + count
        if end > self._end:
            raise MediaError(_CUT_SHORT)
        last = (end + 7) // 8
        value = int.from_bytes(self._data[self._position // 8 : last], "big")
        return value >> 8 * last - end & (1 << count) - 1

    def se(self) -> int:
        """Read a signed exp-Golomb code (H.264 9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def unescaped(nalu: bytes) -> bytes:
    """Return a NALU without emulation prevention bytes: `00 00 03` is `00 00` (H.264 7.4.1)."""
    return _EMULATION.sub(b"\x00\x00", nalu)
