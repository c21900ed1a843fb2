"""What one RTMP peer publishes and plays, from the grant to the end.

grant ─┬─► Publish: a publication of the hub ─┬─► ended by the peer, the hub, the gate or time
       └─► Play: a viewer of a fan-out ───────┘
"""

import logging
from typing import Protocol

from headend.access.gate import Gate, Grant
from headend.access.session_record import SessionRecord
from headend.decisions import Action
from headend.errors import Refusal, Rejected
from headend.hub.publication import PRIMARY, Place
from headend.hub.stream import StreamState
from headend.live.loops import check_play, check_publish
from headend.live.rtmp_streams import Play, Publish
from headend.live.services import Services
from headend.live.waiting import find_stream, not_found
from headend.logs import shown
from headend.net.deadlines import NEVER
from headend.net.peer import Peer
from headend.net.poller import ReadPace
from headend.net.tls_facts import TlsFacts
from headend.net.transport import Transport
from headend.rtmp.events import PlayChanged, PlayRequest, PublishRequest
from headend.rtmp.refusals import code_of, told_code
from headend.rtmp.session import ServerSession
from headend.rtmp.url import StreamTarget
from headend.settings.live import backup_rank


class Connection(Protocol):
    """Whose streams these are."""

    @property
    def id(self) -> int:
        """Number of the session."""

    @property
    def peer(self) -> Peer:
        """Where it comes from."""

    @property
    def protocol(self) -> str:
        """rtmp or rtmps."""

    @property
    def tls(self) -> TlsFacts | None:
        """What the TLS handshake agreed on."""

    @property
    def user_agent(self) -> str:
        """What it calls itself."""

    @property
    def hops(self) -> tuple[str, ...]:
        """Servers through which its streams came."""

    @property
    def transport(self) -> Transport:
        """What it speaks over."""

    def send(self) -> None:
        """Send what the session has to say."""

    def end_stream(self, stream_id: int, code: str, description: str) -> None:
        """Tell the peer that a stream of its is over, and why; close if it has no other."""

    def close_unused(self) -> None:
        """Close if it has no stream and asks for none."""


