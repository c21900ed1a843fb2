"""What a TLS client asks for, looked at while the bytes stay for OpenSSL to read.

Some things must be decided by ALPN, which Python's SNI callback is not told: an authority that
comes to check a name (TLS-ALPN-01, RFC 8737) is shown another certificate than everybody else, and
tickets are for clients that speak HTTP.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from headend.errors import ProtocolError
from headend.net.first_bytes import FirstBytes
from headend.net.peer import Peer
from headend.net.runtime import Runtime
from headend.tls import client_hello
from headend.tls.challenges import PROTOCOL as ACME_PROTOCOL
from headend.tls.client_hello import ClientHello

PEEK_BYTES: Final = client_hello.MOST_BYTES + 1024  # with the headers of its records

HTTP_PROTOCOL: Final = b"http/1.1"
# What anything depends on. A client of RTMP offers none, and a look for them costs a tenth of
# parsing its message.
PROTOCOLS: Final = (HTTP_PROTOCOL, ACME_PROTOCOL.encode())

Take = Callable[[socket.socket, Peer, ClientHello | None], None]


class PeekedHello(FirstBytes):
    """A connection whose client has not said yet what it asks for."""

    __slots__ = ("_seen", "_take")

    what = "tls"
    wanted = "handshake and first bytes"

    def __init__(self, runtime: Runtime, sock: socket.socket, peer: Peer, take: Take) -> None:
        """Wait for the first message.

        Args:
            runtime: What every connection needs.
            sock: Accepted and non-blocking.
            peer: Where it comes from.
            take: Takes the connection over, every byte still in it; None: it offers none of
                PROTOCOLS, or this is no client of TLS, which OpenSSL can say better.
        """
        super().__init__(runtime, sock, peer)
        self._take = take
        self._seen = 0

    def handle_events(self, events: int) -> None:
        try:
            data = self._socket.recv(PEEK_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError as error:
            self._close(error.strerror or str(error) if self._seen else "")
            return
        if not data:
            self._close("")
            return
        if client_hello.lacks(data, PROTOCOLS):
            self._let_go()
            self._take(self._socket, self._peer, None)
            return
        try:
            hello = client_hello.parse(data)
        except ProtocolError:
            hello = None
        else:
            if hello is None and len(data) > self._seen:
                self._wait_for_more(len(data))
                return
        self._let_go()
        self._take(self._socket, self._peer, hello)

    def _wait_for_more(self, seen: int) -> None:
        """Sleep until there is more than what was seen, which stays and would wake us at once.

        At the client's end, and on a kind of socket that does not know this, we are woken with
        nothing new.
        """
        self._seen = seen
        self._set_least(seen + 1)

    def _set_least(self, size: int) -> None:
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def _let_go(self) -> None:
        if self._seen:
            self._set_least(1)
        super()._let_go()
