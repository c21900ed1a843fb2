"""The index of a media file: its tracks, and where segments may begin; no frame is decoded.

    MP4, Matroska   their own index, if it has the whole file
    FLV, MPEG-TS    every packet is read once

What a segment begins with is a keyframe, or any sound where there is no video. The timeline of a
file begins at 0 with the first packet of any track.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import av
from av.error import FFmpegError
from av.stream import Discard, Disposition

from headend.codec.decoding_times import DecodingTimes
from headend.codec.explained import explained
from headend.errors import MediaError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

    from headend.codec.flv_muxer import Packet

TrackKind: TypeAlias = Literal["video", "audio", "text"]
OpenMedia: TypeAlias = "InputContainer"

# Names of formats that FFmpeg is told, by the end of a file's name: it never guesses. A playlist
# that says it is a film would have it open other files.
FORMATS: Final[Mapping[str, str]] = {
    ".mp4": "mov", ".m4v": "mov", ".m4a": "mov", ".mov": "mov",
    ".mkv": "matroska", ".webm": "matroska", ".mka": "matroska",
    ".flv": "flv", ".ts": "mpegts", ".m2ts": "mpegts", ".mts": "mpegts",
}  # fmt: skip
# Formats without an index of their own: places are bytes that FFmpeg seeks to.
BY_PLACE: Final = frozenset({"flv", "mpegts"})
VIDEO_CODECS: Final = frozenset({"h264", "hevc", "av1", "vp9"})
AUDIO_CODECS: Final = frozenset({"aac", "mp3", "opus", "flac", "ac3", "eac3"})
TEXT_CODECS: Final = frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"})

SEGMENT_S: Final = 4.0  # a segment ends at the first keyframe after so long
MOST_TRACKS: Final = 32
MOST_SEGMENTS: Final = 100_000  # four days of short ones
LONGEST_S: Final = 120.0  # of a segment: players load it whole
FIRST_S: Final = 5.0  # after this no other track begins before what was read
UNINDEXED_S: Final = 30.0  # without a keyframe in a file's own index: it is not whole
MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class IndexedTrack:
    """A track that can be played.

    Attributes:
        number: Number of FFmpeg's stream.
        kind: What it is.
        language: As the file says it, such as `eng`; empty: it does not.
        title: For people; empty: the file has none.
        codecs: As RFC 6381 writes it; empty: not looked at yet, or texts.
        width: Luma samples; 0: no video.
        height: Luma samples; 0: no video.
    """

    number: int
    kind: TrackKind
    language: str
    title: str
    codecs: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class FileIndex:
    """What is known of a file.

    Attributes:
        zero_us: Time of the file that is 0 of its timeline, microseconds.
        duration_s: Length, seconds.
        tracks: Tracks that can be played; the first video is the only one.
        starts: Where segments begin, seconds; the first one at 0.
        places: Offset in the file at which the first packet of each segment lies, bytes.
        left_out: Tracks that cannot be played, and why, a line each.
    """

    zero_us: int
    duration_s: float
    tracks: list[IndexedTrack]
    starts: list[float]
    places: list[int]
    left_out: list[str]

    @property
    def lead(self) -> IndexedTrack:
        """The track that decides where segments begin."""
        return next(
            (each for each in self.tracks if each.kind == "video"),
            next(each for each in self.tracks if each.kind == "audio"),
        )


def open_file(path: str) -> OpenMedia:
    """Open a media file, by the end of its name.

    Raises:
        MediaError: It is not what its name says, or cannot be read.
    """
    format = FORMATS.get(os.path.splitext(path)[1].lower())
    if format is None:
        raise MediaError(f"the name of a media file ends in one of {', '.join(FORMATS)}")
    with explained("the file"):
        return av.open(f"file:{path}", "r", format=format, options={"protocol_whitelist": "file"})


def file_index(path: str) -> FileIndex:
    """Make the index of a file; blocks, for as long as reading all of it may take.

    Raises:
        MediaError: There is nothing in it that can be played.
    """
    found = None
    with explained("the file"):
        with open_file(path) as container:
            if container.format.name not in BY_PLACE:
                found = _Finder(container).own_index(os.path.getsize(path))
        if found is None:
            with open_file(path) as container:
                found = _Finder(container).read_all()
    _check(found)
    return found


def _tracks(streams: "Iterable[Stream]") -> tuple[list[IndexedTrack], list[str]]:
    found: list[IndexedTrack] = []
    left_out = []
    for stream in streams:
        codec = "" if stream.codec_context is None else stream.codec_context.codec.canonical_name
        kind: TrackKind
        if stream.type == "video" and not stream.disposition & Disposition.attached_pic:
            kind, playable = "video", VIDEO_CODECS
        elif stream.type == "audio":
            kind, playable = "audio", AUDIO_CODECS
        elif stream.type == "subtitle":
            kind, playable = "text", TEXT_CODECS
        else:
            continue
        if codec not in playable:
            left_out.append(f"track {stream.index}: {codec or 'an unknown codec'} is not played")
        elif kind == "video" and any(each.kind == "video" for each in found):
            left_out.append(f"track {stream.index}: one video is played")
        elif len(found) < MOST_TRACKS:
            language = stream.language or ""
            found.append(
                IndexedTrack(
                    stream.index,
                    kind,
                    "" if language == "und" else language,
                    stream.metadata.get("title", ""),
                )
            )
    return ([] if all(each.kind == "text" for each in found) else found), left_out


def _check(index: FileIndex) -> None:
    if index.duration_s <= 0:
        raise MediaError("the file holds no media")
    if len(index.starts) > MOST_SEGMENTS:
        raise MediaError(f"the file has more than {MOST_SEGMENTS} segments")
    ends = [*index.starts[1:], index.duration_s]
    longest = max(end - start for start, end in zip(index.starts, ends, strict=True))
    if longest > LONGEST_S:
        raise MediaError(
            f"the file has no keyframe for {longest:.0f} s; there must be one every "
            f"{LONGEST_S:.0f} s"
        )


class _Finder:
    """Finds where the segments of a file begin that was just opened."""

    def __init__(self, container: OpenMedia) -> None:
        self._container = container
        self._tracks, self._left_out = _tracks(container.streams)
        if not self._tracks:
            why = f": {'; '.join(self._left_out)}" if self._left_out else ""
            raise MediaError(f"the file holds nothing that can be played{why}")
        media = {each.number for each in self._tracks if each.kind != "text"}
        self._media = [stream for stream in container.streams if stream.index in media]
        for stream in container.streams:
            if stream.index not in media:
                stream.discard = Discard.all
        videos = [stream for stream in self._media if stream.type == "video"]
        self._lead = (videos or self._media)[0]
        self._first: dict[int, float] = {}  # time of the first packet of each track, seconds
        self._times: dict[int, DecodingTimes] = {}  # until that is known

    def own_index(self, size: int) -> FileIndex | None:
        """Return what the index of the file itself says; None: it has none, or not of all."""
        lead, duration = self._lead, self._container.duration
        if lead.time_base is None or not duration:
            return None
        self._find_first()
        with suppress(FFmpegError):
            self._container.seek(duration + (self._container.start_time or 0))  # Matroska reads it
        keys = [
            (float(each.timestamp * lead.time_base), each.pos)
            for each in lead.index_entries
            if each.is_keyframe
        ]
        whole = [key for key in keys if key[1] < size]
        length = duration / MICRO
        length += (self._container.start_time or 0) / MICRO
        if len(whole) < len(keys):  # the end of the file is missing
            length = whole[-1][0] if whole else 0.0
        times = [self._zero, *(time for time, _ in whole), length]
        if any(later - time > UNINDEXED_S for time, later in pairwise(times)):
            return None
        return self._index(length - self._zero, whole)

    def _find_first(self) -> None:
        for packet in self._container.demux(*self._media):
            time = self._note(packet)
            is_far = time is not None and self._first and time > self._zero + FIRST_S
            if is_far or len(self._first) == len(self._media):
                return

    def read_all(self) -> FileIndex:
        """Read every packet."""
        keys: list[tuple[float, int]] = []
        end = 0.0
        for packet in self._container.demux(*self._media):
            time = self._note(packet)
            if time is None or packet.time_base is None:
                continue
            shown = time if packet.pts is None else float(packet.pts * packet.time_base)
            end = max(end, shown + float((packet.duration or 0) * packet.time_base))
            if packet.stream_index == self._lead.index and packet.is_keyframe:
                keys.append((shown, packet.pos or 0))
        return self._index(end - self._zero, keys)

    def _note(self, packet: "Packet") -> float | None:
        """Return the time of a packet, seconds; None: it has none."""
        if not packet.size:  # the end of a stream, of whichever
            for number, times in self._times.items():
                self._note_first(number, times.flush())
            return None
        number = packet.stream_index
        if number not in self._first:
            times = self._times.setdefault(number, DecodingTimes())
            self._note_first(number, times.take(packet))
        time = packet.dts if packet.dts is not None else packet.pts
        if time is None or packet.time_base is None:
            return None
        return float(time * packet.time_base)

    def _note_first(self, number: int, packets: "list[Packet]") -> None:
        for packet in packets:
            if packet.dts is not None and packet.time_base is not None:
                self._first.setdefault(number, float(packet.dts * packet.time_base))

    @property
    def _zero(self) -> float:
        return min(self._first.values(), default=0.0)

    def _index(self, duration: float, keys: list[tuple[float, int]]) -> FileIndex:
        starts, places = [0.0], [keys[0][1] if keys else 0]
        for key, place in keys:
            time = key - self._zero
            if starts[-1] + SEGMENT_S - 0.1 <= time < duration - 0.1:
                starts.append(round(time, 6))
                places.append(place)
        return FileIndex(
            round(self._zero * MICRO),
            round(duration, 6),
            self._tracks,
            starts,
            places,
            self._left_out,
        )
