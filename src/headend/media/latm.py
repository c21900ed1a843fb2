"""AAC in LOAS and LATM: where each element begins, and the frames in it with their configuration.

    56 E0 (high bits of the size in the low ones) · size · AudioMuxElement:
    the same configuration as before (1), or StreamMuxConfig (0) · size of the payload · payload

One program with one layer is read, as broadcasts have it. Nothing in it begins at a whole byte.

Source: ISO/IEC 14496-3, 1.7.2 (LOAS) and 1.7.3 (LATM), 1.6.2.1 and 4.4.1 (configuration).
"""

from typing import Final, NamedTuple

from headend.errors import MediaError
from headend.media.bits import BitReader

SYNC_SIZE: Final = 3
SAMPLES: Final = 1024  # of a frame, at the rate of its core

_RATES: Final = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
_RATE_ESCAPE: Final = 15
_PLAIN: Final = frozenset({1, 2, 3, 4})  # object types whose configuration is read here
_SBR, _PS = 5, 29


class LatmFrames(NamedTuple):
    """What an element holds.

    Attributes:
        config: AudioSpecificConfig, filled up to whole bytes.
        rate: Hz, of the core.
        frames: As they go to a decoder.
    """

    config: bytes
    rate: int
    frames: tuple[bytes, ...]


class _Stream(NamedTuple):
    config: bytes
    rate: int
    frames: int


class LatmReader:
    """Takes PES packets, and returns what the elements that are whole hold.

    Attributes:
        skipped: Stretches of bytes and elements that were left out.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._stream: _Stream | None = None
        self.skipped = 0

    def take(self, data: bytes) -> list[LatmFrames]:
        """Take what a PES packet holds."""
        data, at = self._rest + data, 0
        found: list[LatmFrames] = []
        while len(data) - at >= SYNC_SIZE:
            if data[at] != 0x56 or data[at + 1] & 0xE0 != 0xE0:
                self.skipped += 1
                following = data.find(b"\x56", at + 1)
                at = len(data) if following < 0 else following
                continue
            end = at + SYNC_SIZE + ((data[at + 1] & 0x1F) << 8 | data[at + 2])
            if end > len(data):
                break
            try:
                found += self._element(data[at + SYNC_SIZE : end])
            except MediaError:
                self.skipped += 1
            at = end
        self._rest = data[at:]
        return found

    def _element(self, data: bytes) -> list[LatmFrames]:
        bits = BitReader(data)
        if not bits.flag():
            self._stream = _stream(bits, data)
        stream = self._stream
        if stream is None:
            return []  # its configuration is still to come
        frames = []
        for _ in range(stream.frames):
            size = 0
            while (more := bits.bits(8)) == 255:
                size += more
            frames.append(_bytes(bits, 8 * (size + more)))
        return [LatmFrames(stream.config, stream.rate, tuple(frames))]


def _stream(bits: BitReader, data: bytes) -> _Stream:
    """Read a StreamMuxConfig, which begins in the middle of `data`.

    Raises:
        MediaError: It is of a kind that is not read here.
    """
    version = bits.bits(1)
    if version and bits.flag():
        raise MediaError("LATM of version A")
    if version:
        _value(bits)  # fullness of a buffer
    is_same_time, frames = bits.flag(), bits.bits(6) + 1
    if not is_same_time or bits.bits(4) or bits.bits(3):
        raise MediaError("LATM of several programs or layers")
    if version:
        size = _value(bits)
        config = _bytes(bits, size)
        rate = _config(BitReader(config))
    else:
        config, rate = _taken(bits, data)
    if bits.bits(3):
        raise MediaError("LATM of frames of fixed size")
    bits.skip(8)  # fullness of a buffer
    if bits.flag():  # other data behind the payload
        if version:
            _value(bits)
        else:
            _pass_escaped(bits)
    if bits.flag():
        bits.skip(8)  # checksum
    return _Stream(config, rate, frames)


def _value(bits: BitReader) -> int:
    """Read LatmGetValue."""
    return bits.bits(8 * (bits.bits(2) + 1))


def _pass_escaped(bits: BitReader) -> None:
    """Pass over the length of other data in version 0."""
    while bits.flag():
        bits.skip(8)
    bits.skip(8)


def _taken(bits: BitReader, data: bytes) -> tuple[bytes, int]:
    """Read an AudioSpecificConfig whose end only its syntax tells; return it and its rate."""
    begin = bits.position
    rate = _config(bits)
    again = BitReader(data)
    again.skip(begin)
    return _bytes(again, bits.position - begin), rate


def _config(bits: BitReader) -> int:
    """Pass over an AudioSpecificConfig; return the rate of its core."""
    kind, rate = bits.bits(5), _rate(bits)
    channels = bits.bits(4)
    if kind in (_SBR, _PS):
        _rate(bits)
        kind = bits.bits(5)
    if kind not in _PLAIN or not channels:
        raise MediaError("AAC of a kind that is not read in LATM")
    bits.skip(1)  # 960 samples instead of 1024, which only radio has
    if bits.flag():
        bits.skip(14)  # delay of the core coder
    if bits.flag():
        bits.skip(1)  # extensions of later versions
    return rate


def _rate(bits: BitReader) -> int:
    index = bits.bits(4)
    if index == _RATE_ESCAPE:
        return bits.bits(24) or 1
    if index >= len(_RATES):
        raise MediaError("a sample rate that is reserved")
    return _RATES[index]


def _bytes(bits: BitReader, count: int) -> bytes:
    """Read bits as bytes, the last one filled up."""
    value, size = bits.bits(count), -(-count // 8)
    return (value << 8 * size - count).to_bytes(size, "big")
