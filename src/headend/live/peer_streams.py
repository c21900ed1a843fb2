"""Streams that one RTMP peer publishes and plays, by number, from the grant to the end.

grant ─┬─► Publishing ─┬─► ended by the peer, the hub, the gate or time
       └─► Watching ───┘
"""

from functools import partial
from typing import Protocol

from headend.access.gate import Grant
from headend.access.session_record import Client
from headend.errors import Rejected
from headend.hub.stream import StreamState
from headend.live.granted_play import GrantedPlay
from headend.live.loops import check_play
from headend.live.on_demand import Stored
from headend.live.publishing import Publishing, place_of
from headend.live.services import Services
from headend.live.stored_play import StoredPlay
from headend.live.waiting import find_stream
from headend.live.watching import Watching
from headend.net.deadlines import NEVER
from headend.net.poller import ReadPace
from headend.net.transport import Transport
from headend.outputs.rtmp_play import Format, RtmpEncoder
from headend.rtmp.events import (
    BufferChanged,
    PlayChanged,
    PlayCommand,
    PlaySought,
    PublishCommand,
)
from headend.rtmp.refusals import told_code
from headend.rtmp.session import ServerSession


class Connection(Client, Protocol):
    """The RTMP connection to which the streams belong."""

    @property
    def hops(self) -> tuple[str, ...]:
        """Ids of the servers through which its streams came."""

    @property
    def knows_tracks(self) -> bool:
        """The peer knows several tracks of a kind."""

    @property
    def transport(self) -> Transport:
        """The transport of the connection."""

    def send(self) -> None:
        """Send the bytes that the RTMP session has ready."""

    def end_stream(self, stream_id: int, code: str, description: str) -> None:
        """Tell the peer why one of its streams is over; close if that was its last stream."""

    def close_unused(self) -> None:
        """Close a connection that has no stream and asks for none."""


