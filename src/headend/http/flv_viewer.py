"""One viewer over HTTP: a fan-out's bytes, straight to its socket."""

from functools import partial
from typing import Final

from headend.access.gate import Grant
from headend.errors import Rejected
from headend.hub.stream import Stream
from headend.live.granted_play import GrantedPlay
from headend.live.services import Services
from headend.live.watching import END_OF_STREAM, Watching
from headend.logs import shown
from headend.net.deadlines import NEVER
from headend.net.peer import Peer
from headend.net.poller import ReadPace
from headend.net.stall import Stall
from headend.net.tls_facts import TlsFacts
from headend.net.transport import LINGER_S, Transport
from headend.outputs import flv
from headend.outputs.first_media import Kinds
from headend.outputs.flv import FlvEncoder, FlvFormat


class FlvViewer:
    """One viewer over HTTP; also the owner of its transport, and a session.

    Attributes:
        id: Number of the session.
        protocol: http-flv, https-flv, ws-flv or wss-flv.
        peer: Address of the viewer, also behind a proxy.
        tls: What the TLS handshake agreed on; None on a plain connection.
        user_agent: Name of its program, as it says, at most 200 characters.
        started: When the session began, monotonic seconds.
        due: Kept by `Deadlines`.
    """

    __slots__ = (
        "__weakref__",
        "_closes_at",
        "_direct",
        "_format",
        "_is_gone",
        "_reason",
        "_services",
        "_stall",
        "_transport",
        "_watching",
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
        stream: Stream,
        grant: Grant,
    ) -> None:
        """Begin a session that does not watch yet.

        Args:
            services: What all connections share.
            transport: Transport of the connection.
            peers: The viewer, and the other end of the connection: a proxy, or the same.
            protocol: http-flv, https-flv, ws-flv or wss-flv.
            tls: What the TLS handshake agreed on.
            user_agent: Name of the viewer's program, as it says.
            stream: The stream, which has media.
            grant: The gate's grant; the session has the gate `leave` it.
        """
        self._services = services
        self._transport = transport
        self.peer: Final = peers[0]
        self._direct: Final = peers[1]  # which the admission has counted
        self.protocol: Final = protocol
        self.tls: Final = tls
        self.user_agent: Final = shown(user_agent)
        self.started: Final = services.loop.time()
        self.id: Final = services.sessions.next_id()
        self._format = FlvFormat(protocol.startswith("ws"))
        self._watching = Watching(services, self, stream, grant)
        self._stall = Stall()
        self._closes_at = NEVER
        self._is_gone = False
        self._reason = "the viewer closed the connection"  # why it ends, for the events
        self.due = NEVER

    def watch(self, kinds: Kinds, *, is_patient: bool, has_tracks: bool = False) -> None:
        """Write the FLV header and become a viewer.

        Args:
            kinds: Which kinds of tracks the stream has.
            is_patient: Start at the next keyframe, not at the newest.
            has_tracks: With all tracks of a kind, not the first one alone.
        """
        if self._is_gone:
            return
        self._services.sessions.add(self)
        self._watching.begin(self)
        self._transport.set_pace(ReadPace.CALM)
        format = self._format._replace(has_tracks=has_tracks)
        self._transport.write(
            flv.start(format, has_audio=kinds.has_audio, has_video=kinds.has_video)
        )
        if not self.is_over:
            encoder = partial(FlvEncoder, format)
            self._watching.watch(self._transport, format, encoder, is_patient=is_patient)

    # ------------------------------------------------------------------ the session

    @property
    def publishing(self) -> list[str]:
        return []

    @property
    def playing(self) -> list[str]:
        return [self._watching.path]

    @property
    def watching(self) -> list[str]:
        return self.playing

    @property
    def bytes_in(self) -> int:
        return self._transport.bytes_in

    @property
    def bytes_out(self) -> int:
        return self._transport.bytes_out + self._watching.bytes_out

    @property
    def is_over(self) -> bool:
        """The connection closes, or is about to."""
        return self._closes_at != NEVER or self._is_gone

    def kick(self) -> None:
        """Close the session because an administrator wants it so."""
        self._end("closed by an administrator")

    def stop(self) -> None:
        """Close the session because the server stops."""
        self._end("the server is stopping")

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # ------------------------------------------------------------------ what the transport tells

    def data_received(self, data: bytes) -> None:
        """Ignore the bytes: a viewer has nothing to say."""

    def write_stalled(self) -> None:
        self._stall.begin(self._transport, self._services.loop.time())
        self._watching.stalled()
        self._services.deadlines.update(self)

    def write_drained(self) -> None:
        self._stall.end()
        self._watching.drained()

    def connection_lost(self, error: OSError | None) -> None:
        self._services.admission.leave(self._direct.address)
        if error is not None and self._closes_at == NEVER:
            self._reason = f"the connection was lost: {error.strerror or error}"
        self.gone("" if error is None else f" ({error.strerror or error})")

    def gone(self, reason: str = "") -> None:
        """Take note that the connection is lost; only the first call counts."""
        if self._is_gone:
            return
        self._is_gone = True
        services = self._services
        services.deadlines.forget(self)
        services.sessions.discard(self)
        services.counters.bytes_in += self._transport.bytes_in
        services.counters.bytes_out += self._transport.bytes_out
        self._watching.end(self._reason, f": closed{reason}")

    # ------------------------------------------------------------------ the end

    def play_ended(self, _: GrantedPlay, why: Rejected | None) -> None:
        self._close(END_OF_STREAM if why is None else why.description)

    def _end(self, reason: str) -> None:
        if not self.is_over:
            self._watching.end(reason, f": {reason}")
            self._close(reason)

    def _close(self, reason: str) -> None:
        """Say goodbye to a viewer that watches no more."""
        self._reason = reason
        self._closes_at = self._services.loop.time() + LINGER_S
        self._say_goodbye(reason)
        if not self._transport.is_closed:
            self._services.deadlines.update(self)

    def _say_goodbye(self, reason: str) -> None:
        """End our side: over HTTP the connection's end is the stream's."""
        self._transport.close()

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
