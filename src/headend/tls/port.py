"""The TLS port: RTMPS and HTTPS on the same one.

accepted ─► PeekedHello ─► TlsConnection: handshake, first byte ─┬─► RtmpConnection
                                                                 └─► HTTP application

What clients ask for is looked at first: a client that names HTTP gets tickets to come back
with, which librtmp with GnuTLS dies of; an authority that checks a name is shown its certificate.
"""

import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final

from headend.logs import Repeats
from headend.net.peer import Peer
from headend.net.runtime import Runtime
from headend.net.tls_facts import TlsFacts, tls_facts
from headend.net.tls_transport import TlsTransport
from headend.tls.client_hello import ClientHello
from headend.tls.connection import TlsConnection, is_http
from headend.tls.peeked_hello import HTTP_PROTOCOL, PeekedHello
from headend.tls.served import ServedCertificates

log = logging.getLogger(__name__)

Speak = Callable[[TlsTransport, bytes, Peer], None]
# Takes over a connection that has shaken hands, with its first bytes and what was agreed on.
TakeSecure = Callable[[TlsTransport, bytes, Peer, TlsFacts], None]

MAX_HANDSHAKES: Final = 512  # at once; each holds some 50 KiB and may wait limits.handshake_s


class TlsPort:
    """Takes over connections that a listener accepted."""

    def __init__(
        self,
        runtime: Runtime,
        served: ServedCertificates,
        take_rtmp: TakeSecure,
        take_http: TakeSecure,
    ) -> None:
        """Prepare to take connections.

        Args:
            runtime: What every connection needs.
            served: The certificates.
            take_rtmp: Takes over a connection that speaks RTMP.
            take_http: Takes over a connection that speaks HTTP.
        """
        self._runtime = runtime
        self._served = served
        self._take_rtmp = take_rtmp
        self._take_http = take_http
        self._refusals = Repeats(log, "tls connections refused")

    def take(self, sock: socket.socket, peer: Peer) -> None:
        """Look at what the client of an accepted connection asks for."""
        PeekedHello(self._runtime, sock, peer, self._take_peeked)

    def _take_peeked(self, sock: socket.socket, peer: Peer, hello: ClientHello | None) -> None:
        """Begin the handshake."""
        challenge = None if hello is None else self._served.challenges.context(hello)
        if challenge is None:
            speaks_http = hello is not None and HTTP_PROTOCOL in hello.protocols
            context = self._served.store.context(with_tickets=speaks_http)
            self._secure(sock, peer, context, self._speak)
        else:
            # The handshake is all that the authority came for.
            self._secure(sock, peer, challenge, lambda transport, *_: transport.abort())

    def _secure(
        self, sock: socket.socket, peer: Peer, context: ssl.SSLContext, speak: Speak
    ) -> None:
        runtime = self._runtime
        now = runtime.loop.time()
        try:
            if self._served.handshakes.in_progress >= MAX_HANDSHAKES:
                raise OSError(f"{MAX_HANDSHAKES} handshakes are in progress")
            secure = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:
            runtime.admission.leave(peer.address)
            runtime.counters.refused += 1
            self._refusals.add(f"tls {peer} refused: {error}", now)
            sock.close()
            return
        TlsConnection(runtime, secure, peer, self._served.handshakes, speak)

    def _speak(self, transport: TlsTransport, data: bytes, peer: Peer) -> None:
        """Hand a connection to the protocol that its first byte tells."""
        secure = transport.socket
        facts = tls_facts(secure, self._served.store.server_name(secure))
        take = self._take_http if is_http(data[0]) else self._take_rtmp
        take(transport, data, peer, facts)
