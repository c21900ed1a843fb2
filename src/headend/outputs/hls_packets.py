"""This module turns tags into packets for HLS: track 0 of each kind, with times that do not wrap.

Damage is reported once for each cause, and what is damaged left out.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Final, Literal, NamedTuple

from headend.errors import HeadendError, MediaError
from headend.media import amf0
from headend.media.avc import nalu_length_size
from headend.media.headers import (
    AudioPacketType,
    Codec,
    FrameType,
    VideoPacketType,
    parse_audio_header,
    parse_video_header,
)
from headend.media.package import CODECS, Container, Packet, Track
from headend.media.tag import AUDIO, VIDEO, Tag, TagKind
from headend.media.track_config import (
    MAX_SIZE,
    codec_of,
    needs_header,
    says_nothing,
    track_config,
)

# NAL units of one picture: 16 MiB of those that fit into a packet of Ethernet are 12 000.
MAX_NALUS: Final = 16_384
WRAP: Final = 1 << 32
HALF: Final = 1 << 31
_LEGACY_AVC_FRAME: Final = 7  # CodecID; the packet type in the next byte says frame
_LEGACY_AAC: Final = 0xA0
_HVCC_LENGTH: Final = 21  # offset of lengthSizeMinusOne
_ADTS_HEADER: Final = 7

BAD_GAP_MS: Final = 1_000  # from one bad packet to the next, in a row of them
BAD_MS: Final = 3_000  # so long a row is a track without anything good
REFUSED_MS: Final = 60_000  # then it is tried again

_new_packet = tuple.__new__  # a third of the cost; see docs/decisions/0002


class _Refused(NamedTuple):
    """A track that is not packaged.

    Attributes:
        codec: Whose frames are passed over.
        track: Which; None: its codec does not go into the container.
        until: Of the stream's time, ms; then it is tried again.
    """

    codec: Codec
    track: Track | None = None
    until: float = inf


class Packets:
    """What is known of a stream's tracks, and its packets.

    Attributes:
        tracks: The tracks that can be packaged, by kind.
        version: Grows when they change.
        left_out: Frames that were damaged or that no muxer took.
        fault: What was reported last; None: nothing was.
    """

    def __init__(
        self, container: Container | Literal["pyav"], report: Callable[[str], None]
    ) -> None:
        """Know nothing yet.

        Args:
            container: What it is for: not every codec goes into every one.
            report: Called with a line for each kind of damage.
        """
        self._codecs = CODECS[container]
        self._container = container
        self._report = report
        self._reported: set[str] = set()
        self._refused: dict[TagKind, _Refused] = {}
        self._bad: dict[TagKind, tuple[int, int]] = {}  # DTS of the first and the last in a row
        self.tracks: dict[TagKind, Track] = {}
        self.version = 0
        self.left_out = 0
        self.fault: str | None = None
        self._length_size = 0  # of NALUs; 0: the codec has none
        self._newest: int | None = None
        self._size: tuple[int, int] | None = None  # of the picture, as metadata says

    def clear(self) -> None:
        """Forget the tracks: another publisher comes."""
        self._refused.clear()
        if self.tracks:
            self.tracks.clear()
            self.version += 1

    def packet(self, tag: Tag) -> Packet | None:
        """Return the packet of a tag; None: it has none, or it can't be packaged."""
        try:
            if tag.is_sequence_header:
                self._learn(tag)
            elif tag.kind is AUDIO:
                return self._audio(tag)
            elif tag.kind is VIDEO:
                return self._video(tag)
            else:
                self._size = _metadata_size(tag.body) or self._size
        except MediaError as error:
            self.report(str(error))
        return None

    def report(self, fault: str) -> None:
        """Report a fault, once."""
        self.fault = fault
        if fault not in self._reported and len(self._reported) < 32:
            self._reported.add(fault)
            self._report(fault)

    def leave_out(self, packet: Packet, fault: str) -> None:
        """Count a packet that no muxer takes; a track that has no others is refused for a while."""
        self.left_out += 1
        self.report(fault)
        first, last = self._bad.get(packet.kind, (packet.dts, packet.dts))
        if not 0 <= packet.dts - last <= BAD_GAP_MS:
            first = packet.dts
        self._bad[packet.kind] = first, packet.dts
        track = self.tracks.get(packet.kind)
        if track is not None and packet.dts - first >= BAD_MS:
            self.refuse(track, fault, packet.dts + REFUSED_MS)

    def refuse(self, track: Track, fault: str, until: float = inf) -> None:
        """Leave a track out until its codec or its sequence header changes, or until a DTS."""
        config = track.config
        self.report(f"{config.codec} is left out: {fault}")
        self._drop(config.kind)
        self._refused[config.kind] = _Refused(config.codec, track, until)

    # ------------------------------------------------------------------ tracks

    def _learn(self, tag: Tag) -> None:
        """Take note of a sequence header."""
        known = self.tracks.get(tag.kind)
        if known is not None and known.tag.body == tag.body:
            return
        if says_nothing(tag):
            return
        if known is not None and known.config.codec is not codec_of(tag):
            self._drop(tag.kind)
        config = track_config(tag)
        if config.codec not in self._codecs:
            self._refused[tag.kind] = _Refused(config.codec)
            raise MediaError(f"{config.codec} does not go into {self._container}")
        if tag.kind is VIDEO and not (config.width and config.height):
            if self._size is None:
                raise MediaError(f"the size of {config.codec} is not known")
            config = replace(config, width=self._size[0], height=self._size[1])
        self._add(Track(config, tag))

    def _add(self, track: Track) -> None:
        config = track.config
        if config.kind is VIDEO:
            self._length_size = _nalu_lengths(config.codec, config.record)
        self._refused.pop(config.kind, None)
        self.tracks[config.kind] = track
        self.version += 1

    def _drop(self, kind: TagKind) -> None:
        if self.tracks.pop(kind, None) is not None:
            self.version += 1

    def _is_known(self, tag: Tag, codec: Codec) -> bool:
        """Say whether a frame is of a track that is packaged; false: it is refused.

        Raises:
            MediaError: The codec needs a sequence header, or does not go into the container.
        """
        known = self.tracks.get(tag.kind)
        if known is not None and known.config.codec is codec:
            return True
        refused = self._refused.get(tag.kind)
        if refused is not None and refused.codec is codec:
            if refused.track is None or (self._newest or 0) < refused.until:
                return False
            self._add(refused.track)
            return True
        # Its frames say what they are, or a header should have done so.
        if needs_header(codec):
            raise MediaError(f"{codec} comes without a sequence header")
        if codec not in self._codecs:
            self._drop(tag.kind)
            raise MediaError(f"{codec} does not go into {self._container}")
        self._add(Track(track_config(tag), tag))
        return True

    # ------------------------------------------------------------------ frames

    def _video(self, tag: Tag) -> Packet | None:
        body = tag.body
        # Hot path: nearly all video of today.
        if body[0] & 0x8F == _LEGACY_AVC_FRAME and len(body) > 5 and body[1] == 1:
            shift = int.from_bytes(body[2:5], "big", signed=True)
            payload, codec = body[5:], Codec.H264
        else:
            header = parse_video_header(body)
            first = next((track for track in header.tracks if track.track_id == 0), None)
            if first is None or header.frame_type is FrameType.COMMAND:
                return None
            if header.packet_type not in (
                VideoPacketType.CODED_FRAMES,
                VideoPacketType.CODED_FRAMES_X,
            ):
                return None
            shift, payload, codec = first.composition_time, body[first.payload], first.codec
        if not payload:
            return None
        if not self._is_known(tag, codec):
            return None
        if self._length_size and not _has_whole_nalus(payload, self._length_size):
            raise MediaError("the lengths of NAL units do not fit their frame")
        dts = self._time(tag.timestamp)
        return _new_packet(Packet, (VIDEO, dts, dts + shift, tag.is_keyframe, payload))

    def _audio(self, tag: Tag) -> Packet | None:
        body = tag.body
        if body[0] & 0xF0 == _LEGACY_AAC and len(body) > 2 and body[1] == 1:
            payload, codec = body[2:], Codec.AAC
        else:
            header = parse_audio_header(body)
            first = next((track for track in header.tracks if track.track_id == 0), None)
            if first is None or header.packet_type is not AudioPacketType.CODED_FRAMES:
                return None
            payload, codec = body[first.payload], first.codec
        if not payload:
            return None
        if not self._is_known(tag, codec):
            return None
        if codec is Codec.AAC and _is_adts(payload):
            self.report("AAC comes with ADTS headers, which do not belong into FLV; taken out")
            payload = payload[_ADTS_HEADER if payload[1] & 1 else _ADTS_HEADER + 2 :]
        dts = self._time(tag.timestamp)
        return _new_packet(Packet, (AUDIO, dts, dts, True, payload))

    def _time(self, timestamp: int) -> int:
        """Unwrap a timestamp: the nearest to the newest one."""
        newest = self._newest
        if newest is None:
            self._newest = timestamp
            return timestamp
        time = newest + ((timestamp - newest + HALF) % WRAP) - HALF
        if time > newest:
            self._newest = time
        return time


