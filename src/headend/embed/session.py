"""Sessions of what this process publishes or watches, which can be listed and closed."""

from collections.abc import Callable
from typing import Final

from headend.access.grant import Grant
from headend.decisions import AccessRequest
from headend.live.services import Services
from headend.net.peer import Peer

KICKED: Final = "closed by an administrator"


class _ThisProcess(Peer):
    """The peer that needs no connection."""

    __slots__ = ()

    def __str__(self) -> str:
        return "this process"


HERE: Final = _ThisProcess(None, 0)


class EmbeddedSession:
    """One publisher or player of this process, which is listed from `begin` on.

    Attributes:
        request: What the program asks for.
        id: Number of the session.
        started: When it began, monotonic seconds.
        is_over: The session is over.
    """

    protocol: Final = "embedded"
    peer: Final = HERE
    user_agent: Final = ""
    tls: Final = None

    def __init__(
        self,
        services: Services,
        grant: Grant,
        size: Callable[[], int],
        close: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            services: Services of the server.
            grant: The publish or play that is granted.
            size: Returns how many bytes of media the program gave or took.
            close: Ends the publisher or player of the program; takes the reason.
        """
        self._sessions: Final = services.sessions
        self._grant: Final = grant
        self._size: Final = size
        self._close: Final = close
        self.id: Final = services.sessions.next_id()
        self.request: Final = AccessRequest(
            grant.action, grant.path, None, protocol=self.protocol, session=self.id
        )
        self.started = services.loop.time()
        self.is_over = False

    def begin(self) -> None:
        """Add the session to the list."""
        self._sessions.add(self)

    @property
    def publishing(self) -> list[str]:
        return [self._grant.path] if self._grant.action == "publish" else []

    @property
    def playing(self) -> list[str]:
        return [self._grant.path] if self._grant.action == "play" else []

    @property
    def watching(self) -> list[str]:
        return self.playing

    @property
    def bytes_in(self) -> int:
        return self._size() if self.publishing else 0

    @property
    def bytes_out(self) -> int:
        return self._size() if self.playing else 0

    def kick(self) -> None:
        """Close the session because an administrator wants it so."""
        self._close(KICKED)

    def stop(self) -> None:
        """Close the session because the server stops."""
        self._close("the server is stopping")

    def abort(self) -> None:
        """Close the session at once."""
        self.stop()

    def end(self) -> None:
        """Remove the session from the list."""
        self.is_over = True
        self._sessions.discard(self)
