"""One SRT caller from its connection to the end: it publishes one stream, or plays one.

opened ─► the gate, now or later ─┬─► Publishing: MPEG-TS ─► tags ─► Publication.push
                                  └─► Watching: a fan-out of MPEG-TS ─► messages of 1316 bytes
"""

import logging
from asyncio import TimerHandle
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from headend.access.gate import Grant
from headend.access.session_record import note_refusal
from headend.decisions import AccessRequest
from headend.errors import LimitExceeded, ProtocolError, Refusal, Rejected
from headend.hub.stream import StreamState
from headend.libsrt.engine import Engine
from headend.libsrt.loss import LossWatch
from headend.live.decisions import Decisions
from headend.live.granted_play import GrantedPlay
from headend.live.loops import check_play
from headend.live.publishing import Publishing, place_of
from headend.live.services import Services
from headend.live.waiting import find_stream
from headend.live.watching import Watching
from headend.logs import shown
from headend.media.ts_tags import TagMaker
from headend.net.deadlines import NEVER
from headend.net.figures import Figures
from headend.net.peer import Peer
from headend.outputs.mpegts import FORMAT, TsEncoder
from headend.srt.stream_id import Wish, parse_stream_id

log = logging.getLogger(__name__)

NO_TS_BYTES: Final = 1024 * 1024  # without a packet of MPEG-TS: it is none
# A publisher that was heard so lately said itself that it ends; SRT takes 5 s to find it gone.
SAID_S: Final = 2.0
LINGER_S: Final = 0.3  # beyond the latency, in which the last messages are delivered
_DECISION: Final = 0


def access_request(
    wish: Wish, peer: Peer, *, is_secure: bool, session: int | None = None
) -> AccessRequest:
    """Return what the gate is asked."""
    target = wish.target
    return AccessRequest(
        wish.action,
        target.path,
        peer.address,
        target.key,
        target.token,
        is_secure=is_secure,
        protocol="srt",
        session=session,
        is_bare=target.is_bare,
        query=target.query,
    )


