"""What all runs of a packager share: where segments go, and what is promised of them."""

from collections.abc import Callable
from dataclasses import dataclass

from headend.codec.package import Packet
from headend.hls.limits import HlsLimits
from headend.hls.store import SegmentStore


@dataclass(slots=True)
class Shelf:
    """What all runs of a packager share.

    Attributes:
        limits: What is wanted.
        store: Where segments go.
        wall_clock: Gives Unix seconds.
        left_out: Called with a packet that FFmpeg refuses, and why.
        interval_s: Longest time from one keyframe to the next, where it is known.
        runs: How many there were.
        target_s: How long segments are at most, seconds; 0: not decided yet.
        part_target_s: The same of parts; 0: not decided yet, or there are none.
    """

    limits: HlsLimits
    store: SegmentStore
    wall_clock: Callable[[], float]
    left_out: Callable[[Packet, str], None]
    interval_s: float = 0.0
    runs: int = 0
    target_s: int = 0
    part_target_s: float = 0.0

    def promise(self, *, target_s: int | None = None, part_target_s: float | None = None) -> None:
        """Decide how long segments or parts are at most."""
        self.target_s = self.target_s if target_s is None else target_s
        self.part_target_s = self.part_target_s if part_target_s is None else part_target_s
        self.store.promise(self.target_s, self.part_target_s)
