"""One HTTP connection, plain or over TLS, on a transport of ours.

So both ports behave alike, limits hold for HTTP too, and a viewer can take the transport over and
get its stream straight from the fan-out.

What a client is given time for:

    first byte ── idle_s ──► head ── handshake_s ──► body ── command_s ──► answer ── late_close_s
       ▲                                                                   without progress │
       └──────────────────────────────── 2 × idle_s ◄──────────────────────────────────────┘
"""

import logging
from typing import Final

from aiohttp import StreamReader
from aiohttp.streams import EMPTY_PAYLOAD

from headend.http.problems import Problem
from headend.http.protocol import HttpProtocol
from headend.live.services import Services
from headend.net.asyncio_transport import AsyncioTransport
from headend.net.deadlines import NEVER
from headend.net.peer import Peer
from headend.net.stall import Stall
from headend.net.tls_facts import TlsFacts
from headend.net.transport import Transport

log = logging.getLogger(__name__)

HEAD_END: Final = b"\r\n\r\n"
HEAD_END_BYTES: Final = len(HEAD_END)


class HttpConnection(AsyncioTransport):
    """One HTTP connection. While it has no request in progress it gives way to others.

    Attributes:
        peer: Address of the client.
        due: Kept by `Deadlines`.
        tls: What the TLS handshake agreed on; None on a plain connection.
    """

    def __init__(
        self,
        services: Services,
        transport: Transport,
        peer: Peer,
        protocol: HttpProtocol,
        extra: dict[str, object],
        tls: TlsFacts | None = None,
    ) -> None:
        """Take a transport over for aiohttp's protocol."""
        self._services = services
        self.peer: Final = peer
        self.tls: Final = tls
        self.due = NEVER
        self._http = protocol
        self._body: StreamReader | None = None  # of the request in progress; None: there is none
        self._has_begun_head = False  # part of a head is there, behind what is answered
        self._tail = b""  # the last bytes received, in which the end of a head may begin
        self._stall = Stall()
        self._give_up_at = services.loop.time() + services.settings.limits.idle_s
        super().__init__(services.loop, transport, protocol, extra)
        services.admission.may_go(self)
        services.deadlines.update(self)

    def data_received(self, data: bytes) -> None:
        protocol = self._http
        heads, is_head = protocol.heads, protocol.newest_body.is_eof()
        super().data_received(data)
        if protocol.heads != heads:
            # Behind a body there may be another head too: its next bytes tell.
            is_bare = protocol.newest_body is EMPTY_PAYLOAD
            self._has_begun_head = is_bare and self._is_more_than_heads(data)
        elif is_head:
            self._has_begun_head = True
            if self._body is None:
                limits = self._services.settings.limits
                head_end = self._services.loop.time() + limits.handshake_s
                self._give_up_at = min(self._give_up_at, head_end)
                self._services.deadlines.update(self)
        self._tail = data[-HEAD_END_BYTES:]

    def _is_more_than_heads(self, data: bytes) -> bool:
        """Say whether another head begins behind the one that ends in what was received."""
        _, end, rest = data.rpartition(HEAD_END)
        if not end:  # it began in what was received before
            rest = (self._tail + data[:HEAD_END_BYTES]).rpartition(HEAD_END)[2]
        return bool(rest)

    def write_stalled(self) -> None:
        self._stall.begin(self._transport, self._services.loop.time())
        self._services.deadlines.update(self)
        super().write_stalled()

    def write_drained(self) -> None:
        self._stall.end()
        if self._body is None:
            self._wait_for_request()
        super().write_drained()

    def connection_lost(self, error: OSError | None) -> None:
        self._services.deadlines.forget(self)
        self._services.admission.must_stay(self)
        self._services.admission.leave(self.peer.address)
        super().connection_lost(error)

    def release(self) -> tuple[Transport, bytes]:
        """Give the transport up; whoever takes it over has to leave the admission.

        Returns:
            The transport, and the bytes that were read behind the request.
        """
        self._services.deadlines.forget(self)
        self._services.admission.must_stay(self)
        rest = self._http.take_rest()
        self._let_go()
        return self._transport, rest

    # ------------------------------------------------------------------ requests and time

    def request_began(self, body: StreamReader) -> None:
        """Take note that the head of a request is whole; its body may follow."""
        self._services.admission.must_stay(self)
        self._body = body
        self._give_up_at = NEVER
        if not body.is_eof():
            limit = self._services.settings.limits.command_s
            self._give_up_at = self._services.loop.time() + limit
            self._services.deadlines.update(self)

    def request_ended(self) -> None:
        """Take note that a request is answered; the client may not have the whole answer yet."""
        self._body = None
        if self._is_released or self._transport.is_closed:
            return
        self._services.admission.may_go(self)
        self._wait_for_request()

    def _wait_for_request(self) -> None:
        """Give the client time for its next request, more if it has not begun it yet.

        More than proxies keep an idle connection: they must not send a request as we close it.
        """
        limits = self._services.settings.limits
        wait_s = limits.handshake_s if self._has_begun_head else 2 * limits.idle_s
        self._give_up_at = self._services.loop.time() + wait_s
        self._services.deadlines.update(self)

    def deadline(self) -> float | None:
        if self._stall.is_on:
            when = self._stall.deadline(self._services.settings.limits.late_close_s)
            if self._body is not None:
                when = min(when, self._give_up_at)
        else:
            when = self._give_up_at
        return None if when == NEVER else when

    def deadline_passed(self, now: float) -> None:
        limits = self._services.settings.limits
        if self._stall.is_on and self._stall.is_over(self._transport, now, limits.late_close_s):
            line = f"http {self.peer} closed: it took nothing for {limits.late_close_s:g} s"
            self._services.notes.fault(self.peer, f"{line} (limits.late_close_s)", logging.INFO)
            self._services.counters.late_closed += 1
            self.abort()
        elif self._body is not None and now >= self._give_up_at:
            self._give_up_at = NEVER
            if not self._body.is_eof():
                detail = f"The body did not come within {limits.command_s:g} s (limits.command_s)."
                self._body.set_exception(Problem(408, detail))
        elif self._body is None and not self._stall.is_on:
            log.debug("http %s closed: no request came", self.peer)
            self.abort()

    def give_way(self) -> None:
        """Close, to make room for another connection: `limits.connections` are there."""
        log.debug("http %s closed: others need its place", self.peer)
        self.abort()


class Unclaimed:
    """The owner of a transport until a connection takes it over, in the same turn."""

    def data_received(self, data: bytes) -> None:
        raise AssertionError("nobody has claimed the transport")

    def write_stalled(self) -> None:
        """Nothing is written."""

    def write_drained(self) -> None:
        """Nothing is written."""

    def connection_lost(self, error: OSError | None) -> None:
        """Do nothing: no connection has begun."""
