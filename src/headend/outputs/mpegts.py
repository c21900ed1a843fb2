"""A stream as MPEG-TS: its first video and its first audio track, in packets of 188 bytes.

    keyframe ─► PAT, PMT, parameter sets, picture
    picture  ─► one PES packet, in Annex B
    sound    ─► one PES packet a frame, AAC with ADTS

All viewers get the same bytes. Each begins at a keyframe, which has all that a decoder needs; sound
without pictures has its tables twice a second.

Source: ISO/IEC 13818-1, 2.4.3 and 2.4.4; ETSI TS 102 366, annex G (AC-3, E-AC-3).
"""

from collections.abc import Iterator, Sequence
from typing import Final

from headend.errors import MediaError
from headend.media import avc, hevc
from headend.media.headers import (
    AudioPacketType,
    Codec,
    FrameType,
    VideoPacketType,
    parse_audio_header,
    parse_video_header,
)
from headend.media.mpegts import PACKET_SIZE
from headend.media.nalus import length_size, mended
from headend.media.tag import AUDIO, VIDEO, Tag
from headend.media.ts_opus import opus_descriptors, with_control_header
from headend.media.ts_tables import checked

FORMAT: Final = "mpegts"  # key of its fan-out in a stream

PMT_PID: Final = 0x1000
VIDEO_PID: Final = 0x100
AUDIO_PID: Final = 0x101
TABLES_MS: Final = 500  # between tables of a stream without pictures
BUFFER_TICKS: Final = 200 * 90  # by which the clock is behind decoding: what decoders may hold

_WRAP: Final = 1 << 33
_TICKS: Final = 90  # of a millisecond
_ROOM: Final = PACKET_SIZE - 4
_TYPES: Final = {
    Codec.H264: b"\x1b",
    Codec.HEVC: b"\x24",
    Codec.AAC: b"\x0f",
    Codec.MP3: b"\x03",
    Codec.AC3: b"\x81",
    Codec.EAC3: b"\x87",
    Codec.OPUS: b"\x06",
}
# Registration descriptors: without them Blu-ray's types mean something else.
_DESCRIPTORS: Final = {Codec.AC3: b"\x05\x04AC-3", Codec.EAC3: b"\x05\x04EAC3"}
_STREAM_IDS: Final = {Codec.AC3: 0xBD, Codec.EAC3: 0xBD, Codec.OPUS: 0xBD}
_SOUND_ID, _VIDEO_ID = 0xC0, 0xE0
_OPUS_CHANNELS: Final = 9  # offset in the Opus head
_START: Final = b"\0\0\0\1"
_DELIMITERS: Final = {Codec.H264: b"\0\0\0\1\x09\xf0", Codec.HEVC: b"\0\0\0\1\x46\x01\x50"}
_DELIMITER_TYPES: Final = {Codec.H264: 9, Codec.HEVC: 35}
_SPS_TYPES: Final = {Codec.H264: 7, Codec.HEVC: 33}
_FRAMES: Final = (VideoPacketType.CODED_FRAMES, VideoPacketType.CODED_FRAMES_X)


def carries(codec: Codec) -> bool:
    """Say whether a codec is put into MPEG-TS."""
    return codec in _TYPES


