"""What was packaged before the segments that are in memory: a recording has it.

recorded, on the disk                    │ in memory
#EXT-X-BYTERANGE …  #EXT-X-BYTERANGE …   │ …-17.m4s  …-18.m4s
◄────────────── dvr ──────────────────────────────────────►
"""

from typing import NamedTuple


class Past(NamedTuple):
    """Segments that go before those of a live playlist.

    Attributes:
        lines: As they stand in the playlist.
        segments: How many there are.
        discontinuities: How many of them are discontinuous.
        target_s: Their target duration.
    """

    lines: str
    segments: int
    discontinuities: int
    target_s: int


class PastSegments:
    """The feature that knows what was packaged of a stream."""

    async def past(
        self, path: str, seconds: float, until: float, place: str, query: str
    ) -> Past | None:
        """Return what was packaged before a time; None: nothing that joins it.

        Args:
            path: `APP/NAME`.
            seconds: How long it should last.
            until: When the first segment in memory was sent, Unix seconds.
            place: Where the server's addresses begin, seen from the playlist.
            query: Carried into every URI, with its question mark.
        """
        raise NotImplementedError
