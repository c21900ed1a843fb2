"""The publishers that stand by for a name, and which of them goes on air next."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from headend.hub.publication import Publication

RETRY_S: Final = 10.0  # until a source that brought nothing is tried again
MOST_PUBLISHERS: Final = 16  # that stand by for one name: each keeps a reserve in memory


@dataclass(frozen=True, slots=True)
class FallbackSettings:
    """When a stream changes its source.

    Attributes:
        after_s: Silence of the source on air, until another one takes its place.
        steady_s: How long a better one must have brought media, until it goes (back) on air.
        hold_s: How long sources without a publisher, such as a file, may hold a stream.
    """

    after_s: float
    steady_s: float
    hold_s: float


class Standbys:
    """The publications of one name that are not on air, the best first.

    Attributes:
        held_since: Since when no publisher is there, and a source on demand holds the stream;
            monotonic seconds, None: one is.
    """

    def __init__(self) -> None:
        self._publications: list[Publication] = []
        self.held_since: float | None = None

    def __iter__(self) -> Iterator[Publication]:
        return iter(self._publications)

    def __len__(self) -> int:
        return len(self._publications)

    def add(self, publication: Publication) -> None:
        """Take one in; of one order there is at most one."""
        self._publications.append(publication)
        self._publications.sort(key=lambda each: each.place.order)

    def remove(self, publication: Publication) -> bool:
        """Let one go; false: it does not stand by."""
        if publication not in self._publications:
            return False
        self._publications.remove(publication)
        return True

    @property
    def has_publisher(self) -> bool:
        """Say whether somebody publishes, besides sources on demand."""
        return any(not each.place.is_on_demand for each in self)

    @property
    def is_full(self) -> bool:
        """Say whether no other publisher may stand by."""
        return sum(not each.place.is_on_demand for each in self) >= MOST_PUBLISHERS

    def best(self, now: float, silence_s: float) -> Publication | None:
        """Return the best one that can go on air at once; None: there is none.

        Sources on demand can, unless they failed lately.
        """
        return next((each for each in self if _can_go(each, now, silence_s)), None)

    def best_publisher(self, now: float, silence_s: float) -> Publication | None:
        """Return the best publisher, one whose media are there already rather than another."""
        publishers = [each for each in self if not each.place.is_on_demand]
        ready = (each for each in publishers if _can_go(each, now, silence_s))
        return next(ready, publishers[0] if publishers else None)


def _can_go(publication: Publication, now: float, silence_s: float) -> bool:
    if publication.place.is_on_demand:
        return publication.failed is None or now - publication.failed >= RETRY_S
    reserve = publication.reserve
    return reserve is not None and reserve.is_ready(now, silence_s)
