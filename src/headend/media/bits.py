"""This module reads bits: fixed fields, and the exp-Golomb codes of H.264 and HEVC."""

import re
from typing import Final

from headend.errors import MediaError

# A code of more leading zeros than this is no number of any syntax read here.
MAX_ZEROS: Final = 32

_EMULATION: Final = re.compile(rb"\x00\x00\x03")


class BitReader:
    """Reads from the first bit on.

    Every method raises MediaError when the bits do not suffice.
    """

    __slots__ = ("_left", "_value")

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def bits(self, count: int) -> int:
        """Read an unsigned number of `count` bits."""
        if count > self._left:
            raise MediaError("configuration is cut short")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def flag(self) -> bool:
        """Read one bit."""
        return bool(self.bits(1))

    def skip(self, count: int) -> None:
        """Pass over bits."""
        self.bits(count)

    def ue(self) -> int:
        """Read an unsigned exp-Golomb code (H.264 9.1)."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > MAX_ZEROS:
                raise MediaError("exp-Golomb code is too long")
        return (1 << zeros) - 1 + self.bits(zeros)

    def se(self) -> int:
        """Read a signed exp-Golomb code (H.264 9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def unescaped(nalu: bytes) -> bytes:
    """Return a NALU without emulation prevention bytes: `00 00 03` is `00 00` (H.264 7.4.1)."""
    return _EMULATION.sub(b"\x00\x00", nalu)
