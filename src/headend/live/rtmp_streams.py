"""One stream of an RTMP connection: published by the peer, or played by it."""

from typing import Final, Protocol

from headend.access.gate import Gate, Grant
from headend.access.session_record import SessionRecord
from headend.hub.publication import Publication
from headend.hub.stream import Stream, StreamState
from headend.live.services import Services
from headend.net.deadlines import NEVER
from headend.net.groups import group_of
from headend.net.peer import Peer
from headend.net.transport import Transport
from headend.outputs.fanout import Fanout, Viewer
from headend.outputs.rtmp_play import Format, RtmpEncoder


class Connection(Protocol):
    """Whose streams these are."""

    @property
    def peer(self) -> Peer:
        """Where it comes from."""

    @property
    def gate(self) -> Gate:
        """Who has granted them."""

    def publish_watched(self) -> None:
        """Whether somebody watches has changed."""

    def publish_replaced(self, stream_id: int) -> None:
        """Another publisher took the name over."""

    def play_ended(self, stream_id: int) -> None:
        """The stream is over and its last bytes are with the transport."""

    def play_given_up(self, stream_id: int) -> None:
        """Nobody publishes the stream that is waited for."""


class Publish:
    """One stream that the peer publishes; what the hub knows of it.

    Attributes:
        path: `APP/NAME`.
        publication: The right to publish it; set once the hub has granted it.
        grant: What it rests on; None once it is over.
        record: Tells the bus of it; None until it was granted.
        is_watched: Somebody watches.
        hops: Servers through which the stream came.
    """

    __slots__ = (
        "_bytes_before",
        "_connection",
        "_stream_id",
        "grant",
        "hops",
        "is_watched",
        "path",
        "publication",
        "record",
    )

    publication: Publication

    def __init__(
        self, connection: Connection, stream_id: int, grant: Grant, hops: tuple[str, ...] = ()
    ) -> None:
        self.path: Final = grant.path
        self.grant: Grant | None = grant
        self._connection = connection
        self._stream_id = stream_id
        self.hops: Final = hops
        self._bytes_before = 0
        self.record: SessionRecord | None = None
        self.is_watched = True

    def opened(self, record: SessionRecord) -> None:
        """Take note that it was granted."""
        self.record = record
        self._bytes_before = self.publication.stream.bytes_in

    def closed(self, reason: str) -> None:
        """Tell the gate and the bus that it is over; once."""
        grant, self.grant = self.grant, None
        if grant is not None:
            self._connection.gate.leave(grant)
        if self.record is not None:
            self.record.end(self.publication.stream.bytes_in - self._bytes_before, reason)
        del self.publication  # which holds us

    @property
    def peer(self) -> str:
        return str(self._connection.peer)

    def watched(self, *, is_watched: bool) -> None:
        self.is_watched = is_watched
        self._connection.publish_watched()

    def replaced(self) -> None:
        self._connection.publish_replaced(self._stream_id)


class Play:
    """One stream that the peer plays; what its fan-out knows of it.

    Attributes:
        stream: Published or waited for.
        grant: What it rests on; None once it is over.
        record: Tells the bus of it; None until it was granted.
        wait_until: When the peer gives up on a name that nobody publishes yet, monotonic seconds.
    """

    __slots__ = (
        "_connection",
        "_fanout",
        "_format",
        "_given",
        "_services",
        "_stream_id",
        "_viewer",
        "grant",
        "record",
        "stream",
        "wait_until",
    )

    def __init__(
        self,
        services: Services,
        connection: Connection,
        stream_id: int,
        stream: Stream,
        grant: Grant,
    ) -> None:
        """Make a play that does not watch yet."""
        self.grant: Grant | None = grant
        self._services = services
        self._connection = connection
        self._stream_id = stream_id
        self._format = Format(stream_id)
        self._fanout: Fanout | None = None  # None while it does not watch
        self._viewer: Viewer | None = None
        self._given = 0  # before it paused
        self.record: SessionRecord | None = None
        self.stream = stream
        self.wait_until = NEVER

    @property
    def path(self) -> str:
        return self.stream.path

    @property
    def is_watching(self) -> bool:
        """It is not paused."""
        return self._viewer is not None

    @property
    def bytes_out(self) -> int:
        """Bytes of the stream given so far."""
        if self._fanout is None or self._viewer is None:
            return self._given
        return self._given + self._fanout.given(self._viewer)

    def closed(self, reason: str) -> None:
        """Tell the gate and the bus that it is over; once."""
        grant, self.grant = self.grant, None
        if grant is not None:
            self._services.gate.leave(grant)
        self._services.counters.bytes_out += self.bytes_out
        if self.record is not None:
            self.record.end(self.bytes_out, reason)

    def watch(self, transport: Transport, *, audio: bool = True, video: bool = True) -> None:
        """Become a viewer of the fan-out of a format, and make that for its first viewer."""
        self._format = Format(self._stream_id, audio, video)
        if self.stream.state is StreamState.WAITING:
            # The hub has forgotten a name that nobody waited for while this one was paused.
            asker = group_of(self._connection.peer.address)
            self.stream = self._services.registry.play(self.stream.path, asker)
        fanout = self.stream.sink(self._format)
        if fanout is None:
            fanout = self._new_fanout()
            self.stream.attach(self._format, fanout)
        assert isinstance(fanout, Fanout)
        self._fanout = fanout
        self._viewer = Viewer(transport, self)
        fanout.add(self._viewer)

    def leave(self) -> None:
        """Be no viewer any more; a fan-out without viewers is dropped."""
        fanout, viewer = self._fanout, self._viewer
        if fanout is None or viewer is None:
            return
        self._given = self.bytes_out
        self._fanout = self._viewer = None
        fanout.remove(viewer)
        if not len(fanout) and self.stream.sink(self._format) is fanout:
            self.stream.detach(self._format)

    def give_up(self) -> None:
        """Wait no longer for a publisher, and tell the peer."""
        self._connection.play_given_up(self._stream_id)

    def stalled(self) -> None:
        """The transport has a backlog."""
        if self._fanout is not None and self._viewer is not None:
            self._fanout.stalled(self._viewer)

    def drained(self) -> None:
        """The transport has no backlog any more."""
        if self._fanout is not None and self._viewer is not None:
            self._fanout.drained(self._viewer)

    def stream_ended(self) -> None:
        self._given = self.bytes_out
        self._fanout = self._viewer = None
        self._connection.play_ended(self._stream_id)

    def _new_fanout(self) -> Fanout:
        live = self._services.rules.of(self.stream.path).live
        return Fanout(
            RtmpEncoder(self._format, self._services.session_settings.chunk_size),
            self._services.poller.clock,
            starts_at_keyframe=live.gop_cache,
            silent=self.stream.settling.silent,
            log_s=live.log_s,
            log_bytes=live.log_bytes,
        )
