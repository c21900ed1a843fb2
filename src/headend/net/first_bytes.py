"""A connection of which the first bytes have not come: it waits for them, but not for ever."""

import socket
from typing import ClassVar, Final

from headend.net.deadlines import NEVER
from headend.net.peer import Peer
from headend.net.runtime import Runtime


class FirstBytes:
    """Owns a socket until its first bytes say who takes the connection over.

    Attributes:
        what: The other end, for the log: `proxy` or `tls`.
        wanted: What must come within `limits.handshake_s`.
        due: Kept by `Deadlines`.
    """

    __slots__ = ("_deadline", "_peer", "_runtime", "_socket", "due")

    what: ClassVar[str]
    wanted: ClassVar[str]

    def __init__(self, runtime: Runtime, sock: socket.socket, peer: Peer) -> None:
        """Wait.

        Args:
            runtime: What every connection needs.
            sock: Accepted and non-blocking.
            peer: Where it comes from.
        """
        self._runtime: Final = runtime
        self._socket: Final = sock
        self._peer: Final = peer
        self._deadline = runtime.loop.time() + runtime.settings.limits.handshake_s
        self.due = NEVER
        runtime.poller.register(sock.fileno(), self)
        runtime.deadlines.update(self)

    def handle_events(self, events: int) -> None:
        """Read; each subclass says how."""
        raise NotImplementedError

    def deadline(self) -> float | None:
        return self._deadline

    def deadline_passed(self, now: float) -> None:
        limit = self._runtime.settings.limits.handshake_s
        self._close(f"no {self.wanted} within {limit:g} s (limits.handshake_s)")

    def _close(self, reason: str) -> None:
        """Close; without a reason where it only looked whether the port is open."""
        if reason:
            line = f"{self.what} {self._peer} closed: {reason}"
            self._runtime.notes.fault(self._peer, line)
        self._let_go()
        self._runtime.admission.leave(self._peer.address)
        self._socket.close()

    def _let_go(self) -> None:
        """Wait no more: the connection is closed or somebody else's."""
        self._runtime.poller.unregister(self._socket.fileno())
        self._runtime.deadlines.forget(self)
