"""Tags of audio, video and data messages: made once per message, so two bytes deep.

What may be a keyframe or a sequence header is one body in a hundred; `headend.media.headers` reads
its header in full. All names of that module are here too.
"""

from collections.abc import Container
from typing import Final

from headend.errors import MediaError
from headend.media.headers import (
    AUDIO_MULTITRACK,
    EXTENDED_VIDEO,
    MOD_EX,
    SOUND_FORMAT_AAC,
    SOUND_FORMAT_EXTENDED,
    VIDEO_CODECS_WITH_PACKET_TYPE,
    VIDEO_MULTITRACK,
    AudioHeader,
    AudioPacketType,
    Codec,
    FrameType,
    TrackPayload,
    VideoCommand,
    VideoHeader,
    VideoPacketType,
    parse_audio_header,
    parse_video_header,
)
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag

__all__ = [
    "AudioHeader",
    "AudioPacketType",
    "Codec",
    "FrameType",
    "TrackPayload",
    "VideoCommand",
    "VideoHeader",
    "VideoPacketType",
    "audio_tag",
    "for_players",
    "is_description",
    "is_keyframe_of",
    "parse_audio_header",
    "parse_video_header",
    "script_tag",
    "track_ids",
    "video_tag",
]

_VIDEO_HEADER_TYPES: Final = frozenset(
    (
        VideoPacketType.SEQUENCE_START,
        VideoPacketType.MPEG2TS_SEQUENCE_START,
        VideoPacketType.METADATA,
    )
)
_VIDEO_FRAME_TYPES: Final = frozenset(
    (VideoPacketType.CODED_FRAMES, VideoPacketType.CODED_FRAMES_X)
)
_AUDIO_HEADER_TYPES: Final = frozenset(
    (AudioPacketType.SEQUENCE_START, AudioPacketType.MULTICHANNEL_CONFIG)
)
_METADATA_MASK: Final = 0x8F
_METADATA: Final = EXTENDED_VIDEO | VideoPacketType.METADATA
_METADATA_COMMAND: Final = bytes((_METADATA | FrameType.COMMAND << 4,))


def _row(second_bytes: Container[int]) -> bytes:
    return bytes(second in second_bytes for second in range(256))


_NEVER: Final = _row(())
_ALWAYS: Final = _row(range(256))


def _video_row(first: int) -> bytes:
    frame_type, low = first >> 4 & 7, first & 15
    is_key = frame_type == FrameType.KEY
    if first & EXTENDED_VIDEO:
        wanted = _VIDEO_HEADER_TYPES | _VIDEO_FRAME_TYPES if is_key else _VIDEO_HEADER_TYPES
        if low == VIDEO_MULTITRACK:
            return _row([second for second in range(256) if second & 15 in wanted])
        return _ALWAYS if low in wanted or low == MOD_EX else _NEVER
    if low in VIDEO_CODECS_WITH_PACKET_TYPE:
        return _row((0, 1) if is_key else (0,))
    return _ALWAYS if is_key else _NEVER


def _audio_row(first: int) -> bytes:
    sound_format, low = first >> 4, first & 15
    if sound_format == SOUND_FORMAT_EXTENDED:
        if low == AUDIO_MULTITRACK:
            return _row([second for second in range(256) if second & 15 in _AUDIO_HEADER_TYPES])
        return _ALWAYS if low in _AUDIO_HEADER_TYPES or low == MOD_EX else _NEVER
    return _row((0,)) if sound_format == SOUND_FORMAT_AAC else _NEVER


# [first byte][second byte]: 1 if the body may be a keyframe or a sequence header. All other bodies,
# of a hundred about 99, become a tag after these two look-ups. Rows are bytes: reading one gives a
# cached int.
_VIDEO_ROWS: Final = tuple(_video_row(first) for first in range(256))
_AUDIO_ROWS: Final = tuple(_audio_row(first) for first in range(256))

# A third of the cost of Tag(…), which goes through a function in Python.
_new_tag: Final = tuple.__new__


def video_tag(timestamp: int, body: bytes) -> Tag:
    """Make the tag of a video message.

    Args:
        timestamp: DTS in ms, 0 to 2**32 - 1.
        body: Any bytes. A header that makes no sense gives a tag with neither flag, to be relayed
            as it is. Of a multitrack body only track 0 makes a keyframe: streams are joined there.
            Of a stream without a track 0, see `is_keyframe_of`.
    """
    try:
        is_special = _VIDEO_ROWS[body[0]][body[1]]
    except IndexError:  # 0 or 1 bytes
        is_special = 0
    if is_special:
        return _new_tag(Tag, (VIDEO, timestamp, body, *_video_flags(body)))
    return _new_tag(Tag, (VIDEO, timestamp, body, False, False))


