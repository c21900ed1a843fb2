"""This module joins one RTMP peer to the hub: what it publishes, and what it plays.

transport ─► session ─► events ─┬─► publish: Publication.push
                                └─► play: a viewer of a fan-out of the stream
"""

import logging
import os
from collections.abc import Callable
from typing import Final, assert_never

from headend.access.decisions import Action
from headend.access.gate import Gate, Grant
from headend.errors import HeadendError, Rejected
from headend.hub.publication import PRIMARY, Place
from headend.hub.stream import StreamState
from headend.rtmp.events import (
    ConnectRequest,
    Event,
    MediaReceived,
    PlayChanged,
    PlayEnded,
    PlayRequest,
    PublishEnded,
    PublishRequest,
    RequestCancelled,
    RequestRefused,
)
from headend.rtmp.handshake import SERVER_FILLER_SIZE
from headend.rtmp.hops import read_hops
from headend.rtmp.session import ServerSession
from headend.rtmp.url import Target
from headend.server.deadlines import NEVER
from headend.server.logs import shown
from headend.server.loops import check_play, check_publish
from headend.server.peer import Peer
from headend.server.poller import Pace
from headend.server.rtmp_requests import Requests
from headend.server.rtmp_streams import Play, Publish
from headend.server.services import Services
from headend.server.session_record import SessionRecord
from headend.server.stall import Stall
from headend.server.tls_facts import TlsFacts
from headend.server.transport import LINGER_S, Transport
from headend.server.waiting import longest_wait_s
from headend.settings.fallback_values import backup_rank

log = logging.getLogger(__name__)

USER_AGENT_CHARACTERS: Final = 200


