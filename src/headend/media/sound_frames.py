"""Frames of sound in a byte stream: where each begins, how long it is, and how long it lasts.

Source: ISO/IEC 14496-3, 1.A.2 (ADTS); ISO/IEC 11172-3, 2.4.1.3 and 13818-3, 2.4.2.3 (MP3); ETSI TS
102 366, 4.4.1 and E.1.3.1 (AC-3, E-AC-3).
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from headend.media.headers import Codec

HEADER_SIZE: Final = 7  # bytes that tell of a frame, whatever the codec

_AAC_RATES: Final = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
_MP3_RATES: Final = (44100, 48000, 32000)
_MP3_KBITS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KBITS_LOW: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_AC3_RATES: Final = (48000, 44100, 32000)
_AC3_KBITS: Final = (
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
)  # fmt: skip
_EAC3_BLOCKS: Final = (1, 2, 3, 6)


class FrameHeader(NamedTuple):
    """What the header of a frame tells.

    Attributes:
        size: Bytes of the frame, with its header.
        samples: For each channel.
        rate: Hz.
    """

    size: int
    samples: int
    rate: int


def adts(head: bytes) -> FrameHeader | None:
    """Read an ADTS header; None: it is none."""
    rate = head[2] >> 2 & 15
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or rate >= len(_AAC_RATES) or size <= HEADER_SIZE:
        return None
    return FrameHeader(size, 1024 * ((head[6] & 3) + 1), _AAC_RATES[rate])


def mp3(head: bytes) -> FrameHeader | None:
    """Read the header of an MP3 frame; None: it is none, or of layer I or II."""
    version, bits, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or version == 1 or bits in (0, 15) or rate == 3:
        return None
    is_full = version == 3
    kbits = (_MP3_KBITS if is_full else _MP3_KBITS_LOW)[bits]
    hz = _MP3_RATES[rate] >> (0 if is_full else 1 if version == 2 else 2)
    samples = 1152 if is_full else 576
    return FrameHeader(samples * 125 * kbits // hz + (head[2] >> 1 & 1), samples, hz)


def ac3(head: bytes) -> FrameHeader | None:
    """Read the header of an AC-3 frame; None: it is none."""
    rate, code = head[4] >> 6, head[4] & 63
    if not head.startswith(b"\x0b\x77") or rate == 3 or code >> 1 >= len(_AC3_KBITS):
        return None
    hz = _AC3_RATES[rate]
    words = _AC3_KBITS[code >> 1] * 96_000 // hz
    return FrameHeader(2 * (words + (code & 1 if hz == 44100 else 0)), 1536, hz)


def eac3(head: bytes) -> FrameHeader | None:
    """Read the header of an E-AC-3 frame; None: it is none."""
    if not head.startswith(b"\x0b\x77"):
        return None
    size = 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    rate, blocks = head[4] >> 6, head[4] >> 4 & 3
    if size <= HEADER_SIZE or (rate == 3 and blocks == 3):
        return None
    if rate == 3:
        return FrameHeader(size, 1536, _AC3_RATES[blocks] // 2)
    return FrameHeader(size, 256 * _EAC3_BLOCKS[blocks], _AC3_RATES[rate])


HEADERS: Final[dict[Codec, Callable[[bytes], FrameHeader | None]]] = {
    Codec.AAC: adts,
    Codec.MP3: mp3,
    Codec.AC3: ac3,
    Codec.EAC3: eac3,
}
CLOCK_HZ: Final = 90_000


class SoundFrames:
    """The frames of one track, which may go on from one PES packet to the next.

    Attributes:
        skipped: Stretches of bytes that are no frames.
    """

    def __init__(self, codec: Codec) -> None:
        self._parse = HEADERS[codec]
        self._rest = b""
        self._next = 0  # time of the frame that `_rest` begins
        self.skipped = 0

    def take(self, time: int, data: bytes) -> Iterator[tuple[int, FrameHeader, bytes]]:
        """Give the frames that are whole, each with its time.

        Args:
            time: Of the first frame that begins in `data`, in 90 kHz.
            data: What a PES packet holds.
        """
        held = len(self._rest)
        data, at = self._rest + data, 0
        when = self._next if held else time
        while len(data) - at >= HEADER_SIZE:
            header = self._parse(data[at : at + HEADER_SIZE])
            if header is None:
                self.skipped += 1
                at = _next_frame(self._parse, data, at)
                continue
            end = at + header.size
            if end > len(data):
                break
            yield when, header, data[at:end]
            is_other = at < held <= end
            when = time if is_other else when + header.samples * CLOCK_HZ // header.rate
            at = end
        self._rest, self._next = data[at:], when


def _next_frame(parse: Callable[[bytes], FrameHeader | None], data: bytes, at: int) -> int:
    """Return where a frame may begin, behind `at`; what is too short to tell is kept."""
    for start in range(at + 1, len(data) - HEADER_SIZE + 1):
        if parse(data[start : start + HEADER_SIZE]) is not None:
            return start
    return max(at + 1, len(data) - HEADER_SIZE + 1)