def audio_tag(timestamp: int, body: bytes) -> Tag:
    """Make the tag of an audio message.

    Args:
        timestamp: DTS in ms, 0 to 2**32 - 1.
        body: Any bytes. A header that makes no sense gives a tag without flag, to be relayed as it
            is.
    """
    try:
        is_special = _AUDIO_ROWS[body[0]][body[1]]
    except IndexError:  # 0 or 1 bytes
        is_special = 0
    if is_special:
        return _new_tag(Tag, (AUDIO, timestamp, body, False, _is_audio_sequence_header(body)))
    return _new_tag(Tag, (AUDIO, timestamp, body, False, False))


# AMF0 string "@setDataFrame": what a publisher puts before metadata it wants the server to keep.
_SET_DATA_FRAME: Final = bytes.fromhex("02 000d 40 736574 44617461 4672616d65")


def script_tag(timestamp: int, body: bytes) -> Tag:
    """Make the tag of a data message.

    Args:
        timestamp: In ms, 0 to 2**32 - 1.
        body: AMF0 values, or any bytes; a leading string `@setDataFrame` is left out.
    """
    return Tag(SCRIPT, timestamp, body.removeprefix(_SET_DATA_FRAME), False, False)


def track_ids(tag: Tag) -> tuple[int, ...]:
    """Tell which tracks a tag belongs to.

    Returns:
        Track ids in ascending order, each once; (0,) for a plain message, for script tags and for
        bodies whose header makes no sense.
    """
    body = tag.body
    if tag.kind == SCRIPT or not body:
        return (0,)
    try:
        if tag.kind == VIDEO:
            tracks = parse_video_header(body).tracks if body[0] & EXTENDED_VIDEO else ()
        else:
            is_extended = body[0] >> 4 == SOUND_FORMAT_EXTENDED
            tracks = parse_audio_header(body).tracks if is_extended else ()
    except MediaError:
        return (0,)
    return tuple(sorted({track.track_id for track in tracks})) or (0,)


def is_keyframe_of(body: bytes, track_id: int) -> bool:
    """Say whether a video body holds a keyframe of a track; one that makes no sense holds none."""
    try:
        return _has_keyframe(parse_video_header(body), track_id)
    except MediaError:
        return False


def is_description(tag: Tag) -> bool:
    """Say whether a header tells how its track is to be shown or heard, and not its codec's record.

    That is `colorInfo` (HDR) and MultichannelConfig; each comes behind the sequence header.
    """
    try:
        if tag.kind == VIDEO:
            return parse_video_header(tag.body).packet_type is VideoPacketType.METADATA
        if tag.kind == AUDIO:
            packet_type = parse_audio_header(tag.body).packet_type
            return packet_type is AudioPacketType.MULTICHANNEL_CONFIG
    except MediaError:
        pass
    return False


def is_end(tag: Tag) -> bool:
    """Tell whether a tag says that its track ends (`17 02 …`, `92 hvc1`): players would stop."""
    if tag.kind is not VIDEO or len(tag.body) != 5:
        return False
    return tag.body[0] & 0x8F == 0x82 or (not tag.body[0] & 0x80 and tag.body[1] == 2)


def for_players(header: Tag) -> bytes:
    """Return the body of a header as all players know it.

    The frame type of metadata says nothing: OBS sends `84`. FFmpeg's player knows `d4` only, and
    takes others for a picture.
    """
    body = header.body
    if header.kind is VIDEO and body[0] & _METADATA_MASK == _METADATA:
        return _METADATA_COMMAND + body[1:]
    return body


def _video_flags(body: bytes) -> tuple[bool, bool]:
    try:
        header = parse_video_header(body)
    except MediaError:
        return False, False
    is_header = header.packet_type in _VIDEO_HEADER_TYPES and _has_record(header.tracks)
    return _has_keyframe(header, 0), is_header


def _has_keyframe(header: VideoHeader, track_id: int) -> bool:
    return (
        header.frame_type == FrameType.KEY
        and header.packet_type in _VIDEO_FRAME_TYPES
        and any(each.track_id == track_id and each.end > each.start for each in header.tracks)
    )


def _is_audio_sequence_header(body: bytes) -> bool:
    try:
        header = parse_audio_header(body)
    except MediaError:
        return False
    return header.packet_type in _AUDIO_HEADER_TYPES and _has_record(header.tracks)


def _has_record(tracks: tuple[TrackPayload, ...]) -> bool:
    # An enhanced SequenceStart may be empty: FFmpeg with libaom sends `90 61763031` first and the
    # av1C later. An empty legacy one would only displace a good one.
    return any(track.fourcc is not None or track.end > track.start for track in tracks)
