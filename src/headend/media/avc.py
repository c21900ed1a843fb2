"""The configuration of H.264: avcC and the SPS in it.

    avcC   01 profile compatibility level, 6 bits 1 and lengthSizeMinusOne 2,
           3 bits 1 and number of SPS 5, (size u16, SPS)*, number of PPS u8, (size u16, PPS)*

Source: ISO/IEC 14496-15, 5.3.3.1; ITU-T H.264, 7.3.2.1.1, E.1.1 and E.1.2.
"""

from collections.abc import Sequence
from typing import Final

from headend.errors import MediaError
from headend.media.bits import BitReader, unescaped
from headend.media.nalus import from_annex_b, is_annex_b
from headend.media.picture import PictureConfig

_HEADER_SIZE: Final = 6
_NALU_TYPE_SPS: Final = 7
_NALU_TYPE_PPS: Final = 8
_EXTENDED_ASPECT: Final = 255
_MAX_ORDER_CYCLE: Final = 255  # num_ref_frames_in_pic_order_cnt_cycle (7.4.2.1.1)
_MAX_BUFFERS: Final = 32  # cpb_cnt_minus1 + 1 (E.2.2)
_MAX_REORDERED: Final = 16  # frames (E.2.1)

# Profiles whose SPS says more about chroma (7.3.2.1.1).
_HIGH_PROFILES: Final = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))

_PROFILES: Final = {
    66: "Baseline",
    77: "Main",
    88: "Extended",
    100: "High",
    110: "High 10",
    122: "High 4:2:2",
    244: "High 4:4:4 Predictive",
}
_CONSTRAINED: Final = 0x40  # constraint_set1_flag: of Baseline, what every decoder can do


def parse_avc_config(record: bytes) -> PictureConfig:
    """Parse an AVCDecoderConfigurationRecord.

    Raises:
        MediaError: It is cut short, or its first parameter set is no SPS.
    """
    if len(record) < _HEADER_SIZE + 2 or not record[5] & 31:
        raise MediaError("avcC holds no SPS")
    size = int.from_bytes(record[6:8], "big")
    sps = record[8 : 8 + size]
    if len(sps) < 4 or len(sps) < size or sps[0] & 31 != _NALU_TYPE_SPS:
        raise MediaError("avcC holds no whole SPS")
    codecs = "avc1." + record[1:4].hex()
    return _parse_sps(unescaped(sps[1:]), codecs)


def avcc_of_record(record: bytes) -> bytes:
    """Return a record as avcC, which one of parameter sets with start codes (Annex B) becomes.

    Raises:
        MediaError: It has start codes, and no SPS and PPS behind them.
    """
    if not is_annex_b(record):
        return record
    units = from_annex_b(record)
    sps = [unit for unit in units if unit[0] & 31 == _NALU_TYPE_SPS and len(unit) > 3][:31]
    pps = [unit for unit in units if unit[0] & 31 == _NALU_TYPE_PPS][:255]
    if not sps or not pps:
        raise MediaError("avcC has start codes (Annex B), and no SPS and PPS")
    return avcc_of_units(sps, pps)


def avcc_of_units(sps: Sequence[bytes], pps: Sequence[bytes]) -> bytes:
    """Return the avcC of at most 31 SPS, each of 4 bytes or more, and at most 255 PPS."""
    made = b"\x01" + sps[0][1:4] + b"\xff" + bytes((0xE0 | len(sps),))
    made += b"".join(len(unit).to_bytes(2, "big") + unit for unit in sps)
    made += bytes((len(pps),))
    return made + b"".join(len(unit).to_bytes(2, "big") + unit for unit in pps)


def parameter_sets(record: bytes) -> list[bytes]:
    """Return the SPS and PPS in an avcC; one that is cut short ends it."""
    units: list[bytes] = []
    offset = _HEADER_SIZE - 1
    for mask in (31, 255):
        count = record[offset] & mask if offset < len(record) else 0
        offset += 1
        for _ in range(count):
            size = int.from_bytes(record[offset : offset + 2], "big")
            unit = record[offset + 2 : offset + 2 + size]
            if not unit or len(unit) < size:
                return units
            units.append(unit)
            offset += 2 + size
    return units


