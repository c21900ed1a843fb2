"""Frames of silence, which stand in for sound that a stream announces and does not send.

Source: ISO/IEC 14496-3, 4.4.2: a raw_data_block whose channels have no spectral data; RFC 6716, 3.1
and 4.3: a frame of CELT whose silence flag is set; ISO/IEC 11172-3, 2.4.1: side information without
main data; RFC 9639, 9: constant subframes.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from headend.media.headers import Codec
from headend.media.track_config import TrackConfig

_RATES: Final = (96, 88.2, 64, 48, 44.1, 32, 24, 22.05, 16, 12, 11.025, 8, 7.35)  # kHz, by index
_OBJECTS: Final = (2, 5, 29)  # LC, and with SBR and PS, whose core is LC
_ZEROS: Final = "0" * 22  # global gain, ics_info with max_sfb 0, no pulses, TNS or gain control
_SINGLE, _PAIR, _LOW, _END = "000", "001", "011", "111"
# Elements by channelConfiguration (table 1.19).
_ELEMENTS: Final = {
    1: (_SINGLE,),
    2: (_PAIR,),
    3: (_SINGLE, _PAIR),
    4: (_SINGLE, _PAIR, _SINGLE),
    5: (_SINGLE, _PAIR, _PAIR),
    6: (_SINGLE, _PAIR, _PAIR, _LOW),
    7: (_SINGLE, _PAIR, _PAIR, _PAIR, _LOW),
}
_SAMPLES: Final = 1024
# 20 ms of Opus by number of channels: CELT, full band, one frame in the packet.
_OPUS: Final = {1: b"\xf8\xff\xfe", 2: b"\xfc\xff\xfe"}
_OPUS_MS: Final = 20.0
# Version (MPEG-1, MPEG-2, MPEG-2.5) and index of the rate in the header of a frame, by Hz.
_MP3: Final = {
    rate >> halvings: (version, index)
    for halvings, version in enumerate((3, 2, 0))
    for index, rate in enumerate((44_100, 48_000, 32_000))
}
_MPEG_1: Final = 3
_MONO, _STEREO = 3, 0
_STREAM_INFO: Final = 18  # bytes of STREAMINFO before its checksum
_OPUS_FAMILY: Final = 18  # offset in the Opus head; family 0 has one stream, of one or two channels


class Silence(NamedTuple):
    """One frame of silence.

    Attributes:
        payload: As it stands in a packet.
        duration_ms: How long it lasts.
    """

    payload: bytes
    duration_ms: float


def silence_of(config: TrackConfig) -> Silence | None:
    """Return silence that a track's decoder takes; None: there is none for this codec."""
    make = _SILENCES.get(config.codec)
    return None if make is None else make(config)


def _opus(config: TrackConfig) -> Silence | None:
    if config.record[_OPUS_FAMILY : _OPUS_FAMILY + 1] != b"\0":
        return None
    payload = _OPUS.get(config.channels)
    return None if payload is None else Silence(payload, _OPUS_MS)


def _mp3(config: TrackConfig) -> Silence | None:
    rate = config.sample_rate
    if rate not in _MP3:
        return None
    version, index = _MP3[rate]
    # The lowest bit rate: 32 kbit/s, and 8 of the lower sample rates.
    samples, bits = (1152, 32_000) if version == _MPEG_1 else (576, 8_000)
    mode = _MONO if config.channels == 1 else _STEREO
    head = bytes((0xFF, 0xE3 | version << 3, 0x10 | index << 2, mode << 6))
    return Silence(head.ljust(samples * bits // 8 // rate, b"\0"), 1000 * samples / rate)


def _flac(config: TrackConfig) -> Silence | None:
    info = config.record[8:] if config.record.startswith(b"fLaC") else config.record
    samples = int.from_bytes(info[2:4], "big")
    if len(info) < _STREAM_INFO or not samples or not config.sample_rate:
        return None
    bits = ((info[12] & 1) << 4 | info[13] >> 4) + 1
    head = b"\xff\xf8\x70" + bytes((config.channels - 1 << 4, 0)) + (samples - 1).to_bytes(2, "big")
    frame = head + _crc(head, 0x07, 8) + bytes(-(-config.channels * (8 + bits) // 8))
    return Silence(frame + _crc(frame, 0x8005, 16), 1000 * samples / config.sample_rate)


def _crc(data: bytes, polynomial: int, bits: int) -> bytes:
    value = 0
    for byte in data:
        value ^= byte << bits - 8
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> bits - 1 & 1 else 0)
        value &= (1 << bits) - 1
    return value.to_bytes(bits // 8, "big")


def _aac(config: TrackConfig) -> Silence | None:
    if len(config.record) < 2:
        return None
    bits = int.from_bytes(config.record[:2], "big")
    rate, elements = bits >> 7 & 15, _ELEMENTS.get(bits >> 3 & 15)
    if bits >> 11 not in _OBJECTS or rate >= len(_RATES) or elements is None:
        return None
    written, seen = "", {_SINGLE: 0, _PAIR: 0, _LOW: 0}
    for element in elements:
        written += f"{element}{seen[element]:04b}"
        written += "0" + _ZEROS + _ZEROS if element is _PAIR else _ZEROS
        seen[element] += 1
    written += _END
    size = -(-len(written) // 8)
    payload = int(written.ljust(8 * size, "0"), 2).to_bytes(size, "big")
    return Silence(payload, _SAMPLES / _RATES[rate])


_SILENCES: Final[Mapping[Codec, Callable[[TrackConfig], Silence | None]]] = {
    Codec.AAC: _aac,
    Codec.FLAC: _flac,
    Codec.MP3: _mp3,
    Codec.OPUS: _opus,
}
