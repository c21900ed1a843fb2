"""The segments of HLS in memory: init segments, segments and parts, within bounds.

Names hold the packager's epoch, so that none is ever used for two things:

    k3f9-init-0.mp4    k3f9-17.m4s    k3f9-18.0.m4s
"""

from dataclasses import dataclass, replace
from math import inf
from typing import Final, Protocol

from headend.hls.limits import HlsLimits
from headend.hls.numbers import First
from headend.hls.playlist import Part, Segment
from headend.hls.store_port import Init, MediaPart
from headend.media.track_config import TrackConfig

LISTED: Final = 3  # target durations that stay listed at least (RFC 8216, 6.2.2)

TYPES: Final = {"mp4": "video/mp4", "m4s": "video/iso.segment", "ts": "video/mp2t"}


@dataclass(frozen=True, slots=True)
class Resource:
    """One file that a client may fetch.

    Attributes:
        body: Its bytes.
        content_type: Media type.
    """

    body: bytes
    content_type: str


class _Media:
    """The bytes of a segment, as its parts until somebody asks for all of it.

    Few segments are asked for by both: players of parts take no segment, and to join parts that
    nobody takes costs as much as to write them.
    """

    __slots__ = ("_ends", "_pieces", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._ends: list[int] = []  # where the parts end
        self.size = 0

    def append(self, part: bytes) -> None:
        self._pieces.append(part)
        self.size += len(part)
        self._ends.append(self.size)

    def part(self, index: int) -> bytes:
        if len(self._pieces) == len(self._ends):
            return self._pieces[index]
        return self._pieces[0][self._ends[index - 1] if index else 0 : self._ends[index]]

    def whole(self) -> bytes:
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]


class WindowObserver(Protocol):
    """The observer of a window."""

    def changed(self) -> None:
        """Take note that there is more to fetch, or that nothing follows. Must not raise."""


