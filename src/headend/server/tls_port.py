"""This module is the TLS port: RTMPS and HTTPS on the same one.

accepted ─► PeekedHello ─► TlsConnection: handshake, first byte ─┬─► RtmpConnection
                                                                 └─► HTTP application

What clients ask for is looked at first: who says that it speaks HTTP gets tickets to come back
with, which librtmp with GnuTLS dies of; an authority that checks a name is shown its certificate.
"""

import logging
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from headend.server.certificates import CertificateStore
from headend.server.challenges import Challenges
from headend.server.client_hello import ClientHello
from headend.server.logs import Repeats
from headend.server.peeked_hello import HTTP_PROTOCOL, PeekedHello
from headend.server.peer import Peer
from headend.server.rtmp_connection import RtmpConnection
from headend.server.services import Services
from headend.server.tls_connection import TlsConnection, is_http
from headend.server.tls_facts import tls_facts
from headend.server.tls_transport import Handshakes, TlsTransport

if TYPE_CHECKING:
    from headend.server.http.server import HttpServer

log = logging.getLogger(__name__)

Speak = Callable[[TlsTransport, bytes, Peer], None]

MAX_HANDSHAKES: Final = 512  # at once; each holds some 50 KiB and may wait limits.handshake_s


class TlsPort:
    """Takes over connections that a listener accepted.

    Attributes:
        handshakes: How they go.
        store: The certificates; replaced when their settings change.
        challenges: What an authority that comes to check a name is shown.
        failed_reloads: Certificates on disk that were not served because something was wrong.
    """

    def __init__(self, services: Services, store: CertificateStore, http: "HttpServer") -> None:
        self._services = services
        self.store = store
        self.challenges: Final = Challenges()
        self._http = http
        self.failed_reloads = 0
        self.handshakes: Final = Handshakes(services.poller)
        self._refusals = Repeats(log, "tls connections refused")

    def take(self, sock: socket.socket, peer: Peer) -> None:
        """Look at what the client of an accepted connection asks for."""
        PeekedHello(self._services, sock, peer, self._take_peeked)

    def _take_peeked(self, sock: socket.socket, peer: Peer, hello: ClientHello | None) -> None:
        """Begin the handshake."""
        challenge = None if hello is None else self.challenges.context(hello)
        if challenge is None:
            speaks_http = hello is not None and HTTP_PROTOCOL in hello.protocols
            context = self.store.context(with_tickets=speaks_http)
            self._secure(sock, peer, context, self._speak)
        else:
            # The handshake is all that the authority came for.
            self._secure(sock, peer, challenge, lambda transport, *_: transport.abort())

    def _secure(
        self, sock: socket.socket, peer: Peer, context: ssl.SSLContext, speak: Speak
    ) -> None:
        services = self._services
        now = services.loop.time()
        try:
            if self.handshakes.in_progress >= MAX_HANDSHAKES:
                raise OSError(f"{MAX_HANDSHAKES} handshakes are in progress")
            secure = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:
            services.admission.leave(peer.address)
            services.counters.refused += 1
            self._refusals.add(f"tls {peer} refused: {error}", now)
            sock.close()
            return
        TlsConnection(services, secure, peer, self.handshakes, speak)

    def _speak(self, transport: TlsTransport, data: bytes, peer: Peer) -> None:
        """Hand a connection to whoever speaks what its first byte says."""
        secure = transport.socket
        facts = tls_facts(secure, self.store.server_name(secure))
        if is_http(data[0]):
            extra: dict[str, object] = {
                "sockname": secure.getsockname(),
                "sslcontext": secure.context,
                "ssl_object": secure,
                "cipher": secure.cipher(),
            }
            self._http.take_over(transport, peer, extra, facts).data_received(data)
            return
        connection = RtmpConnection(self._services, peer, facts)
        transport.hand_over(connection)
        connection.start(transport)
        connection.data_received(data)
