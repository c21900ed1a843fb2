"""Media and discontinuity sequence numbers of HLS: within a name none falls or is given out twice.

Packaging begins and ends with its viewers, and again when the server starts. Its first numbers are
the clock's, which is faster than numbers are used:

    clock    ──────────┬─────────────────────────┬──────────►  4 a second
    numbers            └─ 1 for each segment ─┘  └─ …           at most 2 a second for long

Players give up for good when a number falls, and caches answer a new number with an old segment.

Source: RFC 8216, 6.2.2; RFC 8216bis, 6.2.1.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Final

EPOCH_S: Final = 1_735_689_600  # 2025-01-01, Unix seconds
# Segments are no shorter than half a second, but for those of tracks that change. Until 2042 the
# numbers fit into 32 bits with a sign: some players have no more.
SEGMENTS_PER_S: Final = 4
# hls.js looks at every number below that of the newest discontinuity, with each playlist: 1 µs for
# 700 of them, 1.3 ms for 17 000. One that falls over a restart, of a name that had more than one a
# day, it puts behind what it knows.
DISCONTINUITY_S: Final = 86_400
REMEMBERED: Final = 10_000  # names; then the oldest go
FORGOTTEN: Final = 2  # names looked at for each that comes


@dataclass(frozen=True, slots=True)
class First:
    """Numbers of the first segment that a packager lists.

    Attributes:
        sequence: Media sequence number, at least 1.
        discontinuity: Discontinuity sequence number, at least 1.
        goes_on: The segment follows one of another packager, behind a discontinuity.
    """

    sequence: int = 1
    discontinuity: int = 1
    goes_on: bool = False


class Numbers:
    """First numbers of all names; forgets those that the clock has passed."""

    def __init__(self) -> None:
        self._following: dict[str, First] = {}

    def first(self, name: str, unix_s: float) -> First:
        """Return the numbers with which a name goes on.

        Args:
            name: Name of the stream.
            unix_s: The wall clock.
        """
        clock, following = _clock(unix_s), self._following.get(name, First())
        if following.goes_on:
            return following
        return First(
            max(clock.sequence, following.sequence),
            max(clock.discontinuity, following.discontinuity),
        )

    def note(self, name: str, following: First, unix_s: float) -> None:
        """Take note that a name has used its numbers up to, not including, `following`."""
        self._following.pop(name, None)
        self._following[name] = following
        clock = _clock(unix_s)
        for oldest in list(islice(self._following, FORGOTTEN)):
            if len(self) > REMEMBERED or _has_passed(clock, self._following[oldest]):
                del self._following[oldest]

    def hear(self, name: str, following: First, unix_s: float) -> None:
        """Take note of what another packager of a name has used; what is older is passed over."""
        known = self._following.get(name)
        if known is not None:
            told, newest = _order(following), _order(known)
            if told < newest:
                return
            if told == newest and not known.goes_on:
                return
        self.note(name, following, unix_s)

    def __len__(self) -> int:
        return len(self._following)


def _clock(unix_s: float) -> First:
    passed = max(0.0, unix_s - EPOCH_S)
    return First(1 + int(passed * SEGMENTS_PER_S), 1 + int(passed / DISCONTINUITY_S))


def _order(numbers: First) -> tuple[int, int]:
    return numbers.sequence, numbers.discontinuity + numbers.goes_on


def _has_passed(clock: First, numbers: First) -> bool:
    if numbers.goes_on:
        return False
    return numbers.sequence <= clock.sequence and numbers.discontinuity <= clock.discontinuity