def _parse_sps(rbsp: bytes, codecs: str) -> PictureConfig:
    profile, constraints, level = rbsp[0], rbsp[1], rbsp[2]
    reader = BitReader(rbsp[3:])
    reader.ue()  # seq_parameter_set_id
    chroma, is_separate = 1, False
    if profile in _HIGH_PROFILES:
        chroma, is_separate = _read_chroma(reader)
    reader.ue()  # log2_max_frame_num_minus4
    _skip_order_count(reader)
    reader.ue()  # max_num_ref_frames
    reader.skip(1)
    width = 16 * (reader.ue() + 1)
    map_units = reader.ue() + 1
    fields = 1 if reader.flag() else 2  # frame_mbs_only_flag: 1 means no fields
    if fields == 2:
        reader.skip(1)
    reader.skip(1)
    height = 16 * map_units * fields
    if reader.flag():
        left, right, top, bottom = (reader.ue() for _ in range(4))
        unit_x = 2 if chroma in (1, 2) and not is_separate else 1
        unit_y = (2 if chroma == 1 and not is_separate else 1) * fields
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    if width <= 0 or height <= 0:
        raise MediaError("SPS crops the whole picture")
    name = _PROFILES.get(profile)
    if name == "Baseline" and constraints & _CONSTRAINED:
        name = "Constrained Baseline"
    rate, reordered = _read_vui(reader)
    return PictureConfig(
        codecs, width, height, rate, name, f"{level // 10}.{level % 10}", reordered
    )


def _read_chroma(reader: BitReader) -> tuple[int, bool]:
    chroma = reader.ue()
    is_separate = chroma == 3 and reader.flag()
    reader.ue()
    reader.ue()
    reader.skip(1)
    if reader.flag():
        for index in range(8 if chroma != 3 else 12):
            if reader.flag():
                _skip_scaling_list(reader, 16 if index < 6 else 64)
    return chroma, is_separate


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + reader.se()) % 256
        last = following or last


def _skip_order_count(reader: BitReader) -> None:
    kind = reader.ue()
    if kind == 0:
        reader.ue()
    elif kind == 1:
        reader.skip(1)
        reader.se()
        reader.se()
        cycle = reader.ue()
        if cycle > _MAX_ORDER_CYCLE:
            raise MediaError(f"SPS has a cycle of {cycle} pictures")
        for _ in range(cycle):
            reader.se()


def _read_vui(reader: BitReader) -> tuple[float | None, int | None]:
    """Read frame rate and number of reordered frames; damage spoils nothing that came before."""
    rate = None
    try:
        if reader.flag():
            timing = _read_timing(reader)
            if timing is not None:
                units, scale = timing
                rate = round(scale / (2 * units), 3) if units and scale else None
                reader.skip(1)
            return rate, _read_reordered(reader)
    except MediaError:
        pass
    return rate, None


def _read_timing(reader: BitReader) -> tuple[int, int] | None:
    """Read units and scale of the clock; two of its ticks are a frame."""
    if reader.flag() and reader.bits(8) == _EXTENDED_ASPECT:
        reader.skip(32)
    if reader.flag():
        reader.skip(1)
    if reader.flag():
        reader.skip(4)
        if reader.flag():
            reader.skip(24)
    if reader.flag():
        reader.ue()
        reader.ue()
    if not reader.flag():
        return None
    return reader.bits(32), reader.bits(32)


def _read_reordered(reader: BitReader) -> int | None:
    """Read the rest of the VUI up to max_num_reorder_frames."""
    has_buffers = [_skip_buffers(reader) for _ in range(2)]
    if any(has_buffers):
        reader.skip(1)
    reader.skip(1)
    if not reader.flag():
        return None
    reader.skip(1)
    for _ in range(4):
        reader.ue()
    frames = reader.ue()
    return frames if frames <= _MAX_REORDERED else None


def _skip_buffers(reader: BitReader) -> bool:
    """Pass over hrd_parameters, if they are there."""
    if not reader.flag():
        return False
    count = reader.ue() + 1
    if count > _MAX_BUFFERS:
        raise MediaError(f"SPS has {count} buffers")
    reader.skip(8)
    for _ in range(count):
        reader.ue()
        reader.ue()
        reader.skip(1)
    reader.skip(20)
    return True
