"""A connection on the TLS port, from the handshake to the protocol that is spoken on it.

handshake ─► first decrypted byte ─┬─► 03, 06 …: RTMP
                                   └─► G, P, H …: HTTP, on the application of the plain port
"""

import ssl
from collections.abc import Callable
from typing import Final

from headend.logs import shown
from headend.net.deadlines import NEVER
from headend.net.peer import Peer
from headend.net.readiness import READ
from headend.net.runtime import Runtime
from headend.net.tls_facts import explain
from headend.net.tls_transport import Handshakes, TlsTransport

HTTP_METHODS: Final = frozenset(b"GHPDOCT")  # GET HEAD POST PUT PATCH DELETE OPTIONS CONNECT TRACE


class TlsConnection:
    """One peer until it is known what it speaks.

    Attributes:
        due: Kept by `Deadlines`.
    """

    __slots__ = ("_deadline", "_peer", "_runtime", "_speak", "_transport", "due")

    def __init__(
        self,
        runtime: Runtime,
        sock: ssl.SSLSocket,
        peer: Peer,
        handshakes: Handshakes,
        speak: Callable[[TlsTransport, bytes, Peer], None],
    ) -> None:
        """Begin the handshake, if this turn has time for that.

        Args:
            runtime: What every connection needs.
            sock: Wrapped, non-blocking, the handshake not begun. The client's first message is
                there.
            peer: Where it comes from.
            handshakes: Limits them.
            speak: Takes the transport over, with the first bytes.
        """
        self._runtime = runtime
        self._peer = peer
        self._speak = speak
        self._deadline = runtime.loop.time() + runtime.settings.limits.handshake_s
        self.due = NEVER
        transport = TlsTransport(sock, runtime.poller, self, handshakes)
        self._transport: TlsTransport | None = transport
        runtime.deadlines.update(self)
        transport.handle_events(READ)

    def secured(self) -> None:
        """The handshake is done; the first bytes get as much time again."""
        self._deadline = self._runtime.loop.time() + self._runtime.settings.limits.handshake_s

    def data_received(self, data: bytes) -> None:
        transport = self._let_go()
        if transport is not None:
            self._speak(transport, data, self._peer)

    def write_stalled(self) -> None:
        """Nothing is written here."""

    def write_drained(self) -> None:
        """Nothing is written here."""

    def connection_lost(self, error: OSError | None) -> None:
        self._let_go()
        self._runtime.admission.leave(self._peer.address)
        if error is not None:
            self._tell(f"closed: {shown(explain(error))}")

    def deadline(self) -> float | None:
        return self._deadline

    def deadline_passed(self, now: float) -> None:
        limit = self._runtime.settings.limits.handshake_s
        self._tell(f"closed: no handshake and first bytes within {limit:g} s (limits.handshake_s)")
        if self._transport is not None:
            self._transport.abort()

    def _tell(self, what: str) -> None:
        """Log a fault of the peer."""
        self._runtime.notes.fault(self._peer, f"tls {self._peer} {what}")

    def _let_go(self) -> TlsTransport | None:
        """Keep the transport no longer: our own entry among the deadlines is there for a while."""
        self._runtime.deadlines.forget(self)
        transport, self._transport = self._transport, None
        return transport


def is_http(first: int) -> bool:
    """Say whether a connection whose first byte is `first` speaks HTTP."""
    return first in HTTP_METHODS
