"""A source of a stream that brings media only on air."""

from collections.abc import Callable
from typing import Protocol

from headend.errors import Rejected
from headend.hub.publication import Place
from headend.live.publishing import Publishing
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
    """A source, and what the hub tells it."""

    def __init__(self, services: Services, path: str, label: str, rank: int, feed: Feed) -> None:
        """Make one that is off air; `begin` follows.

        Args:
            services: What all connections share.
            path: Of the stream.
            label: What people call it, such as `slate`.
            rank: See `Place`.
            feed: Brings the media.
        """
        self._loop = services.loop
        self._feed = feed
        self._place = Place(rank, self._set_on_air)
        self._publishing: Publishing | None = Publishing(services, self, path, f"fallback {label}")

    def begin(self) -> None:
        """Stand by.

        Raises:
            Rejected: A publisher of this rank has the name.
        """
        assert self._publishing is not None
        self._publishing.begin(self._loop.time(), self._place)

    def watched(self) -> None:
        """It brings media while it is on air, watched or not."""

    def publishing_ended(self, publishing: Publishing, why: Rejected) -> None:
        """The stream is over."""
        self._publishing = None
        self._feed.stop()

    def _set_on_air(self, is_on_air: bool) -> None:
        if is_on_air:
            self._feed.start(self._push)
        else:
            self._feed.stop()

    def _push(self, tag: Tag) -> None:
        if self._publishing is not None:
            self._publishing.publication.push((tag,), self._loop.time())
