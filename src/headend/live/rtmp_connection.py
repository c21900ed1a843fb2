"""One RTMP peer, joined to the hub: what it publishes, and what it plays.

transport ─► session ─► events ─┬─► media: Publication.push
                                └─► Requests, PeerStreams ─► a publication, a viewer of a fan-out
"""

import logging
import os
from collections.abc import Callable
from typing import Final, assert_never

from headend.errors import HeadendError
from headend.live.peer_streams import PeerStreams
from headend.live.right_url import right_url
from headend.live.rtmp_requests import Requests
from headend.live.services import Services
from headend.logs import shown
from headend.net.deadlines import NEVER
from headend.net.peer import Peer
from headend.net.stall import Stall
from headend.net.tls_facts import TlsFacts
from headend.net.transport import LINGER_S, Transport
from headend.rtmp.events import (
    BufferChanged,
    CommandRefused,
    ConnectCommand,
    Event,
    MediaReceived,
    PlayChanged,
    PlayCommand,
    PlayEnded,
    PlaySought,
    PublishCommand,
    PublishEnded,
    RequestCancelled,
)
from headend.rtmp.handshake import SERVER_FILLER_SIZE
from headend.rtmp.hops import read_hops
from headend.rtmp.session import ServerSession

log = logging.getLogger(__name__)

USER_AGENT_CHARACTERS: Final = 200


