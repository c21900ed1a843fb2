"""One viewer of one stream from the grant to the end, whatever the protocol.

    begin ─► watch: viewer of a fan-out ─► pause, watch … ─► end

A destination of a relay is a viewer without a grant: nobody counts it, and it has no record.
"""

from collections.abc import Callable, Hashable
from typing import Final

from headend.access.gate import Grant
from headend.access.session_record import Client
from headend.hub.ports import Writer
from headend.hub.stream import Stream, StreamState, no_audience
from headend.live.arrivals import not_found
from headend.live.granted_play import GrantedPlay, Watcher
from headend.live.services import Services
from headend.net.deadlines import NEVER
from headend.net.groups import Group, group_of
from headend.outputs.fanout import Encoder, Fanout, Viewer

END_OF_STREAM: Final = "the stream is over"
NOBODY: Final = "nobody published it"


class Watching(GrantedPlay):
    """One viewer; also the audience of its place in a fan-out.

    Attributes:
        stream: The stream that it watches or waits for.
        wait_until: When the viewer gives up on a name that nobody publishes yet, monotonic seconds.
        skips: How often it lost media because it was late.
    """

    __slots__ = (
        "_asker",
        "_fanout",
        "_format",
        "_skips",
        "_viewer",
        "stream",
        "wait_until",
    )

    def __init__(
        self, services: Services, watcher: Watcher, stream: Stream, grant: Grant | None = None
    ) -> None:
        """Make a viewer that gets no media yet.

        Args:
            services: What all connections share.
            watcher: Speaks with the viewer.
            stream: The stream that it wants to watch.
            grant: The gate's grant; `end` has the gate `leave` it.
        """
        super().__init__(services, watcher, grant)
        self._asker: Group = None
        self._format: Hashable = None
        self._fanout: Fanout | None = None  # None while it does not watch
        self._viewer: Viewer | None = None
        self._skips = 0  # before it paused
        self.stream = stream
        self.wait_until = NEVER

    def begin(self, client: Client) -> None:
        """Take note of a viewer that was granted the stream; the gate may end it from now on."""
        self._asker = group_of(client.peer.address)
        is_waiting = self.stream.state is StreamState.WAITING
        self.record(client, "waits for a publisher" if is_waiting else "accepted")

    @property
    def path(self) -> str:
        return self.stream.path

    # ------------------------------------------------------------------ the fan-out

    def watch(
        self,
        writer: Writer,
        format: Hashable,
        encoder: Callable[[], Encoder],
        *,
        is_patient: bool = False,
    ) -> None:
        """Become a viewer of the fan-out of a format.

        Args:
            writer: Takes the bytes.
            format: Key of the fan-out in its stream.
            encoder: Makes the format's encoder; called for the first viewer.
            is_patient: Start at the next keyframe, not at the newest.
        """
        if self.stream.state is StreamState.WAITING:
            # The hub has forgotten a name that nobody waited for while this viewer was paused.
            self.stream = self._services.registry.play(self.path, self._asker)
        stream = self.stream
        fanout = stream.sink(format)
        if fanout is None:
            fanout = self._new_fanout(encoder())
            audience = no_audience if self._grant is None else None
            stream.attach(format, fanout, audience=audience)
        assert isinstance(fanout, Fanout)
        self._format = format
        self._fanout = fanout
        self._viewer = Viewer(writer, self, is_patient=is_patient)
        fanout.add(self._viewer)

    def _new_fanout(self, encoder: Encoder) -> Fanout:
        live, poller = self._services.rules.of(self.path).live, self._services.poller
        clock = poller.clock
        if self._grant is None:
            return Fanout(encoder, clock, log_s=live.log_s, log_bytes=live.log_bytes)
        return Fanout(
            encoder,
            clock,
            starts_at_keyframe=live.gop_cache,
            silent=self.stream.settling.silent,
            log_s=live.log_s,
            log_bytes=live.log_bytes,
            bulk=poller.bulk,
        )

    @property
    def is_watching(self) -> bool:
        """The viewer is not paused; what fetches for viewers of another server is none."""
        return self._viewer is not None and not self.is_of_member

    @property
    def is_of_member(self) -> bool:
        """What watches is another server of the cluster, or another worker."""
        return self._grant is not None and self._grant.member is not None

    def pause(self) -> None:
        """Leave the fan-out, which is dropped if that was its last viewer."""
        fanout, viewer = self._fanout, self._viewer
        if fanout is None or viewer is None:
            return
        self._leave(fanout, viewer)
        fanout.remove(viewer)
        if not len(fanout) and self.stream.sink(self._format) is fanout:
            self.stream.detach(self._format)

    def _leave(self, fanout: Fanout, viewer: Viewer) -> None:
        self.given += fanout.given(viewer)
        self._skips += viewer.skips
        self._fanout = self._viewer = None

    def stalled(self) -> None:
        """Take note that the writer has a backlog."""
        if self._fanout is not None and self._viewer is not None:
            self._fanout.stalled(self._viewer)

    def drained(self) -> None:
        """Take note that the writer has no backlog any more."""
        if self._fanout is not None and self._viewer is not None:
            self._fanout.drained(self._viewer)

    # ------------------------------------------------------------------ figures

    @property
    def bytes_out(self) -> int:
        """Bytes of the stream that the writer was given; none once the viewer is over."""
        if self._fanout is None or self._viewer is None:
            return self.given
        return self.given + self._fanout.given(self._viewer)

    @property
    def skips(self) -> int:
        return self._skips + (0 if self._viewer is None else self._viewer.skips)

    @property
    def behind_bytes(self) -> int:
        """Bytes that the viewer is still to be given."""
        if self._fanout is None or self._viewer is None:
            return 0
        return self._fanout.behind(self._viewer) + self._viewer.writer.backlog

    # ------------------------------------------------------------------ the end

    def stopped(self) -> None:
        self.pause()
        self.wait_until = NEVER

    def stream_ended(self) -> None:
        """Take note that the fan-out has ended."""
        if self._fanout is not None and self._viewer is not None:
            self._leave(self._fanout, self._viewer)
        self.end_and_tell(END_OF_STREAM, f": {END_OF_STREAM}", None)

    # ------------------------------------------------------------------ waiting

    def give_up(self, note: str = "") -> None:
        """End a viewer that still waits for a publisher, and tell it so.

        Args:
            note: Text that is added to the line of the log.
        """
        self.wait_until = NEVER
        if self.stream.state is StreamState.WAITING:
            self.end_and_tell(NOBODY, f": {NOBODY}{note}", not_found(self.path))
