"""One SRT connection of a relay: what `Link` is for RTMP.

fetched: messages ─► MPEG-TS ─► tags ─► tenant: `media`
sent:    tenant: `granted`, then its fan-out's MPEG-TS ─► `send` ─► messages
"""

import logging
import socket
from collections.abc import Callable
from typing import Final

from headend.errors import Rejected, RelayError
from headend.libsrt.calling import SrtCall
from headend.libsrt.library import SrtError
from headend.libsrt.loss import LossWatch
from headend.live.services import Services
from headend.media.ts_tags import TagMaker
from headend.net.figures import Figures
from headend.net.listener import sockaddr
from headend.net.names import Found
from headend.net.places import LookUp, PlaceForbidden
from headend.relay.backoff import Failure
from headend.relay.dialling import RelayFailed, is_own, why_forbidden
from headend.relay.link import Links, Tenant
from headend.srt_url import SrtUrl

log = logging.getLogger(__name__)

# After the connection stands: a peer that closes so soon without media refuses.
REFUSED_S: Final = 2.0
OVER: Final = "it is over"


class SrtLink:
    """One connection to another server; `open`, then `wait` until it is over.

    It is also where the media of a relay out leave: see `hub.ports.Writer`.

    Attributes:
        backlog: Nothing waits here: what libsrt has no room for is lost.
        send: Hands bytes to libsrt.
        server_id: Nothing says over SRT what server it is.
        drops: How often libsrt had no room.
        loss: What the network loses.
    """

    server_id: Final = ""

    def __init__(self, services: Services, url: SrtUrl, tenant: Tenant, *, reads: bool) -> None:
        """Make one that is not connected.

        Args:
            services: What all connections share.
            url: Where to.
            tenant: Owner of the connection.
            reads: The stream is fetched, else it is sent.
        """
        self._services = services
        self._url = url
        self._tenant = tenant
        self._reads = reads
        self._maker = TagMaker()
        self._call: SrtCall | None = None
        self._links: Links | None = None
        self._stood_at = 0.0
        self._has_media = False
        self.loss: Final = LossWatch()
        self._ended = services.loop.create_future()
        self.backlog = 0
        self.drops = 0
        self.send: Callable[[bytes], int] = self._send

    async def open(self, look_up: LookUp, links: Links, *, timeout_s: float) -> None:
        """Connect; the tenant is told what happens from then on.

        Args:
            look_up: Says which addresses may be called.
            links: Connections of all relays.
            timeout_s: For the answer of one address.

        Raises:
            RelayFailed: There is no connection.
        """

        async def checked(host: str, port: int) -> Found:
            found = await look_up(host, port)
            self._refuse_own(found)
            return found

        loop = self._services.loop
        try:
            call = self._call = SrtCall(links.srt_engine(), loop, self._url, self)
            links.open.add(self)
            self._links = links
            await call.open(checked, timeout_s=timeout_s)
        except Rejected as error:
            text = f"it refuses: {error.description}"
            raise RelayFailed(Failure.REFUSED, text, code=error.code) from error
        except PlaceForbidden as error:
            raise RelayFailed(Failure.WRONG, why_forbidden(error)) from error
        except SrtError as error:
            raise RelayFailed(Failure.WRONG, str(error)) from error
        except RelayError as error:
            raise RelayFailed(Failure.AWAY, str(error)) from error
        finally:
            if self._call is None or not self._call.latency_ms:
                self.abort()
        self._stood_at = loop.time()
        call.read(is_on=self._reads)
        self._tenant.granted()

    def _refuse_own(self, found: Found) -> None:
        """Refuse to call this server itself.

        Raises:
            RelayFailed: It is.
        """
        ports = {int(each.rpartition(":")[2]) for each in self._services.addresses.get("srt", ())}
        if self._url.port not in ports:
            return
        for _, text in found:
            family, address = sockaddr(text, self._url.port)
            with socket.socket(family, socket.SOCK_DGRAM) as probe:  # sends nothing
                try:
                    probe.connect(address)
                except OSError:
                    continue
                if is_own(probe.getsockname()[0], text):
                    reason = f"{self._url.place} is this server itself: a relay loop"
                    raise RelayFailed(Failure.WRONG, reason)

    async def wait(self) -> RelayFailed:
        """Wait until the connection is over; return why it is."""
        failed: RelayFailed = await self._ended
        return failed

    @property
    def figures(self) -> Figures | None:
        """How the network treats the connection; None: there is none."""
        return None if self._call is None else self._call.figures

    # ------------------------------------------------------------------ what the connection tells

    def received(self, data: bytes) -> None:
        if self._ended.done():
            return
        try:
            tags = self._maker.receive_data(data)
        except Exception:
            log.exception("a relay from %s failed: a bug", self._url.place)
            self._end(RelayFailed(Failure.LOST, "a bug, see the log"))
            return
        if tags:
            self._has_media = True
            self._tenant.media(tags, self._services.loop.time())

    def lost(self) -> None:
        if self._reads and (tags := self._maker.flush()):
            self._tenant.media(tags, self._services.loop.time())
        lived = self._services.loop.time() - self._stood_at
        if lived < REFUSED_S and not self._has_media:
            reason = "it closed the connection at once: its log says why (stream id, key, name)"
            self._end(RelayFailed(Failure.REFUSED, reason))
        else:
            self._end(RelayFailed(Failure.LOST, "it closed the connection, or was lost"))

    # ------------------------------------------------------------------ what leaves

    @property
    def descriptor(self) -> int:
        return -1  # no socket of the system

    def _send(self, data: bytes) -> int:
        """Hand bytes to libsrt, in messages; what it has no room for is lost and counted."""
        call = self._call
        assert call is not None
        self.drops += call.send(data) < len(data)
        return len(data)

    def keep(self, data: bytes, sent: int) -> None:
        """Do nothing: the connection is gone, which the engine finds out."""

    def write(self, data: bytes) -> None:
        """Do nothing: nothing is said between media."""

    def close(self) -> None:
        self.finish()

    # ------------------------------------------------------------------ the end

    def finish(self) -> None:
        """Close once what was sent is delivered."""
        self._end(RelayFailed(Failure.LOST, OVER, is_over=True), lingers=not self._reads)

    def fail(self, why: RelayFailed) -> None:
        """Close at once, for a reason that the tenant gives."""
        self._end(why)

    def abort(self) -> None:
        """Close at once."""
        self._end(RelayFailed(Failure.LOST, "closed"))

    def _end(self, why: RelayFailed, *, lingers: bool = False) -> None:
        """Close; only the first reason counts."""
        if self._ended.done():
            return
        self._ended.set_result(why)
        stood = self._stood_at != 0.0
        if self._links is not None:
            self._links.open.discard(self)
        if self._call is not None:
            self._call.close(lingers=lingers)
        if stood:
            self._tenant.lost()
