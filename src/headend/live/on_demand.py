"""What is played on demand, as RTMP sees it: found by its name, read as tags from any place on."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from headend.features.feature import Feature
from headend.media.tag import Tag


class Stored(Protocol):
    """A recording or file that can be played from any place on."""

    @property
    def name(self) -> str:
        """What sessions say that they play, such as `recordings/ID`."""

    @property
    def stream(self) -> str:
        """The stream whose rights hold: a viewer that may play it may play this."""

    def in_use(self) -> AbstractContextManager[None]:
        """Keep it while the block runs."""

    def tags(self, position: int) -> AsyncGenerator[Sequence[Tag], None]:
        """Read from the keyframe before a position to the end; times in ms from its start.

        Metadata and sequence headers come first, and again where they change.

        Raises:
            HeadendError: It cannot be read on.
        """


class StoredStreams(Feature):
    """A feature that plays what is stored."""

    def is_asked(self, path: str, start_ms: int | None) -> bool:
        """Say whether a play may be one of something stored; then `find` tells."""
        raise NotImplementedError

    async def find(self, path: str, start_ms: int | None) -> Stored | None:
        """Return what a play wants; None: it is one of a live stream.

        Args:
            path: `APP/NAME`.
            start_ms: Where the player wants to start; None: it does not say.

        Raises:
            Rejected: There is nothing of that name.
            HeadendError: It cannot be looked up just now.
        """
        raise NotImplementedError
