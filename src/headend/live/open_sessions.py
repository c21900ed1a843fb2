"""The sessions of a server that are open, and whether more may begin."""

from collections.abc import Callable, Iterator
from itertools import chain
from operator import attrgetter
from typing import Final

from headend.live.session import RtmpPeer, Session
from headend.net.runtime import Counters


class OpenSessions:
    """The open sessions; each adds and removes itself.

    There may be tens of thousands of viewers over HLS. They are kept in the order in which they
    were added, nearly that in which they began, so that little is left to sort.

    Attributes:
        connections: Sessions over RTMP and RTMPS.
        viewers: Sessions without RTMP, such as viewers over HTTP, WebSocket and HLS.
        is_stopping: The server stops: no session may begin any more.
    """

    def __init__(self, counters: Counters, next_number: Callable[[], int] | None = None) -> None:
        """Make an empty list.

        Args:
            counters: `next_id` counts in them.
            next_number: Gives numbers that are unique among several workers; None: counted here.
        """
        self._counters: Final = counters
        self._next_number: Final = next_number
        self.connections: Final[dict[RtmpPeer, None]] = {}
        self.viewers: Final[dict[Session, None]] = {}
        self.is_stopping = False

    def next_id(self) -> int:
        """Return the number for the next session, from 1 on."""
        self._counters.sessions += 1
        return self._counters.sessions if self._next_number is None else self._next_number()

    def add(self, session: Session, /) -> None:
        """Add a session that does not speak RTMP."""
        self.viewers[session] = None

    def discard(self, session: Session, /) -> None:
        """Remove a session that does not speak RTMP."""
        self.viewers.pop(session, None)

    def __iter__(self) -> Iterator[Session]:
        """Go through every session, in any order; none may be added or removed meanwhile."""
        return chain(self.connections, self.viewers)

    def all(self) -> list[Session]:
        """Return every session, in the order in which they began."""
        return sorted(self, key=attrgetter("id"))
