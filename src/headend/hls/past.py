"""A live playlist of what was recorded: it reaches further back than what is in memory.

    recorded      #EXT-X-BYTERANGE …  #EXT-X-BYTERANGE …  #EXT-X-BYTERANGE
    in memory                                      …-16.m4s  …-17.m4s  …-18.m4s
                                                             └─ the newest that is recorded

All of it is ranges of the recording's files: a segment must not change its address.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple


class Past(NamedTuple):
    """Segments of a recording that runs.

    Attributes:
        lines: As they stand in the playlist.
        segments: How many there are.
        discontinuities: How many of them are discontinuous.
        target_s: Their target duration.
        newest: Which of the segments in memory the last one is, from 0 on.
    """

    lines: str
    segments: int
    discontinuities: int
    target_s: int
    newest: int


NOT_RECORDED: Final = Past("", 0, 0, 0, -1)


class PastSegments:
    """The feature that knows what was packaged of a stream."""

    async def past(
        self, path: str, seconds: float, dates: Sequence[float], place: str, query: str
    ) -> Past | None:
        """Return what was recorded up to now; None: it cannot be told now.

        Args:
            path: `APP/NAME`.
            seconds: How long it should last.
            dates: When the segments in memory were sent, Unix seconds.
            place: Where the server's addresses begin, seen from the playlist.
            query: Carried into every URI, with its question mark.
        """
        raise NotImplementedError