class RtmpConnection:
    """One RTMP peer and its connection.

    Attributes:
        id: Number of the session, from 1 on; there after `start`.
        peer: Address of the peer.
        started: When it was accepted, monotonic seconds.
        due: Kept by `Deadlines`.
        tls: What the TLS handshake agreed on; None on a plain connection.
        hops: Ids of the servers through which its streams came.
        knows_tracks: It knows several tracks of a kind.
        can_move: It connects anew when it is asked to.
        user_agent: Name of its program, as it says in connect; empty before.
    """

    __slots__ = (
        "__weakref__",
        "_app",
        "_closes_at",
        "_label",
        "_reason",
        "_requests",
        "_services",
        "_session",
        "_stall",
        "_streams",
        "_transport",
        "can_move",
        "due",
        "hops",
        "id",
        "knows_tracks",
        "peer",
        "started",
        "tls",
        "user_agent",
    )

    def __init__(
        self,
        services: Services,
        peer: Peer,
        tls: TlsFacts | None = None,
    ) -> None:
        """Make a connection; `start` follows.

        Args:
            services: What all connections share.
            peer: Address of the peer.
            tls: What the TLS handshake agreed on; None on a plain connection.
        """
        now = services.loop.time()
        self._services = services
        self.peer: Final = peer
        self.tls: Final = tls
        self._label = f"{self.protocol} {peer}"
        self.started = now
        self.due = NEVER
        self._session = ServerSession(services.rtmp.now, os.urandom(SERVER_FILLER_SIZE), now)
        self._streams = PeerStreams(services, self, self._session)
        self._requests = Requests(services, self, self._streams, self._session)
        self._stall = Stall()
        self._closes_at = NEVER
        self.user_agent = ""
        self._app = ""
        self.can_move = False
        self.hops: tuple[str, ...] = ()
        self.knows_tracks = False
        self._reason = "the peer closed the connection"  # why its streams end, for the events

    def start(self, transport: Transport) -> None:
        """Speak over a transport that reads for this connection."""
        services = self._services
        self._transport = transport
        transport.read_size = self._session.read_size
        services.sessions.connections[self] = None
        services.counters.accepted += 1
        self.id = services.sessions.next_id()
        services.deadlines.update(self)

    @property
    def protocol(self) -> str:
        return "rtmp" if self.tls is None else "rtmps"

    @property
    def transport(self) -> Transport:
        """The transport of the connection."""
        return self._transport

    @property
    def publishing(self) -> list[str]:
        """Paths of the streams it publishes."""
        return [publish.path for publish in self._streams.publishes.values()]

    @property
    def playing(self) -> list[str]:
        """Paths of the streams it plays or waits for."""
        return [play.path for play in self._streams.plays.values()]

    @property
    def watching(self) -> list[str]:
        """Paths of the streams it plays and has not paused."""
        return [play.path for play in self._streams.plays.values() if play.is_watching]

    @property
    def is_member(self) -> bool:
        """It is another server of the cluster, or another worker, that fetches a stream."""
        return self._streams.is_member

    @property
    def may_move(self) -> bool:
        """It can be asked to go on at another server."""
        return self.can_move and self._streams.is_live and not (self.is_member or self.is_over)

    @property
    def bytes_in(self) -> int:
        """Bytes received, within TLS if there is any."""
        return self._transport.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes given to the peer, within TLS if there is any; plays that are over do not count."""
        return self._transport.bytes_out + sum(
            play.bytes_out for play in self._streams.plays.values()
        )

    @property
    def is_over(self) -> bool:
        """The connection closes, or is about to."""
        return self._closes_at != NEVER

    # ------------------------------------------------------------------ what the transport tells

    def data_received(self, data: bytes) -> None:
        now = self._services.loop.time()
        try:
            self._session.receive_data(data, now)
            self._act(now)
            if self._requests and self._session.is_full:
                self._transport.pause_reading()
        except HeadendError as error:
            self._fail(error)
        except Exception:
            log.exception("%s failed: a bug; the connection is closed", self._label)
            self._transport.abort()

    def write_stalled(self) -> None:
        self._stall.begin(self._transport, self._services.loop.time())
        for play in self._streams.plays.values():
            play.stalled()
        self._services.deadlines.update(self)

    def write_drained(self) -> None:
        self._stall.end()
        for play in list(self._streams.plays.values()):
            play.drained()

    def connection_lost(self, error: OSError | None) -> None:
        services = self._services
        services.sessions.connections.pop(self, None)
        services.deadlines.forget(self)
        services.admission.leave(self.peer.address)
        services.counters.bytes_in += self._transport.bytes_in
        services.counters.bytes_out += self._transport.bytes_out
        # Who only looks whether the port is open sends nothing.
        if self._transport.bytes_in and not self._session.has_shaken_hands:
            services.counters.handshake_failures += 1
        if error is not None and self._closes_at == NEVER:
            self._reason = f"the connection was lost: {error.strerror or error}"
        self._drop_streams(f" ({error.strerror or error})" if error is not None else "")
        # Not at once: the caller may be in the middle of something.
        services.loop.call_soon(self._let_go)

    def _let_go(self) -> None:
        """Be held no longer by what we hold ourselves, so that all of it is freed."""
        self._streams.let_go()
        self._requests.let_go()

    def _drop_streams(self, note: str) -> None:
        """The peer is gone, or about to be."""
        self._requests.cancel_all()
        self._streams.lose(self._reason, note)

    # ------------------------------------------------------------------ what the session tells

    def _act(self, now: float) -> None:
        """Act on the session's events and send what it has to say."""
        session = self._session
        is_only_media = True
        while events := session.events():
            for event in events:
                if type(event) is MediaReceived:
                    publish = self._streams.publishes.get(event.stream_id)
                    if publish is not None:
                        publish.publication.push(event.tags, now)
                elif self._transport.is_closed:  # an answer before it found the peer gone
                    return
                else:
                    is_only_media = False
                    self._handle(event, now)
        self.send()
        self._transport.read_size = session.read_size
        if session.is_closing:
            self._close(now)
        elif not is_only_media:
            self._services.deadlines.update(self)

    def send(self) -> None:
        """Send the bytes that the RTMP session has ready."""
        out = self._session.data_to_send()
        if out:
            self._transport.write(b"".join(out))

    def _handle(self, event: Event, now: float) -> None:
        match event:
            case ConnectCommand():
                log.debug(
                    "%s connect %s flash_version=%s",
                    self._label,
                    shown(event.app.partition("?")[0]),
                    shown(event.flash_version),
                )
                self.user_agent = event.flash_version[:USER_AGENT_CHARACTERS]
                self.hops = read_hops(event.flash_version)
                self.knows_tracks = event.knows_tracks
                self._app, self.can_move = event.app, event.can_move
                self._requests.connect(event)
            case PublishCommand():
                self._requests.ask(event, now)
            case PlayCommand():
                self._requests.ask(event, now)
            case RequestCancelled():
                self._requests.cancel(event.stream_id)
            case PublishEnded():
                self._streams.publish_left(event.stream_id)
            case PlayEnded():
                self._streams.play_left(event.stream_id)
            case PlayChanged():
                self._streams.play_changed(event)
            case PlaySought():
                self._streams.sought(event)
            case BufferChanged():
                self._streams.buffer_changed(event)
            case CommandRefused():
                self._services.counters.rejected += 1
                self._tell(f"{event.command} refused: {shown(event.description)} ({event.code})")
            case MediaReceived():
                raise AssertionError("media is handled by _act")
            case _:
                assert_never(event)

    # ------------------------------------------------------------------ requests

    def answer_late(self, answer: Callable[[float], None]) -> None:
        """Give an answer that had to be waited for, and go on."""
        now = self._services.loop.time()
        try:
            answer(now)
            self._act(now)
            self._transport.resume_reading()
        except HeadendError as error:
            self._fail(error)
        except Exception:
            log.exception("%s failed: a bug; the connection is closed", self._label)
            self._transport.abort()

    # ------------------------------------------------------------------ what the streams tell

    def end_stream(self, stream_id: int, code: str, description: str) -> None:
        """Tell the peer why one of its streams is over; close if that was its last stream."""
        self._session.end(stream_id, code, description)
        self.send()
        if self._session.is_closing:
            self._close(self._services.loop.time())

    def close_unused(self) -> None:
        """Close a connection that has no stream and asks for none."""
        if not (self._streams.plays or self._streams.publishes or self._requests):
            self._close(self._services.loop.time())

    # ------------------------------------------------------------------ time

    def deadline(self) -> float | None:
        if self._closes_at != NEVER:
            return self._closes_at
        session = self._session.deadline()
        when = NEVER if session is None else session
        when = min(when, self._streams.waits_until)
        when = min(when, self._stall.deadline(self._services.settings.limits.late_close_s))
        return None if when == NEVER else when

    def deadline_passed(self, now: float) -> None:
        if self._closes_at != NEVER:
            self._transport.abort()
            return
        limit = self._services.settings.limits.late_close_s
        if self._stall.is_over(self._transport, now, limit):
            self._close_stalled(limit)
            return
        try:
            self._streams.give_up_late(now)
            self._session.handle_timeout(now)
            self._act(now)
        except HeadendError as error:
            self._fail(error)
        except Exception:
            log.exception("%s failed: a bug; the connection is closed", self._label)
            self._transport.abort()

    def _close_stalled(self, limit: float) -> None:
        self._tell(f"closed: it took nothing for {limit:g} s (limits.late_close_s)")
        self._reason = f"it took nothing for {limit:g} s"
        self._services.counters.late_closed += 1
        self._transport.abort()

    # ------------------------------------------------------------------ the end

    def ask_to_move(self, place: str) -> None:
        """Ask the peer to connect anew; it goes on here until it has, and may be asked once.

        Args:
            place: URL of another server, without a path.
        """
        self.can_move = False
        self._streams.is_moving = True
        self._session.ask_to_move(f"{place}/{self._app}", "The server is about to stop.")
        self.send()

    def stop(self) -> None:
        """Tell the peer that the server stops, and close."""
        self._end("The server is stopping.")

    def kick(self) -> None:
        """Close the session because an administrator wants it so."""
        log.warning("%s closed by an administrator", self._label)
        self._streams.end_publishes("closed by an administrator")
        self._end("The session was closed by an administrator.")

    def _end(self, reason: str) -> None:
        """Tell the peer why, and close."""
        self._reason = reason
        self._session.close(reason)
        self.send()
        self._close(self._services.loop.time())

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _fail(self, error: HeadendError) -> None:
        """Close on a fault of the peer, with one log line."""
        self._services.counters.protocol_errors += 1
        self._reason = f"{error}{right_url(error, self._services.addresses)}"
        self._tell(f"closed: {shown(self._reason)}")
        self.send()
        self._close(self._services.loop.time())

    def _tell(self, what: str) -> None:
        """Log a fault of the peer."""
        self._services.notes.fault(self.peer, f"{self._label} {what}")

    def _close(self, now: float) -> None:
        if self._closes_at == NEVER:
            self._closes_at = now + LINGER_S
            self._drop_streams("")
            self._transport.close()
            if not self._transport.is_closed:
                self._services.deadlines.update(self)
