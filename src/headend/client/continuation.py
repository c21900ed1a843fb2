"""One timeline for a stream that is read from one connection after another."""

from collections.abc import Sequence
from typing import Final

from headend.media.tag import SCRIPT, Tag

MASK: Final = 0xFFFF_FFFF
STEP_MS: Final = 20  # from the last timestamp of a connection to the first one of the next


class Continuation:
    """Moves the timestamps of each connection behind those of the one before.

    What the first connection brings stays as it is. A server starts every player at a keyframe, so
    pictures that were seen may come once more, but time never goes back.
    """

    def __init__(self) -> None:
        self._offset = 0
        self._newest: int | None = None  # that was given
        self._is_new = False  # no media of this connection has come yet

    def restart(self) -> None:
        """Expect tags of another connection."""
        self._is_new = self._newest is not None

    def map(self, tags: Sequence[Tag]) -> Sequence[Tag]:
        """Return tags with the timestamps of the whole."""
        if not self._offset and not self._is_new:
            if tags:
                self._follow(tags[-1].timestamp)
            return tags
        return [self._moved(tag) for tag in tags]

    def _moved(self, tag: Tag) -> Tag:
        newest = self._newest
        assert newest is not None
        if tag.kind is SCRIPT or tag.is_sequence_header:
            return tag._replace(timestamp=newest)  # those of headers are of no use
        if self._is_new:
            self._is_new = False
            self._offset = (newest + STEP_MS - tag.timestamp) & MASK
        timestamp = (tag.timestamp + self._offset) & MASK
        self._follow(timestamp)
        return tag._replace(timestamp=timestamp)

    def _follow(self, timestamp: int) -> None:
        if self._newest is None or (timestamp - self._newest) & MASK < 0x8000_0000:
            self._newest = timestamp
