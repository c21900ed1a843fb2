"""What a player reads from."""

from collections.abc import Sequence
from typing import Protocol

from headend.media.tag import Tag


class TagReader(Protocol):
    """A stream as it comes in. Nothing is read ahead, so a slow program is sent slowly."""

    async def read(self) -> Sequence[Tag] | None:
        """Return the tags that have come, perhaps none yet; None: the stream is over.

        Raises:
            HeadendError: It cannot go on.
        """
        ...

    @property
    def was_cut(self) -> bool:
        """Whether the end came without a word of the server: the stream may go on."""
        ...
