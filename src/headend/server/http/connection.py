"""This module is one HTTP connection, plain or over TLS, on a transport of ours.

So both ports behave alike, limits hold for HTTP too, and a viewer can take the transport over and
get its stream straight from the fan-out.
"""

import asyncio
import logging
from typing import Final

from headend.server.asyncio_transport import AsyncioTransport
from headend.server.deadlines import NEVER
from headend.server.peer import Peer
from headend.server.services import Services
from headend.server.tls_facts import TlsFacts
from headend.server.transport import Transport

log = logging.getLogger(__name__)


class HttpConnection(AsyncioTransport):
    """See the module's head.

    A client has `limits.idle_s` until its first byte, and `limits.handshake_s` from the first byte
    of a request until its head is whole.

    Attributes:
        peer: Where it comes from.
        due: Kept by `Deadlines`.
        tls: What the TLS handshake agreed on; None on a plain connection.
    """

    def __init__(
        self,
        services: Services,
        transport: Transport,
        peer: Peer,
        protocol: asyncio.Protocol,
        extra: dict[str, object],
        tls: TlsFacts | None = None,
    ) -> None:
        """Take a transport over for aiohttp's protocol."""
        self._services = services
        self.peer: Final = peer
        self.tls: Final = tls
        self.due = NEVER
        self._requests = 0  # in progress
        self._give_up_at = services.loop.time() + services.settings.limits.idle_s
        super().__init__(services.loop, transport, protocol, extra)
        services.deadlines.update(self)

    def data_received(self, data: bytes) -> None:
        services = self._services
        if not self._requests and self._give_up_at != NEVER:
            head_end = services.loop.time() + services.settings.limits.handshake_s
            self._give_up_at = min(self._give_up_at, head_end)
            services.deadlines.update(self)
        super().data_received(data)

    def connection_lost(self, error: OSError | None) -> None:
        self._services.deadlines.forget(self)
        self._services.admission.leave(self.peer.address)
        super().connection_lost(error)

    def release(self) -> Transport:
        """Give the transport up; who takes it over leaves the admission."""
        self._services.deadlines.forget(self)
        return super().release()

    # ------------------------------------------------------------------ requests and time

    def request_began(self) -> None:
        """A request's head is whole."""
        self._requests += 1
        self._give_up_at = NEVER

    def request_ended(self) -> None:
        """A request is answered; aiohttp closes a connection that stays idle then."""
        self._requests -= 1
        if not self._requests:
            services = self._services
            self._give_up_at = services.loop.time() + 2 * services.settings.limits.idle_s

    def deadline(self) -> float | None:
        return None if self._give_up_at == NEVER else self._give_up_at

    def deadline_passed(self, now: float) -> None:
        log.debug("http %s closed: no request came", self.peer)
        self.abort()


class Unclaimed:
    """Owns a transport until a connection takes it over, in the same turn."""

    def data_received(self, data: bytes) -> None:
        raise AssertionError("nobody has claimed the transport")

    def write_stalled(self) -> None:
        """Nothing is written."""

    def write_drained(self) -> None:
        """Nothing is written."""

    def connection_lost(self, error: OSError | None) -> None:
        """Nothing is known of it."""
