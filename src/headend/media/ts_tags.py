"""Tags of what MPEG-TS holds: Annex B becomes lengths, ADTS and parameter sets sequence headers.

    Unit of video ─► NAL units ─► sequence header, when the parameter sets change; picture
    Unit of sound ─► frames ─► sequence header, when the configuration changes; frame
    data          ─► onCuePoint (SCTE-35), onKLV, onID3, with the bytes in base64

What every player knows already is left out: access unit delimiters, and parameter sets that the
sequence header holds. Times go on where the 33 bits wrap. Tracks beside the first of a kind become
multitrack messages.

Source: ISO/IEC 13818-1, 2.4.3.7; ISO/IEC 14496-3, 1.6.2.1 and 1.A.2; Enhanced RTMP v2.
"""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from headend.errors import MediaError
from headend.media.amf import Value
from headend.media.amf0 import serialize_values
from headend.media.avc import avcc_of_units
from headend.media.codecs import audio_tag, script_tag, video_tag
from headend.media.headers import Codec
from headend.media.hevc import hvcc_of
from headend.media.latm import SAMPLES, LatmReader
from headend.media.mpegts import CLOCK_HZ, TimedData, TsDemuxer, Unit
from headend.media.multitrack import beside
from headend.media.nalus import from_annex_b
from headend.media.sound_frames import FrameHeader, SoundFrames
from headend.media.tag import Tag
from headend.media.ts_opus import OPUS_RATE, opus_head, opus_packets
from headend.media.ts_tables import DataKind

