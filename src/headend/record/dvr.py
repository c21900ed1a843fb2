"""The past of live streams that are recorded: lines of segments, for live playlists."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from headend.errors import DatabaseError
from headend.hls.past import NOT_RECORDED, Past
from headend.record.playlist import PLACE, QUERY, SegmentList
from headend.record.values import RecordedFile, RecordedSegment

if TYPE_CHECKING:
    from headend.record.index import RecordingIndex

FRESH_S: Final = 0.5  # it is read again after so long
MOST: Final = 200  # streams whose past is kept
LONGEST_S: Final = 86_400.0  # of what is kept
LOOKED_AT: Final = 20  # segments that are newest: what is in memory lags behind no further
SAME_S: Final = 0.001  # dates that are not further apart are the same


class _Line(NamedTuple):
    """One segment: what is said of it, and what is said where a playlist begins with it."""

    segment: RecordedSegment
    text: str
    first: str
    is_discontinuous: bool


class _KnownPast:
    """The newest recording of a stream, as far as it was read."""

    def __init__(self, id: str) -> None:
        self.id: Final = id
        self.lines: list[_Line] = []
        self.read_at = 0.0
        self.lock: Final = asyncio.Lock()
        self._before: RecordedSegment | None = None

    @property
    def last(self) -> tuple[int, int] | None:
        return None if self._before is None else (self._before.file, self._before.offset)

    def add(self, files: dict[int, RecordedFile], segments: list[RecordedSegment]) -> None:
        for segment in segments:
            if segment.file not in files:
                break  # it is known the next time
            alone, after = SegmentList(), SegmentList()
            alone.add(files, [segment])
            after.add(files, [each for each in (self._before, segment) if each is not None])
            first, both = alone.text(PLACE, QUERY), after.text(PLACE, QUERY)
            before = SegmentList()
            before.add(files, [] if self._before is None else [self._before])
            text = both[before.size :]
            is_discontinuous = text.startswith("#EXT-X-DISCONTINUITY\n")
            self.lines.append(_Line(segment, text, first, is_discontinuous))
            self._before = segment
        while self.lines and segments[-1].date - self.lines[0].segment.date > LONGEST_S:
            self.lines.pop(0)


class Dvr:
    """The past of streams that are recorded, or were until they ended."""

    def __init__(self, index: "RecordingIndex", clock: Callable[[], float]) -> None:
        """Take the parts.

        Args:
            index: Knows what runs, and has the rows.
            clock: Gives monotonic seconds.
        """
        self._index: Final = index
        self._clock: Final = clock
        self._known: Final[OrderedDict[str, _KnownPast]] = OrderedDict()

    async def past(
        self, path: str, seconds: float, dates: Sequence[float], place: str, query: str
    ) -> Past | None:
        """See `PastSegments.past`."""
        known = self._of(path)
        if known is None:
            return NOT_RECORDED
        try:
            await self._read(known)
        except DatabaseError:
            return None
        joint = _joint(known.lines, dates)
        if joint is None:
            return None  # nothing is written yet
        end, newest = joint
        lines = known.lines[_first(known.lines, end, seconds) : end]
        head = "#EXT-X-DISCONTINUITY\n" if lines[0].is_discontinuous else ""
        text = head + lines[0].first + "".join(each.text for each in lines[1:])
        longest = max(each.segment.duration_s for each in lines)
        return Past(
            text.replace(PLACE, f"{place}recordings/{known.id}/").replace(QUERY, query),
            len(lines),
            sum(each.is_discontinuous for each in lines),
            max(1, int(longest + 0.5)),
            newest,
        )

    def _of(self, path: str) -> _KnownPast | None:
        running = self._index.running_of(path)
        known = self._known.get(path)
        if running is not None and (known is None or known.id != running):
            known = self._known[path] = _KnownPast(running)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        if known is not None:
            self._known.move_to_end(path)
        return known

    async def _read(self, known: _KnownPast) -> None:
        async with known.lock:
            if known.lines and self._clock() < known.read_at + FRESH_S:
                return
            tables = self._index.tables()
            segments = await tables.segments(known.id, after=known.last)
            if segments:
                files = {file.number: file for file in await tables.files(known.id)}
                if all(file.path.endswith(".mp4") for file in files.values()):
                    known.add(files, segments)
            known.read_at = self._clock()


def _first(lines: list[_Line], end: int, seconds: float) -> int:
    """Return the first of the lines before `end` that together last so long; at least one."""
    first = end - 1
    seconds -= lines[first].segment.duration_s
    while first > 0 and seconds > 0:
        first -= 1
        seconds -= lines[first].segment.duration_s
    return first


def _joint(lines: Sequence[_Line], dates: Sequence[float]) -> tuple[int, int] | None:
    """Find the newest segment that is recorded among those in memory.

    The packager gives a segment one date, for what is in memory and for the recording.

    Returns:
        How many lines there are up to it, and which it is in memory; None: there is none.
    """
    for end in range(len(lines), max(len(lines) - LOOKED_AT, 0), -1):
        date = lines[end - 1].segment.date
        for newest in range(len(dates) - 1, -1, -1):
            if abs(dates[newest] - date) < SAME_S:
                return end, newest
    return None
