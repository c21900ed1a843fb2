"""NAL units of a coded frame: made whole where they can be, and what they say of the picture.

    FLV, MP4    length of 1, 2 or 4 bytes, NAL unit, length, NAL unit …
    Annex B     00 00 01, NAL unit, 00 00 01, NAL unit …       as files and MPEG-TS have them

Source: ITU-T H.264, 7.3.1, 7.3.3, D.1.8 and annex B; H.265, 7.3.1.2, 7.3.6.1 and D.2.8;
ISO/IEC 14496-15, 5.3.3.1, 5.3.4.2 and 8.3.3.1.
"""

from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from itertools import islice
from typing import Final

from headend.errors import MediaError
from headend.media.bits import BitReader, unescaped
from headend.media.headers import Codec

# NAL units of one picture: 16 MiB of those that fit into a packet of Ethernet are 12 000.
MAX_NALUS: Final = 16_384
START_CODE: Final = b"\x00\x00\x01"
# What is looked at of a keyframe for a recovery point, which comes before the slices: NAL units,
# bytes of one (before it there may be the encoder's options, of x264 700), and messages in it.
_UNITS, _SEI_BYTES, _MESSAGES = 64, 4096, 32

_LENGTH_SIZES: Final = {Codec.H264: 4, Codec.HEVC: 21}  # offset in a record
_AVC_IDR, _AVC_SEI = 5, 6
_HEVC_RANDOM_ACCESS: Final = range(16, 24)
_HEVC_NO_SLICE: Final = 32  # the first of the types that are none
_HEVC_PREFIX_SEI: Final = 39
_RECOVERY_POINT: Final = 6

LENGTHS_DO_NOT_FIT: Final = "the lengths of NAL units do not fit their frame"
HAS_TOO_MANY: Final = f"a frame has more than {MAX_NALUS} NAL units"
IS_ANNEX_B: Final = "NAL units come with start codes (Annex B) in place of lengths; mended"
IS_EMPTY: Final = "there are NAL units without a byte; taken out"
HAS_TAIL: Final = "there are bytes behind the last NAL unit; taken out"


class Picture(Enum):
    """What a message has of a picture."""

    BEGINS = auto()
    GOES_ON = auto()  # further slices of the picture before
    NONE = auto()  # parameter sets or information only


class RandomAccess(Enum):
    """What decoding gives that starts with a picture."""

    EXACT = auto()
    GRADUAL = auto()  # the picture becomes whole by and by, as with intra refresh
    UNKNOWN = auto()  # it is called a keyframe and does not say more


def length_size(codec: Codec, record: bytes) -> int:
    """Return how many bytes the length of a NAL unit has, 1 to 4; 0: the codec has none.

    Raises:
        MediaError: The decoder configuration record is cut short.
    """
    at = _LENGTH_SIZES.get(codec)
    if at is None:
        return 0
    if len(record) <= at:
        raise MediaError(f"the record of {codec} is cut short")
    return (record[at] & 3) + 1


def mended(payload: bytes, length_size: int) -> tuple[bytes, str | None]:
    """Return a frame as whole NAL units with lengths.

    Empty NAL units and up to three bytes behind the last one are taken out: players refuse them.
    Start codes become lengths.

    Args:
        payload: Of a coded frame.
        length_size: Bytes of a length, 1 to 4.

    Returns:
        The NAL units with lengths, empty if none is left, and what was wrong; None: nothing was.

    Raises:
        MediaError: The lengths do not fit, or there are more than MAX_NALUS.
    """
    offset, end = 0, len(payload)
    for _ in range(MAX_NALUS):
        size = int.from_bytes(payload[offset : offset + length_size], "big")
        offset += length_size + size
        if offset >= end or not size:
            break
    if offset == end and size:
        return payload, None
    return _mended(payload, length_size)


def _mended(payload: bytes, length_size: int) -> tuple[bytes, str]:
    units, tail = _units(payload, length_size)
    # No NAL unit of a picture has one byte: 00 00 00 01 with bytes left over is a start code.
    if tail < length_size and not (tail and payload.startswith(b"\0" + START_CODE)):
        data = b"".join(_with_length(unit, length_size) for unit in units if unit)
        return data, HAS_TAIL if tail else IS_EMPTY
    if len(units) == MAX_NALUS:
        raise MediaError(HAS_TOO_MANY)
    if is_annex_b(payload):
        units = from_annex_b(payload)
        return b"".join(_with_length(unit, length_size) for unit in units), IS_ANNEX_B
    raise MediaError(LENGTHS_DO_NOT_FIT)