class TsEncoder:
    """Encodes tags as MPEG-TS; what it does not hold is left out."""

    def __init__(self) -> None:
        self._video: Codec | None = None
        self._audio: Codec | None = None
        self._length_size = 4
        self._sets = b""  # parameter sets in Annex B
        self._adts: bytes | None = None  # header of AAC without its length
        self._channels = 2  # of Opus
        self._counters = {0: 0, PMT_PID: 0, VIDEO_PID: 0, AUDIO_PID: 0}
        self._version = -1  # of the PMT
        self._told: tuple[Codec | None, Codec | None] = (None, None)
        self._tables_at = 0

    def learn(self, headers: Sequence[Tag]) -> None:
        for tag in headers:
            self.append([], tag, tag.timestamp)

    def append(self, pieces: list[bytes], tag: Tag, timestamp: int) -> None:
        try:
            if tag.kind is VIDEO:
                pieces += self._picture(tag, timestamp)
            elif tag.kind is AUDIO:
                pieces += self._sound(tag, timestamp)
        except MediaError:
            pass  # damaged: it is left out, as other formats do

    def interrupted(self) -> bytes:
        """Nothing: MPEG-TS has no words for it, and viewers wait."""
        return b""

    def resumed(self) -> bytes:
        return b""

    def ended(self) -> bytes:
        """Nothing: the connection's end is the end."""
        return b""

    # ------------------------------------------------------------------ pictures

    def _picture(self, tag: Tag, timestamp: int) -> Iterator[bytes]:
        header = parse_video_header(tag.body)
        track = next((each for each in header.tracks if each.track_id == 0), None)
        if (
            track is None
            or track.codec not in _DELIMITERS
            or header.frame_type is FrameType.COMMAND
        ):
            return
        payload = tag.body[track.payload]
        if tag.is_sequence_header:
            if header.packet_type is VideoPacketType.SEQUENCE_START:
                self._learn_video(track.codec, payload)
            return
        if header.packet_type not in _FRAMES or track.codec is not self._video or not payload:
            return
        data = self._annex_b(track.codec, payload, is_key=tag.is_keyframe)
        if tag.is_keyframe:
            yield self._tables(timestamp)
        dts = timestamp * _TICKS % _WRAP
        pts = (dts + track.composition_time * _TICKS) % _WRAP
        head = b"\0\0\1" + bytes((_VIDEO_ID, 0, 0, 0x80, 0xC0, 10))
        pes = head + _time(0x30, pts) + _time(0x10, dts) + data
        yield self._packets(VIDEO_PID, pes, clock=dts, is_random_access=tag.is_keyframe)

    def _learn_video(self, codec: Codec, record: bytes) -> None:
        self._length_size = length_size(codec, record)
        units = (avc if codec is Codec.H264 else hevc).parameter_sets(record)
        self._sets = b"".join(_START + unit for unit in units)
        self._video = codec

    def _annex_b(self, codec: Codec, payload: bytes, *, is_key: bool) -> bytes:
        size = self._length_size
        payload, _ = mended(payload, size)
        units, at = [], 0
        while at < len(payload):
            start = at + size
            at = start + int.from_bytes(payload[at:start], "big")
            units.append(payload[start:at])
        is_avc = codec is Codec.H264
        kinds = [each[0] & 31 if is_avc else each[0] >> 1 & 63 for each in units]
        pieces = [_DELIMITERS[codec]]
        if is_key and _SPS_TYPES[codec] not in kinds:
            pieces.append(self._sets)
        for each, kind in zip(units, kinds, strict=True):
            if kind != _DELIMITER_TYPES[codec]:
                pieces += (_START, each)
        return b"".join(pieces)

    # ------------------------------------------------------------------ sound

    def _sound(self, tag: Tag, timestamp: int) -> Iterator[bytes]:
        header = parse_audio_header(tag.body)
        track = next((each for each in header.tracks if each.track_id == 0), None)
        if track is None:
            return
        codec, payload = track.codec, tag.body[track.payload]
        if tag.is_sequence_header:
            if codec is Codec.AAC and header.packet_type is AudioPacketType.SEQUENCE_START:
                self._adts = _adts(payload)
            elif codec is Codec.OPUS and len(payload) > _OPUS_CHANNELS:
                self._channels = payload[_OPUS_CHANNELS]
            return
        is_frame = header.packet_type is AudioPacketType.CODED_FRAMES
        if codec not in _TYPES or not is_frame or not payload:
            return
        if codec is Codec.AAC:
            if self._adts is None:
                return
            payload = _with_adts(self._adts, payload)
        elif codec is Codec.OPUS:
            payload = with_control_header(payload)
        self._audio = codec
        if self._video is None and (timestamp - self._tables_at) & 0xFFFFFFFF >= TABLES_MS:
            yield self._tables(timestamp)
        pts = timestamp * _TICKS % _WRAP
        size = len(payload) + 8
        head = b"\0\0\1" + bytes((_STREAM_IDS.get(codec, _SOUND_ID),))
        head += (size if size < 0x10000 else 0).to_bytes(2, "big") + b"\x80\x80\x05"
        clock = pts if self._video is None else None
        yield self._packets(AUDIO_PID, head + _time(0x20, pts) + payload, clock=clock)

    # ------------------------------------------------------------------ packets

    def _packets(
        self, pid: int, data: bytes, *, clock: int | None = None, is_random_access: bool = False
    ) -> bytes:
        """Put a PES packet into packets; the first one has the clock, the last one is filled up."""
        counter = self._counters[pid]
        field = b"" if clock is None else _field(clock, is_random_access=is_random_access)
        pieces: list[bytes] = []
        at, end, high = 0, len(data), 0x40 | pid >> 8
        while at < end:
            room = _ROOM - len(field)
            left = end - at
            if left < room:
                field = _filled(field, room - left)
                room = left
            flags = (0x30 if field else 0x10) | counter
            pieces += (bytes((0x47, high, pid & 0xFF, flags)), field, data[at : at + room])
            at += room
            counter = (counter + 1) & 15
            field, high = b"", pid >> 8
        self._counters[pid] = counter
        return b"".join(pieces)

    def _tables(self, timestamp: int) -> bytes:
        """Return PAT and PMT as they are now."""
        self._tables_at = timestamp
        tracks = (self._video, self._audio)
        if tracks != self._told:
            self._told = tracks
            self._version = (self._version + 1) & 31
        pat = b"\0\xb0\x0d\0\1\xc1\0\0\0\1" + (0xE000 | PMT_PID).to_bytes(2, "big")
        clock_pid = VIDEO_PID if self._video is not None else AUDIO_PID
        body = b"\0\1" + bytes((0xC1 | self._version << 1, 0, 0))
        body += (0xE000 | clock_pid).to_bytes(2, "big") + b"\xf0\0"
        for codec, pid in zip(tracks, (VIDEO_PID, AUDIO_PID), strict=True):
            if codec is not None:
                descriptor = _DESCRIPTORS.get(codec, b"")
                if codec is Codec.OPUS:
                    descriptor = opus_descriptors(self._channels)
                body += _TYPES[codec] + (0xE000 | pid).to_bytes(2, "big")
                body += (0xF000 | len(descriptor)).to_bytes(2, "big") + descriptor
        pmt = b"\2" + (0xB000 | len(body) + 4).to_bytes(2, "big") + body
        return self._table(0, checked(pat)) + self._table(PMT_PID, checked(pmt))

    def _table(self, pid: int, section: bytes) -> bytes:
        counter = self._counters[pid]
        self._counters[pid] = (counter + 1) & 15
        head = bytes((0x47, 0x40 | pid >> 8, pid & 0xFF, 0x10 | counter, 0))
        return (head + section).ljust(PACKET_SIZE, b"\xff")


