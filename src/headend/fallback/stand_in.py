"""Stand-ins: sources of a stream that bring media only while they are on air."""

from collections.abc import Callable
from typing import Protocol

from headend.errors import Rejected
from headend.hub.publication import Place
from headend.live.publishing import Publishing
from headend.live.services import Services
from headend.media.tag import Tag

Push = Callable[[Tag], None]


class Feed(Protocol):
    """The source of a stand-in's media."""

    def start(self, push: Push) -> None:
        """Bring media, in real time, from a keyframe on."""

    def stop(self) -> None:
        """Bring no more media; a feed that brings none stays as it is."""


class StandIn:
    """One stand-in of one stream, which the hub puts on air and off air."""

    def __init__(self, services: Services, path: str, label: str, rank: int, feed: Feed) -> None:
        """Make a stand-in that is off air; `begin` follows.

        Args:
            services: What all connections share.
            path: Path of the stream.
            label: Name for people, such as `slate`.
            rank: Rank among the publishers of the stream; see `Place`.
            feed: The source of the media.
        """
        self._loop = services.loop
        self._feed = feed
        self._place = Place(rank, self._set_on_air)
        self._publishing: Publishing | None = Publishing(services, self, path, f"fallback {label}")

    def begin(self) -> None:
        """Begin to stand by.

        Raises:
            Rejected: A publisher of this rank has the name.
        """
        assert self._publishing is not None
        self._publishing.begin(self._loop.time(), self._place)

    def watched(self) -> None:
        """Do nothing: the feed brings media while it is on air, watched or not."""

    def publishing_ended(self, publishing: Publishing, why: Rejected) -> None:
        """Take note that the stream is over."""
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