def _metadata_size(body: bytes) -> tuple[int, int] | None:
    """Return width and height of onMetaData, if it has any that make sense."""
    try:
        values = amf0.parse_values(body)
    except HeadendError:
        return None
    for value in values:
        if isinstance(value, dict):
            width, height = value.get("width"), value.get("height")
            if isinstance(width, float) and isinstance(height, float):
                is_size = all(1 <= side <= MAX_SIZE for side in (width, height))
                return (int(width), int(height)) if is_size else None
    return None


def _nalu_lengths(codec: Codec, record: bytes) -> int:
    if codec is Codec.H264:
        return nalu_length_size(record)
    if codec is Codec.HEVC:
        return (record[_HVCC_LENGTH] & 3) + 1
    return 0


def _has_whole_nalus(payload: bytes, length_size: int) -> bool:
    offset, end = 0, len(payload)
    for _ in range(MAX_NALUS):
        offset += length_size + int.from_bytes(payload[offset : offset + length_size], "big")
        if offset >= end:
            break
    return offset == end


def _is_adts(payload: bytes) -> bool:
    """Say whether a frame begins with an ADTS header that gives its whole size (14496-3, 1.A.2)."""
    if len(payload) < _ADTS_HEADER or payload[0] != 0xFF or payload[1] & 0xF6 != 0xF0:
        return False
    return (payload[3] & 3) << 11 | payload[4] << 3 | payload[5] >> 5 == len(payload)
