"""Tags of what MPEG-TS holds: Annex B becomes lengths, ADTS and parameter sets sequence headers.

    Unit of video ─► NAL units ─► sequence header, when the parameter sets change; picture
    Unit of sound ─► frames ─► sequence header, when the configuration changes; frame

What every player knows already is left out: access unit delimiters, and parameter sets that the
sequence header holds. Times go on where the 33 bits wrap.

Source: ISO/IEC 13818-1, 2.4.3.7; ISO/IEC 14496-3, 1.6.2.1 and 1.A.2; Enhanced RTMP v2.
"""

from collections.abc import Iterator
from typing import Final

from headend.errors import MediaError
from headend.media.avc import avcc_of_units
from headend.media.codecs import audio_tag, video_tag
from headend.media.headers import Codec
from headend.media.hevc import hvcc_of
from headend.media.latm import SAMPLES, LatmReader
from headend.media.mpegts import CLOCK_HZ, TsDemuxer, Unit
from headend.media.nalus import from_annex_b
from headend.media.sound_frames import FrameHeader, SoundFrames
from headend.media.tag import Tag
from headend.media.ts_opus import OPUS_RATE, opus_head, opus_packets

_WRAP: Final = 1 << 33
_HALF: Final = _WRAP // 2
_TICKS: Final = CLOCK_HZ // 1000  # of a millisecond
_TIMESTAMPS: Final = 0xFFFFFFFF
_MAX_COMPOSITION: Final = 0x7FFFFF  # 24 bits, signed

_AVC_SLICES: Final = range(1, 6)
_AVC_IDR, _AVC_SPS, _AVC_PPS, _AVC_DELIMITER = 5, 7, 8, 9
_HEVC_KEY: Final = range(16, 22)
_HEVC_SPS, _HEVC_DELIMITER = 33, 35
_HEVC_SETS: Final = range(32, 35)
_MAX_SETS: Final = 31  # parameter sets of a kind that avcC holds

_AAC_HEAD, _AAC_FRAME = b"\xaf\x00", b"\xaf\x01"
_OPUS_HEAD, _OPUS_FRAME = b"\x90Opus", b"\x91Opus"
_AC3_FRAMES: Final = {Codec.AC3: b"\x91ac-3", Codec.EAC3: b"\x91ec-3"}
# SoundRate of FLV; it has no word for 48 kHz, and players go by the frame.
_MP3_RATES: Final = {48000: 3, 44100: 3, 32000: 3, 24000: 2, 22050: 2, 16000: 2}


