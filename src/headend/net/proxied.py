"""The PROXY protocol header of a connection from a trusted proxy, read before anything else.

The bytes behind it, a TLS handshake perhaps, stay in the socket for the next reader.
"""

import socket
from collections.abc import Callable
from typing import Final

from headend.errors import ProtocolError
from headend.net import proxy_protocol
from headend.net.first_bytes import FirstBytes
from headend.net.peer import Peer, named_by
from headend.net.runtime import Runtime

MOST_BYTES: Final = 4096  # looked at in one go; no header is longer

Take = Callable[[socket.socket, Peer], None]


class ProxyHeader(FirstBytes):
    """A connection whose proxy has not said yet who the peer is; the proxy is counted out then."""

    __slots__ = ("_header", "_take")

    what = "proxy"
    wanted = "PROXY header"

    def __init__(self, runtime: Runtime, sock: socket.socket, peer: Peer, take: Take) -> None:
        """Wait for the header; `take` takes the connection over, with the peer it names."""
        super().__init__(runtime, sock, peer)
        self._take = take
        self._header = b""  # what has come of it; left in the socket it would wake us for ever

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
        self._runtime.admission.leave(self._peer.address)  # the peer itself is counted in
        self._take(self._socket, self._named(parsed))

    def _named(self, parsed: proxy_protocol.Parsed) -> Peer:
        if parsed.is_own:
            return self._peer
        return named_by(self._peer, [None if parsed.source is None else Peer.at(*parsed.source)])
