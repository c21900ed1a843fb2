"""Frames of silence, which stand in for sound that a stream announces and does not send.

Source: ISO/IEC 14496-3, 4.4.2: a raw_data_block whose channels have no spectral data; RFC 6716, 3.1
and 4.3: a frame of CELT whose silence flag is set.
"""

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
    if config.codec is Codec.OPUS and config.record[_OPUS_FAMILY : _OPUS_FAMILY + 1] == b"\0":
        opus = _OPUS.get(config.channels)
        return None if opus is None else Silence(opus, _OPUS_MS)
    if config.codec is not Codec.AAC or len(config.record) < 2:
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