class TagMaker:
    """Takes the bytes of MPEG-TS as they come, and returns tags.

    Attributes:
        demuxer: What was left out, and which tracks there are.
    """

    def __init__(self) -> None:
        self.demuxer: Final = TsDemuxer()
        self._newest: int | None = None  # time that does not wrap, in 90 kHz
        self._video = b""  # sequence headers, as told last
        self._audio = b""
        self._sets: frozenset[bytes] = frozenset()  # parameter sets in that of the video
        self._sound: tuple[Codec, SoundFrames] | None = None
        self._latm: Final = LatmReader()
        self._damaged = 0

    @property
    def damaged(self) -> int:
        """Return how much was left out."""
        skipped = 0 if self._sound is None else self._sound[1].skipped
        return self._damaged + self.demuxer.damaged + self._latm.skipped + skipped

    def receive_data(self, data: bytes) -> list[Tag]:
        """Take bytes of MPEG-TS; return the tags that are whole."""
        return [tag for unit in self.demuxer.receive_data(data) for tag in self._tags(unit)]

    def flush(self) -> list[Tag]:
        """Return the tags that are whole because nothing follows."""
        return [tag for unit in self.demuxer.flush() for tag in self._tags(unit)]

    def _tags(self, unit: Unit) -> Iterator[Tag]:
        dts = self._unwrapped(unit.dts)
        try:
            if unit.codec in (Codec.H264, Codec.HEVC):
                yield from self._picture(unit, dts)
            elif unit.codec is Codec.OPUS:
                yield from self._opus(unit, dts)
            elif unit.is_latm:
                yield from self._latm_frames(unit, dts)
            else:
                yield from self._frames(unit, dts)
        except MediaError:
            self._damaged += 1

    def _unwrapped(self, time: int) -> int:
        """Return the time nearest to the newest one."""
        newest = time if self._newest is None else self._newest
        self._newest = newest + (time - newest + _HALF) % _WRAP - _HALF
        return self._newest

    # ------------------------------------------------------------------ pictures

    def _picture(self, unit: Unit, dts: int) -> Iterator[Tag]:
        units = from_annex_b(unit.payload)
        is_avc = unit.codec is Codec.H264
        kinds = [each[0] & 31 if is_avc else each[0] >> 1 & 63 for each in units]
        stamp = dts // _TICKS & _TIMESTAMPS
        if header := self._header(units, kinds, is_avc=is_avc):
            yield video_tag(stamp, header)
        delimiter = _AVC_DELIMITER if is_avc else _HEVC_DELIMITER
        kept = [
            each
            for each, kind in zip(units, kinds, strict=True)
            if kind != delimiter and each not in self._sets
        ]
        if not self._video or not kept:
            return
        if is_avc:
            is_gradual = unit.is_random_access and _AVC_SPS in kinds
            is_key = _AVC_IDR in kinds or is_gradual
            head = b"\x17\x01" if is_key else b"\x27\x01"
        else:
            is_key = any(kind in _HEVC_KEY for kind in kinds)
            head = b"\x91hvc1" if is_key else b"\xa1hvc1"
        shown = ((unit.pts - unit.dts + _HALF) % _WRAP - _HALF) // _TICKS
        shown = min(max(shown, -_MAX_COMPOSITION), _MAX_COMPOSITION)
        pieces = [head, shown.to_bytes(3, "big", signed=True)]
        for each in kept:
            pieces += (len(each).to_bytes(4, "big"), each)
        yield video_tag(stamp, b"".join(pieces))

    def _header(self, units: list[bytes], kinds: list[int], *, is_avc: bool) -> bytes:
        """Return a sequence header if the parameter sets have changed; else nothing."""
        if (_AVC_SPS if is_avc else _HEVC_SPS) not in kinds:
            return b""
        wanted = (_AVC_SPS, _AVC_PPS) if is_avc else _HEVC_SETS
        pairs = zip(units, kinds, strict=True)
        found = [(each, kind) for each, kind in pairs if kind in wanted and len(each) > 3]
        sets = frozenset(each for each, _ in found)
        if not sets or (self._video and sets <= self._sets):
            return b""
        if is_avc:
            sps = [each for each, kind in found if kind == _AVC_SPS][:_MAX_SETS]
            pps = [each for each, kind in found if kind == _AVC_PPS][:_MAX_SETS]
            if not sps or not pps:
                raise MediaError("an SPS comes without a PPS")
            header = b"\x17\x00\x00\x00\x00" + avcc_of_units(sps, pps)
        else:
            header = b"\x90hvc1" + hvcc_of([each for each, _ in found])
        self._sets, self._video = sets, header
        return header

    # ------------------------------------------------------------------ sound

    def _opus(self, unit: Unit, time: int) -> Iterator[Tag]:
        head = opus_head(unit.channels)
        if head != self._audio:
            self._audio = head
            yield audio_tag(time // _TICKS & _TIMESTAMPS, _OPUS_HEAD + head)
        for samples, packet in opus_packets(unit.payload):
            yield audio_tag(time // _TICKS & _TIMESTAMPS, _OPUS_FRAME + packet)
            time += samples * CLOCK_HZ // OPUS_RATE

    def _latm_frames(self, unit: Unit, time: int) -> Iterator[Tag]:
        for element in self._latm.take(unit.payload):
            if element.config != self._audio:
                self._audio = element.config
                yield audio_tag(time // _TICKS & _TIMESTAMPS, _AAC_HEAD + element.config)
            for frame in element.frames:
                yield audio_tag(time // _TICKS & _TIMESTAMPS, _AAC_FRAME + frame)
                time += SAMPLES * CLOCK_HZ // element.rate

    def _frames(self, unit: Unit, dts: int) -> Iterator[Tag]:
        if self._sound is None or self._sound[0] is not unit.codec:
            self._sound = unit.codec, SoundFrames(unit.codec)
        for time, header, frame in self._sound[1].take(dts, unit.payload):
            stamp = time // _TICKS & _TIMESTAMPS
            if unit.codec is Codec.AAC:
                config = _aac_config(frame)
                if config != self._audio:
                    self._audio = config
                    yield audio_tag(stamp, _AAC_HEAD + config)
                body = _AAC_FRAME + frame[7 if frame[1] & 1 else 9 :]
            elif unit.codec is Codec.MP3:
                body = _mp3_head(header, frame) + frame
            else:
                body = _AC3_FRAMES[unit.codec] + frame
            yield audio_tag(stamp, body)


def _aac_config(frame: bytes) -> bytes:
    """Return the AudioSpecificConfig that an ADTS header stands for."""
    kind, rate = (frame[2] >> 6) + 1, frame[2] >> 2 & 15
    channels = (frame[2] & 1) << 2 | frame[3] >> 6
    return (kind << 11 | rate << 7 | channels << 3).to_bytes(2, "big")


def _mp3_head(header: FrameHeader, frame: bytes) -> bytes:
    rate = _MP3_RATES.get(header.rate, 1)
    is_stereo = frame[3] >> 6 != 3
    return bytes((0x22 | rate << 2 | is_stereo,))