class PeerStreams:
    """The streams of one RTMP peer.

    Attributes:
        publishes: By message stream.
        plays: Likewise; some wait for a publisher.
    """

    __slots__ = ("_connection", "_label", "_services", "_session", "plays", "publishes")

    def __init__(self, services: Services, connection: Connection, session: ServerSession) -> None:
        self._services = services
        self._connection = connection
        self._session = session
        self._label = f"{connection.protocol} {connection.peer}"
        self.publishes: dict[int, Publish] = {}
        self.plays: dict[int, Play] = {}

    @property
    def gate(self) -> Gate:
        """Decides what it may do."""
        return self._services.gate

    @property
    def peer(self) -> Peer:
        """Where the peer comes from."""
        return self._connection.peer

    # ------------------------------------------------------------------ grants

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
        check_publish(services, grant.path, self._connection.hops)
        publish = Publish(self, request.stream_id, grant, self._connection.hops)
        publish.publication = services.registry.publish(
            grant.path, publish, grant.holder, now, self._place(request.target, grant)
        )
        self.publishes[request.stream_id] = publish
        services.counters.publishes += 1
        granted = "accepted" if publish.publication.is_current else "stands by"
        key = "" if grant.key_id is None else f" with {grant.key_id}"
        self._session.accept(request)
        publish.opened(self._record("publish", grant))
        self._say(publish, f" {granted}{key}{self._tls_text()}")
        self.publish_watched()

    def _place(self, target: StreamTarget, grant: Grant) -> Place:
        """Say where a publisher stands among those of its name, by its key and `?backup=1`."""
        rank = PRIMARY.rank
        if target.query.get("backup") == "1":
            rank = backup_rank(self._services.rules.of(grant.path).fallback)
        return Place(rank, priority=grant.priority)

    def _play(self, request: PlayRequest, grant: Grant, now: float) -> None:
        services = self._services
        path = grant.path
        check_play(services, path, self._connection.hops)
        stream, wait_s = find_stream(services, path, self.peer.address)
        play = Play(services, self, request.stream_id, stream, grant)
        self.plays[request.stream_id] = play
        if stream.state is StreamState.WAITING:
            play.wait_until = now + wait_s
        services.counters.plays += 1
        is_waiting = stream.state is StreamState.WAITING
        granted = "waits for a publisher" if is_waiting else "accepted"
        self._session.accept(request)
        play.record = self._record("play", grant)
        self._say(play, f" {granted}{self._tls_text()}")
        transport = self._connection.transport
        self._connection.send()  # the answer, before any media
        transport.set_pace(ReadPace.PROMPT if self.publishes else ReadPace.CALM)
        if not transport.is_closed:
            play.watch(transport)

    def grant_ended(self, stream_id: int, reason: str) -> None:
        """A key was revoked, a token has expired, the time is over: the peer is told why."""
        now = self._services.loop.time()
        publish, play = self.publishes.pop(stream_id, None), self.plays.pop(stream_id, None)
        code = code_of(Refusal.DENIED, "play" if publish is None else "publish")
        if publish is not None:
            self._say(publish, f" ended: {reason}", logging.WARNING)
            publish.publication.end(now)
            publish.closed(reason)
        if play is not None:
            self._say(play, f" ended: {reason}")
            play.leave()
            play.closed(reason)
        self._connection.end_stream(stream_id, code, reason)

    def _record(self, action: Action, grant: Grant) -> SessionRecord:
        return SessionRecord(
            self._services.runtime,
            action,
            grant.path,
            self._connection.peer,
            protocol=self._connection.protocol,
            session=self._connection.id,
            user_agent=self._connection.user_agent,
            key_id=grant.key_id,
            subject=grant.subject,
            tags=grant.tags,
        )

    def _say(self, what: Publish | Play, became: str, level: int = logging.INFO) -> None:
        """Log what became of a publish or a play; `became` follows its name at once."""
        if what.record is not None:
            action = "publish" if isinstance(what, Publish) else "play"
            what.record.say(f"{self._label} {action} {shown(what.path)}{became}", level)

    def _tls_text(self) -> str:
        return "" if self._connection.tls is None else f" {shown(str(self._connection.tls))}"

    # ------------------------------------------------------------------ what the peer wants

    def publish_left(self, stream_id: int, now: float) -> None:
        """The peer has ended a publish."""
        publish = self.publishes.pop(stream_id)
        self._say(publish, " ended")
        publish.publication.end(now)
        publish.closed("the publisher ended it")
        self._connection.transport.set_pace(ReadPace.PROMPT)

    def play_left(self, stream_id: int) -> None:
        """The peer has ended a play."""
        play = self.plays.pop(stream_id, None)
        if play is not None:  # else its stream was over already
            play.leave()
            play.closed("the player ended it")
            self._connection.transport.set_pace(ReadPace.PROMPT)
            self._say(play, " ended")

    def play_changed(self, event: PlayChanged) -> None:
        """The peer has paused or resumed, or switched a medium."""
        play = self.plays.get(event.stream_id)
        if play is None:  # likewise
            return
        play.leave()
        if not event.is_paused:
            transport = self._connection.transport
            self._connection.send()  # the answer, before any media
            if not transport.is_closed:
                play.watch(transport, audio=event.audio, video=event.video)

    # ------------------------------------------------------------------ what the streams tell

    def play_ended(self, stream_id: int) -> None:
        """The stream is over and its last bytes are with the transport."""
        play = self.plays.pop(stream_id)
        play.closed("the stream is over")
        self._say(play, ": the stream is over")
        self._connection.close_unused()

    def publish_watched(self) -> None:
        """Read lazily while nobody watches what is published, and at once before somebody does."""
        if self.publishes:
            is_watched = any(publish.is_watched for publish in self.publishes.values())
            pace = self._services.poller.watched_pace if is_watched else ReadPace.LAZY
            if self.plays:
                pace = ReadPace.PROMPT
            elif is_watched:
                self._connection.transport.set_pace(ReadPace.PROMPT)  # reads what is there
            self._connection.transport.set_pace(pace)

    def publish_replaced(self, stream_id: int) -> None:
        """Another publisher took the name over."""
        publish = self.publishes.pop(stream_id)
        path = publish.path
        publish.closed("another encoder took the name over")
        self._say(publish, " taken over by another encoder", logging.WARNING)
        self._connection.end_stream(
            stream_id,
            code_of(Refusal.NAME_TAKEN, "publish"),
            f"another encoder has taken over {path}",
        )

    # ------------------------------------------------------------------ plays that wait

    @property
    def waits_until(self) -> float:
        """When the first of them gives up, monotonic seconds."""
        return min((play.wait_until for play in self.plays.values()), default=NEVER)

    def give_up_late(self, now: float) -> None:
        """Give up on those whose time is over."""
        for stream_id, play in list(self.plays.items()):
            if play.wait_until > now:
                continue
            refused = self._stop_waiting(stream_id, play, " (live.wait_s)")
            if refused is not None:
                self._session.end(stream_id, told_code(refused, "play"), refused.description)

    def play_given_up(self, stream_id: int) -> None:
        """Nobody publishes the stream that is waited for."""
        play = self.plays.get(stream_id)
        if play is not None and (refused := self._stop_waiting(stream_id, play)) is not None:
            code = told_code(refused, "play")
            self._connection.end_stream(stream_id, code, refused.description)

    def _stop_waiting(self, stream_id: int, play: Play, note: str = "") -> Rejected | None:
        """Leave a stream that is still waited for; return what the peer is to be told."""
        play.wait_until = NEVER
        if play.stream.state is not StreamState.WAITING:
            return None
        play.leave()
        del self.plays[stream_id]
        play.closed("nobody published it")
        self._say(play, f": nobody published it{note}")
        return not_found(play.stream.path)

    # ------------------------------------------------------------------ the end

    def lose(self, why: str, note: str, now: float) -> None:
        """Lose what is published and leave what is played: the peer is gone, or about to be.

        Args:
            why: For the events.
            note: Behind the lines of the log.
            now: Monotonic seconds.
        """
        publishes, self.publishes = self.publishes, {}
        for publish in publishes.values():
            self._say(publish, f" lost{note}")
            publish.publication.lose(now)
            publish.closed(why)
        plays, self.plays = self.plays, {}
        for play in plays.values():
            play.leave()
            play.closed(why)
            self._say(play, f" closed{note}")

    def let_go(self) -> None:
        """Hold the connection no longer, which is gone: it holds us. Nothing follows."""
        del self._connection

    def end_publishes(self, why: str, now: float) -> None:
        """End what is published for good: no publisher is waited for."""
        for publish in list(self.publishes.values()):
            publish.publication.end(now)
            publish.closed(why)
        self.publishes.clear()