class RtmpConnection:
    """One peer: see the module's head.

    Attributes:
        id: Number of the session, from 1 on; there after `start`.
        peer: Where it comes from.
        started: When it was accepted, monotonic seconds.
        due: Kept by `Deadlines`.
        tls: What the TLS handshake agreed on; None on a plain connection.
        user_agent: What it calls itself in connect; empty before.
    """

    __slots__ = (
        "__weakref__",
        "_closes_at",
        "_hops",
        "_label",
        "_plays",
        "_publishes",
        "_reason",
        "_requests",
        "_services",
        "_session",
        "_stall",
        "_transport",
        "due",
        "id",
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
            peer: Where it comes from.
            tls: What the TLS handshake agreed on; None on a plain connection.
        """
        now = services.loop.time()
        self._services = services
        self.peer: Final = peer
        self.tls: Final = tls
        self._label = f"{self.protocol} {peer}"
        self.started = now
        self.due = NEVER
        self._session = ServerSession(
            services.session_settings, os.urandom(SERVER_FILLER_SIZE), now
        )
        self._publishes: dict[int, Publish] = {}
        self._plays: dict[int, Play] = {}
        self._requests = Requests(services, self, self._session)
        self._stall = Stall()
        self._closes_at = NEVER
        self.user_agent = ""
        self._hops: tuple[str, ...] = ()
        self._reason = "the peer closed the connection"  # why its streams end, for the events

    def start(self, transport: Transport) -> None:
        """Speak over a transport that reads for this connection."""
        services = self._services
        self._transport = transport
        transport.read_size = self._session.read_size
        services.connections.add(self)
        services.counters.accepted += 1
        self.id = services.next_session_id()
        services.deadlines.update(self)

    @property
    def protocol(self) -> str:
        return "rtmp" if self.tls is None else "rtmps"

    @property
    def gate(self) -> Gate:
        """Decides what it may do."""
        return self._services.gate

    @property
    def transport(self) -> Transport:
        """What it speaks over."""
        return self._transport

    @property
    def publishing(self) -> list[str]:
        """Paths of the streams it publishes."""
        return [publish.path for publish in self._publishes.values()]

    @property
    def playing(self) -> list[str]:
        """Paths of the streams it plays or waits for."""
        return [play.stream.path for play in self._plays.values()]

    @property
    def watching(self) -> list[str]:
        """Those of them that it has not paused."""
        return [play.stream.path for play in self._plays.values() if play.is_watching]

    @property
    def bytes_in(self) -> int:
        """Bytes received, within TLS if there is any."""
        return self._transport.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes given to the peer, within TLS if there is any; plays that are over do not count."""
        return self._transport.bytes_out + sum(play.bytes_out for play in self._plays.values())

    @property
    def is_over(self) -> bool:
        """It closes, or is about to."""
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
        for play in self._plays.values():
            play.stalled()
        self._services.deadlines.update(self)

    def write_drained(self) -> None:
        self._stall.end()
        for play in list(self._plays.values()):
            play.drained()

    def connection_lost(self, error: OSError | None) -> None:
        services = self._services
        services.connections.discard(self)
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

    def _drop_streams(self, reason: str) -> None:
        """Lose what is published and leave what is played: the peer is gone, or about to be."""
        self._requests.cancel_all()
        now = self._services.loop.time()
        publishes, self._publishes = self._publishes, {}
        for publish in publishes.values():
            path = publish.path
            log.info("%s publish %s lost%s", self._label, shown(path), reason)
            publish.publication.lose(now)
            publish.closed(self._reason)
        plays, self._plays = self._plays, {}
        for play in plays.values():
            play.leave()
            play.closed(self._reason)
            log.info("%s play %s closed%s", self._label, shown(play.stream.path), reason)

    # ------------------------------------------------------------------ what the session tells

    def _act(self, now: float) -> None:
        """Act on the session's events and send what it has to say."""
        session = self._session
        is_only_media = True
        while events := session.events():
            for event in events:
                if type(event) is MediaReceived:
                    publish = self._publishes.get(event.stream_id)
                    if publish is not None:
                        publish.publication.push(event.tags, now)
                else:
                    is_only_media = False
                    self._handle(event, now)
        self._send()
        self._transport.read_size = session.read_size
        if session.is_closing:
            self._close(now)
        elif not is_only_media:
            self._services.deadlines.update(self)

    def _send(self) -> None:
        out = self._session.data_to_send()
        if out:
            self._transport.write(b"".join(out))

    def _handle(self, event: Event, now: float) -> None:
        match event:
            case ConnectRequest():
                log.debug(
                    "%s connect %s flash_version=%s",
                    self._label,
                    shown(event.app.partition("?")[0]),
                    shown(event.flash_version),
                )
                self.user_agent = event.flash_version[:USER_AGENT_CHARACTERS]
                self._hops = read_hops(event.flash_version)
                self._requests.connect(event)
            case PublishRequest():
                self._requests.ask(event, now)
            case PlayRequest():
                self._requests.ask(event, now)
            case RequestCancelled():
                self._requests.cancel(event.stream_id)
            case PublishEnded():
                publish = self._publishes.pop(event.stream_id)
                log.info("%s publish %s ended", self._label, shown(publish.path))
                publish.publication.end(now)
                publish.closed("the publisher ended it")
                self._transport.set_pace(Pace.PROMPT)
            case PlayEnded():
                play = self._plays.pop(event.stream_id, None)
                if play is not None:  # else its stream was over already
                    play.leave()
                    play.closed("the player ended it")
                    self._transport.set_pace(Pace.PROMPT)
                    log.info("%s play %s ended", self._label, shown(play.stream.path))
            case PlayChanged():
                play = self._plays.get(event.stream_id)
                if play is not None:  # else likewise
                    self._change(play, event)
            case RequestRefused():
                self._services.counters.rejected += 1
                log.warning(
                    "%s %s refused: %s (%s)",
                    self._label,
                    event.command,
                    shown(event.description),
                    event.code,
                )
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

    def granted(self, request: PublishRequest | PlayRequest, grant: Grant, now: float) -> None:
        """Publish or play.

        Raises:
            Rejected: The hub refuses it.
        """
        if isinstance(request, PublishRequest):
            self._publish(request, grant, now)
        else:
            self._play(request, grant, now)

    def _publish(self, request: PublishRequest, grant: Grant, now: float) -> None:
        services = self._services
        check_publish(services, grant.path, self._hops)
        publish = Publish(self, request.stream_id, grant, self._hops)
        publish.publication = services.registry.publish(
            grant.path, publish, grant.holder, now, self._place(request.target, grant)
        )
        self._publishes[request.stream_id] = publish
        services.counters.publishes += 1
        granted = "accepted" if publish.publication.is_current else "stands by"
        log.info(
            "%s publish %s %s%s%s",
            self._label,
            shown(grant.path),
            granted,
            "" if grant.key_id is None else f" with {grant.key_id}",
            self._tls_text(),
        )
        self._session.accept(request)
        publish.opened(self._record("publish", grant))
        self.publish_watched()

    def _place(self, target: Target, grant: Grant) -> Place:
        """Say where a publisher stands among those of its name, by its key and `?backup=1`."""
        rank = PRIMARY.rank
        if target.query.get("backup") == "1":
            rank = backup_rank(self._services.settings.live.fallback, grant.path)
        return Place(rank, priority=grant.priority)

    def _play(self, request: PlayRequest, grant: Grant, now: float) -> None:
        services = self._services
        path = grant.path
        check_play(services, path, self._hops)
        wait_s = longest_wait_s(services, path, self._hops)
        stream = services.registry.play(path)
        if stream.state is StreamState.WAITING and not wait_s:
            raise Rejected("NetStream.Play.StreamNotFound", f"nobody publishes {path}")
        play = Play(services, self, request.stream_id, stream, grant)
        self._plays[request.stream_id] = play
        if stream.state is StreamState.WAITING:
            play.wait_until = now + wait_s
        services.counters.plays += 1
        log.info(
            "%s play %s %s%s",
            self._label,
            shown(path),
            "waits for a publisher" if stream.state is StreamState.WAITING else "accepted",
            self._tls_text(),
        )
        self._session.accept(request)
        play.record = self._record("play", grant)
        self._send()  # the answer, before any media
        self._transport.set_pace(Pace.PROMPT if self._publishes else Pace.CALM)
        play.watch(self._transport)

    def grant_ended(self, stream_id: int, code: str, reason: str) -> None:
        """A key was revoked, a token has expired, the time is over: the peer is told why."""
        now = self._services.loop.time()
        publish, play = self._publishes.pop(stream_id, None), self._plays.pop(stream_id, None)
        if publish is not None:
            log.warning("%s publish %s ended: %s", self._label, shown(publish.path), reason)
            publish.publication.end(now)
            publish.closed(reason)
        if play is not None:
            log.info("%s play %s ended: %s", self._label, shown(play.stream.path), reason)
            play.leave()
            play.closed(reason)
        self._end_stream(stream_id, code, reason)

    def _end_stream(self, stream_id: int, code: str, description: str) -> None:
        self._session.end(stream_id, code, description)
        self._send()
        if self._session.is_closing:
            self._close(self._services.loop.time())

    def _change(self, play: Play, event: PlayChanged) -> None:
        play.leave()
        if not event.is_paused:
            self._send()  # the answer, before any media
            play.watch(self._transport, audio=event.audio, video=event.video)

    def _record(self, action: Action, grant: Grant) -> SessionRecord:
        return SessionRecord(
            self._services,
            action,
            grant.path,
            self.peer,
            protocol=self.protocol,
            session=self.id,
            user_agent=self.user_agent,
            key_id=grant.key_id,
            subject=grant.subject,
            tags=grant.tags,
        )

    def _tls_text(self) -> str:
        return "" if self.tls is None else f" {shown(str(self.tls))}"

    # ------------------------------------------------------------------ what the streams tell

    def play_ended(self, stream_id: int) -> None:
        """The stream is over and its last bytes are with the transport."""
        play = self._plays.pop(stream_id)
        play.closed("the stream is over")
        log.info("%s play %s: the stream is over", self._label, shown(play.stream.path))
        if not self._plays and not self._publishes and not self._requests:
            self._close(self._services.loop.time())

    def publish_watched(self) -> None:
        """Read lazily while nobody watches what is published, and at once before somebody does."""
        if self._publishes:
            is_watched = any(publish.is_watched for publish in self._publishes.values())
            pace = self._services.poller.watched_pace if is_watched else Pace.LAZY
            if self._plays:
                pace = Pace.PROMPT
            elif is_watched:
                self._transport.set_pace(Pace.PROMPT)  # reads what is there
            self._transport.set_pace(pace)

    def publish_replaced(self, stream_id: int) -> None:
        """Another publisher took the name over."""
        publish = self._publishes.pop(stream_id)
        path = publish.path
        publish.closed("another encoder took the name over")
        log.warning("%s publish %s taken over by another encoder", self._label, shown(path))
        self._end_stream(
            stream_id, "NetStream.Publish.BadName", f"another encoder has taken over {path}"
        )

    # ------------------------------------------------------------------ time

    def deadline(self) -> float | None:
        if self._closes_at != NEVER:
            return self._closes_at
        session = self._session.deadline()
        when = NEVER if session is None else session
        for play in self._plays.values():
            when = min(when, play.wait_until)
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
            for stream_id, play in list(self._plays.items()):
                if play.wait_until <= now:
                    self._give_up_waiting(stream_id, play)
            self._session.handle_timeout(now)
            self._act(now)
        except HeadendError as error:
            self._fail(error)
        except Exception:
            log.exception("%s failed: a bug; the connection is closed", self._label)
            self._transport.abort()

    def _close_stalled(self, limit: float) -> None:
        log.warning("%s closed: it took nothing for %g s (limits.late_close_s)", self._label, limit)
        self._reason = f"it took nothing for {limit:g} s"
        self._services.counters.late_closed += 1
        self._transport.abort()

    def _give_up_waiting(self, stream_id: int, play: Play) -> None:
        play.wait_until = NEVER
        if play.stream.state is not StreamState.WAITING:
            return
        play.leave()
        del self._plays[stream_id]
        play.closed("nobody published it")
        path = play.stream.path
        log.info("%s play %s: nobody published it (live.wait_s)", self._label, shown(path))
        self._session.end(stream_id, "NetStream.Play.StreamNotFound", f"nobody publishes {path}")

    def give_up_waiting(self, path: str) -> None:
        """Tell the peer that a stream it waits for will not come."""
        waiting = [(id, play) for id, play in self._plays.items() if play.stream.path == path]
        for stream_id, play in waiting:
            self._give_up_waiting(stream_id, play)
        if waiting:
            self._act(self._services.loop.time())

    # ------------------------------------------------------------------ the end

    def stop(self) -> None:
        """Tell the peer that the server stops, and close."""
        self._end("The server is stopping.")

    def kick(self) -> None:
        """Close the session because an administrator wants it so."""
        log.warning("%s closed by an administrator", self._label)
        for publish in list(self._publishes.values()):
            publish.publication.end(self._services.loop.time())
            publish.closed("closed by an administrator")
        self._publishes.clear()
        self._end("The session was closed by an administrator.")

    def _end(self, reason: str) -> None:
        """Tell the peer why, and close."""
        self._reason = reason
        self._session.close(reason)
        self._send()
        self._close(self._services.loop.time())

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _fail(self, error: HeadendError) -> None:
        """Close on a fault of the peer, with one log line."""
        self._services.counters.protocol_errors += 1
        self._reason = str(error)
        log.warning("%s closed: %s", self._label, shown(self._reason))
        self._send()
        self._close(self._services.loop.time())

    def _close(self, now: float) -> None:
        if self._closes_at == NEVER:
            self._closes_at = now + LINGER_S
            self._drop_streams("")
            self._transport.close()
            if not self._transport.is_closed:
                self._services.deadlines.update(self)
