"""What stands before the payload of audio and video bodies.

    legacy video     FrameType 4 | CodecID 4                [packet type u8, composition time s24]
    legacy audio     SoundFormat 4 | rate, size, type 4     [AAC packet type u8]
    enhanced video   1 | FrameType 3 | packet type 4        then, for both:
    enhanced audio   9 (4 bits)      | packet type 4
                     ModEx (7)       size, data, ModExType 4 | packet type 4, repeated
                     Multitrack (6, audio 5)
                                     type 4 | packet type 4, FourCC, track id, payload
                     all others      FourCC, payload

Source: Adobe FLV 10.1, annex E; Enhanced RTMP v2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from itertools import islice
from typing import Final

from headend.errors import MediaError

# ModEx headers in front of one body. One type is defined; each takes 3 bytes, so a body of 16 MiB
# could hold millions.
MAX_MOD_EX: Final = 16

# Tracks in one message: a track id is a byte.
MAX_TRACKS: Final = 256


class Codec(StrEnum):
    """Codec of a track, by the name the API uses."""

    H264 = "h264"
    HEVC = "hevc"
    AV1 = "av1"
    VP8 = "vp8"
    VP9 = "vp9"
    VVC = "vvc"
    H263 = "h263"
    SCREEN = "screen"
    SCREEN2 = "screen2"
    VP6 = "vp6"
    VP6A = "vp6a"
    AAC = "aac"
    MP3 = "mp3"
    OPUS = "opus"
    FLAC = "flac"
    AC3 = "ac3"
    EAC3 = "eac3"
    PCM_ALAW = "pcm_alaw"
    PCM_MULAW = "pcm_mulaw"
    PCM = "pcm"
    ADPCM = "adpcm"
    NELLYMOSER = "nellymoser"
    SPEEX = "speex"
    UNKNOWN = "unknown"


class FrameType(IntEnum):
    """Kind of a video frame, as the encoder calls it; UNKNOWN for reserved values."""

    UNKNOWN = 0
    KEY = 1
    INTER = 2
    DISPOSABLE = 3
    GENERATED_KEY = 4
    COMMAND = 5


class VideoPacketType(IntEnum):
    """What a video payload is; legacy packet types have the same meaning for 0 to 2."""

    SEQUENCE_START = 0
    CODED_FRAMES = 1
    SEQUENCE_END = 2
    CODED_FRAMES_X = 3
    METADATA = 4
    MPEG2TS_SEQUENCE_START = 5


class AudioPacketType(IntEnum):
    """What an audio payload is; the AAC packet types have the same meaning for 0 to 2."""

    SEQUENCE_START = 0
    CODED_FRAMES = 1
    SEQUENCE_END = 2
    MULTICHANNEL_CONFIG = 4


class VideoCommand(IntEnum):
    """What a frame of type COMMAND tells a player."""

    START_SEEK = 0
    END_SEEK = 1


@dataclass(frozen=True, slots=True)
class TrackPayload:
    """One track's part of a body.

    Attributes:
        track_id: 0 to 255; 0 is the default track and the only one of a plain message.
        fourcc: FourCC as sent, None in a legacy body.
        codec: UNKNOWN if there is no name for it here.
        composition_time: PTS - DTS in ms, -2**23 to 2**23 - 1; 0 for audio.
        start: Offset in the body of the payload, after the composition time.
        end: Offset in the body of the byte after the payload.
    """

    track_id: int
    fourcc: str | None
    codec: Codec
    composition_time: int
    start: int
    end: int

    @property
    def payload(self) -> slice:
        """Where the payload is: `body[track.payload]`."""
        return slice(self.start, self.end)


@dataclass(frozen=True, slots=True)
class VideoHeader:
    """What stands before the video payload.

    Attributes:
        frame_type: UNKNOWN for an empty body.
        packet_type: Always CODED_FRAMES for codecs without packet types and for an empty body.
        nanosecond_offset: To be added to the presentation time, 0 to 999 999 ns.
        command: Set if the frame type is COMMAND; such a body has no tracks.
        tracks: In the order they are sent; none for an empty body.
    """

    frame_type: FrameType
    packet_type: VideoPacketType
    nanosecond_offset: int
    command: VideoCommand | None
    tracks: tuple[TrackPayload, ...]

    @property
    def codec(self) -> Codec:
        """Codec of the first track."""
        return self.tracks[0].codec if self.tracks else Codec.UNKNOWN

    @property
    def fourcc(self) -> str | None:
        """FourCC of the first track; None in a legacy body."""
        return self.tracks[0].fourcc if self.tracks else None

    @property
    def composition_time(self) -> int:
        """PTS - DTS of the first track in ms."""
        return self.tracks[0].composition_time if self.tracks else 0


@dataclass(frozen=True, slots=True)
class AudioHeader:
    """What stands before the audio payload.

    Attributes:
        packet_type: Always CODED_FRAMES for codecs without packet types and for an empty body.
        nanosecond_offset: To be added to the presentation time, 0 to 999 999 ns.
        tracks: In the order they are sent; none for an empty body.
    """

    packet_type: AudioPacketType
    nanosecond_offset: int
    tracks: tuple[TrackPayload, ...]

    @property
    def codec(self) -> Codec:
        """Codec of the first track."""
        return self.tracks[0].codec if self.tracks else Codec.UNKNOWN

    @property
    def fourcc(self) -> str | None:
        """FourCC of the first track; None in a legacy body."""
        return self.tracks[0].fourcc if self.tracks else None


_VIDEO_CODECS: Final[Mapping[int, Codec]] = {
    2: Codec.H263,
    3: Codec.SCREEN,
    4: Codec.VP6,
    5: Codec.VP6A,
    6: Codec.SCREEN2,
    7: Codec.H264,
    12: Codec.HEVC,
    13: Codec.AV1,
}

# Legacy codecs whose second byte is a packet type. 12 and 13 are not in Adobe's text; Larix, IRL
# Pro and encoders from China send them, laid out as 7.
VIDEO_CODECS_WITH_PACKET_TYPE: Final = frozenset((7, 12, 13))

_AUDIO_CODECS: Final[Mapping[int, Codec]] = {
    0: Codec.PCM,
    1: Codec.ADPCM,
    2: Codec.MP3,
    3: Codec.PCM,
    4: Codec.NELLYMOSER,
    5: Codec.NELLYMOSER,
    6: Codec.NELLYMOSER,
    7: Codec.PCM_ALAW,
    8: Codec.PCM_MULAW,
    10: Codec.AAC,
    11: Codec.SPEEX,
    14: Codec.MP3,
}

_FOURCCS: Final[Mapping[str, Codec]] = {
    "avc1": Codec.H264,
    "hvc1": Codec.HEVC,
    "vvc1": Codec.VVC,
    "av01": Codec.AV1,
    "vp08": Codec.VP8,
    "vp09": Codec.VP9,
    "mp4a": Codec.AAC,
    ".mp3": Codec.MP3,
    "Opus": Codec.OPUS,
    "fLaC": Codec.FLAC,
    "ac-3": Codec.AC3,
    "ec-3": Codec.EAC3,
}

# Their CodedFrames start with a composition time; the other codecs send frames in order of display.
FOURCCS_WITH_COMPOSITION_TIME: Final = frozenset(("avc1", "hvc1", "vvc1"))

SOUND_FORMAT_AAC: Final = 10
SOUND_FORMAT_EXTENDED: Final = 9
EXTENDED_VIDEO: Final = 0x80
VIDEO_MULTITRACK: Final = 6
AUDIO_MULTITRACK: Final = 5
MOD_EX: Final = 7
_MOD_EX_NANOSECONDS: Final = 0
_ONE_TRACK: Final = 0
_MANY_TRACKS_MANY_CODECS: Final = 2


def parse_video_header(body: bytes) -> VideoHeader:
    """Parse what stands before the payload of a video body, for every track in it.

    Args:
        body: FLV tag body, legacy or enhanced; may be empty.

    Raises:
        MediaError: The header is cut short, or a packet type or command has no meaning. Unknown
            codecs are no error.

    Source: FLV 10.1, E.4.3; Enhanced RTMP v2, enhanced video.
    """
    if not body:
        return VideoHeader(FrameType.UNKNOWN, VideoPacketType.CODED_FRAMES, 0, None, ())
    frame_type = _frame_type(body[0])
    if not body[0] & EXTENDED_VIDEO:
        return _parse_legacy_video(body, frame_type)
    low, offset, nanoseconds = _parse_mod_ex(body)
    if frame_type == FrameType.COMMAND and not _is_metadata(body, offset, low):
        # Such a body has no packet type of its own: CODED_FRAMES, as for other bodies without.
        command = _command(_byte(body, offset))
        packet_type = VideoPacketType.CODED_FRAMES
        return VideoHeader(frame_type, packet_type, nanoseconds, command, ())
    low, tracks = _parse_tracks(body, offset, low, VIDEO_MULTITRACK)
    packet_type = _video_packet_type(low)
    if packet_type == VideoPacketType.CODED_FRAMES:
        tracks = tuple(_with_composition_time(body, track) for track in tracks)
    return VideoHeader(frame_type, packet_type, nanoseconds, None, tracks)


def parse_audio_header(body: bytes) -> AudioHeader:
    """Parse what stands before the payload of an audio body, for every track in it.

    Args:
        body: FLV tag body, legacy or enhanced; may be empty, which says silence.

    Raises:
        MediaError: The header is cut short, or a packet type has no meaning. Unknown codecs are no
            error.

    Source: FLV 10.1, E.4.2; Enhanced RTMP v2, enhanced audio.
    """
    if not body:
        return AudioHeader(AudioPacketType.CODED_FRAMES, 0, ())
    sound_format = body[0] >> 4
    if sound_format == SOUND_FORMAT_EXTENDED:
        low, offset, nanoseconds = _parse_mod_ex(body)
        low, tracks = _parse_tracks(body, offset, low, AUDIO_MULTITRACK)
        return AudioHeader(_audio_packet_type(low), nanoseconds, tracks)
    codec = _AUDIO_CODECS.get(sound_format, Codec.UNKNOWN)
    if codec != Codec.AAC:
        track = TrackPayload(0, None, codec, 0, 1, len(body))
        return AudioHeader(AudioPacketType.CODED_FRAMES, 0, (track,))
    if _byte(body, 1) > AudioPacketType.SEQUENCE_END:
        raise MediaError(f"audio packet type {body[1]} is not known")
    track = TrackPayload(0, None, codec, 0, 2, len(body))
    return AudioHeader(AudioPacketType(body[1]), 0, (track,))


def _parse_legacy_video(body: bytes, frame_type: FrameType) -> VideoHeader:
    low = body[0] & 15
    packet_type, composition_time, start = VideoPacketType.CODED_FRAMES, 0, 1
    if frame_type == FrameType.COMMAND:
        # The command is the last byte of `52 00` and of `57 01 000000 00`.
        return VideoHeader(frame_type, packet_type, 0, _command(_byte(body, len(body) - 1)), ())
    if low in VIDEO_CODECS_WITH_PACKET_TYPE:
        if _byte(body, 1) > VideoPacketType.SEQUENCE_END:
            raise MediaError(f"video packet type {body[1]} is not known")
        packet_type = VideoPacketType(body[1])
        composition_time, start = _signed_24(body, 2, len(body)), 5
    codec = _VIDEO_CODECS.get(low, Codec.UNKNOWN)
    track = TrackPayload(0, None, codec, composition_time, start, len(body))
    return VideoHeader(frame_type, packet_type, 0, None, (track,))


def _parse_mod_ex(body: bytes) -> tuple[int, int, int]:
    """Follow the ModEx headers: packet type behind them, offset behind that, nanoseconds."""
    packet_type, offset, nanoseconds = body[0] & 15, 1, 0
    for _ in range(MAX_MOD_EX):
        if packet_type != MOD_EX:
            return packet_type, offset, nanoseconds
        size = _byte(body, offset) + 1
        offset += 1
        if size == 256:
            size = int.from_bytes(body[offset : offset + 2], "big") + 1
            offset += 2
        end = offset + size
        kind, packet_type = divmod(_byte(body, end), 16)
        value = int.from_bytes(body[offset : offset + 3], "big")
        if kind == _MOD_EX_NANOSECONDS and size >= 3 and value < 1_000_000:
            nanoseconds = value
        offset = end + 1
    raise MediaError(f"more than {MAX_MOD_EX} ModEx headers")


def _parse_tracks(
    body: bytes, offset: int, packet_type: int, multitrack: int
) -> tuple[int, tuple[TrackPayload, ...]]:
    """Read packet type and tracks from the FourCC on, or from the multitrack byte on."""
    if packet_type != multitrack:
        return packet_type, (_track(0, _fourcc(body, offset), offset + 4, len(body)),)
    kind, packet_type = divmod(_byte(body, offset), 16)
    offset += 1
    if kind > _MANY_TRACKS_MANY_CODECS or packet_type in (multitrack, MOD_EX):
        raise MediaError(f"multitrack type {kind} with packet type {packet_type} is not known")
    tracks = tuple(islice(_read_tracks(body, offset, kind), MAX_TRACKS + 1))
    if not 1 <= len(tracks) <= MAX_TRACKS:
        raise MediaError(f"multitrack body with no track or more than {MAX_TRACKS}")
    return packet_type, tracks


def _read_tracks(body: bytes, offset: int, kind: int) -> Iterator[TrackPayload]:
    shared = "" if kind == _MANY_TRACKS_MANY_CODECS else _fourcc(body, offset)
    offset += len(shared)
    if kind == _ONE_TRACK:
        yield _track(_byte(body, offset), shared, offset + 1, len(body))
        return
    while offset < len(body):
        fourcc = shared or _fourcc(body, offset)
        offset += 4 - len(shared)
        start = offset + 4
        end = start + int.from_bytes(body[offset + 1 : start], "big")
        if end > len(body):
            raise MediaError(f"track of {end - start} bytes, {len(body) - start} left")
        yield _track(body[offset], fourcc, start, end)
        offset = end


def _track(track_id: int, fourcc: str, start: int, end: int) -> TrackPayload:
    return TrackPayload(track_id, fourcc, _FOURCCS.get(fourcc, Codec.UNKNOWN), 0, start, end)


def _with_composition_time(body: bytes, track: TrackPayload) -> TrackPayload:
    if track.fourcc not in FOURCCS_WITH_COMPOSITION_TIME:
        return track
    composition_time = _signed_24(body, track.start, track.end)
    return replace(track, composition_time=composition_time, start=track.start + 3)


def _is_metadata(body: bytes, offset: int, packet_type: int) -> bool:
    """Say whether a body is metadata, whose frame type says nothing, and no command.

    `d6 04`: metadata of one track among several; a command would be 0 or 1.
    """
    if packet_type == VIDEO_MULTITRACK:
        packet_type = _byte(body, offset) & 15
    return packet_type == VideoPacketType.METADATA


def _frame_type(first: int) -> FrameType:
    value = first >> 4 & 7
    return FrameType(value) if value <= FrameType.COMMAND else FrameType.UNKNOWN


def _command(value: int) -> VideoCommand:
    if value > VideoCommand.END_SEEK:
        raise MediaError(f"video command {value} is not known")
    return VideoCommand(value)


def _video_packet_type(value: int) -> VideoPacketType:
    if value > VideoPacketType.MPEG2TS_SEQUENCE_START:
        raise MediaError(f"video packet type {value} is not known")
    return VideoPacketType(value)


def _audio_packet_type(value: int) -> AudioPacketType:
    try:
        return AudioPacketType(value)
    except ValueError:
        raise MediaError(f"audio packet type {value} is not known") from None


def _fourcc(body: bytes, offset: int) -> str:
    if offset + 4 > len(body):
        raise MediaError(f"FourCC is cut short at byte {offset}")
    return body[offset : offset + 4].decode("latin-1")


def _byte(body: bytes, offset: int) -> int:
    if offset >= len(body):
        raise MediaError(f"header is cut short at byte {offset}")
    return body[offset]


def _signed_24(body: bytes, offset: int, end: int) -> int:
    if offset + 3 > end:
        raise MediaError(f"composition time is cut short at byte {offset}")
    return int.from_bytes(body[offset : offset + 3], "big", signed=True)
