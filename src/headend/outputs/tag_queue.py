"""A stream as a program that embeds the server gets it: a bounded queue of tags.

Whoever takes the tags may be slow. Over the limit the queue acts as its policy says:

    newest   goes on at the newest keyframe, with the headers that are needed there, and counts it
    all      ends, and the consumer is told: nothing was left out silently
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Literal

from headend.hub.headers import Headers
from headend.media.tag import SCRIPT, Tag

Policy = Literal["newest", "all"]


class TagQueue:
    """A bounded queue of tags; a `Sink`.

    Attributes:
        tags: What waits, oldest first; `take` removes it.
        is_over: Nothing is added any more.
        has_overflowed: That is because the consumer was too slow, with policy `all`.
        skips: How often tags were left out, with policy `newest`.
        taken: Bytes of bodies of tags that were taken.
    """

    __slots__ = (
        "_bytes",
        "_headers",
        "_is_skipping",
        "_keeps_all",
        "_max_bytes",
        "_max_tags",
        "_wake",
        "has_overflowed",
        "is_over",
        "skips",
        "tags",
        "taken",
    )

    def __init__(
        self, wake: Callable[[], None], policy: Policy, max_tags: int, max_bytes: int
    ) -> None:
        """Make an empty queue.

        Args:
            wake: Called when there is something to take, or nothing will follow.
            policy: What happens over the limits.
            max_tags: Most tags in the queue.
            max_bytes: Most bytes of their bodies.
        """
        self._wake: Final = wake
        self._keeps_all: Final = policy == "all"
        self._max_tags: Final = max_tags
        self._max_bytes: Final = max_bytes
        self.tags: Final[deque[Tag]] = deque()
        self._bytes = 0
        self._headers = Headers()  # that were left out
        self._is_skipping = False
        self.is_over = False
        self.has_overflowed = False
        self.skips = 0
        self.taken = 0

    def take(self) -> Tag:
        """Remove and return the oldest tag; there must be one."""
        tag = self._oldest()
        self.taken += len(tag.body)
        return tag

    def _oldest(self) -> Tag:
        tag = self.tags.popleft()
        self._bytes -= len(tag.body)
        return tag

    # ------------------------------------------------------------------ what the stream tells

    def start(self, headers: Sequence[Tag]) -> None:
        for tag in headers:
            self.push(tag)

    def push(self, tag: Tag) -> None:
        if self._is_skipping and not self._ends_skip(tag):
            return
        self.tags.append(tag)
        self._bytes += len(tag.body)
        if self._bytes > self._max_bytes or len(self.tags) > self._max_tags:
            self._overflow()
        self._wake()

    def interrupt(self) -> None:
        """Nothing: the taker of the tags waits."""

    def resume(self) -> None:
        """Nothing: tags follow."""

    def end(self) -> None:
        self.is_over = True
        self._wake()

    # ------------------------------------------------------------------ over the limits

    def _overflow(self) -> None:
        if self._keeps_all:
            self.is_over = self.has_overflowed = self._is_skipping = True
            return
        self.skips += 1
        tags = self.tags
        newest = next((i for i in range(len(tags) - 1, 0, -1) if tags[i].is_keyframe), len(tags))
        for _ in range(newest):
            self._leave_out(self._oldest())
        if tags:
            self._add_headers()
        if self._is_full():  # a GOP that is over the limits by itself
            while tags:
                self._leave_out(self._oldest())
        self._is_skipping = not tags

    def _is_full(self) -> bool:
        return self._bytes > self._max_bytes or len(self.tags) > self._max_tags

    def _leave_out(self, tag: Tag) -> None:
        """Let a tag go; what configures decoders is kept for later."""
        if tag.is_sequence_header or tag.kind is SCRIPT:
            self._headers.keep(tag)

    def _ends_skip(self, tag: Tag) -> bool:
        """Say whether this tag is taken again; one that is not is left out."""
        if self._keeps_all:
            return False
        if not tag.is_keyframe:
            self._leave_out(tag)
            return False
        self._is_skipping = False
        self._add_headers()
        return True

    def _add_headers(self) -> None:
        """Put the headers that were left out in front."""
        headers = self._headers.tags()
        self._headers.clear()
        self.tags.extendleft(reversed(headers))
        self._bytes += sum(len(tag.body) for tag in headers)
