"""The shelf of a packager: where the segments of all runs go, and what is promised of them.

A playlist that players follow promises how long its segments are at most. An archive is promised
nothing: what cannot be told to players any more goes on for it, on a shelf that is loose.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Final

from headend.codec.package import Packet
from headend.hls.limits import HlsLimits
from headend.hls.store_port import SegmentStore, Tee

SLACK_S: Final = 0.45  # EXTINF is rounded to whole seconds before it is compared (RFC, 4.4.3.1)
# Encoders that set keyframes where scenes change: the longest time between two is still to come.
UNEVEN: Final = 1.25  # times the shortest one
UNEVEN_ROOM: Final = 2  # times the longest one so far


@dataclass(slots=True)
class Shelf:
    """Stores and promises that all runs of a packager share.

    Attributes:
        limits: Settings of the packager.
        store: Takes the segments, and passes them to the archive too.
        archive: Takes segments of any length.
        wall_clock: Gives Unix seconds.
        left_out: Called with a packet that FFmpeg refuses, and why.
        interval_s: Longest time from one keyframe to the next, where it is known.
        least_interval_s: The shortest such time so far.
        runs: How many runs there were.
        target_s: How long segments are at most, seconds; 0: not decided yet.
        part_target_s: How long parts are at most, seconds; 0: not decided yet, or no parts.
        is_loose: Segments go to the archive alone, and may be of any length.
    """

    limits: HlsLimits
    store: SegmentStore
    archive: Tee
    wall_clock: Callable[[], float]
    left_out: Callable[[Packet, str], None]
    interval_s: float = 0.0
    least_interval_s: float = inf
    runs: int = 0
    target_s: int = 0
    part_target_s: float = 0.0
    is_loose: bool = False

    def promise(self, *, target_s: int | None = None, part_target_s: float | None = None) -> None:
        """Decide how long segments or parts are at most."""
        self.target_s = self.target_s if target_s is None else target_s
        self.part_target_s = self.part_target_s if part_target_s is None else part_target_s
        self.store.promise(self.target_s, self.part_target_s)

    def needed_target(self, length: float, *, has_video: bool) -> int:
        """Return the target duration that is needed, with the first segment about to end."""
        limits, interval = self.limits, self.interval_s
        needed = max(length, limits.segment_s)
        if has_video and interval > UNEVEN * self.least_interval_s:
            needed = max(needed, min(UNEVEN_ROOM * interval, limits.longest_s))
        elif has_video and interval:
            whole = ceil(limits.segment_s / interval - 0.05) * interval
            needed = max(needed, min(whole, limits.longest_s))
        return max(1, ceil(needed - SLACK_S))

    def loose(self) -> "Shelf":
        """Return the shelf on which what is packaged goes on for the archive alone."""
        return replace(self, store=self.archive, is_loose=True)
