"""The presentation of a window: its playlists, and the files that they name."""

from dataclasses import replace
from typing import Final

from headend.hls.numbers import First
from headend.hls.past import Past
from headend.hls.playlist import (
    VERSION_MPEGTS,
    MediaPlaylist,
    Rendition,
    Segment,
    media_playlist,
    multivariant_playlist,
)
from headend.hls.window import Resource, Window
from headend.media.tag import VIDEO
from headend.media.track_config import TrackConfig

MEDIA_PLAYLIST: Final = "main.m3u8"
VERSION_PAST: Final = 7  # as of recordings

RATES: Final = (23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60, 120)
# BANDWIDTH is to hold for segments that are not there yet; live ones differ by a third.
HEADROOM: Final = 1.5
MOST_TEXTS: Final = 64  # kept written: queries are the clients' own


class Playlists:
    """The playlists of one window."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._version = window.version
        self._texts: dict[tuple[bool, str], str] = {}
        self._elsewhere: dict[str, str] = {}  # URLs by the names of files that are there too

    # ------------------------------------------------------------------ what there is

    @property
    def is_over(self) -> bool:
        """Nothing follows."""
        return self._window.is_over

    @property
    def target_s(self) -> int:
        """Target duration, seconds; 0: not decided yet."""
        return self._window.target_s

    @property
    def tracks(self) -> tuple[TrackConfig, ...]:
        """Tracks that are packaged now, video first."""
        return self._window.tracks

    @property
    def is_ready(self) -> bool:
        """A playlist can be given: there is a whole segment, or the stream is over."""
        return not self.is_empty or self.is_over

    @property
    def is_empty(self) -> bool:
        """There is no whole segment."""
        return not self._window.segments

    @property
    def next_sequence(self) -> int:
        """Media sequence number of the segment that grows, or begins next."""
        return self._window.next_sequence

    @property
    def following(self) -> First:
        """Numbers of a segment that continues the newest one."""
        return self._window.following

    @property
    def size(self) -> int:
        """Bytes that are kept for clients."""
        return self._window.size

    @property
    def hint(self) -> str | None:
        """Name of the part that comes next; None: none comes, or there are no parts."""
        if not self._window.has_parts or self.is_over:
            return None
        current = self._window.current
        return self._window.part_name(len(current.parts) if current is not None else 0)

    def has(self, sequence: int, part: int | None) -> bool:
        """Say whether a segment, or a part of it, is in the playlist or was.

        Args:
            sequence: Media sequence number of the segment.
            part: Index of the part; None: the whole segment is meant. One behind the last part of
                a whole segment is the first of the next.
        """
        if self.is_over or sequence < self.next_sequence:
            segment = self._segment(sequence)
            is_behind = part is not None and segment is not None and part >= len(segment.parts)
            if is_behind and not self.is_over:
                return self.has(sequence + 1, 0)
            return True
        if sequence > self.next_sequence or part is None:
            return False
        current = self._window.current
        return current is not None and part < len(current.parts)

    def _segment(self, sequence: int) -> Segment | None:
        index = sequence - self._window.sequence
        segments = self._window.segments
        return segments[index] if 0 <= index < len(segments) else None

    def resource(self, name: str) -> Resource | None:
        """Return an init segment, a segment or a part by its name."""
        return self._window.resource(name)

    # ------------------------------------------------------------------ other servers

    def files(self, newest: int) -> list[str]:
        """Name so many of the newest whole segments, and the init segments that they need."""
        segments = self._window.segments[-newest:]
        names = [name for each in segments for name in (each.map, each.name) if name]
        return list(dict.fromkeys(names))

    def moved(self, name: str, url: str) -> None:
        """List a file by a URL of another server from now on; it is here as before."""
        self._elsewhere[name] = url
        self._texts.clear()

    def come_back(self, name: str) -> None:
        """List a file by its own name again, if it is listed."""
        if self._elsewhere.pop(name, None) is not None:
            self._texts.clear()

    def _placed(self, segment: Segment) -> Segment:
        urls = self._elsewhere
        name, map = segment.name, segment.map
        return replace(segment, name=urls.get(name, name), map=urls.get(map, map))

    # ------------------------------------------------------------------ playlists

    @property
    def rendition(self) -> Rendition:
        """The stream as a multivariant playlist describes it."""
        video = next((each for each in self.tracks if each.kind is VIDEO), None)
        return Rendition(
            MEDIA_PLAYLIST,
            round(HEADROOM * self._window.peak),
            self._window.average,
            [config.codecs for config in self.tracks],
            0 if video is None else video.width,
            0 if video is None else video.height,
            None if video is None else self._frame_rate(video),
            "" if video is None or video.color is None else video.color.video_range,
        )

    def multivariant(self, query: str) -> str:
        """Write the multivariant playlist; `query` is carried into its URI."""
        return multivariant_playlist([self.rendition], query)

    def _frame_rate(self, video: TrackConfig) -> float | None:
        """Return the declared rate, or the measured one, near which one of the usual is taken."""
        if video.frame_rate:
            return video.frame_rate
        rate = self._window.frame_rate
        if rate is None:
            return None
        return next((usual for usual in RATES if abs(rate / usual - 1) < 0.004), round(rate, 3))

    def media_playlist(self, *, skip: bool, query: str) -> str:
        """Write the media playlist; see `headend.hls.playlist`."""
        window = self._window
        if self._version != window.version:
            self._version = window.version
            self._texts.clear()
        text = self._texts.get((skip, query))
        if text is None:
            segments, current = window.segments, window.current if window.has_parts else None
            if self._elsewhere:
                segments = [self._placed(each) for each in segments]
                current = None if current is None else self._placed(current)
            text = media_playlist(
                MediaPlaylist(
                    window.target_s,
                    window.part_target_s,
                    window.sequence,
                    window.discontinuities,
                    segments,
                    current,
                    self.hint,
                    window.is_over,
                    window.picture_s,
                ),
                skip=skip,
                query=query,
            )
            if len(self._texts) < MOST_TEXTS:
                self._texts[skip, query] = text
        return text

    @property
    def dates(self) -> list[float]:
        """When the segments that are listed were sent, Unix seconds."""
        return [segment.date for segment in self._window.segments]

    def with_past(self, past: Past, query: str) -> str:
        """Write a media playlist of what was recorded: without parts, and not to be waited for.

        Args:
            past: What was recorded; of a stream that is not, what is in memory is listed.
            query: Carried into every URI, with its question mark.
        """
        window = self._window
        is_recorded = past.segments > 0
        passed = window.segments[: past.newest + 1]
        broken = sum(segment.is_discontinuous for segment in passed)
        text = media_playlist(
            MediaPlaylist(
                max(window.target_s, past.target_s),
                0.0,
                window.sequence + len(passed) - past.segments,
                window.discontinuities + broken - past.discontinuities,
                [] if is_recorded else [replace(each, parts=()) for each in window.segments],
                None,
                None,
                window.is_over and (not is_recorded or len(passed) == len(window.segments)),
            ),
            query=query,
        )
        at = text.index("\n", text.index("#EXT-X-DISCONTINUITY-SEQUENCE:")) + 1
        head = text[:at]
        if is_recorded:
            head = head.replace(f":{VERSION_MPEGTS}\n", f":{VERSION_PAST}\n", 1)
        return head + past.lines + text[at:]