_WRAP: Final = 1 << 33
_HALF: Final = _WRAP // 2
_TICKS: Final = CLOCK_HZ // 1000  # of a millisecond
_TIMESTAMPS: Final = 0xFFFFFFFF
_MAX_COMPOSITION: Final = 0x7FFFFF  # 24 bits, signed
_APART: Final = 10 * CLOCK_HZ  # further apart, two programs have clocks of their own

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
        self._clocks: dict[int, _Clock] = {}  # of programs
        self._pictures: dict[int, _Pictures] = {}  # by track
        self._sounds: dict[int, _Sounds] = {}
        self._damaged = 0

    @property
    def damaged(self) -> int:
        """Return how much was left out."""
        skipped = sum(sounds.skipped for sounds in self._sounds.values())
        return self._damaged + self.demuxer.damaged + skipped

    def receive_data(self, data: bytes) -> list[Tag]:
        """Take bytes of MPEG-TS; return the tags that are whole."""
        return [tag for unit in self.demuxer.receive_data(data) for tag in self._tags(unit)]

    def flush(self) -> list[Tag]:
        """Return the tags that are whole because nothing follows."""
        return [tag for unit in self.demuxer.flush() for tag in self._tags(unit)]

    def _tags(self, unit: Unit | TimedData) -> Iterator[Tag]:
        time = unit.pts if isinstance(unit, TimedData) else unit.dts
        clock = self._clock(unit.program, time)
        if clock is None:
            return
        if isinstance(unit, TimedData):
            at = clock.newest if time is None else clock.near(time)
            yield _data_tag(unit, (at + clock.ahead) // _TICKS & _TIMESTAMPS)
            return
        clock.newest = clock.near(unit.dts)
        track: _Pictures | _Sounds
        if unit.codec in (Codec.H264, Codec.HEVC):
            track = self._pictures.setdefault(unit.track, _Pictures())
        else:
            track = self._sounds.setdefault(unit.track, _Sounds())
        try:
            for tag in track.tags(unit, clock.newest + clock.ahead):
                yield beside(tag, unit.track)
        except MediaError:
            self._damaged += 1

    def _clock(self, program: int, time: int | None) -> "_Clock | None":
        """Return the clock of a program; None: it cannot begin yet.

        A program with a clock of its own begins where the stream is.
        """
        known, first = self._clocks.get(program), self._clocks.get(0)
        if known is not None or time is None or (program and first is None):
            return known
        made = _Clock(time, 0)
        if first is not None:
            made.newest = first.near(time)
            apart = made.newest - first.newest
            made.ahead = 0 if abs(apart) <= _APART else -apart
        self._clocks[program] = made
        return made


@dataclass(slots=True)
class _Clock:
    """Time that does not wrap, in 90 kHz.

    Attributes:
        newest: Decoding time of the newest unit.
        ahead: What is added to it on the stream's one timeline.
    """

    newest: int
    ahead: int

    def near(self, time: int) -> int:
        """Return the time nearest to the newest one."""
        return self.newest + (time - self.newest + _HALF) % _WRAP - _HALF


class _Pictures:
    """A track of video."""

    def __init__(self) -> None:
        self._header = b""  # sequence header, as told last
        self._sets: frozenset[bytes] = frozenset()  # parameter sets in it

    def tags(self, unit: Unit, dts: int) -> Iterator[Tag]:
        units = from_annex_b(unit.payload)
        is_avc = unit.codec is Codec.H264
        kinds = [each[0] & 31 if is_avc else each[0] >> 1 & 63 for each in units]
        stamp = dts // _TICKS & _TIMESTAMPS
        if header := self._changed(units, kinds, is_avc=is_avc):
            yield video_tag(stamp, header)
        delimiter = _AVC_DELIMITER if is_avc else _HEVC_DELIMITER
        kept = [
            each
            for each, kind in zip(units, kinds, strict=True)
            if kind != delimiter and each not in self._sets
        ]
        if not self._header or not kept:
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

    def _changed(self, units: list[bytes], kinds: list[int], *, is_avc: bool) -> bytes:
        """Return a sequence header if the parameter sets have changed; else nothing."""
        if (_AVC_SPS if is_avc else _HEVC_SPS) not in kinds:
            return b""
        wanted = (_AVC_SPS, _AVC_PPS) if is_avc else _HEVC_SETS
        pairs = zip(units, kinds, strict=True)
        found = [(each, kind) for each, kind in pairs if kind in wanted and len(each) > 3]
        sets = frozenset(each for each, _ in found)
        if not sets or (self._header and sets <= self._sets):
            return b""
        if is_avc:
            sps = [each for each, kind in found if kind == _AVC_SPS][:_MAX_SETS]
            pps = [each for each, kind in found if kind == _AVC_PPS][:_MAX_SETS]
            if not sps or not pps:
                raise MediaError("an SPS comes without a PPS")
            header = b"\x17\x00\x00\x00\x00" + avcc_of_units(sps, pps)
        else:
            header = b"\x90hvc1" + hvcc_of([each for each, _ in found])
        self._sets, self._header = sets, header
        return header


class _Sounds:
    """A track of sound."""

    def __init__(self) -> None:
        self._config = b""  # as told last
        self._frames: tuple[Codec, SoundFrames] | None = None
        self._latm: Final = LatmReader()

    @property
    def skipped(self) -> int:
        """Return how often bytes were no frame."""
        return self._latm.skipped + (0 if self._frames is None else self._frames[1].skipped)

    def tags(self, unit: Unit, time: int) -> Iterator[Tag]:
        if unit.codec is Codec.OPUS:
            return self._opus(unit, time)
        return self._latm_frames(unit, time) if unit.is_latm else self._plain(unit, time)

    def _opus(self, unit: Unit, time: int) -> Iterator[Tag]:
        head = opus_head(unit.channels)
        if head != self._config:
            self._config = head
            yield audio_tag(time // _TICKS & _TIMESTAMPS, _OPUS_HEAD + head)
        for samples, packet in opus_packets(unit.payload):
            yield audio_tag(time // _TICKS & _TIMESTAMPS, _OPUS_FRAME + packet)
            time += samples * CLOCK_HZ // OPUS_RATE

    def _latm_frames(self, unit: Unit, time: int) -> Iterator[Tag]:
        for element in self._latm.take(unit.payload):
            if element.config != self._config:
                self._config = element.config
                yield audio_tag(time // _TICKS & _TIMESTAMPS, _AAC_HEAD + element.config)
            for frame in element.frames:
                yield audio_tag(time // _TICKS & _TIMESTAMPS, _AAC_FRAME + frame)
                time += SAMPLES * CLOCK_HZ // element.rate

    def _plain(self, unit: Unit, dts: int) -> Iterator[Tag]:
        if self._frames is None or self._frames[0] is not unit.codec:
            self._frames = unit.codec, SoundFrames(unit.codec)
        for time, header, frame in self._frames[1].take(dts, unit.payload):
            stamp = time // _TICKS & _TIMESTAMPS
            if unit.codec is Codec.AAC:
                config = _aac_config(frame)
                if config != self._config:
                    self._config = config
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


_DATA_NAMES: Final = {DataKind.KLV: "onKLV", DataKind.ID3: "onID3"}


def _data_tag(data: TimedData, stamp: int) -> Tag:
    """Return data as a message; AMF0 has no bytes, so they are in base64."""
    text: Value = {"data": b64encode(data.payload).decode()}
    if data.kind is not DataKind.SPLICE:
        return script_tag(stamp, serialize_values(_DATA_NAMES[data.kind], text))
    cue: Value = {"name": str(data.kind), "type": "event", "time": stamp / 1000, "parameters": text}
    return script_tag(stamp, serialize_values("onCuePoint", cue))
