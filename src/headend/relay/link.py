"""One connection to another server: a client session on the server's own transport.

    dial ─► Transport or TlsTransport ─► ClientSession ─► Tenant: granted, media, stalled …

So a relay costs what a player costs: no task and no stream of asyncio is behind it.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final, Protocol

from headend.errors import HeadendError, ProtocolError, RelayError, SettingsError
from headend.libsrt.engine import Engine, borrow, give_back
from headend.live.loops import LOOP
from headend.live.services import Services
from headend.media.tag import Tag
from headend.net.deadlines import NEVER
from headend.net.places import LookUp
from headend.net.poller import ReadPace
from headend.net.stall import Stall
from headend.net.tls_client import TlsOptions, explain, explain_handshake
from headend.net.tls_transport import Handshakes, TlsTransport
from headend.net.transport import LINGER_S, Transport
from headend.relay.backoff import Failure
from headend.relay.dialling import Reach, RelayFailed, dial
from headend.rtmp.client import ClientSession, ClientSettings
from headend.rtmp.client_events import Ended, MoveRequested, Refused, Started
from headend.rtmp.events import MediaReceived
from headend.rtmp.handshake import CLIENT_FILLER_SIZE
from headend.rtmp.redirect import follow
from headend.rtmp.url import Url
from headend.trust import Trust

log = logging.getLogger(__name__)

HANDSHAKE_S: Final = 5.0  # of TLS, and of RTMP again
GOODBYE_S: Final = 0.5  # for the other servers to hear that this one stops
MOST_REDIRECTS: Final = 4  # of one try; a server that sends us round in a ring
START_S: Final = 10.0  # from there until publish or play is granted


class Tenant(Protocol):
    """The owner of a connection, which is told of it. Its methods must not raise."""

    def granted(self) -> None:
        """Take note that the publish or play is granted."""

    def media(self, tags: list[Tag], now: float) -> None:
        """Take tags of the stream that is played."""

    def stalled(self) -> None:
        """Take note that the transport has a backlog."""

    def drained(self) -> None:
        """Take note that the transport has no backlog any more."""

    def lost(self) -> None:
        """Take note that the connection is gone, or about to be."""


class Closable(Protocol):
    """A connection that can be closed at once."""

    def abort(self) -> None:
        """Close at once."""


class Links:
    """The connections of all relays of a server.

    Attributes:
        handshakes: Limits the TLS handshakes that run at once.
        open: The connections that are open.
    """

    def __init__(self, services: Services) -> None:
        self.handshakes: Final = Handshakes(services.poller)
        self.open: Final = set[Closable]()
        self._loop = services.loop
        self._srt: Engine | None = None

    def srt_engine(self) -> Engine:
        """Return what speaks SRT; made for the first relay of SRT.

        Raises:
            SrtError: libsrt is not installed, or too old.
        """
        if self._srt is None:
            self._srt = borrow(self._loop)
        return self._srt

    async def close(self) -> None:
        """Wait until the other servers have read the last bytes, and close all connections."""
        end = asyncio.get_running_loop().time() + GOODBYE_S
        while self.open and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        for link in list(self.open):
            link.abort()
        if self._srt is not None:
            await give_back(self._srt)


class Link:
    """One connection to another server; `open`, then `wait` until it is over.

    Attributes:
        due: Kept by `Deadlines`.
    """

    __slots__ = (
        "__weakref__",
        "_closes_at",
        "_ended",
        "_handshake_until",
        "_is_secure",
        "_links",
        "_options",
        "_place",
        "_services",
        "_session",
        "_settings",
        "_stall",
        "_tenant",
        "_transport",
        "due",
    )

    def __init__(
        self, services: Services, settings: ClientSettings, trust: Trust, tenant: Tenant
    ) -> None:
        """Make one that is not connected.

        Args:
            services: What all connections share.
            settings: The URL, and whether to publish or to play.
            trust: Certificates to trust with TLS.
            tenant: Owner of the connection.

        Raises:
            SettingsError: `trust` makes no sense.
        """
        url = settings.url
        self._services = services
        self._settings = settings
        self._options = TlsOptions(trust.ca, trust.fingerprint, trust.insecure)
        self._tenant = tenant
        self._session: ClientSession | None = None
        self._transport: Transport | None = None
        self._place = f"{url.host}:{url.connect_port}"
        self._ended: asyncio.Future[RelayFailed] = services.loop.create_future()
        self._is_secure = not url.is_tls
        self._handshake_until = NEVER
        self._stall = Stall()
        self._closes_at = NEVER
        self.due = NEVER

    @property
    def session(self) -> ClientSession:
        """The RTMP session; there once the connection is made, after any TLS handshake."""
        assert self._session is not None
        return self._session

    @property
    def transport(self) -> Transport:
        """The transport of the connection; there after `open`."""
        assert self._transport is not None
        return self._transport

    @property
    def server_id(self) -> str:
        """Id of the other server, if it is a Headend and has said so; else empty."""
        return "" if self._session is None else self._session.server_id

    async def open(self, look_up: LookUp, links: Links) -> None:
        """Connect; the tenant is told what happens from then on.

        Args:
            look_up: Says which addresses may be called.
            links: Connections of all relays.

        Raises:
            RelayFailed: There is no connection.
        """
        url = self._settings.url
        own = own_ports(self._services)
        await self.use(await dial(url.host, url.connect_port, look_up, own), links)

    async def use(self, sock: socket.socket, links: Links) -> None:
        """Take a socket that is connected and does not block; see `open`.

        Raises:
            RelayFailed: It cannot be used.
        """
        services, url = self._services, self._settings.url
        try:
            if not url.is_tls:
                self._transport = Transport(sock, services.poller, self)
                self._join(links)
                self._start()
                return
            context = _context(self._options)
            # In a thread: it reads the system's authorities each time.
            secure = await asyncio.to_thread(
                context.wrap_socket,
                sock,
                do_handshake_on_connect=False,
                server_hostname=url.host,
            )
        except BaseException as error:
            sock.close()
            if isinstance(error, SettingsError | ssl.SSLError | ValueError):
                raise RelayFailed(Failure.WRONG, str(error)) from error
            raise
        self._handshake_until = services.loop.time() + HANDSHAKE_S
        transport = TlsTransport(secure, services.poller, self, links.handshakes)
        self._transport = transport
        self._join(links)
        transport.speak_first()
        services.deadlines.update(self)

    def _join(self, links: Links) -> None:
        self._links = links
        links.open.add(self)

    async def wait(self) -> RelayFailed:
        """Wait until the connection is over; return why it is."""
        return await asyncio.shield(self._ended)

    def secured(self) -> None:
        assert isinstance(self.transport, TlsTransport)
        self._is_secure = True
        self._handshake_until = NEVER
        try:
            certificate = self.transport.socket.getpeercert(binary_form=True) or b""
            self._options.check(self._place, certificate)
        except RelayError as error:
            self._end(RelayFailed(Failure.WRONG, str(error)))
            return
        self._start()

    def _start(self) -> None:
        """Begin the session."""
        now = self._services.loop.time()
        self._session = ClientSession(self._settings, os.urandom(CLIENT_FILLER_SIZE), now)
        self._send()
        self._services.deadlines.update(self)

    def finish(self) -> None:
        """Tell the other server that the stream ends, and close."""
        if self._session is not None:
            self._session.finish()
            self._send()
        self._end(RelayFailed(Failure.LOST, "it is over", is_over=True))

    # ------------------------------------------------------------------ what the transport tells

    def data_received(self, data: bytes) -> None:
        now = self._services.loop.time()
        try:
            self.session.receive_data(data, now)
            self._act(now)
        except ProtocolError as error:
            text = str(error) if self._has_greeted else f"it speaks another protocol ({error})"
            self._end(RelayFailed(Failure.LOST, text))
        except Exception:
            log.exception("a relay to %s failed: a bug", self._place)
            self._end(RelayFailed(Failure.LOST, "a bug, see the log"))

    @property
    def _has_greeted(self) -> bool:
        """The other side has shaken hands."""
        return self.session.has_greeted

    def _act(self, now: float) -> None:
        for event in self.session.events():
            if type(event) is MediaReceived:
                self._tenant.media(list(event.tags), now)
            elif isinstance(event, Started):
                self._send()
                self.transport.set_pace(
                    ReadPace.CALM if self._settings.action == "publish" else ReadPace.PROMPT
                )
                self._tenant.granted()
            elif isinstance(event, Refused):
                self._refused(event)
            elif isinstance(event, MoveRequested):
                where = event.tc_url or self._settings.url.tc_url
                reason = "it asks us to connect elsewhere"
                self._end(RelayFailed(Failure.LOST, reason, redirect=where))
            elif isinstance(event, Ended):
                reason = f"it ended the stream ({event.code})"
                self._end(RelayFailed(Failure.LOST, reason, is_over=True))
        self._send()
        self._services.deadlines.update(self)

    def _refused(self, event: Refused) -> None:
        said = ": ".join(part for part in (event.code, event.description) if part)
        if event.description.startswith(LOOP):
            is_play = self._settings.action == "play"
            failure = Failure.LOOPED if is_play else Failure.WRONG
            self._end(RelayFailed(failure, event.description))
        else:
            reason = f"it refuses: {said or 'no reason given'}"
            self._end(
                RelayFailed(Failure.REFUSED, reason, code=event.code, redirect=event.redirect)
            )

    def _send(self) -> None:
        out = self.session.data_to_send()
        if out:
            self.transport.write(b"".join(out))

    def write_stalled(self) -> None:
        self._stall.begin(self.transport, self._services.loop.time())
        self._tenant.stalled()
        self._services.deadlines.update(self)

    def write_drained(self) -> None:
        self._stall.end()
        self._tenant.drained()

    def connection_lost(self, error: OSError | None) -> None:
        self._services.deadlines.forget(self)
        self._links.open.discard(self)
        if not self._is_secure:
            self._end(self._explain_tls(error))
        elif error is not None:
            text = explain(error) or error.strerror or str(error)
            self._end(RelayFailed(Failure.LOST, f"the connection was lost: {text}"))
        else:
            self._end(RelayFailed(Failure.LOST, "it closed the connection"))

    def _explain_tls(self, error: OSError | None) -> RelayFailed:
        host = self._settings.url.host
        if error is None:
            error = ConnectionResetError()
        text = explain_handshake(error, host) or error.strerror or str(error)
        is_wrong = isinstance(error, ssl.SSLCertVerificationError)
        return RelayFailed(Failure.WRONG if is_wrong else Failure.LOST, f"{self._place}: {text}")

    # ------------------------------------------------------------------ time

    def deadline(self) -> float | None:
        if self._closes_at != NEVER:
            return self._closes_at
        if self._handshake_until != NEVER:
            return self._handshake_until
        session = self.session.deadline()
        when = NEVER if session is None else session
        when = min(when, self._stall.deadline(self._services.settings.limits.late_close_s))
        return None if when == NEVER else when

    def deadline_passed(self, now: float) -> None:
        if self._closes_at != NEVER:
            self.transport.abort()
        elif self._handshake_until != NEVER:
            text = f"{self._place}: no answer to our TLS handshake; is it rtmp:// there?"
            self._end(RelayFailed(Failure.LOST, text))
        elif self._check_stall(now):
            try:
                self.session.handle_timeout(now)
                self._act(now)
            except HeadendError as error:
                self._end(RelayFailed(Failure.LOST, str(error)))

    def _check_stall(self, now: float) -> bool:
        """Give up a server that takes nothing any more; false if it is given up."""
        limit = self._services.settings.limits.late_close_s
        if not self._stall.is_over(self.transport, now, limit):
            return True
        self._end(RelayFailed(Failure.LOST, f"it took nothing for {limit:g} s"))
        return False

    # ------------------------------------------------------------------ the end

    def fail(self, why: RelayFailed) -> None:
        """Close at once, for a reason that the tenant gives."""
        self._end(why)

    def abort(self) -> None:
        """Close at once."""
        self._end(RelayFailed(Failure.LOST, "closed"))
        if self._transport is not None:
            self._transport.abort()

    def _end(self, why: RelayFailed) -> None:
        """Close; only the first reason counts."""
        if self._ended.done():
            return
        self._ended.set_result(why)
        self._tenant.lost()
        if self._transport is not None and not self._transport.is_closed:
            if self._stall.is_on or not why.is_over:
                self.transport.abort()
                return
            self._closes_at = self._services.loop.time() + LINGER_S
            self.transport.close()
            if not self.transport.is_closed:
                self._services.deadlines.update(self)


async def follow_redirects(
    url: Url, reach: Reach, attempt: Callable[[Url, LookUp], Awaitable[RelayFailed]]
) -> RelayFailed:
    """Try a URL, and the URLs to which it redirects; return how the last try ended.

    Args:
        url: The first URL.
        reach: Addresses that connections may go to.
        attempt: Connects to a URL, and returns why the connection is over.
    """
    route = reach.route(url.host)
    for _ in range(MOST_REDIRECTS):
        failed = await attempt(url, route.look_up)
        if not failed.redirect:
            return failed
        try:
            url = follow(url, failed.redirect)
        except ProtocolError as error:
            return RelayFailed(Failure.WRONG, str(error))
    return RelayFailed(Failure.REFUSED, f"it redirects more than {MOST_REDIRECTS - 1} times")


def own_ports(services: Services) -> list[int]:
    """Return the ports on which the server listens."""
    addresses = [each for found in services.addresses.values() for each in found]
    return [int(each.rpartition(":")[2]) for each in addresses if each[:5] != "unix:"]


@lru_cache(maxsize=64)
def _context(options: TlsOptions) -> ssl.SSLContext:
    return options.context()
