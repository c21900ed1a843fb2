"""The right to publish one stream, on air or in reserve."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from headend.hub.decoding import DecodingOrder
from headend.hub.ports import Loss, StreamPublisher
from headend.hub.reserve import Reserve
from headend.hub.start_codes import StartCodes
from headend.hub.stream import Stream
from headend.media.tag import Tag

PRIMARY_RANK: Final = 0
REORDERED: Final = 2  # pictures with a time before the last one's, and it is no accident


@dataclass(frozen=True, slots=True)
class Place:
    """Where a publisher stands among those of one name.

    Attributes:
        rank: The lowest that has media is on air; 0 is that of a usual publisher.
        on_air: Told when it goes on air and off again, for a source that brings media only then;
            None: it brings media all the time.
        priority: Within a rank the highest that has media is on air.
        is_copy: The stream is published at another server, and copied from there.
    """

    rank: int = PRIMARY_RANK
    on_air: Callable[[bool], None] | None = None
    priority: int = 0
    is_copy: bool = False

    @property
    def order(self) -> tuple[int, int]:
        """Return where it comes among the others, the best first; of one order there is one."""
        return self.rank, -self.priority

    @property
    def is_on_demand(self) -> bool:
        """Say whether it brings media only while it is on air."""
        return self.on_air is not None


PRIMARY: Final = Place()
COPY: Final = Place(is_copy=True)


class Desk(Protocol):
    """Who decides which of the publications of a name is on air."""

    def publication(self, path: str) -> "Publication | None":
        """Return the one on air."""

    def media_in_reserve(self, publication: "Publication", now: float) -> None:
        """One that stands by, or waits for its keyframe, has a new one."""

    def left(self, publication: "Publication", now: float, reason: Loss) -> None:
        """Its publisher is gone."""


class Publication:
    """The right to publish one stream, until it ends, is lost or is taken over.

    Attributes:
        stream: Published by the source on air.
        publisher: Who has the right.
        holder: Names who publishes, such as `key:pk_1`; None: nobody who can be told apart.
        place: Among those of the name.
        reserve: What it brings while it stands by, or is on air and has no keyframe yet.
        failed: When it was on air and brought nothing, monotonic seconds; None: never.
    """

    __slots__ = (
        "_decoding",
        "_desk",
        "_start_codes",
        "failed",
        "holder",
        "place",
        "publisher",
        "reserve",
        "stream",
    )

    def __init__(
        self,
        desk: Desk,
        stream: Stream,
        publisher: StreamPublisher,
        holder: str | None,
        place: Place = PRIMARY,
    ) -> None:
        self._desk = desk
        self._decoding: Final = DecodingOrder()
        self._start_codes: Final = StartCodes()
        self.stream: Final = stream
        self.publisher: Final = publisher
        self.holder: Final = holder
        self.place: Final = place
        self.reserve: Reserve | None = None
        self.failed: float | None = None

    @property
    def is_current(self) -> bool:
        """Say whether it is on air."""
        return self._desk.publication(self.stream.path) is self

    @property
    def is_over(self) -> bool:
        """Say whether it is neither on air nor stands by: what it pushes goes nowhere."""
        return self.reserve is None and not self.is_current

    @property
    def has_start_codes(self) -> bool:
        """Its pictures come with start codes, in place of which viewers get lengths."""
        return self._start_codes.were_found

    def push(self, tags: Sequence[Tag], now: float) -> None:
        """Publish a run of tags, or keep them in reserve; ignored once the name is taken over."""
        tags = self._start_codes.mend(tags)
        reserve = self.reserve
        if reserve is not None:
            if reserve.keep(tags, now):
                self._desk.media_in_reserve(self, now)
        elif self.is_current:
            if self._decoding.is_needed:
                tags = self._decoding.mend(tags)
            self.stream.publish(tags, now)
            if self.stream.timeline.reordered >= REORDERED:
                self._decoding.begin()

    def end(self, now: float) -> None:
        """The publisher said that it ends: so does the stream, unless another publisher goes on."""
        self._desk.left(self, now, "ended")

    def lose(self, now: float) -> None:
        """The publisher's connection is gone without a word: viewers wait for its return."""
        self._desk.left(self, now, "lost")

    def stand_by(self, reserve: Reserve | None) -> None:
        """Bring media into a reserve from now on; None: nowhere."""
        self.reserve = reserve
        if reserve is not None:
            self.publisher.watched(is_watched=False)
