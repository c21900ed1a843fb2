"""The settings that a packager works by."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.codec.package import Container
    from headend.settings.hls import Hls


@dataclass(frozen=True, slots=True)
class HlsLimits:
    """The settings of a packager; see the section `hls`."""

    container: "Container"
    segment_s: float
    longest_s: float
    part_s: float
    segments: int
    max_bytes: int

    @property
    def has_parts(self) -> bool:
        """Segments are made of parts."""
        return self.container == "fmp4" and self.part_s > 0


def limits_of(hls: "Hls") -> HlsLimits:
    """Return what the section `hls` says to a packager."""
    return HlsLimits(
        hls.container, hls.segment_s, hls.longest_s, hls.part_s, hls.segments, hls.bytes
    )
