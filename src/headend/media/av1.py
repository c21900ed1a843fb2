"""The configurations of AV1 and VP9: av1C with its sequence header, and vpcC.

    av1C   81, profile 3 level 5, tier 1 high_bitdepth 1 twelve_bit 1 monochrome 1 …, one byte, OBUs
    vpcC   version u8, flags u24, profile u8, level u8, bit depth 4 …

Source: AV1 Codec ISO Media File Format Binding, 2.3; AV1 specification, 5.5; VP Codec ISO Media
File Format Binding.
"""

from typing import Final

from headend.errors import MediaError
from headend.media.bits import BitReader
from headend.media.picture import PictureConfig

_SEQUENCE_HEADER: Final = 1
_AV1_PROFILES: Final = {0: "Main", 1: "High", 2: "Professional"}
_VPCC_OFFSET: Final = 4  # behind version and flags


def parse_av1_config(record: bytes) -> PictureConfig:
    """Parse an AV1CodecConfigurationRecord. Without a sequence header in it the size is 0.

    Raises:
        MediaError: It is cut short.
    """
    if len(record) < 4 or record[0] != 0x81:
        raise MediaError("av1C is cut short or of another version")
    profile, level = record[1] >> 5, record[1] & 31
    tier = "H" if record[2] & 0x80 else "M"
    depth = 12 if record[2] & 0x20 else 10 if record[2] & 0x40 else 8
    width, height = _sequence_size(record[4:])
    return PictureConfig(
        f"av01.{profile}.{level:02d}{tier}.{depth:02d}",
        width,
        height,
        None,
        _AV1_PROFILES.get(profile),
        f"{2 + level // 4}.{level % 4}",
    )


def parse_vp9_config(record: bytes) -> PictureConfig:
    """Parse a VPCodecConfigurationRecord with its version; it does not say the size.

    Raises:
        MediaError: It is cut short.
    """
    if len(record) < _VPCC_OFFSET + 3:
        raise MediaError("vpcC is cut short")
    profile, level, depth = record[4], record[5], record[6] >> 4
    shown = f"{level // 10}.{level % 10}" if level else None
    return PictureConfig(
        f"vp09.{profile:02d}.{level or 10:02d}.{depth:02d}", 0, 0, None, f"{profile}", shown
    )


def _sequence_size(obus: bytes) -> tuple[int, int]:
    """Find the sequence header among OBUs with sizes; return the largest frame it allows."""
    offset = 0
    while offset < len(obus):
        header = obus[offset]
        offset += 2 if header & 4 else 1  # with an extension byte
        size, offset = _leb128(obus, offset) if header & 2 else (len(obus) - offset, offset)
        if header >> 3 & 15 == _SEQUENCE_HEADER:
            return _frame_size(BitReader(obus[offset : offset + size]))
        offset += size
    return 0, 0


def _leb128(data: bytes, offset: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        if offset + index >= len(data):
            break
        byte = data[offset + index]
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, offset + index + 1
    raise MediaError("OBU has no size")


def _frame_size(reader: BitReader) -> tuple[int, int]:
    reader.skip(3 + 1)
    if reader.flag():  # reduced_still_picture_header
        reader.skip(5)
    else:
        _skip_operating_points(reader)
    width_bits, height_bits = reader.bits(4) + 1, reader.bits(4) + 1
    return reader.bits(width_bits) + 1, reader.bits(height_bits) + 1


def _skip_operating_points(reader: BitReader) -> None:
    delay_bits = 0
    if reader.flag():  # timing_info_present_flag
        reader.skip(64)
        if reader.flag():
            reader.ue()  # num_ticks_per_picture_minus_1, as uvlc: the same code
        if reader.flag():  # decoder_model_info_present_flag
            delay_bits = reader.bits(5) + 1
            reader.skip(32 + 5 + 5)
    has_display_delay = reader.flag()
    for _ in range(reader.bits(5) + 1):
        reader.skip(12)
        if reader.bits(5) > 7:
            reader.skip(1)
        if delay_bits and reader.flag():
            reader.skip(2 * delay_bits + 1)
        if has_display_delay and reader.flag():
            reader.skip(4)
