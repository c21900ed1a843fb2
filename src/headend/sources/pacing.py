"""The times of a source's tags: in real time, and over and over."""

from collections.abc import Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from headend.codec.extent import CutShort
from headend.errors import MediaError
from headend.media.codecs import is_end
from headend.media.tag import SCRIPT, Tag

if TYPE_CHECKING:
    from headend.sources.files import MediaSource

# ms between two tags, back and forth: beyond them the clock of the source has changed.
MAX_STEP_BACK_MS: Final = 1000
MAX_STEP_MS: Final = 10_000


class Pace:
    """Tells when a tag is due, so that a stream goes out in real time."""

    def __init__(self, now: float) -> None:
        """Start the clock.

        Args:
            now: Monotonic seconds.
        """
        self._started = now
        self._position = 0  # ms since the first tag
        self._last: int | None = None

    def delay(self, timestamp: int, now: float) -> float:
        """Return how many seconds the next tag has to wait; nothing or less if it is due.

        Args:
            timestamp: Of the tag. A jump starts a new clock where the old one was.
            now: Monotonic seconds.
        """
        step = 0 if self._last is None else _difference(timestamp, self._last)
        if -MAX_STEP_BACK_MS <= step <= MAX_STEP_MS:
            self._position += step
        self._last = timestamp
        return self._started + self._position / 1000 - now


def repeated(source: "MediaSource") -> Generator[list[Tag], None, None]:
    """Read a source over and over; timestamps go on, from 0.

    Raises:
        MediaError: It has no duration.
    """
    start = 0
    while True:
        passage = Passage(start)
        with suppress(CutShort):  # what there is can be repeated
            for tags in source.batches():
                yield [passage.move(tag) for tag in tags if not is_end(tag)]
        if passage.end == start:
            raise MediaError("the source is too short to be repeated")
        start = passage.end


class Passage:
    """One time through a source."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._first: int | None = None
        self._last: dict[int, int] = {}  # kind of tag: timestamp
        self._ends: dict[int, int] = {}  # kind of tag: when the last one has had its time

    @property
    def end(self) -> int:
        """Timestamp at which the next passage starts, in ms."""
        return max(self._ends.values(), default=self._start)

    def move(self, tag: Tag) -> Tag:
        """Return the tag with its timestamp in the whole."""
        if self._first is None and tag.kind is not SCRIPT and not tag.is_sequence_header:
            self._first = tag.timestamp
        since_first = 0 if self._first is None else _difference(tag.timestamp, self._first)
        timestamp = self._start + max(0, since_first)
        self._ends[tag.kind] = 2 * timestamp - self._last.get(tag.kind, timestamp)
        self._last[tag.kind] = timestamp
        return tag._replace(timestamp=timestamp & 0xFFFFFFFF)


def _difference(timestamp: int, earlier: int) -> int:
    """Subtract timestamps, which wrap at 2**32 ms."""
    return (timestamp - earlier + 0x80000000 & 0xFFFFFFFF) - 0x80000000
