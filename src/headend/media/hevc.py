"""The configuration of HEVC: hvcC and the SPS in it.

    hvcC   01, profile space 2 tier 1 profile 5, compatibility u32, constraints 6 bytes, level u8,
           10 bytes more, number of arrays u8, (type 6 bits, count u16, (size u16, NALU)*)*

Source: ISO/IEC 14496-15, 8.3.3.1 and annex E; ITU-T H.265, 7.3.2.2.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from headend.errors import MediaError
from headend.media.bits import BitReader, unescaped
from headend.media.nalus import from_annex_b, is_annex_b
from headend.media.picture import PictureConfig

_HEADER_SIZE: Final = 23
_NALU_TYPE_SPS: Final = 33
_NALU_TYPE_PPS: Final = 34
_PARAMETER_SETS: Final = (32, _NALU_TYPE_SPS, _NALU_TYPE_PPS)  # VPS first
_MAX_REORDERED: Final = 15  # pictures (7.4.3.2.1)
_MOST_SETS: Final = 255  # 16 VPS, 16 SPS and 64 PPS have a number of their own (7.4.3)
_PROFILES: Final = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range Extensions"}


def parse_hevc_config(record: bytes) -> PictureConfig:
    """Parse an HEVCDecoderConfigurationRecord; it says nothing of the frame rate here.

    Raises:
        MediaError: It is cut short, or holds no SPS.
    """
    if len(record) < _HEADER_SIZE:
        raise MediaError("hvcC is cut short")
    sps = next(_nalus(record, _NALU_TYPE_SPS), None)
    if sps is None:
        raise MediaError("hvcC holds no SPS")
    reader = BitReader(unescaped(sps[2:]))
    width, height, _ = _read_size(reader)
    level = record[12]
    return PictureConfig(
        _codecs(record),
        width,
        height,
        None,
        _PROFILES.get(record[1] & 31),
        f"{level // 30}.{level % 30 // 3}",
        _reordered(reader, (sps[2] >> 1 & 7) + 1),
    )


def hvcc_of_record(record: bytes) -> bytes:
    """Return a record as hvcC, which one of parameter sets with start codes (Annex B) becomes.

    Raises:
        MediaError: It has start codes, and no SPS and PPS behind them.
    """
    if not is_annex_b(record):
        return record
    units = [unit for unit in from_annex_b(record) if len(unit) > 2]
    sets = [unit for unit in units if unit[0] >> 1 & 63 in _PARAMETER_SETS][:_MOST_SETS]
    if not {_NALU_TYPE_SPS, _NALU_TYPE_PPS} <= {unit[0] >> 1 & 63 for unit in sets}:
        raise MediaError("hvcC has start codes (Annex B), and no SPS and PPS")
    return hvcc_of(sets)


def hvcc_of(units: Sequence[bytes]) -> bytes:
    """Return the hvcC of parameter sets as NAL units: VPS, SPS and PPS, at least one SPS.

    Raises:
        MediaError: There is no SPS, or the first one is cut short.
    """
    sps = next((unit for unit in units if unit[0] >> 1 & 63 == _NALU_TYPE_SPS), None)
    if sps is None:
        raise MediaError("there is no SPS")
    rbsp = unescaped(sps[2:])
    reader = BitReader(rbsp)
    chroma = _read_size(reader)[2]
    luma_depth, chroma_depth = reader.ue(), reader.ue()
    layers, is_nested = (rbsp[0] >> 1 & 7) + 1, rbsp[0] & 1
    made = b"\x01" + rbsp[1:13] + b"\xf0\x00\xfc"
    made += bytes((0xFC | chroma & 3, 0xF8 | luma_depth & 7, 0xF8 | chroma_depth & 7, 0, 0))
    made += bytes((layers << 3 | is_nested << 2 | 3,))
    arrays = [[u for u in units if u[0] >> 1 & 63 == kind] for kind in _PARAMETER_SETS]
    found = [array for array in arrays if array]
    made += bytes((len(found),))
    for array in found:
        made += bytes((0x80 | array[0][0] >> 1 & 63,)) + len(array).to_bytes(2, "big")
        made += b"".join(len(unit).to_bytes(2, "big") + unit for unit in array)
    return made


def parameter_sets(record: bytes) -> list[bytes]:
    """Return the NAL units in an hvcC that a decoder must have: VPS, SPS, PPS."""
    if len(record) < _HEADER_SIZE:
        return []
    return [unit for kind in _PARAMETER_SETS for unit in _nalus(record, kind)]


def _codecs(record: bytes) -> str:
    """Write the codec as ISO/IEC 14496-15, E.3 says: `hvc1.1.6.L93.B0`."""
    space = ("", "A", "B", "C")[record[1] >> 6]
    tier = "H" if record[1] & 0x20 else "L"
    compatibility = int(f"{int.from_bytes(record[2:6], 'big'):032b}"[::-1], 2)
    constraints = record[6:12].rstrip(b"\0")
    parts = [f"{space}{record[1] & 31}", f"{compatibility:X}", f"{tier}{record[12]}"]
    return ".".join(["hvc1", *parts, *(f"{byte:X}" for byte in constraints)])


def _nalus(record: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the NALUs of one type; one that is cut short ends the record."""
    offset = _HEADER_SIZE
    for _ in range(record[22]):
        if offset + 3 > len(record):
            return
        kind = record[offset] & 63
        count = int.from_bytes(record[offset + 1 : offset + 3], "big")
        offset += 3
        for _ in range(count):
            size = int.from_bytes(record[offset : offset + 2], "big")
            nalu = record[offset + 2 : offset + 2 + size]
            if len(nalu) < max(size, 2):
                return
            if kind == wanted:
                yield nalu
            offset += 2 + size


def _read_size(reader: BitReader) -> tuple[int, int, int]:
    """Read width, height and chroma_format_idc of an SPS; its bit depths follow."""
    reader.skip(4)
    layers = reader.bits(3)  # sps_max_sub_layers_minus1
    reader.skip(1)
    _skip_profile_tier_level(reader, layers)
    reader.ue()  # sps_seq_parameter_set_id
    chroma = reader.ue()
    is_separate = chroma == 3 and reader.flag()
    width, height = reader.ue(), reader.ue()
    if reader.flag():
        left, right, top, bottom = (reader.ue() for _ in range(4))
        unit_x = 2 if chroma in (1, 2) and not is_separate else 1
        unit_y = 2 if chroma == 1 and not is_separate else 1
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    if width <= 0 or height <= 0:
        raise MediaError("SPS crops the whole picture")
    return width, height, chroma


def _reordered(reader: BitReader, layers: int) -> int | None:
    """Read on behind the size, up to sps_max_num_reorder_pics of the highest layer."""
    pictures = _MAX_REORDERED + 1
    with suppress(MediaError):
        for _ in range(3):
            reader.ue()
        for _ in range(layers if reader.flag() else 1):
            reader.ue()
            pictures = reader.ue()
            reader.ue()
    return pictures if pictures <= _MAX_REORDERED else None


def _skip_profile_tier_level(reader: BitReader, layers: int) -> None:
    """Pass over profile_tier_level (7.3.3)."""
    reader.skip(88 + 8)
    present = [(reader.flag(), reader.flag()) for _ in range(layers)]
    if layers:
        reader.skip(2 * (8 - layers))
    for has_profile, has_level in present:
        reader.skip(88 * has_profile + 8 * has_level)
