"""What all runs of a packager share: where segments go, and what is promised of them.

A playlist that players follow promises how long its segments are at most. An archive is promised
nothing: what cannot be told to players any more goes on for it, on a shelf that is loose.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from headend.codec.package import Packet
from headend.hls.limits import HlsLimits
from headend.hls.store import SegmentStore, Tee


@dataclass(slots=True)
class Shelf:
    """What all runs of a packager share.

    Attributes:
        limits: What is wanted.
        store: Where segments go; the archive among others.
        archive: Takes segments of any length.
        wall_clock: Gives Unix seconds.
        left_out: Called with a packet that FFmpeg refuses, and why.
        interval_s: Longest time from one keyframe to the next, where it is known.
        runs: How many there were.
        target_s: How long segments are at most, seconds; 0: not decided yet.
        part_target_s: The same of parts; 0: not decided yet, or there are none.
        is_loose: Segments go to the archive alone, and may be of any length.
    """

    limits: HlsLimits
    store: SegmentStore
    archive: Tee
    wall_clock: Callable[[], float]
    left_out: Callable[[Packet, str], None]
    interval_s: float = 0.0
    runs: int = 0
    target_s: int = 0
    part_target_s: float = 0.0
    is_loose: bool = False

    def promise(self, *, target_s: int | None = None, part_target_s: float | None = None) -> None:
        """Decide how long segments or parts are at most."""
        self.target_s = self.target_s if target_s is None else target_s
        self.part_target_s = self.part_target_s if part_target_s is None else part_target_s
        self.store.promise(self.target_s, self.part_target_s)

    def loose(self) -> "Shelf":
        """Return the shelf on which what is packaged goes on for the archive alone."""
        return replace(self, store=self.archive, is_loose=True)
