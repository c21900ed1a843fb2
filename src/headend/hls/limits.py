"""What is wanted of a packager."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.codec.package import Container


@dataclass(frozen=True, slots=True)
class HlsLimits:
    """What is wanted; see the settings of section `hls`."""

    container: "Container" = "fmp4"
    segment_s: float = 2.0
    longest_s: float = 30.0
    part_s: float = 0.2
    segments: int = 7
    max_bytes: int = 128 * 1024 * 1024

    @property
    def has_parts(self) -> bool:
        """Segments come in parts."""
        return self.container == "fmp4" and self.part_s > 0
