"""The listeners of a server, and the protocol that gets each accepted connection.

rtmp ────────────────────────────► RtmpConnection
tls ──► TlsPort ──┬─► RTMPS ─────► RtmpConnection
                  └─► HTTPS ─┐
http ────────────────────────┴───► HttpServer
"""

import logging
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from headend.live.rtmp_connection import RtmpConnection
from headend.live.services import Services
from headend.net.listener import Listener, bound_address, listening_text, open_socket
from headend.net.peer import Peer
from headend.net.proxied import Take
from headend.net.tls_facts import TlsFacts
from headend.net.tls_transport import TlsTransport
from headend.net.transport import Transport
from headend.settings import Settings
from headend.tls.served import ServedCertificates

if TYPE_CHECKING:
    from headend.http.server import HttpServer

log = logging.getLogger(__name__)


class Listeners:
    """The listening sockets of a server: opened when it is made, accepting from `begin` on.

    Attributes:
        addresses: Where they listen, by listener: rtmp, tls and http; srt listens elsewhere.
    """

    def __init__(
        self, settings: Settings, given: Mapping[str, Sequence[socket.socket]] | None = None
    ) -> None:
        """Open the sockets; connections wait in the kernel.

        Args:
            settings: Settings at the start.
            given: Sockets that listen already, by listener, in place of those of the settings;
                others may listen on them too.

        Raises:
            HeadendError: An address cannot be used; nothing is left open.
        """
        given = given or {}
        self._listeners: list[Listener] = []
        with ExitStack() as opened:
            self._sockets = {
                name: [
                    opened.enter_context(each)
                    for each in given.get(name) or map(open_socket, addresses)
                ]
                for name, addresses in settings.tcp_listen.items()
            }
            self._opened = opened.pop_all()
        self.addresses = {
            name: [bound_address(sock) for sock in sockets]
            for name, sockets in self._sockets.items()
        }
        self.addresses["srt"] = []
        self._given = frozenset(given)

    def has(self, name: str) -> bool:
        """Say whether there is a listener: rtmp, tls or http."""
        return bool(self._sockets[name])

    @property
    def rtmps(self) -> str:
        """URL that a peer is told when it must come over TLS."""
        tls = self.addresses["tls"]
        return f"rtmps://HOST:{tls[0].rpartition(':')[2]}" if tls else "rtmps://"

    def begin(self, services: Services, http: "HttpServer | None") -> None:
        """Accept connections.

        Args:
            services: What all connections share.
            http: Serves HTTP; there if anything listens for HTTP or TLS.
        """
        runtime, sockets = services.runtime, self._sockets

        def take_rtmp(sock: socket.socket, peer: Peer) -> None:
            connection = RtmpConnection(services, peer)
            connection.start(Transport(sock, runtime.poller, connection))

        def take_rtmps(transport: TlsTransport, data: bytes, peer: Peer, facts: TlsFacts) -> None:
            connection = RtmpConnection(services, peer, facts)
            transport.hand_over(connection)
            connection.start(transport)
            connection.data_received(data)

        self._accept(services, "rtmp", take_rtmp)
        if http is not None and sockets["http"]:
            self._accept(services, "http", http.take, has_proxy_header=False)
        if http is not None and sockets["tls"]:
            # Not loaded by a server without TLS.
            from headend.tls.port import TlsPort

            served = services.features[ServedCertificates]
            port = TlsPort(runtime, served, take_rtmps, http.take_secure)
            self._accept(services, "tls", port.take)
        for name, listening in sockets.items():
            for sock in listening:
                log.info("%s listens on %s", name, listening_text(sock))

    def _accept(
        self, services: Services, name: str, take: Take, *, has_proxy_header: bool = True
    ) -> None:
        listener = Listener(
            services.runtime,
            name,
            self._sockets[name],
            take,
            has_proxy_header=has_proxy_header,
            is_owner=name not in self._given,
        )
        self._listeners.append(listener)

    def close(self) -> None:
        """Accept no more; it may be called again."""
        for listener in self._listeners:
            listener.close()
        self._opened.close()
