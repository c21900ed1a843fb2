"""The PROXY protocol header of a connection from a trusted proxy, read before anything else.

The bytes behind it, a TLS handshake perhaps, stay in the socket for whoever comes next.
"""

import socket
from collections.abc import Callable
from typing import Final

from headend.errors import ProtocolError
from headend.net import proxy_protocol
from headend.net.deadlines import NEVER
from headend.net.peer import Peer, named_by
from headend.net.runtime import Runtime

MOST_BYTES: Final = 4096  # looked at in one go; no header is longer

Take = Callable[[socket.socket, Peer], None]


class ProxyHeader:
    """A connection whose proxy has not said yet who the peer is.

    Attributes:
        due: Kept by `Deadlines`.
    """

    __slots__ = ("_deadline", "_header", "_peer", "_runtime", "_socket", "_take", "due")

    def __init__(self, runtime: Runtime, sock: socket.socket, peer: Peer, take: Take) -> None:
        """Wait for the header.

        Args:
            runtime: What every connection needs.
            sock: Accepted and non-blocking.
            peer: The proxy; it is counted out at the end.
            take: Takes the connection over, with the peer that the header names.
        """
        self._runtime = runtime
        self._socket = sock
        self._peer = peer
        self._take = take
        self._header = b""  # what has come of it; left in the socket it would wake us for ever
        self._deadline = runtime.loop.time() + runtime.settings.limits.handshake_s
        self.due = NEVER
        runtime.poller.register(sock.fileno(), self)
        runtime.deadlines.update(self)

    def handle_events(self, events: int) -> None:
        try:
            data = self._socket.recv(MOST_BYTES, socket.MSG_PEEK)
            if not data:
                self._close("it left before its header" if self._header else "")
                return
            parsed = proxy_protocol.parse(self._header + data)
            if parsed is None:
                self._header += self._socket.recv(len(data))
                return
            self._socket.recv(parsed.length - len(self._header))
        except BlockingIOError:
            return
        except OSError as error:
            self._close(error.strerror or str(error) if self._header else "")
            return
        except ProtocolError as error:
            self._close(str(error))
            return
        self._let_go()
        self._take(self._socket, self._named(parsed))

    def _named(self, parsed: proxy_protocol.Parsed) -> Peer:
        if parsed.is_own:
            return self._peer
        return named_by(self._peer, [None if parsed.source is None else Peer.at(*parsed.source)])

    def deadline(self) -> float | None:
        return self._deadline

    def deadline_passed(self, now: float) -> None:
        limit = self._runtime.settings.limits.handshake_s
        self._close(f"no PROXY header within {limit:g} s (limits.handshake_s)")

    def _close(self, reason: str) -> None:
        """Close; without a reason where it only looked whether the port is open."""
        if reason:
            self._runtime.notes.fault(self._peer, f"proxy {self._peer} closed: {reason}")
        self._let_go()
        self._socket.close()

    def _let_go(self) -> None:
        self._runtime.poller.unregister(self._socket.fileno())
        self._runtime.deadlines.forget(self)
        self._runtime.admission.leave(self._peer.address)