class Window:
    """The store in memory: whole segments, oldest first, and the one that grows.

    Attributes:
        observers: Told of each change.
        version: Grows with each change.
        has_parts: Parts are listed and can be fetched.
        target_s: How long segments are at most, seconds; 0: not decided yet.
        part_target_s: How long parts are at most, seconds; 0: not decided yet, or no parts.
        picture_s: How long a picture lasts, where that is longer than a part.
        tracks: Tracks of the newest segments, video first.
        is_over: Nothing follows.
        segments: Whole segments that are listed.
        sequence: Media sequence number of the first of them.
        discontinuities: Discontinuity sequence number of the first of them.
        current: The segment that grows; None: it has no part yet.
        peak: Highest bit rate of a segment so far, bit/s.
    """

    def __init__(self, epoch: str, first: First, limits: HlsLimits) -> None:
        """Make an empty window.

        Args:
            epoch: Part of the name of every file.
            first: Numbers of the first segment.
            limits: Settings of the packager.
        """
        self._epoch = epoch
        self._suffix = "m4s" if limits.container == "fmp4" else "ts"
        self._most = limits.segments
        self._max_bytes = limits.max_bytes
        self.has_parts: Final = limits.has_parts
        self.observers: Final[list[WindowObserver]] = []
        self.version = 0
        self.target_s = 0
        self.part_target_s = self.picture_s = 0.0
        self.tracks: tuple[TrackConfig, ...] = ()
        self.is_over = False
        self._kept: list[Segment] = []  # not listed any more
        self.segments: list[Segment] = []
        self.sequence = first.sequence
        self.discontinuities = first.discontinuity
        self.current: Segment | None = None
        self._runs = 0
        self._map = ""  # name of the newest init segment
        self._is_discontinuous = first.goes_on
        self._date = 0.0
        self._frames = 0  # pictures since the newest init segment
        self._frames_s = 0.0
        self._inits: dict[str, bytes] = {}
        self._media: dict[str, _Media] = {}  # of whole segments
        self._parts: dict[str, tuple[_Media, int]] = {}  # by the names of parts
        self._growing = _Media()  # of the current segment
        self._bytes = 0
        self.peak = 0
        self._total_bytes = 0
        self._total_s = 0.0
        self._longest_s = 0.0  # the longest playlist so far

    @property
    def next_sequence(self) -> int:
        """Media sequence number of the segment that grows, or begins next."""
        return self.sequence + len(self.segments)

    @property
    def following(self) -> First:
        """Numbers of a segment that continues the newest one."""
        segments = [*self.segments, *([self.current] if self.current is not None else [])]
        passed = sum(each.is_discontinuous for each in segments)
        return First(self.sequence + len(segments), self.discontinuities + passed)

    @property
    def average(self) -> int:
        """Average bit rate of all segments so far, bit/s."""
        return round(8 * self._total_bytes / self._total_s) if self._total_s else 0

    @property
    def frame_rate(self) -> float | None:
        """Pictures a second since the newest init segment; None: not known."""
        is_known = self._frames > 1 and self._frames_s > 0
        return self._frames / self._frames_s if is_known else None

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._bytes

    def part_name(self, index: int, sequence: int | None = None) -> str:
        """Name a part of the current segment, or of another one."""
        number = self.next_sequence if sequence is None else sequence
        return f"{self._epoch}-{number}.{index}.{self._suffix}"

    def resource(self, name: str) -> Resource | None:
        """Return an init segment, a segment or a part by its name; None: there is none."""
        if (found := self._parts.get(name)) is not None:
            media, index = found
            body: bytes | None = media.part(index)
        elif (whole := self._media.get(name)) is not None:
            body = whole.whole()
        else:
            body = self._inits.get(name)
        if body is None:
            return None
        return Resource(body, TYPES[name.rpartition(".")[2]])

    def _name(self, number: int) -> str:
        return f"{self._epoch}-{number}.{self._suffix}"

    # ------------------------------------------------------------------ the store

    def promise(self, target_s: int, part_target_s: float) -> None:
        self.target_s, self.part_target_s = target_s, part_target_s
        picture_s = 1 / (self.frame_rate or inf)
        self.picture_s = picture_s if picture_s > part_target_s > 0 else 0.0

    def add_init(self, init: Init) -> None:
        newest = self.current or (self.segments[-1] if self.segments else None)
        if self._map and (newest is None or newest.map != self._map):
            self._bytes -= len(self._inits.pop(self._map))  # nothing was made with it
        self.tracks = init.tracks
        self._frames, self._frames_s = 0, 0.0
        self._map = ""
        if init.body:
            self._map = f"{self._epoch}-init-{self._runs}.mp4"
            self._inits[self._map] = init.body
            self._bytes += len(init.body)
        self._runs += 1

    def discontinuity(self) -> None:
        self._is_discontinuous = True

    def date(self, seconds: float) -> None:
        self._date = seconds
        if self.current is not None:
            self.current = replace(self.current, date=seconds)

    def add_part(self, part: MediaPart) -> None:
        current = self.current
        if current is None:
            name = self._name(self.next_sequence)
            current = Segment(name, 0.0, self._date, self._map, self._is_discontinuous, ())
            self._is_discontinuous = False
        name = self.part_name(len(current.parts))
        listed = Part(name, part.duration, part.is_independent)
        self.current = replace(
            current, duration=current.duration + part.duration, parts=(*current.parts, listed)
        )
        self._frames += part.frames
        self._frames_s += part.duration
        self._parts[name] = self._growing, len(current.parts)
        self._growing.append(part.body)
        self._bytes += len(part.body)
        if not part.is_last:  # a short part is in order at the end of a segment alone
            self._change()

    def end_segment(self) -> None:
        segment = self.current
        assert segment is not None
        media, self._growing = self._growing, _Media()
        self._media[segment.name] = media
        if not self.has_parts:
            for part in segment.parts:
                del self._parts[part.name]
        self.current = None
        self.segments.append(segment if self.has_parts else replace(segment, parts=()))
        if segment.duration > 0:
            self.peak = max(self.peak, round(8 * media.size / segment.duration))
            self._total_bytes += media.size
            self._total_s += segment.duration
        self._unlist_old()
        self._change()

    def end(self) -> None:
        self.is_over = True
        self._change()

    def _change(self) -> None:
        self.version += 1
        for observer in self.observers:
            observer.changed()

    # ------------------------------------------------------------------ bounds

    def _unlist_old(self) -> None:
        """Take off the list what need not stay, and let go what nobody can ask for any more."""
        listed = sum(each.duration for each in self.segments)
        self._longest_s = max(self._longest_s, listed)
        while len(self.segments) > self._most:
            listed -= self.segments[0].duration
            if listed < LISTED * self.target_s:
                break
            self._unlist()
        # A segment stays for its duration and that of the longest playlist that listed it.
        kept = sum(each.duration for each in self._kept)
        while self._kept and kept - 2 * self._kept[0].duration >= self._longest_s:
            kept -= self._kept[0].duration
            self._forget()
        self._trim()

    def _trim(self) -> None:
        """Let the oldest go while there are too many bytes; two segments stay listed."""
        while self._bytes > self._max_bytes and (self._kept or len(self.segments) > 2):
            if not self._kept:
                self._unlist()
            self._forget()

    def _unlist(self) -> None:
        """Take the oldest segment off the list."""
        segment = self.segments.pop(0)
        self.sequence += 1
        self.discontinuities += segment.is_discontinuous
        self._kept.append(segment)

    def _forget(self) -> None:
        """Drop the oldest segment, and its init segment if no other needs it."""
        segment = self._kept.pop(0)
        self._bytes -= self._media.pop(segment.name).size
        for part in segment.parts:
            del self._parts[part.name]
        following = self._kept[0] if self._kept else self.segments[0]
        if segment.map and following.map != segment.map:
            self._bytes -= len(self._inits.pop(segment.map))
