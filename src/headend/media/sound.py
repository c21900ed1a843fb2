"""The configurations of audio codecs, and the frame headers of those without.

Source: ISO/IEC 14496-3, 1.6.2.1 (AAC); RFC 7845, 5.1 (Opus); RFC 9639, 8.2 (FLAC); ISO/IEC 11172-3,
2.4.1.3 (MP3); ETSI TS 102 366, 4.4.1 and E.1.2 (AC-3, E-AC-3); FLV 10.1, E.4.2.1 (the others).
"""

from dataclasses import dataclass
from typing import Final

from headend.errors import MediaError
from headend.media.bits import BitReader


@dataclass(frozen=True, slots=True)
class SoundConfig:
    """What is said of the sound.

    Attributes:
        codecs: Codec as RFC 6381 writes it.
        sample_rate: Hz, as decoded.
        channels: As decoded; 0: not said.
        profile: Such as "LC"; None: the codec has none.
    """

    codecs: str
    sample_rate: int
    channels: int
    profile: str | None = None


_AAC_RATES: Final = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
_AAC_CHANNELS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 14: 8}
_AAC_PROFILES: Final = {1: "Main", 2: "LC", 3: "SSR", 4: "LTP", 5: "HE", 29: "HE v2", 42: "xHE"}
_SBR, _PS = 5, 29
_ESCAPE: Final = 31
_RATE_ESCAPE: Final = 15
_OPUS_RATE: Final = 48000  # of every decoder
_MP3_RATES: Final = (44100, 48000, 32000)
_AC3_RATES: Final = (48000, 44100, 32000)
_LEGACY_RATES: Final = (5512, 11025, 22050, 44100)
# SoundFormat: rate and channels where the bits for them say nothing. Nellymoser at 16 and 8 kHz,
# A-law and mu-law, Speex.
_LEGACY_FIXED: Final = {4: (16000, 1), 5: (8000, 1), 7: (8000, 1), 8: (8000, 1), 11: (16000, 1)}
_DOLBY_NET: Final = (9, 10)  # half and a quarter of the rate; no container holds them
_AC3_CHANNELS: Final = (2, 1, 2, 3, 3, 4, 4, 5)
FRAME_HEADER_SIZE: Final = 8  # bytes of a frame that are looked at, whatever the codec


def parse_aac_config(record: bytes) -> SoundConfig:
    """Parse an AudioSpecificConfig.

    Raises:
        MediaError: It is cut short, or names no sample rate.
    """
    reader = BitReader(record)
    kind = _aac_object_type(reader)
    rate, channels = _aac_rate(reader), _AAC_CHANNELS.get(reader.bits(4), 0)
    named = kind
    if kind in (_SBR, _PS):
        rate = _aac_rate(reader)
        channels = 2 if kind == _PS else channels
    return SoundConfig(f"mp4a.40.{named}", rate, channels, _AAC_PROFILES.get(named))


def _aac_object_type(reader: BitReader) -> int:
    kind = reader.bits(5)
    return 32 + reader.bits(6) if kind == _ESCAPE else kind


def _aac_rate(reader: BitReader) -> int:
    index = reader.bits(4)
    if index == _RATE_ESCAPE:
        return reader.bits(24)
    if index >= len(_AAC_RATES):
        raise MediaError(f"AAC sample rate index is {index}")
    return _AAC_RATES[index]


def parse_opus_config(record: bytes) -> SoundConfig:
    """Parse an Opus head, with its magic signature.

    Raises:
        MediaError: It is cut short.
    """
    if not record.startswith(b"OpusHead") or len(record) < 19:
        raise MediaError("Opus head is cut short")
    return SoundConfig("Opus", _OPUS_RATE, record[9])


def parse_flac_config(record: bytes) -> SoundConfig:
    """Parse STREAMINFO, alone as FFmpeg sends it or behind `fLaC` and a block header.

    Raises:
        MediaError: It is cut short.
    """
    info = record[8:] if record.startswith(b"fLaC") else record
    if len(info) < 18:
        raise MediaError("FLAC STREAMINFO is cut short")
    reader = BitReader(info[10:18])
    return SoundConfig("fLaC", reader.bits(20), reader.bits(3) + 1)


def parse_mp3_frame(frame: bytes) -> SoundConfig:
    """Parse the header of an MP3 frame.

    Raises:
        MediaError: It is none.
    """
    reader = BitReader(frame[:4])
    sync, version, _, _, _, rate = (reader.bits(size) for size in (11, 2, 2, 1, 4, 2))
    if sync != 0x7FF or version == 1 or rate == 3:
        raise MediaError("MP3 frame has no header")
    reader.skip(2)
    channels = 1 if reader.bits(2) == 3 else 2
    halvings = {3: 0, 2: 1, 0: 2}[version]  # MPEG-1, MPEG-2, MPEG-2.5
    return SoundConfig("mp4a.40.34", _MP3_RATES[rate] >> halvings, channels)


def parse_legacy_sound(first: int) -> tuple[int, int]:
    """Return sample rate in Hz and number of channels, by the first byte of a legacy body."""
    found = _LEGACY_FIXED.get(first >> 4)
    return found or (_LEGACY_RATES[first >> 2 & 3], 1 + (first & 1))


def parse_ac3_frame(frame: bytes) -> SoundConfig:
    """Parse the header of an AC-3 or E-AC-3 frame, which says itself what it is.

    Raises:
        MediaError: It is none.
    """
    reader = BitReader(frame[:FRAME_HEADER_SIZE])
    if reader.bits(16) != 0x0B77 or len(frame) < FRAME_HEADER_SIZE:
        raise MediaError("AC-3 frame has no header")
    version = frame[5] >> 3  # bsid
    if version in _DOLBY_NET:
        raise MediaError(f"AC-3 of bit stream {version}, which is for modems only")
    return _parse_eac3(reader) if version > 10 else _parse_ac3(reader)


def _parse_ac3(reader: BitReader) -> SoundConfig:
    reader.skip(16)
    rate = reader.bits(2)
    if rate == 3:
        raise MediaError("AC-3 sample rate is reserved")
    reader.skip(6 + 5 + 3)
    mode = reader.bits(3)
    if mode & 1 and mode != 1:
        reader.skip(2)
    if mode & 4:
        reader.skip(2)
    if mode == 2:
        reader.skip(2)
    return SoundConfig("ac-3", _AC3_RATES[rate], _AC3_CHANNELS[mode] + reader.bits(1))


def _parse_eac3(reader: BitReader) -> SoundConfig:
    reader.skip(2 + 3 + 11)
    rate = reader.bits(2)
    if rate == 3:
        half = reader.bits(2)
        if half == 3:
            raise MediaError("E-AC-3 sample rate is reserved")
        sample_rate = _AC3_RATES[half] // 2
    else:
        reader.skip(2)
        sample_rate = _AC3_RATES[rate]
    return SoundConfig("ec-3", sample_rate, _AC3_CHANNELS[reader.bits(3)] + reader.bits(1))
