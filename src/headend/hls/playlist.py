"""HLS playlists, written as text.

Source: RFC 8216bis (draft-pantos-hls-rfc8216bis), 4 and appendix B for low latency.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

# What each is for: EXT-X-SKIP is 9; a plain playlist with EXT-X-MAP is 6, without it 3.
VERSION_LOW_LATENCY: Final = 9
VERSION_FMP4: Final = 6
VERSION_MPEGTS: Final = 3

HOLD_BACK: Final = 3  # target durations, or part targets: how far from the edge players stay
SKIP_UNTIL: Final = 6  # target durations that a delta update lists at least
PARTS_LISTED: Final = 3  # target durations from the edge in which parts are listed


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a segment.

    Attributes:
        name: Its URI, relative to the playlist.
        duration: Seconds.
        is_independent: It starts with a keyframe.
    """

    name: str
    duration: float
    is_independent: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment, or one that is not whole yet.

    Attributes:
        name: Its URI, relative to the playlist, or of another server.
        duration: Seconds; so far, while it is not whole.
        date: When its first frame was sent, Unix seconds.
        map: URI of its init segment; empty: it needs none.
        is_discontinuous: Timestamps, codec or encoder changed with it.
        parts: Its parts; empty without low latency.
    """

    name: str
    duration: float
    date: float
    map: str
    is_discontinuous: bool
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """The content of a media playlist.

    Attributes:
        target: Target duration, seconds.
        part_target: Seconds; 0: no low latency.
        sequence: Media sequence number of the first segment.
        discontinuities: Discontinuity sequence number of the first segment.
        segments: Whole segments, oldest first.
        current: The segment that grows, if any part of it is there.
        hint: URI of the part that comes next; None: none comes.
        is_over: Nothing follows.
        picture_s: How long a picture lasts, where that is longer than a part.
    """

    target: int
    part_target: float
    sequence: int
    discontinuities: int
    segments: Sequence[Segment]
    current: Segment | None
    hint: str | None
    is_over: bool
    picture_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rendition:
    """One quality of a stream, as a multivariant playlist tells of it.

    Attributes:
        uri: URI of its media playlist, relative to the multivariant playlist.
        bandwidth: Peak bit rate of a segment, bit/s.
        average_bandwidth: Average bit rate of all segments, bit/s.
        codecs: As RFC 6381 writes them.
        width: Luma samples; 0: no video.
        height: Luma samples; 0: no video.
        frame_rate: Frames a second; None: no video, or not known.
        video_range: `PQ` or `HLG`; empty: the usual one, or not known.
    """

    uri: str
    bandwidth: int
    average_bandwidth: int
    codecs: Sequence[str]
    width: int = 0
    height: int = 0
    frame_rate: float | None = None
    video_range: str = ""


def multivariant_playlist(renditions: Sequence[Rendition], query: str = "") -> str:
    """Write a multivariant playlist.

    Args:
        renditions: Qualities to choose from; players begin with the first one.
        query: Carried into every URI, with its question mark.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION_LOW_LATENCY}"]
    for rendition in renditions:
        lines += [f"#EXT-X-STREAM-INF:{_attributes(rendition)}", rendition.uri + query]
    return "\n".join([*lines, ""])


def _attributes(rendition: Rendition) -> str:
    attributes = [
        f"BANDWIDTH={rendition.bandwidth}",
        f"AVERAGE-BANDWIDTH={rendition.average_bandwidth}",
        f'CODECS="{",".join(rendition.codecs)}"',
    ]
    if rendition.width and rendition.height:
        attributes.append(f"RESOLUTION={rendition.width}x{rendition.height}")
    if rendition.frame_rate is not None:
        attributes.append(f"FRAME-RATE={rendition.frame_rate:.3f}")
    if rendition.video_range:
        attributes.append(f"VIDEO-RANGE={rendition.video_range}")
    return ",".join(attributes)


def media_playlist(playlist: MediaPlaylist, *, skip: bool = False, query: str = "") -> str:
    """Write a media playlist.

    Args:
        playlist: Its content.
        skip: Leave out old segments that the client knows (a delta update), if there are any.
        query: Carried into every URI, with its question mark.
    """
    lines = _head(playlist)
    skipped = _skippable(playlist) if skip else 0
    if skipped:
        lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")
    in_map = playlist.segments[skipped - 1].map if skipped else ""
    current = playlist.current
    left = sum(segment.duration for segment in playlist.segments[skipped:])
    left += current.duration if current is not None else 0
    edge = PARTS_LISTED * playlist.target
    for segment in playlist.segments[skipped:]:
        lines += _segment_head(segment, in_map, query)
        in_map = segment.map
        if left - segment.duration < edge and not playlist.is_over:
            lines += _parts(segment, query)
        lines += [f"#EXTINF:{segment.duration:.5f},", _uri(segment.name, query)]
        left -= segment.duration
    if current is not None:
        lines += _segment_head(current, in_map, query)
        lines += _parts(current, query)
    if playlist.hint is not None:
        lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{playlist.hint}{query}"')
    if playlist.is_over:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join([*lines, ""])


def _head(playlist: MediaPlaylist) -> list[str]:
    part_target, target = playlist.part_target, playlist.target
    has_map = any(segment.map for segment in playlist.segments)
    version = VERSION_LOW_LATENCY if part_target else VERSION_FMP4 if has_map else VERSION_MPEGTS
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{version}", f"#EXT-X-TARGETDURATION:{target}"]
    if part_target:
        control = [
            "CAN-BLOCK-RELOAD=YES",
            # Encoders send the sound of a picture with the next one: its parts come at once.
            f"PART-HOLD-BACK={HOLD_BACK * part_target + playlist.picture_s:.3f}",
            f"HOLD-BACK={HOLD_BACK * target}",
            f"CAN-SKIP-UNTIL={SKIP_UNTIL * target}",
        ]
        lines.append(f"#EXT-X-SERVER-CONTROL:{','.join(control)}")
        lines.append(f"#EXT-X-PART-INF:PART-TARGET={part_target:.3f}")
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{playlist.sequence}")
    lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{playlist.discontinuities}")
    return lines


def _skippable(playlist: MediaPlaylist) -> int:
    """Count the segments further from the end than a delta update must list."""
    if not playlist.part_target or playlist.is_over:
        return 0
    left = playlist.current.duration if playlist.current is not None else 0.0
    listed = 0
    for segment in reversed(playlist.segments):
        if left >= SKIP_UNTIL * playlist.target:
            break
        left += segment.duration
        listed += 1
    return len(playlist.segments) - listed


def _segment_head(segment: Segment, in_map: str, query: str) -> list[str]:
    lines = []
    if segment.is_discontinuous:
        lines.append("#EXT-X-DISCONTINUITY")
    if segment.map and segment.map != in_map:
        lines.append(f'#EXT-X-MAP:URI="{_uri(segment.map, query)}"')
    lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{date_text(segment.date)}")
    return lines


def _uri(name: str, query: str) -> str:
    """Return a URI; what lets a viewer in here is nothing for another server."""
    return name if "://" in name else name + query


def _parts(segment: Segment, query: str) -> list[str]:
    return [
        f'#EXT-X-PART:DURATION={part.duration:.5f},URI="{part.name}{query}"'
        + (",INDEPENDENT=YES" if part.is_independent else "")
        for part in segment.parts
    ]


def date_text(seconds: float) -> str:
    """Write Unix seconds as ISO 8601, to the millisecond."""
    date = datetime.fromtimestamp(seconds, UTC)
    return f"{date:%Y-%m-%dT%H:%M:%S}.{date.microsecond // 1000:03d}Z"
