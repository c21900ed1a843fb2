"""What all runs of a packager share: where segments go, what is promised, and who is told."""

from collections.abc import Callable
from dataclasses import dataclass, field

from headend.codec.package import Packet
from headend.hls.limits import HlsLimits
from headend.hls.playlists import Playlists
from headend.hls.window import Window


@dataclass(slots=True)
class Shelf:
    """What all runs of a packager share.

    Attributes:
        limits: What is wanted.
        window: Where segments go.
        playlists: What clients are told.
        wall_clock: Gives Unix seconds.
        changed: Called when there is more.
        left_out: Called with a packet that FFmpeg refuses, and why.
        interval_s: Longest time from one keyframe to the next, where it is known.
        runs: How many there were.
    """

    limits: HlsLimits
    window: Window
    wall_clock: Callable[[], float]
    changed: Callable[[], None]
    left_out: Callable[[Packet, str], None]
    interval_s: float = 0.0
    runs: int = 0
    playlists: Playlists = field(init=False)

    def __post_init__(self) -> None:
        self.playlists = Playlists(self.window, has_parts=self.has_parts)

    @property
    def has_parts(self) -> bool:
        """Segments come in parts."""
        return self.limits.container == "fmp4" and self.limits.part_s > 0
