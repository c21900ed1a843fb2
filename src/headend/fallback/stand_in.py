"""This module is a source of a stream that brings media only on air, as the hub sees it."""

from collections.abc import Callable
from typing import Final, Protocol

from headend.hub.publication import Place, Publication
from headend.live.services import Services
from headend.media.tag import Tag

Push = Callable[[Tag], None]


class Feed(Protocol):
    """What brings the media."""

    def start(self, push: Push) -> None:
        """Bring media, in real time, from a keyframe on."""

    def stop(self) -> None:
        """Bring no more; nothing happens where it does not."""


class StandIn:
    """A publisher of the hub; see the module's head.

    Attributes:
        place: Among the sources of the stream.
        publication: Set once the hub has taken it in.
    """

    publication: Publication

    def __init__(self, services: Services, label: str, rank: int, feed: Feed) -> None:
        """Make one that is off air.

        Args:
            services: What all connections share.
            label: What people call it, such as `slate`.
            rank: See `Place`.
            feed: Brings the media.
        """
        self._loop = services.loop
        self._label = label
        self._feed = feed
        self.place: Final = Place(rank, self._set_on_air)

    @property
    def peer(self) -> str:
        return f"fallback {self._label}"

    def watched(self, *, is_watched: bool) -> None:
        """Nothing: it brings media while it is on air."""

    def replaced(self) -> None:
        """The stream is over."""
        self._feed.stop()

    def _set_on_air(self, is_on_air: bool) -> None:
        if is_on_air:
            self._feed.start(self._push)
        else:
            self._feed.stop()

    def _push(self, tag: Tag) -> None:
        self.publication.push((tag,), self._loop.time())