def _units(payload: bytes, length_size: int) -> tuple[list[bytes], int]:
    """Return the NAL units, and how many bytes are left behind the last whole one."""
    units: list[bytes] = []
    offset, end = 0, len(payload)
    for _ in range(MAX_NALUS):
        start = offset + length_size
        following = start + int.from_bytes(payload[offset:start], "big")
        if start > end or following > end:
            break
        units.append(payload[start:following])
        offset = following
    return units, end - offset


def _with_length(unit: bytes, length_size: int) -> bytes:
    if len(unit) >> 8 * length_size:
        raise MediaError(LENGTHS_DO_NOT_FIT)
    return len(unit).to_bytes(length_size, "big") + unit


def is_annex_b(data: bytes) -> bool:
    """Say whether a start code comes first, which a length can look like too."""
    return data.startswith((START_CODE, b"\0" + START_CODE))


def from_annex_b(data: bytes) -> list[bytes]:
    """Return the NAL units of Annex B that have a byte, without start codes and zeros behind them.

    Raises:
        MediaError: There are more than MAX_NALUS.
    """
    units = data.split(START_CODE, MAX_NALUS + 1)
    if len(units) > MAX_NALUS + 1:
        raise MediaError(HAS_TOO_MANY)
    return [unit for unit in (each.rstrip(b"\0") for each in units) if unit]


def picture_of(codec: Codec, payload: bytes, length_size: int) -> Picture:
    """Say what a frame of whole NAL units of H.264 or HEVC has of a picture, by its first slice."""
    # Hot path: once for every picture, which mostly has a slice at once.
    is_avc = codec is Codec.H264
    offset, end = 0, len(payload)
    while offset < end:  # lengths are added, so it ends
        start = offset + length_size
        kind = payload[start] & 31 if is_avc else payload[start] >> 1 & 63
        offset = start + int.from_bytes(payload[start - length_size : start], "big")
        if 1 <= kind <= _AVC_IDR if is_avc else kind < _HEVC_NO_SLICE:
            # first_mb_in_slice is 0, which is a bit 1; first_slice_segment_in_pic_flag
            at = start + (1 if is_avc else 2)
            return Picture.BEGINS if at < offset and payload[at] & 0x80 else Picture.GOES_ON
    return Picture.NONE


def access_of(codec: Codec, payload: bytes, length_size: int) -> RandomAccess:
    """Say whether decoding may start with a frame of whole NAL units that is called a keyframe."""
    is_avc = codec is Codec.H264
    header_size = 1 if is_avc else 2
    for unit in islice(_heads(payload, length_size, _SEI_BYTES), _UNITS):
        kind = unit[0] & 31 if is_avc else unit[0] >> 1 & 63
        if kind == _AVC_IDR if is_avc else kind in _HEVC_RANDOM_ACCESS:
            return RandomAccess.EXACT
        if kind == (_AVC_SEI if is_avc else _HEVC_PREFIX_SEI):
            distance = _recovery(unescaped(unit[header_size:]), is_signed=not is_avc)
            if distance is not None:
                return RandomAccess.GRADUAL if distance else RandomAccess.EXACT
    return RandomAccess.UNKNOWN


def _heads(payload: bytes, length_size: int, size: int) -> Iterator[bytes]:
    """Yield the first bytes of each NAL unit."""
    offset = 0
    while offset < len(payload):
        start = offset + length_size
        offset = start + int.from_bytes(payload[offset:start], "big")
        yield payload[start : min(start + size, offset)]


def _recovery(messages: bytes, *, is_signed: bool) -> int | None:
    """Return after how many frames the picture is whole, if a recovery point says so."""
    offset = 0
    for _ in range(_MESSAGES):
        kind, offset = _sei_number(messages, offset)
        size, offset = _sei_number(messages, offset)
        if offset + size > len(messages):
            break
        if kind == _RECOVERY_POINT:
            reader = BitReader(messages[offset : offset + size])
            with suppress(MediaError):
                return reader.se() if is_signed else reader.ue()
        offset += size
    return None


def _sei_number(data: bytes, offset: int) -> tuple[int, int]:
    """Read a number that is the sum of bytes, of which the last is not 255 (7.3.2.3.1)."""
    rest = data[offset:].lstrip(b"\xff")
    end = len(data) - len(rest)
    return 255 * max(end - offset, 0) + (rest[0] if rest else 0), end + 1
