"""One viewer over HTTP: a fan-out's bytes, straight to its socket."""

from typing import Final

from headend.access.gate import Grant
from headend.access.session_record import SessionRecord
from headend.hub.stream import Stream
from headend.live.services import Services
from headend.logs import shown
from headend.net.deadlines import NEVER
from headend.net.peer import Peer
from headend.net.poller import ReadPace
from headend.net.stall import Stall
from headend.net.tls_facts import TlsFacts
from headend.net.transport import LINGER_S, Transport
from headend.outputs import flv
from headend.outputs.fanout import Fanout, Viewer
from headend.outputs.first_media import Kinds
from headend.outputs.flv import FlvEncoder, FlvFormat

END_OF_STREAM: Final = "the stream is over"


class FlvViewer:
    """One viewer over HTTP; also the owner of its transport, and a session.

    Attributes:
        id: Number of the session.
        protocol: http-flv, https-flv, ws-flv or wss-flv.
        peer: Who it is, also behind a proxy.
        tls: What the TLS handshake agreed on; None on a plain connection.
        user_agent: What it calls itself, at most 200 characters.
        started: When it began, monotonic seconds.
        due: Kept by `Deadlines`.
    """

    __slots__ = (
        "__weakref__",
        "_closes_at",
        "_direct",
        "_fanout",
        "_format",
        "_given",
        "_grant",
        "_is_gone",
        "_reason",
        "_record",
        "_services",
        "_stall",
        "_stream",
        "_transport",
        "_viewer",
        "due",
        "id",
        "peer",
        "protocol",
        "started",
        "tls",
        "user_agent",
    )

    def __init__(
        self,
        services: Services,
        transport: Transport,
        peers: tuple[Peer, Peer],
        protocol: str,
        tls: TlsFacts | None,
        user_agent: str,
        grant: Grant,
    ) -> None:
        """Begin a session that does not watch yet.

        Args:
            services: What all connections share.
            transport: Of the connection.
            peers: Who the viewer is, and the other end of the connection: a proxy, or the same.
            protocol: http-flv, https-flv, ws-flv or wss-flv.
            tls: What the TLS handshake agreed on.
            user_agent: What the viewer calls itself.
            grant: The viewer has the gate `leave` it.
        """
        self._grant = grant
        self._services = services
        self._transport = transport
        self.peer: Final = peers[0]
        self._direct: Final = peers[1]  # which the admission has counted
        self.protocol: Final = protocol
        self.tls: Final = tls
        self.user_agent: Final = shown(user_agent)
        self.started: Final = services.loop.time()
        self.id: Final = services.next_session_id()
        self._format = FlvFormat(protocol.startswith("ws"))
        self._fanout: Fanout | None = None
        self._viewer: Viewer | None = None
        self._stall = Stall()
        self._closes_at = NEVER
        self._is_gone = False
        self._given = 0  # of the stream, while it watched
        self._reason = "the viewer closed the connection"  # why it ends, for the events
        self._record: SessionRecord | None = None
        self.due = NEVER

    def watch(self, stream: Stream, kinds: Kinds, *, is_patient: bool) -> None:
        """Write the FLV header and become a viewer of the fan-out, made for its first one.

        Args:
            stream: Has media.
            kinds: Which kinds of tracks it has.
            is_patient: Start at the next keyframe, not at the newest.
        """
        services = self._services
        self._stream = stream
        services.viewers.add(self)
        services.counters.plays += 1
        self._record = SessionRecord(
            services.runtime,
            "play",
            stream.path,
            self.peer,
            protocol=self.protocol,
            session=self.id,
            user_agent=self.user_agent,
            key_id=self._grant.key_id,
            subject=self._grant.subject,
            tags=self._grant.tags,
        )
        self._say(" accepted" if self.tls is None else f" accepted {shown(str(self.tls))}")
        self._transport.set_pace(ReadPace.CALM)
        self._transport.write(
            flv.start(self._format, has_audio=kinds.has_audio, has_video=kinds.has_video)
        )
        fanout = stream.sink(self._format)
        if fanout is None:
            fanout = self._new_fanout(stream)
            stream.attach(self._format, fanout)
        assert isinstance(fanout, Fanout)
        self._fanout = fanout
        self._viewer = Viewer(self._transport, self, is_patient=is_patient)
        fanout.add(self._viewer)
        services.gate.began(self._grant, self._grant_ended)

    def _new_fanout(self, stream: Stream) -> Fanout:
        live = self._services.rules.of(stream.path).live
        return Fanout(
            FlvEncoder(self._format),
            self._services.poller.clock,
            starts_at_keyframe=live.gop_cache,
            silent=stream.settling.silent,
            log_s=live.log_s,
            log_bytes=live.log_bytes,
        )

    # ------------------------------------------------------------------ the session

    @property
    def publishing(self) -> list[str]:
        return []

    @property
    def playing(self) -> list[str]:
        return [self._stream.path]

    @property
    def watching(self) -> list[str]:
        return self.playing

    @property
    def bytes_in(self) -> int:
        return self._transport.bytes_in

    @property
    def bytes_out(self) -> int:
        return self._transport.bytes_out + self._given + self._given_now()

    @property
    def is_over(self) -> bool:
        """It closes, or is about to."""
        return self._closes_at != NEVER or self._is_gone

    def _given_now(self) -> int:
        if self._fanout is None or self._viewer is None:
            return 0
        return self._fanout.given(self._viewer)

    def kick(self) -> None:
        """Close it because an administrator wants it so."""
        self._end("closed by an administrator")

    def stop(self) -> None:
        """Close it because the server stops."""
        self._end("the server is stopping")

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # ------------------------------------------------------------------ what the transport tells

    def data_received(self, data: bytes) -> None:
        """Nothing is wanted of a viewer."""

    def write_stalled(self) -> None:
        self._stall.begin(self._transport, self._services.loop.time())
        if self._fanout is not None and self._viewer is not None:
            self._fanout.stalled(self._viewer)
        self._services.deadlines.update(self)

    def write_drained(self) -> None:
        self._stall.end()
        if self._fanout is not None and self._viewer is not None:
            self._fanout.drained(self._viewer)

    def connection_lost(self, error: OSError | None) -> None:
        self._services.admission.leave(self._direct.address)
        if error is not None and self._closes_at == NEVER:
            self._reason = f"the connection was lost: {error.strerror or error}"
        self.gone("" if error is None else f" ({error.strerror or error})")

    def gone(self, reason: str = "") -> None:
        """The connection is lost; only the first call counts."""
        if self._is_gone:
            return
        self._is_gone = True
        services = self._services
        services.deadlines.forget(self)
        services.viewers.discard(self)
        services.counters.bytes_in += self._transport.bytes_in
        if self._fanout is not None:
            self._say(f": closed{reason}")
        self._leave()
        services.counters.bytes_out += self._transport.bytes_out + self._given

    def _leave(self) -> None:
        """Be no viewer any more; a fan-out without viewers is dropped."""
        fanout, viewer = self._fanout, self._viewer
        self._given += self._given_now()
        self._fanout = self._viewer = None
        if fanout is not None and viewer is not None:
            fanout.remove(viewer)
            if not len(fanout) and self._stream.sink(self._format) is fanout:
                self._stream.detach(self._format)
        self._services.gate.leave(self._grant)
        if self._record is not None:
            self._record.end(self._given, self._reason)

    def _grant_ended(self, reason: str) -> None:
        """A token has expired, or the time is over."""
        self._end(reason)

    # ------------------------------------------------------------------ the end

    def stream_ended(self) -> None:
        self._given += self._given_now()
        self._fanout = self._viewer = None
        self._end(END_OF_STREAM)

    def _end(self, reason: str) -> None:
        if self._closes_at != NEVER or self._is_gone:
            return
        self._say(f": {reason}")
        self._reason = reason
        self._leave()
        self._closes_at = self._services.loop.time() + LINGER_S
        self._say_goodbye(reason)
        if not self._transport.is_closed:
            self._services.deadlines.update(self)

    def _say_goodbye(self, reason: str) -> None:
        """End our side: over HTTP the connection's end is the stream's."""
        self._transport.close()

    def _say(self, what: str) -> None:
        """Log what becomes of it."""
        if self._record is not None:
            self._record.say(f"{self.protocol} {self.peer} play {shown(self._stream.path)}{what}")

    # ------------------------------------------------------------------ time

    def deadline(self) -> float | None:
        limit = self._services.settings.limits.late_close_s
        when = min(self._closes_at, self._stall.deadline(limit))
        return None if when == NEVER else when

    def deadline_passed(self, now: float) -> None:
        limit = self._services.settings.limits.late_close_s
        if now < self._closes_at:
            if not self._stall.is_over(self._transport, now, limit):
                return
            line = f"{self.protocol} {self.peer} closed: it took nothing for {limit:g} s"
            self._services.notes.fault(self.peer, f"{line} (limits.late_close_s)")
            self._services.counters.late_closed += 1
            self._reason = f"it took nothing for {limit:g} s"
        self._transport.abort()