class PeerStreams:
    """The streams of one RTMP peer.

    Attributes:
        publishes: Streams that the peer publishes, by message stream.
        plays: Streams and recordings that the peer plays, by message stream; some wait for a
            publisher.
        is_moving: The peer was asked to go elsewhere: what it ends here goes on there.
    """

    __slots__ = (
        "_connection",
        "_services",
        "_session",
        "_with_tracks",
        "is_moving",
        "plays",
        "publishes",
    )

    def __init__(self, services: Services, connection: Connection, session: ServerSession) -> None:
        self._services = services
        self._connection = connection
        self._session = session
        self.publishes: dict[int, Publishing] = {}
        self.plays: dict[int, Watching | StoredPlay] = {}
        self._with_tracks: set[int] = set()  # message streams that asked for all tracks
        self.is_moving = False

    @property
    def is_member(self) -> bool:
        """The peer is another server of the cluster, or another worker, that fetches a stream."""
        return any(isinstance(play, Watching) and play.is_of_member for play in self.plays.values())

    @property
    def is_live(self) -> bool:
        """Something live is published or played, and no recording."""
        is_any = bool(self.publishes or self.plays)
        return is_any and not any(isinstance(each, StoredPlay) for each in self.plays.values())

    # ------------------------------------------------------------------ grants

    def granted(self, request: PublishCommand | PlayCommand, grant: Grant, now: float) -> None:
        """Begin the publish or play that was granted.

        Raises:
            Rejected: The hub refuses the request.
        """
        if isinstance(request, PublishCommand):
            self._publish(request, grant, now)
        else:
            self._play(request, grant, now)

    def _publish(self, request: PublishCommand, grant: Grant, now: float) -> None:
        connection = self._connection
        publishing = Publishing(
            self._services,
            self,
            grant.path,
            str(connection.peer),
            grant=grant,
            hops=connection.hops,
        )
        place = place_of(self._services, grant, request.target.query)
        publishing.begin(now, place, connection)
        self.publishes[request.stream_id] = publishing
        self._session.accept(request)
        self.watched()

    def _play(self, request: PlayCommand, grant: Grant, now: float) -> None:
        services, connection, path = self._services, self._connection, grant.path
        check_play(services, path, connection.hops)
        stream, wait_s = find_stream(services, path, connection.peer.address)
        watching = Watching(services, self, stream, grant)
        if stream.state is StreamState.WAITING:
            watching.wait_until = now + wait_s
        self.plays[request.stream_id] = watching
        self._session.accept(request)
        self._ask_tracks(request)
        watching.begin(connection)
        connection.send()  # the answer, before any media
        connection.transport.set_pace(ReadPace.PROMPT if self.publishes else ReadPace.CALM)
        self._watch(request.stream_id, watching)

    def granted_stored(self, request: PlayCommand, grant: Grant, stored: Stored) -> None:
        """Play a recording."""
        connection, stream_id = self._connection, request.stream_id
        play = StoredPlay(
            self._services,
            self,
            stored,
            grant,
            connection.transport,
            start=request.start_ms or 0,
            length=request.length_ms,
        )
        self.plays[stream_id] = play
        self._session.accept(request, is_recorded=True)
        connection.send()  # the answer, before any media
        if not connection.transport.is_closed:
            self._ask_tracks(request)
            play.begin(connection, self._format(stream_id))

    def _watch(
        self, stream_id: int, watching: Watching, *, audio: bool = True, video: bool = True
    ) -> None:
        transport = self._connection.transport
        if not transport.is_closed:
            format = self._format(stream_id, audio=audio, video=video)
            chunk_size = self._services.rtmp.chunk_size
            watching.watch(transport, format, partial(RtmpEncoder, format, chunk_size))

    def _format(self, stream_id: int, *, audio: bool = True, video: bool = True) -> Format:
        has_tracks = self._connection.knows_tracks or stream_id in self._with_tracks
        return Format(stream_id, audio, video, has_tracks)

    def _ask_tracks(self, request: PlayCommand) -> None:
        """Take note of a player that asks for all tracks; FFmpeg knows them and does not say so."""
        if request.target.query.get("tracks") == "all":
            self._with_tracks.add(request.stream_id)
        else:
            self._with_tracks.discard(request.stream_id)

    # ------------------------------------------------------------------ what the peer wants

    def publish_left(self, stream_id: int) -> None:
        """The peer has ended a publish."""
        publishing = self.publishes.pop(stream_id)
        if self.is_moving:
            publishing.lose("the publisher went to another server", " moved")
        else:
            publishing.end("the publisher ended it", " ended")
        self._connection.transport.set_pace(ReadPace.PROMPT)

    def play_left(self, stream_id: int) -> None:
        """The peer has ended a play."""
        watching = self.plays.pop(stream_id, None)
        if watching is not None:  # else its stream was over already
            watching.end("the player ended it", " ended")
            self._connection.transport.set_pace(ReadPace.PROMPT)

    def play_changed(self, event: PlayChanged) -> None:
        """The peer has paused or resumed, or switched a medium."""
        watching = self.plays.get(event.stream_id)
        if isinstance(watching, StoredPlay):
            watching.use(self._format(event.stream_id, audio=event.audio, video=event.video))
            if event.is_paused:
                watching.pause()
            else:
                watching.resume()
            return
        if watching is None:  # its stream was over already
            return
        watching.pause()
        if not event.is_paused:
            self._connection.send()  # the answer, before any media
            self._watch(event.stream_id, watching, audio=event.audio, video=event.video)

    def sought(self, event: PlaySought) -> None:
        """The peer wants another place of a recording."""
        play = self.plays.get(event.stream_id)
        if isinstance(play, StoredPlay):
            play.seek(event.position_ms)

    def buffer_changed(self, event: BufferChanged) -> None:
        """The peer holds another length of a recording."""
        play = self.plays.get(event.stream_id)
        if isinstance(play, StoredPlay):
            play.set_buffer(event.buffer_ms)

    # ------------------------------------------------------------------ what the streams tell

    def watched(self) -> None:
        """Read the peer lazily while nobody watches its streams; else read it at once."""
        if self.publishes:
            is_watched = any(publishing.is_watched for publishing in self.publishes.values())
            pace = self._services.poller.watched_pace if is_watched else ReadPace.LAZY
            if self.plays:
                pace = ReadPace.PROMPT
            elif is_watched:
                self._connection.transport.set_pace(ReadPace.PROMPT)  # reads what is there
            self._connection.transport.set_pace(pace)

    def publishing_ended(self, publishing: Publishing, why: Rejected) -> None:
        stream_id = next(id for id, each in self.publishes.items() if each is publishing)
        del self.publishes[stream_id]
        self._connection.end_stream(stream_id, told_code(why, "publish"), why.description)

    def play_ended(self, play: GrantedPlay, why: Rejected | None) -> None:
        stream_id = next(id for id, each in self.plays.items() if each is play)
        del self.plays[stream_id]
        if why is None:  # as the player has been told with the media
            self._connection.close_unused()
        else:
            self._connection.end_stream(stream_id, told_code(why, "play"), why.description)

    # ------------------------------------------------------------------ plays that wait

    @property
    def waits_until(self) -> float:
        """When the first play that waits for a publisher gives up, monotonic seconds."""
        return min((watching.wait_until for watching in self.plays.values()), default=NEVER)

    def give_up_late(self, now: float) -> None:
        """End the plays that have waited for a publisher for too long."""
        for watching in list(self.plays.values()):
            if isinstance(watching, Watching) and watching.wait_until <= now:
                watching.give_up(" (live.wait_s)")

    # ------------------------------------------------------------------ the end

    def lose(self, why: str, note: str) -> None:
        """Lose the publishes and leave the plays: the peer is gone, or about to be.

        Args:
            why: Reason for the events.
            note: Text that is added to the lines of the log.
        """
        publishes, self.publishes = self.publishes, {}
        for publishing in publishes.values():
            publishing.lose(why, f" lost{note}")
        plays, self.plays = self.plays, {}
        for watching in plays.values():
            watching.end(why, f" closed{note}")

    def let_go(self) -> None:
        """Drop the reference to the connection, which is gone and refers to this object."""
        del self._connection

    def end_publishes(self, why: str) -> None:
        """End the publishes for good: viewers do not wait for the publisher's return."""
        publishes, self.publishes = self.publishes, {}
        for publishing in publishes.values():
            publishing.end(why)
