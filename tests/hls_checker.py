"""Media playlists of HLS checked against RFC 8216bis, one by one and over a session."""

import re
from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class Segment:
    """A segment as a playlist lists it; `name` is empty for one that is not whole."""

    number: int
    discontinuity: int  # discontinuity sequence number
    name: str = ""
    duration: float = 0.0
    map: str = ""
    date: datetime | None = None
    is_discontinuous: bool = False
    parts: list[tuple[str, float, bool]] = field(default_factory=list)


@dataclass
class Playlist:
    """What a media playlist says."""

    target: int
    part_target: float
    sequence: int
    discontinuities: int
    skipped: int
    segments: list[Segment]
    current: Segment | None
    hint: str
    is_over: bool


def parse(text: str) -> Playlist:
    """Read a playlist; what breaks its form is an AssertionError."""
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U"
    assert text.endswith("\n")

    def number(tag: str) -> int:
        found = re.findall(rf"^#EXT-X-{tag}:(\d+)$", text, re.MULTILINE)
        assert len(found) <= 1, f"{tag} stands there {len(found)} times"
        return int(found[0]) if found else 0

    sequence, discontinuity = number("MEDIA-SEQUENCE"), number("DISCONTINUITY-SEQUENCE")
    skip = re.search(r"^#EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)$", text, re.MULTILINE)
    skipped = int(skip[1]) if skip else 0
    part_target = re.search(r"^#EXT-X-PART-INF:PART-TARGET=([\d.]+)$", text, re.MULTILINE)
    hint = re.search(r'^#EXT-X-PRELOAD-HINT:TYPE=PART,URI="([^"]+)"$', text, re.MULTILINE)
    segments: list[Segment] = []
    at = Segment(sequence + skipped, discontinuity)
    in_map = ""
    for line in lines:
        if line == "#EXT-X-DISCONTINUITY":
            at.is_discontinuous = True
            at.discontinuity += 1
        elif line.startswith("#EXT-X-MAP:"):
            in_map = line.split('"')[1]
        elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            at.date = datetime.fromisoformat(line.partition(":")[2])
        elif line.startswith("#EXT-X-PART:"):
            found = re.fullmatch(
                r'#EXT-X-PART:DURATION=([\d.]+),URI="([^"]+)"(,INDEPENDENT=YES)?', line
            )
            assert found, line
            at.parts.append((found[2], float(found[1]), found[3] is not None))
        elif line.startswith("#EXTINF:"):
            at.duration = float(line.removeprefix("#EXTINF:").rstrip(","))
        elif line and not line.startswith("#"):
            at.name, at.map = line, in_map
            segments.append(at)
            at = Segment(at.number + 1, at.discontinuity)
    at.map = in_map
    return Playlist(
        number("TARGETDURATION"),
        float(part_target[1]) if part_target else 0.0,
        sequence,
        discontinuity,
        skipped,
        segments,
        at if at.parts else None,
        hint[1] if hint else "",
        "#EXT-X-ENDLIST" in lines,
    )


class Checker:
    """Follows one stream from playlist to playlist.

    Attributes:
        segments: Every segment seen, by number.
        hints: Every part that was hinted at.
    """

    def __init__(self, *, may_skip: bool = False) -> None:
        """Begin; `may_skip`: the stream has holes, of which the dates tell."""
        self._may_skip = may_skip
        self.segments: dict[int, Segment] = {}
        self.hints: list[str] = []
        self._last: Playlist | None = None

    def check(self, text: str) -> Playlist:
        """Check one playlist, alone and against those before it."""
        new = parse(text)
        assert new.target >= 1
        assert new.sequence >= 1
        for segment in new.segments:
            self._check_segment(new, segment)
        if new.current is not None:
            self._check_parts(new, new.current)
        self._check_window(new)
        self._check_dates(new)
        if new.is_over:
            assert not new.hint
            assert new.current is None
        elif new.part_target:
            assert new.hint, "a low-latency playlist names the next part"
            self.hints.append(new.hint)
        self._check_follows(new)
        self._last = new
        return new

    def _check_segment(self, playlist: Playlist, segment: Segment) -> None:
        assert round(segment.duration) <= playlist.target, f"{segment} is too long"
        self._check_parts(playlist, segment)
        if segment.parts:
            whole = sum(duration for _, duration, _ in segment.parts)
            assert abs(whole - segment.duration) < 0.001, f"parts of {segment} do not add up"
        known = self.segments.setdefault(segment.number, segment)
        assert (known.name, known.duration, known.discontinuity) == (
            segment.name,
            segment.duration,
            segment.discontinuity,
        ), "a segment has changed"
        if segment.map and known.map:
            assert segment.map == known.map

    def _check_parts(self, playlist: Playlist, segment: Segment) -> None:
        """Check the parts of a segment, which has no name yet while it grows (4.4.4.9)."""
        target = playlist.part_target
        for name, duration, _ in segment.parts:
            assert 0 < duration <= target + 0.000_005, f"{name} is {duration} of {target} s"
        full = segment.parts[:-1] if segment.name else segment.parts
        for name, duration, is_independent in full:
            is_full = duration >= 0.85 * target - 0.000_005
            assert is_independent or is_full, f"{name} is {duration} of {target} s"
        if segment.parts and not segment.parts[0][2]:
            self._check_borrowed(playlist, segment)

    def _check_borrowed(self, playlist: Playlist, segment: Segment) -> None:
        """Check that no keyframe came in time for a segment that begins without one."""
        before = self.segments[segment.number - 1]
        assert not segment.is_discontinuous, f"{segment} begins without a keyframe"
        assert before.duration > playlist.target - 0.6, f"{segment} begins without a keyframe"

    def _check_window(self, new: Playlist) -> None:
        """Check that no segment left too soon (RFC 8216, 6.2.2)."""
        if new.is_over or new.sequence == min(self.segments, default=new.sequence):
            return
        listed = sum(
            self.segments[number].duration
            for number in range(new.sequence, new.sequence + new.skipped)
        ) + sum(each.duration for each in new.segments)
        assert listed >= 3 * new.target, f"only {listed} s are listed"

    def _check_dates(self, playlist: Playlist) -> None:
        for before, after in zip(playlist.segments, playlist.segments[1:], strict=False):
            if before.date and after.date and not after.is_discontinuous:
                gap = (after.date - before.date).total_seconds() - before.duration
                assert gap > -0.05, f"dates of {before} and {after} are {gap} s apart"
                assert self._may_skip or gap < 0.05, f"{gap} s between {before} and {after}"

    def _check_follows(self, new: Playlist) -> None:
        last = self._last
        if last is None:
            return
        assert new.target == last.target, "the target duration has changed"
        assert new.part_target in (last.part_target, 0.0)
        assert new.sequence >= last.sequence
        assert new.discontinuities >= last.discontinuities
        newest = last.segments[-1].number if last.segments else last.sequence
        assert new.segments, "a playlist lost its segments"
        assert new.segments[-1].number >= newest, "segments were taken back"
        assert not last.is_over or new.is_over

    def discontinuities(self) -> list[int]:
        """Numbers of the segments with which something changed."""
        return [number for number, each in sorted(self.segments.items()) if each.is_discontinuous]


def merged(old: Playlist, delta: Playlist) -> list[str]:
    """Names of the segments that a client has after a delta update."""
    kept = [each.name for each in old.segments if each.number >= delta.sequence]
    return kept[: delta.skipped] + [each.name for each in delta.segments]
