"""Colours of a video track as Enhanced RTMP tells them, and as MP4 and HLS do.

    colorInfo   {colorConfig: {colorPrimaries, transferCharacteristics, matrixCoefficients},
                 hdrMdcv: {redX, redY, …, maxLuminance, minLuminance}, hdrCll: {maxCLL, maxFall}}
    MP4         colr "nclx" primaries u16, transfer u16, matrix u16, full range u1
                mdcv green, blue, red, white: x u16, y u16; luminance: max u32, min u32
                clli max u16, average u16

Source: Enhanced RTMP v2, metadata frame; ISO/IEC 14496-12, 12.1.5 to 12.1.7; RFC 8216bis, 4.4.6.2
(VIDEO-RANGE); ITU-T H.273.
"""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from headend.media import amf0
from headend.media.amf import Value

UNSPECIFIED: Final = 2  # H.273: not known, or up to the application
_RANGES: Final = {16: "PQ", 18: "HLG"}  # by transfer characteristics
_POINTS: Final = (
    "greenX",
    "greenY",
    "blueX",
    "blueY",
    "redX",
    "redY",
    "whitePointX",
    "whitePointY",
)
_POINT_UNITS: Final = 50_000  # of 1, in mdcv
_LUMINANCE_UNITS: Final = 10_000  # of 1 cd/m2
_MAX_LUMINANCE: Final = 100_000  # cd/m2: ten times what PQ can say
_ENTRIES: Final = frozenset((b"avc1", b"hvc1", b"hev1", b"av01", b"vp09"))
_PATH: Final = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_STSD_HEAD: Final = 8  # version, flags and number of entries
_BOX_HEAD: Final = 8


@dataclass(frozen=True, slots=True)
class Color:
    """Colours of a track.

    Attributes:
        primaries: As H.273 numbers them, like the next two.
        transfer: Transfer characteristics.
        matrix: Matrix coefficients.
        mastering: Content of `mdcv`; empty: not told.
        light: Content of `clli`; empty: not told.
    """

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    mastering: bytes = b""
    light: bytes = b""

    @property
    def video_range(self) -> str:
        """The value of VIDEO-RANGE; empty: it is the usual one, or not known."""
        return _RANGES.get(self.transfer, "")

    @property
    def boxes(self) -> dict[bytes, bytes]:
        """What goes into the sample entry of MP4, by the name of the box."""
        told = (self.primaries, self.transfer, self.matrix)
        colr = b"nclx" + struct.pack(">HHHB", *told, 0) if set(told) != {UNSPECIFIED} else b""
        contents = {b"colr": colr, b"mdcv": self.mastering, b"clli": self.light}
        return {name: _box(name, content) for name, content in contents.items() if content}


def parse_color(metadata: bytes) -> Color | None:
    """Read the payload of a metadata frame: names and values of AMF0.

    Returns:
        The colours; None where it tells nothing of them, which takes former ones back.

    Raises:
        MediaError: It is no AMF0.
    """
    values = amf0.parse_values(metadata)
    found = [value for name, value in pairwise(values) if name == "colorInfo"]
    info = found[-1] if found else None
    if not isinstance(info, dict) or not info:
        return None
    config = _object(info, "colorConfig")
    return Color(
        _code(config, "colorPrimaries"),
        _code(config, "transferCharacteristics"),
        _code(config, "matrixCoefficients"),
        _mastering(_object(info, "hdrMdcv")),
        _light(_object(info, "hdrCll")),
    )


def with_color(init: bytes, color: Color | None) -> bytes:
    """Put colours into the video track of an init segment, but for boxes that it has already."""
    if color is None:
        return init
    for path in _paths(init, 0, len(init), _PATH):
        stsd, end = path[-1]
        entry = stsd + _BOX_HEAD + _STSD_HEAD
        size = int.from_bytes(init[entry : entry + 4], "big")
        if init[entry + 4 : entry + 8] in _ENTRIES and entry + size <= end:
            has = init[entry : entry + size]
            more = b"".join(box for name, box in color.boxes.items() if name not in has)
            return _inserted(init, [*(start for start, _ in path), entry], more)
    return init


def _object(value: Mapping[str, Value], name: str) -> Mapping[str, Value]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _number(value: Mapping[str, Value], name: str) -> float:
    """Return a number; NaN, which is in no range, where there is none."""
    found = value.get(name)
    return found if isinstance(found, float) else math.nan


def _code(value: Mapping[str, Value], name: str) -> int:
    number = _number(value, name)
    return int(number) if 0 <= number <= 255 else UNSPECIFIED


def _mastering(display: Mapping[str, Value]) -> bytes:
    points = [_number(display, name) for name in _POINTS]
    luminances = [_number(display, name) for name in ("maxLuminance", "minLuminance")]
    if not all(0 <= point <= 1 for point in points):
        return b""
    if not all(0 <= luminance <= _MAX_LUMINANCE for luminance in luminances):
        return b""
    return struct.pack(
        ">8H2I",
        *(round(point * _POINT_UNITS) for point in points),
        *(round(luminance * _LUMINANCE_UNITS) for luminance in luminances),
    )


def _light(level: Mapping[str, Value]) -> bytes:
    levels = [_number(level, name) for name in ("maxCLL", "maxFall")]
    if not all(0 <= each <= 0xFFFF for each in levels):
        return b""
    return struct.pack(">2H", *map(round, levels))


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", _BOX_HEAD + len(content)) + name + content


Place = tuple[int, int]  # where a box starts and ends


def _paths(
    data: bytes, start: int, end: int, names: Sequence[bytes]
) -> Iterator[tuple[Place, ...]]:
    """Yield the places of boxes within boxes; one of an impossible size ends the search."""
    while start + _BOX_HEAD <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        if size < _BOX_HEAD or start + size > end:
            return
        if data[start + 4 : start + 8] == names[0]:
            place = (start, start + size)
            if len(names) == 1:
                yield (place,)
            else:
                inner = _paths(data, start + _BOX_HEAD, start + size, names[1:])
                yield from ((place, *path) for path in inner)
        start += size


def _inserted(data: bytes, boxes: Sequence[int], more: bytes) -> bytes:
    """Append bytes to the innermost box of some that lie within each other."""
    made = bytearray(data)
    for start in boxes:
        size = int.from_bytes(data[start : start + 4], "big") + len(more)
        made[start : start + 4] = size.to_bytes(4, "big")
    innermost = boxes[-1]
    at = innermost + int.from_bytes(data[innermost : innermost + 4], "big")
    made[at:at] = more
    return bytes(made)
