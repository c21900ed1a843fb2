"""What a decoder needs of a keyframe to show it as a still picture."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from headend.errors import MediaError
from headend.media.headers import Codec, TrackPayload, VideoPacketType, parse_video_header
from headend.media.tag import VIDEO, Tag

# Their pictures cannot be taken apart without a record.
_NEED_RECORD: Final = frozenset({Codec.H264, Codec.HEVC})
_PICTURES: Final = frozenset({VideoPacketType.CODED_FRAMES, VideoPacketType.CODED_FRAMES_X})


class Still(NamedTuple):
    """A keyframe of track 0.

    Attributes:
        codec: What decodes it.
        record: Decoder configuration record; empty where none came and none is needed.
        picture: The access unit, as FLV and MP4 hold it.
    """

    codec: Codec
    record: bytes
    picture: bytes


def still(headers: Iterable[Tag], keyframe: Tag) -> Still:
    """Take the picture of track 0 out of a keyframe.

    Args:
        headers: Sequence headers as of the keyframe; those of other kinds and tracks are passed
            over, and so are damaged ones.
        keyframe: A video tag.

    Raises:
        MediaError: It holds no picture of track 0, or its sequence header is missing.
    """
    parsed = parse_video_header(keyframe.body)
    track = _first(parsed.tracks)
    if track is None or parsed.packet_type not in _PICTURES or track.start == track.end:
        raise MediaError("the keyframe holds no picture")
    record = b""
    for tag in headers:
        if tag.kind is VIDEO:
            record = _record(tag.body, track.codec) or record
    if not record and track.codec in _NEED_RECORD:
        raise MediaError(f"no sequence header of {track.codec}")
    return Still(track.codec, record, keyframe.body[track.payload])


def _record(body: bytes, codec: Codec) -> bytes:
    """Return the record of track 0 that a sequence header holds; empty if it holds none."""
    try:
        parsed = parse_video_header(body)
    except MediaError:
        return b""  # relayed untouched, and not ours to judge
    track = _first(parsed.tracks)
    if track is None or track.codec is not codec:
        return b""
    return body[track.payload] if parsed.packet_type is VideoPacketType.SEQUENCE_START else b""


def _first(tracks: tuple[TrackPayload, ...]) -> TrackPayload | None:
    return next((track for track in tracks if track.track_id == 0), None)
