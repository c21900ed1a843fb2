"""SRT as a feature: its listeners, what is decided before a caller is accepted, and its metrics."""

import logging
import socket
from asyncio import TimerHandle
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from headend.access.session_record import note_refusal
from headend.errors import HeadendError, ProtocolError, Refusal, Rejected
from headend.features.feature import Feature, Label, Values
from headend.hub.stream import Stream
from headend.libsrt.engine import Engine, borrow, give_back
from headend.libsrt.library import SrtError
from headend.live.arrivals import not_found
from headend.live.relay_port import Fetching
from headend.live.services import Services
from headend.logs import shown
from headend.net.listener import sockaddr
from headend.net.peer import Peer
from headend.settings import Address, Srt
from headend.srt.refusals import BAD_REQUEST, CODES
from headend.srt.session import SrtSession, access_request
from headend.srt.stream_id import Wish, parse_stream_id

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

log = logging.getLogger(__name__)

SAMPLE_S: Final = 1.0
MOST_REFUSALS: Final = 1000  # that the loop has not noted yet; more of a flood are not noted
EVERYWHERE: Final = ("::", "0.0.0.0")


class SrtListening(Feature):
    """The SRT listeners of a server; without libsrt there is none, and the log says why."""

    name: ClassVar[str] = "srt"

    def __init__(self, services: Services) -> None:
        """Prepare; `start` follows."""
        self._services = services
        self._engine: Engine | None = None
        self._listeners: list[int] = []
        self._addresses: list[str] = []
        self._unnoted = 0  # refusals; written by libsrt's thread and the loop: a rough bound
        self._sessions: set[SrtSession] = set()
        self._totals = {"lost": 0, "resent": 0, "dropped": 0}  # of sessions that are over
        self._left_out = 0  # bytes
        self._timer: TimerHandle | None = None
        self.refused = 0

    # ------------------------------------------------------------------ what the server tells

    def start(self) -> None:
        """Listen.

        Raises:
            HeadendError: An address that the settings name cannot be used.
        """
        settings = self._services.settings.srt
        try:
            engine = self._engine = borrow(self._services.loop)
        except SrtError as error:
            log.warning("srt does not listen: %s", error)
            return
        for address in settings.listen:
            try:
                self._listen(engine, address, settings.latency_ms)
            except SrtError as error:
                line = f"cannot listen on {address} (UDP): {error}"
                if settings.listen != Srt().listen:
                    raise HeadendError(line) from error
                log.warning("srt does not listen: %s", line)
        self._sample()

    def _sample(self) -> None:
        self._timer = self._services.loop.call_later(SAMPLE_S, self._sample)
        for session in self._sessions:
            session.sample()

    def _listen(self, engine: Engine, address: Address, latency_ms: int) -> None:
        library = engine.library
        family, place = _place(address)
        try:
            listener = library.listen(place, family, latency_ms, self._called)
        except SrtError:
            if address.host is not None:
                raise
            family, place = socket.AF_INET, ("0.0.0.0", address.port)  # a kernel without IPv6
            listener = library.listen(place, family, latency_ms, self._called)
        self._listeners.append(listener)
        engine.listen(listener, self._opened)
        host, port = library.name(listener)
        host = "127.0.0.1" if host in EVERYWHERE else host
        self._addresses.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        log.info("srt listens on %s (libsrt %s)", self._addresses[-1], library.version)

    def addresses(self) -> Mapping[str, Sequence[str]]:
        return {"srt": self._addresses}

    async def stop(self) -> None:
        engine, self._engine = self._engine, None
        for session in tuple(self._sessions):
            session.abort()
        if self._timer is not None:
            self._timer.cancel()
        if engine is None:
            return
        for listener in self._listeners:
            engine.close(listener)
        await give_back(engine)

    # ------------------------------------------------------------------ before a caller is accepted

    def _called(self, caller: int, where: tuple[str, int] | None, stream_id: bytes) -> int:
        """Decide from memory, on libsrt's thread, which must not wait; return a code or 0."""
        engine = self._engine
        if where is None or engine is None:
            return CODES[Refusal.STOPPING]
        peer = Peer.at(*where, self._services.runtime.pseudonyms)
        try:
            wish = parse_stream_id(stream_id)
            secret = self._passphrase(wish)
            self._check(wish, peer, is_secure=bool(secret))
            if secret:
                engine.library.encrypt(caller, secret)
        except Rejected as rejected:
            self._tell(peer, wish, rejected)
            return CODES[rejected.refusal]
        except ProtocolError as error:
            self._tell(peer, None, error)
            return BAD_REQUEST
        except Exception:
            log.exception("srt %s: a request could not be decided: a bug", peer)
            return CODES[Refusal.UNDECIDED]
        engine.wake()
        return 0

    def _passphrase(self, wish: Wish) -> str:
        rules = self._services.rules.of(wish.target.path)
        return rules.srt.passphrase.get_secret_value()

    def _check(self, wish: Wish, peer: Peer, *, is_secure: bool) -> None:
        """Refuse what settings and limits alone refuse.

        Raises:
            Rejected: They do.
        """
        services, path = self._services, wish.target.path
        if services.sessions.is_stopping:
            raise Rejected(Refusal.STOPPING, "the server is stopping")
        if services.admission.connections >= services.settings.limits.connections:
            raise Rejected(Refusal.BUSY, "limits.connections is reached")
        services.gate.refuse_now(access_request(wish, peer, is_secure=is_secure))
        if wish.action == "publish" or services.rules.of(path).live.wait_s:
            return
        known = services.registry.stream(path)
        is_there = known is not None and known.has_begun
        if not is_there and services.features.find(Fetching) is None:
            raise not_found(path)

    def _tell(self, peer: Peer, wish: Wish | None, error: Rejected | ProtocolError) -> None:
        self.refused += 1
        if self._unnoted < MOST_REFUSALS:
            self._unnoted += 1
            self._services.loop.call_soon_threadsafe(self._note, peer, wish, error)

    def _note(self, peer: Peer, wish: Wish | None, error: Rejected | ProtocolError) -> None:
        """Log a refusal, and count a wrong secret against its address; in the loop."""
        self._unnoted -= 1
        services = self._services
        if wish is None or not isinstance(error, Rejected):
            services.counters.rejected += 1
            services.notes.fault(peer, f"srt {peer} refused: {shown(str(error))}")
            return
        asked = access_request(wish, peer, is_secure=False)
        note_refusal(services.runtime, asked, peer, error)
        if error.refusal is Refusal.WRONG_SECRET and not asked.is_local:
            services.gate.guard.wrong(asked.address, services.loop.time())

    # ------------------------------------------------------------------ callers

    def _opened(self, sock: int) -> None:
        """A caller has connected."""
        engine = self._engine
        if engine is None:
            return
        where = engine.library.peer(sock)
        if where is None:
            engine.close(sock)
            return
        peer = Peer.at(*where, self._services.runtime.pseudonyms)
        session = SrtSession(self._services, engine, sock, peer, self._over)
        self._sessions.add(session)
        session.start()

    def _over(self, session: SrtSession) -> None:
        self._sessions.discard(session)
        self._left_out += session.dropped + session.untaken
        figures = session.figures
        for name in self._totals:
            self._totals[name] += getattr(figures, name, 0)

    # ------------------------------------------------------------------ what it tells

    def metrics(self, label: Label) -> "Sequence[Metric]":
        from headend.srt.metrics import collect

        totals = dict(self._totals)
        for session in self._sessions:
            figures = session.figures
            for name in totals:
                totals[name] += getattr(figures, name, 0)
        left_out = self._left_out + sum(each.dropped + each.untaken for each in self._sessions)
        on_air = {
            label(path): figures
            for each in self._sessions
            for path in each.publishing
            if (figures := each.figures) is not None
        }
        return collect(len(self._sessions), self.refused, totals, left_out, on_air)

    def findings(self, stream: Stream) -> Sequence[str]:
        path = stream.path
        return [text for each in self._sessions if path in each.publishing for text in each.advice]

    def status(self) -> Values:
        if self._engine is None:
            return {}
        return {"libsrt": self._engine.library.version, "sessions": len(self._sessions)}


def _place(address: Address) -> tuple[int, tuple[Any, ...]]:
    """Return family and address as the socket module has them.

    Raises:
        SrtError: There is no such host.
    """
    if address.host is None:
        return socket.AF_INET6, ("::", address.port, 0, 0)
    try:
        return sockaddr(address.host, address.port or 0)
    except OSError as error:
        raise SrtError(error.strerror or str(error)) from error
