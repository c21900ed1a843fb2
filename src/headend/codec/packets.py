"""Tags become packets that a muxer takes: whole pictures of track 0, with times that go on.

    tag ─► NAL units made whole ─► messages of one picture put together ─► times ─► packet

What can be mended is mended, what cannot is left out and counted, and both are reported once for
each cause.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Final, Literal, TypeVar

from headend.codec.package import Container, Packet, Track
from headend.codec.pictures import Pictures, VideoMessage
from headend.codec.times import Times
from headend.codec.tracks import Tracks
from headend.errors import MediaError
from headend.media.headers import (
    AudioPacketType,
    Codec,
    FrameType,
    VideoPacketType,
    parse_audio_header,
    parse_video_header,
)
from headend.media.nalus import Picture, RandomAccess, access_of, mended, picture_of
from headend.media.tag import AUDIO, VIDEO, Tag, TagKind

_LEGACY_AVC_FRAME: Final = 7  # CodecID; the packet type in the next byte says frame
_LEGACY_AAC: Final = 0xA0
_ADTS_HEADER: Final = 7
_VIDEO_FRAMES: Final = (VideoPacketType.CODED_FRAMES, VideoPacketType.CODED_FRAMES_X)
# With which a frame of these begins; without, FFmpeg writes what no player takes.
_SYNC: Final = {Codec.AC3: b"\x0b\x77", Codec.EAC3: b"\x0b\x77", Codec.MP3: b"\xff"}

MAX_REPORTED: Final = 32  # kinds of faults
BAD_GAP_MS: Final = 1_000  # from one bad packet to the next, in a row of them
BAD_MS: Final = 3_000  # so long a row is a track without anything good
REFUSED_MS: Final = 60_000  # then it is tried again

HAS_NO_PLACE: Final = "a picture comes in several messages, of which not all fit; left out"

_new = tuple.__new__  # a third of the cost; see docs/decisions/0002

T = TypeVar("T")


class Packets:
    """The packets of a stream.

    Attributes:
        tracks: The tracks that can be packaged, by kind.
        left_out: Frames that were damaged or that no muxer took.
        fault: Why a frame was left out last; None: none was.
    """

    def __init__(
        self, container: Container | Literal["pyav"], report: Callable[[str], None]
    ) -> None:
        """Know nothing yet.

        Args:
            container: What it is for: not every codec goes into every one.
            report: Called with a line for each kind of damage.
        """
        self._report = report
        self._reported: set[str] = set()
        self._tracks = Tracks(container, self.report)
        self.tracks: Final[dict[TagKind, Track]] = self._tracks.known
        self._times = Times(self.report)
        self._pictures = Pictures()
        self._bad: dict[TagKind, tuple[int, int]] = {}  # DTS of the first and the last in a row
        self.left_out = 0
        self.fault: str | None = None

    @property
    def version(self) -> int:
        """Grows when the tracks change."""
        return self._tracks.version

    def clear(self) -> None:
        """Forget the tracks: another publisher comes."""
        self._tracks.clear()
        self._pictures = Pictures()

    def take(self, tag: Tag) -> Sequence[Packet]:
        """Return the packets that are whole with this tag: one for most, none for a header."""
        if tag.kind is not VIDEO or tag.is_sequence_header:
            packet = self.packet(tag)
            return () if packet is None else (packet,)
        message = self._try(self._video, tag)
        if message is None:
            return ()
        if not self._tracks.length_size:
            return (self._timed(message),)
        has = picture_of(message.codec, message.payload, self._tracks.length_size)
        if has is Picture.BEGINS and not self._pictures.holds:
            self._pictures.timestamp = message.timestamp
            return (self._timed(message),)
        whole, has_place = self._pictures.take(message, has)
        if not has_place:
            self._count(HAS_NO_PLACE)
        return [self._timed(each) for each in whole]

    def flush(self) -> Sequence[Packet]:
        """Return the picture that is held back for the rest of it: nothing of it follows."""
        return [self._timed(each) for each in self._pictures.flush()]

    def packet(self, tag: Tag) -> Packet | None:
        """Return the packet of a tag alone; None: it has none, or it can't be packaged."""
        if tag.is_sequence_header:
            try:
                self._tracks.learn(tag)
            except MediaError as error:
                self.report(str(error))
        elif tag.kind is AUDIO:
            return self._try(self._audio, tag)
        elif tag.kind is VIDEO:
            message = self._try(self._video, tag)
            return None if message is None else self._timed(message)
        else:
            self._tracks.learn_size(tag.body)
        return None

    def report(self, fault: str) -> None:
        """Report a fault, once."""
        if fault not in self._reported and len(self._reported) < MAX_REPORTED:
            self._reported.add(fault)
            self._report(fault)

    def leave_out(self, packet: Packet, fault: str) -> None:
        """Count a packet that no muxer takes; a track that has no others is refused for a while."""
        self._count(fault)
        first, last = self._bad.get(packet.kind, (packet.dts, packet.dts))
        if not 0 <= packet.dts - last <= BAD_GAP_MS:
            first = packet.dts
        self._bad[packet.kind] = first, packet.dts
        track = self.tracks.get(packet.kind)
        if track is not None and packet.dts - first >= BAD_MS:
            self.refuse(track, fault, packet.dts + REFUSED_MS)

    def refuse(self, track: Track, fault: str, until: float = inf) -> None:
        """Leave a track out until its codec or its sequence header changes, or until a DTS."""
        self._tracks.refuse(track, fault, until)

    @property
    def refusals(self) -> list[str]:
        """Why tracks are not packaged now, a line each."""
        return self._tracks.refusals

    def why_none(self, left_out: int) -> str | None:
        """Say why no packet comes: what is refused, or what else than so many was left out."""
        damage = self.fault if self.left_out > left_out else None
        return "; ".join(self.refusals) or damage

    def _count(self, fault: str) -> None:
        self.left_out += 1
        self.fault = fault
        self.report(fault)

    def _try(self, make: Callable[[Tag], T | None], tag: Tag) -> T | None:
        """Make something of a frame; one that is damaged is left out."""
        try:
            return make(tag)
        except MediaError as error:
            self._count(str(error))
            return None

    # ------------------------------------------------------------------ frames

    def _video(self, tag: Tag) -> VideoMessage | None:
        body = tag.body
        # Hot path: nearly all video of today.
        if len(body) > 5 and body[0] & 0x8F == _LEGACY_AVC_FRAME and body[1] == 1:
            composition = int.from_bytes(body[2:5], "big", signed=True)
            payload, codec = body[5:], Codec.H264
        else:
            header = parse_video_header(body)
            first = next((track for track in header.tracks if track.track_id == 0), None)
            if first is None or header.frame_type is FrameType.COMMAND:
                return None
            if header.packet_type not in _VIDEO_FRAMES:
                return None
            composition, payload, codec = first.composition_time, body[first.payload], first.codec
        if not payload or not self._tracks.has(tag, codec, self._times.newest):
            return None
        if self._tracks.length_size:
            payload, fault = mended(payload, self._tracks.length_size)
            if fault is not None:
                self.report(fault)
                if not payload:
                    return None
        made = (tag.timestamp, composition, tag.is_keyframe, payload, codec)
        return _new(VideoMessage, made)

    def _timed(self, message: VideoMessage) -> Packet:
        timestamp, composition, is_keyframe, payload, codec = message
        dts, pts = self._times.video(timestamp, composition)
        is_independent = is_keyframe
        if is_keyframe and self._tracks.length_size:
            is_independent = (
                access_of(codec, payload, self._tracks.length_size) is RandomAccess.EXACT
            )
        return _new(Packet, (VIDEO, dts, pts, is_keyframe, payload, is_independent))

    def _audio(self, tag: Tag) -> Packet | None:
        body = tag.body
        if len(body) > 2 and body[0] & 0xF0 == _LEGACY_AAC and body[1] == 1:
            payload, codec = body[2:], Codec.AAC
        else:
            header = parse_audio_header(body)
            first = next((track for track in header.tracks if track.track_id == 0), None)
            if first is None or header.packet_type is not AudioPacketType.CODED_FRAMES:
                return None
            payload, codec = body[first.payload], first.codec
        if not payload or not self._tracks.has(tag, codec, self._times.newest):
            return None
        if codec is Codec.AAC:
            if payload[0] == 0xFF and _is_adts(payload):
                self.report("AAC comes with ADTS headers, which do not belong into FLV; taken out")
                payload = payload[_ADTS_HEADER if payload[1] & 1 else _ADTS_HEADER + 2 :]
        elif not payload.startswith(_SYNC.get(codec, b"")):
            raise MediaError(f"a frame of {codec} does not begin like one")
        dts = self._times.audio(tag.timestamp)
        return _new(Packet, (AUDIO, dts, dts, True, payload, True))


def _is_adts(payload: bytes) -> bool:
    """Say whether FF begins an ADTS header that gives the frame's whole size (14496-3, 1.A.2)."""
    if len(payload) < _ADTS_HEADER or payload[1] & 0xF6 != 0xF0:
        return False
    return (payload[3] & 3) << 11 | payload[4] << 3 | payload[5] >> 5 == len(payload)
