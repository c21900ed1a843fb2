"""Tracks of Enhanced RTMP: one among several, and the first one alone.

    95 01 mp4a 01 …   one frame of track 1    ◄─ `beside` ─  af 01 …   one frame, no track is named
    96 01 avc1 00 …   one picture of track 0  ─ `first_of` ─►  91 avc1 …

Source: Enhanced RTMP v2, multitrack.
"""

from typing import Final

from headend.errors import MediaError
from headend.media.codecs import audio_tag, video_tag
from headend.media.headers import (
    AUDIO_MULTITRACK,
    EXTENDED_VIDEO,
    FOURCCS_WITH_COMPOSITION_TIME,
    MOD_EX,
    SOUND_FORMAT_EXTENDED,
    VIDEO_MULTITRACK,
    AudioHeader,
    Codec,
    TrackPayload,
    VideoHeader,
    VideoPacketType,
    parse_audio_header,
    parse_video_header,
)
from headend.media.tag import AUDIO, VIDEO, Tag

_FOURCCS: Final = {  # of codecs that FLV names by numbers
    Codec.H264: "avc1",
    Codec.HEVC: "hvc1",
    Codec.AV1: "av01",
    Codec.AAC: "mp4a",
    Codec.MP3: ".mp3",
}
_COMPOSITION_SIZE: Final = 3
_VIDEO_TRACKS: Final = frozenset((VIDEO_MULTITRACK, MOD_EX))
_AUDIO_TRACKS: Final = frozenset((AUDIO_MULTITRACK, MOD_EX))
_FRAME_TYPE: Final = 0x70


def beside(tag: Tag, track_id: int) -> Tag:
    """Return the message of a track among several that says what a plain one says.

    Args:
        tag: A plain audio or video message, legacy or enhanced.
        track_id: 0 to 255; 0 stays plain.

    Raises:
        MediaError: Its header makes no sense, or Enhanced RTMP has no name for its codec.
    """
    if not track_id:
        return tag
    header = _header(tag)
    track = header.tracks[0] if header.tracks else None
    fourcc = None if track is None else track.fourcc or _FOURCCS.get(track.codec)
    if track is None or fourcc is None:
        raise MediaError("the codec cannot be one of several tracks")
    start = _payload_start(header, track, fourcc)
    rest = fourcc.encode("latin-1") + bytes((track_id,)) + tag.body[start : track.end]
    packet_type = header.packet_type
    if tag.kind is AUDIO:
        first = SOUND_FORMAT_EXTENDED << 4 | AUDIO_MULTITRACK
        return audio_tag(tag.timestamp, bytes((first, packet_type)) + rest)
    first = EXTENDED_VIDEO | tag.body[0] & _FRAME_TYPE | VIDEO_MULTITRACK
    return video_tag(tag.timestamp, bytes((first, packet_type)) + rest)


def first_of(tag: Tag) -> Tag | None:
    """Return what players get of a tag that know one track of a kind; None: nothing.

    Args:
        tag: Any tag; one whose header makes no sense is given on as it is.
    """
    body = tag.body
    if tag.kind is VIDEO:
        if not body[0] & EXTENDED_VIDEO or body[0] & 15 not in _VIDEO_TRACKS:
            return tag
    elif tag.kind is not AUDIO or (
        body[0] >> 4 != SOUND_FORMAT_EXTENDED or body[0] & 15 not in _AUDIO_TRACKS
    ):
        return tag
    try:
        header = _header(tag)
    except MediaError:
        return tag
    track = next((each for each in header.tracks if each.track_id == 0), None)
    if track is None:
        return None if header.tracks else tag
    assert track.fourcc is not None  # as it is enhanced
    start = _payload_start(header, track, track.fourcc)
    plain = track.fourcc.encode("latin-1") + body[start : track.end]
    first = body[0] & 0xF0 | header.packet_type
    return tag._replace(body=bytes((first,)) + plain)


def _header(tag: Tag) -> VideoHeader | AudioHeader:
    return parse_video_header(tag.body) if tag.kind is VIDEO else parse_audio_header(tag.body)


def _payload_start(header: VideoHeader | AudioHeader, track: TrackPayload, fourcc: str) -> int:
    """Return where the payload begins, with the composition time that an enhanced one has."""
    has_time = (
        header.packet_type is VideoPacketType.CODED_FRAMES
        and fourcc in FOURCCS_WITH_COMPOSITION_TIME
    )
    return track.start - _COMPOSITION_SIZE if has_time else track.start