class SrtSession:
    """One caller; also where its bytes leave, and a session.

    Attributes:
        id: Number of the session.
        peer: Where it comes from.
        started: When it connected, monotonic seconds.
        user_agent: Version of its library.
        send: Hands bytes to libsrt; see `Writer`.
        backlog: Nothing waits here: what libsrt has no room for is lost.
        dropped: Bytes that were lost so.
        untaken: Bytes that came and were lost because the server was slow.
    """

    protocol: Final = "srt"
    tls: Final = None

    def __init__(
        self,
        services: Services,
        engine: Engine,
        sock: int,
        peer: Peer,
        ended: Callable[["SrtSession"], None],
    ) -> None:
        """Begin with a socket that has connected; `start` follows."""
        self._ended: Final = ended
        self._services = services
        self._engine = engine
        self._library = library = engine.library
        self._sock = sock
        self._decisions = Decisions(services.loop, services.undecided)
        self._publishing: Publishing | None = None
        self._watching: Watching | None = None
        self._maker = TagMaker()
        self._is_told = False  # of what it sends and is not taken
        self._bytes_in = 0
        self._heard = 0.0
        self._timer: TimerHandle | None = None
        self._last: Figures | None = None
        self._loss = LossWatch()
        self.is_over = False
        self.peer: Final = peer
        self.started: Final = services.loop.time()
        self.id: Final = services.sessions.next_id()
        self.user_agent: Final = f"libsrt {library.peer_version(sock)}"
        self.latency_ms: Final = library.latency_ms(sock)
        self.backlog = 0
        self.send: Callable[[bytes], int] = self._send
        self.dropped = 0
        self.untaken = 0

    # ------------------------------------------------------------------ the request

    def start(self) -> None:
        """Have the gate decide on what the stream id asks for."""
        services = self._services
        services.sessions.add(self)
        services.counters.accepted += 1
        self._engine.watch(self._sock, self, reads=False)
        try:
            services.admission.enter(self.peer.address, services.loop.time())
            wish = parse_stream_id(self._library.stream_id(self._sock))
        except (LimitExceeded, ProtocolError) as error:
            services.counters.refused += 1
            self._fail(f"refused: {error}")
            return
        rules = services.rules.of(wish.target.path)
        is_secure = bool(rules.srt.passphrase.get_secret_value())
        asked = access_request(wish, self.peer, is_secure=is_secure, session=self.id)
        try:
            if services.sessions.is_stopping:
                raise Rejected(Refusal.STOPPING, "the server is stopping")
            grant = services.gate.decide_now(asked)
        except Rejected as rejected:
            self._refuse(asked, rejected)
            return
        if grant is not None:
            self._granted(asked, grant)
            return

        def answer(result: Grant | Rejected) -> None:
            if isinstance(result, Rejected):
                self._refuse(asked, result)
            else:
                self._granted(asked, result)

        self._decisions.ask(_DECISION, services.gate.decide(asked), answer)

    def _refuse(self, asked: AccessRequest, rejected: Rejected) -> None:
        note_refusal(self._services.runtime, asked, self.peer, rejected)
        self._close(0.0)

    def _granted(self, asked: AccessRequest, grant: Grant) -> None:
        """Publish or play; the hub may refuse it still."""
        try:
            if grant.action == "publish":
                self._publish(asked, grant)
            else:
                self._play(grant)
        except Rejected as rejected:
            self._services.gate.leave(grant)
            self._refuse(asked, rejected)

    def _publish(self, asked: AccessRequest, grant: Grant) -> None:
        services = self._services
        publishing = Publishing(services, self, grant.path, str(self.peer), grant=grant)
        now = services.loop.time()
        publishing.begin(now, place_of(services, grant, asked.query), self)
        self._publishing = publishing
        self._heard = now
        self._engine.watch(self._sock, self, reads=True)

    def _play(self, grant: Grant) -> None:
        services = self._services
        check_play(services, grant.path, ())
        stream, wait_s = find_stream(services, grant.path, self.peer.address)
        watching = self._watching = Watching(services, self, stream, grant)
        if stream.state is StreamState.WAITING:
            watching.wait_until = services.loop.time() + wait_s
            self._timer = services.loop.call_at(watching.wait_until, self._give_up)
        watching.begin(self)
        watching.watch(self, FORMAT, TsEncoder)

    def _give_up(self) -> None:
        if self._watching is not None and self._watching.wait_until != NEVER:
            self._watching.give_up(" (live.wait_s)")

    # ------------------------------------------------------------------ what comes

    def connected(self) -> None:
        """Do nothing: it was connected when it began."""

    def received(self, data: bytes) -> None:
        publishing = self._publishing
        if publishing is None or self.is_over:
            return
        now = self._services.loop.time()
        self._bytes_in += len(data)
        self._heard = now
        try:
            tags = self._maker.receive_data(data)
            if tags:
                publishing.publication.push(tags, now)
        except Exception:
            log.exception("srt %s failed: a bug; the connection is closed", self.peer)
            self._end("the server failed")
            return
        demuxer = self._maker.demuxer
        if not demuxer.packets and self._bytes_in > NO_TS_BYTES:
            self._fail("closed: what it sends is not MPEG-TS")
        elif demuxer.unknown and not self._is_told:
            self._is_told = True
            kinds = ", ".join(f"{kind:#04x}" for kind in demuxer.unknown)
            self._note(f"publish {shown(publishing.path)}: types {kinds} of MPEG-TS are left out")

    def lost(self) -> None:
        """The connection is gone."""
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            now = self._services.loop.time()
            if now - self._heard < SAID_S:
                tags = self._maker.flush()
                publishing.publication.push(tags, now)
                is_garbage = self._bytes_in > 0 and not self._maker.demuxer.packets
                note = " ended: what it sent is not MPEG-TS" if is_garbage else " ended"
                publishing.end("the publisher ended it", note)
            else:
                publishing.lose("the connection was lost", " lost")
        if self._watching is not None:
            self._watching.end("the viewer closed the connection", " closed")
        self._close(0.0)

    # ------------------------------------------------------------------ what leaves

    @property
    def descriptor(self) -> int:
        return -1  # no socket of the system

    def _send(self, data: bytes) -> int:
        """Hand bytes to libsrt, in messages; what it has no room for is lost and counted."""
        self.dropped += len(data) - self._library.send_all(self._sock, data)
        return len(data)

    def keep(self, data: bytes, sent: int) -> None:
        """The connection is gone, which the engine finds out."""

    def write(self, data: bytes) -> None:
        """Nothing is said between media."""

    def close(self) -> None:
        self._close(self.latency_ms / 1000 + LINGER_S)

    # ------------------------------------------------------------------ what the streams tell

    def watched(self) -> None:
        """It is read at once in any case."""

    def publishing_ended(self, publishing: Publishing, why: Rejected) -> None:
        self._publishing = None
        self._close(0.0)

    def play_ended(self, _: GrantedPlay, why: Rejected | None) -> None:
        self.close() if why is None else self._close(0.0)

    # ------------------------------------------------------------------ the session

    @property
    def publishing(self) -> list[str]:
        return [] if self._publishing is None else [self._publishing.path]

    @property
    def playing(self) -> list[str]:
        return [] if self._watching is None else [self._watching.path]

    @property
    def watching(self) -> list[str]:
        return self.playing

    @property
    def bytes_in(self) -> int:
        return self._bytes_in

    @property
    def bytes_out(self) -> int:
        return 0 if self._watching is None else self._watching.bytes_out

    @property
    def figures(self) -> Figures | None:
        """How the network treats it; None: it was over before anybody asked."""
        found = None if self.is_over else self._library.figures(self._sock)
        if found is not None:
            self._last = replace(found, advice=self.advice)
        return self._last

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do about losses of the last seconds, a line each."""
        return tuple(self._loss.findings())

    def sample(self) -> None:
        """Look what the network has lost; called once a second."""
        if not self.is_over:
            self._loss.sample(self._library.figures(self._sock))

    def kick(self) -> None:
        """Close it because an administrator wants it so."""
        self._end("closed by an administrator")

    def stop(self) -> None:
        """Close it because the server stops."""
        self._end("the server is stopping")

    def abort(self) -> None:
        """Close it at once."""
        self._end("the server is stopping")

    # ------------------------------------------------------------------ the end

    def _end(self, reason: str) -> None:
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            publishing.end(reason, f" ended: {reason}")
        if self._watching is not None:
            self._watching.end(reason, f": {reason}")
        self._close(0.0)

    def _fail(self, what: str) -> None:
        """Close on a fault of the peer, with one log line."""
        self._services.counters.protocol_errors += 1
        self._note(what)
        self._end(what)

    def _note(self, what: str) -> None:
        self._services.notes.fault(self.peer, f"srt {self.peer} {shown(what)}")

    def _close(self, after_s: float) -> None:
        """Close once; the socket after some seconds, in which libsrt delivers the last messages."""
        if self.is_over:
            return
        self._last = self.figures
        self.is_over = True
        self._decisions.cancel_all()
        if self._timer is not None:
            self._timer.cancel()
        services = self._services
        services.admission.leave(self.peer.address)
        services.counters.bytes_in += self._bytes_in
        services.sessions.discard(self)
        self._ended(self)
        if after_s:
            services.loop.call_later(after_s, self._engine.close, self._sock)
        else:
            self._engine.close(self._sock)
