"""What HLS clients may fetch: init segments, segments and parts, within bounds.

Names hold the packager's epoch, so that none is ever used for two things:

    k3f9-init-0.mp4    k3f9-17.m4s    k3f9-18.0.m4s
"""

from dataclasses import dataclass, replace
from typing import Final

from headend.hls.numbers import First
from headend.hls.playlist import Part, Segment

LISTED: Final = 3  # target durations that stay listed at least (RFC 8216, 6.2.2)

TYPES: Final = {"mp4": "video/mp4", "m4s": "video/iso.segment", "ts": "video/mp2t"}


@dataclass(frozen=True, slots=True)
class Resource:
    """Something a client may fetch.

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


class Window:
    """Segments, oldest first, and the one that grows.

    Attributes:
        segments: Whole segments that are listed.
        sequence: Media sequence number of the first of them.
        discontinuities: Discontinuity sequence number of the first of them.
        current: The one that grows; None: it has no part yet.
        peak: Highest bit rate of a segment so far, bit/s.
    """

    def __init__(self, epoch: str, first: First, suffix: str, most: int, max_bytes: int) -> None:
        """Make an empty window.

        Args:
            epoch: Part of every name.
            first: Numbers of the first segment.
            suffix: `m4s` or `ts`.
            most: Segments listed.
            max_bytes: Of all that is kept.
        """
        self._epoch = epoch
        self._suffix = suffix
        self._most = most
        self._max_bytes = max_bytes
        self._kept: list[Segment] = []  # not listed any more
        self.segments: list[Segment] = []
        self.sequence = first.sequence
        self.discontinuities = first.discontinuity
        self.current: Segment | None = None
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
    def size(self) -> int:
        """Bytes kept."""
        return self._bytes

    def add_init(self, number: int, body: bytes) -> str:
        """Keep an init segment; return its name."""
        name = f"{self._epoch}-init-{number}.mp4"
        self._inits[name] = body
        self._bytes += len(body)
        return name

    def part_name(self, index: int, sequence: int | None = None) -> str:
        """Name a part of the current segment, or of another one."""
        number = self.next_sequence if sequence is None else sequence
        return f"{self._epoch}-{number}.{index}.{self._suffix}"

    def add_part(
        self,
        body: bytes,
        duration: float,
        *,
        is_independent: bool,
        segment: Segment,
    ) -> None:
        """Add a part to the segment that grows.

        Args:
            body: A fragment.
            duration: Seconds.
            is_independent: It starts with a keyframe.
            segment: What the segment is, if this is its first part.
        """
        current = self.current or replace(segment, name=self._name(self.next_sequence))
        name = self.part_name(len(current.parts))
        part = Part(name, duration, is_independent)
        self.current = replace(
            current, duration=current.duration + duration, parts=(*current.parts, part)
        )
        self._parts[name] = self._growing, len(current.parts)
        self._growing.append(body)
        self._bytes += len(body)

    def date(self, seconds: float) -> None:
        """Say when the first frame of the current segment was sent, Unix seconds."""
        if self.current is not None:
            self.current = replace(self.current, date=seconds)

    def end_segment(self, *, lists_parts: bool, target_s: int = 0) -> None:
        """Make the current segment a whole one; without a part nothing happens.

        Args:
            lists_parts: They are listed, and can be fetched.
            target_s: Target duration.
        """
        segment = self.current
        if segment is None:
            return
        media, self._growing = self._growing, _Media()
        self._media[segment.name] = media
        if not lists_parts:
            for part in segment.parts:
                del self._parts[part.name]
        self.current = None
        self.segments.append(segment if lists_parts else replace(segment, parts=()))
        if segment.duration > 0:
            self.peak = max(self.peak, round(8 * media.size / segment.duration))
            self._total_bytes += media.size
            self._total_s += segment.duration
        listed = sum(each.duration for each in self.segments)
        self._longest_s = max(self._longest_s, listed)
        while len(self.segments) > self._most:
            listed -= self.segments[0].duration
            if listed < LISTED * target_s:
                break
            self._unlist()
        # A segment stays for its duration and that of the longest playlist that listed it.
        kept = sum(each.duration for each in self._kept)
        while self._kept and kept - 2 * self._kept[0].duration >= self._longest_s:
            kept -= self._kept[0].duration
            self._forget()
        self.trim()

    def trim(self) -> None:
        """Let the oldest go while there are too many bytes; two segments stay listed."""
        while self._bytes > self._max_bytes and (self._kept or len(self.segments) > 2):
            if not self._kept:
                self._unlist()
            self._forget()

    def resource(self, name: str) -> Resource | None:
        """Return something by its name."""
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