def _field(clock: int, *, is_random_access: bool) -> bytes:
    """Return an adaptation field with the program clock, which is behind the decoding time."""
    base = (clock - BUFFER_TICKS) % _WRAP
    flags = 0x50 if is_random_access else 0x10
    return bytes((7, flags)) + (base << 15 | 0x7E00).to_bytes(6, "big")


def _filled(field: bytes, size: int) -> bytes:
    """Return an adaptation field that is `size` bytes longer."""
    if field:
        return bytes((field[0] + size,)) + field[1:] + b"\xff" * size
    return bytes((size - 1,)) + (b"\0" + b"\xff" * (size - 2) if size > 1 else b"")


def _time(prefix: int, time: int) -> bytes:
    """Return a PTS or DTS with its marker bits."""
    return bytes(
        (
            prefix | time >> 29 & 0x0E | 1,
            time >> 22 & 0xFF,
            time >> 14 & 0xFE | 1,
            time >> 7 & 0xFF,
            time << 1 & 0xFE | 1,
        )
    )


def _adts(config: bytes) -> bytes | None:
    """Return the ADTS header that stands for an AudioSpecificConfig; None: ADTS has none."""
    bits = int.from_bytes(config[:4].ljust(4, b"\0"), "big")
    kind, rate, channels = bits >> 27, bits >> 23 & 15, bits >> 19 & 15
    if kind in (5, 29):  # SBR and PS are found in the frames: what lies below is named
        kind = bits >> 10 & 31
    if not 1 <= kind <= 4 or rate > 12 or channels > 7:
        return None
    first = (kind - 1) << 6 | rate << 2 | channels >> 2
    return bytes((0xFF, 0xF1, first, (channels & 3) << 6, 0, 0x1F, 0xFC))


def _with_adts(head: bytes, payload: bytes) -> bytes:
    size = len(payload) + len(head)
    middle = (head[3] | size >> 11 & 3, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F)
    return head[:3] + bytes(middle) + head[6:] + payload
