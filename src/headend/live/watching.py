"""One viewer of one stream from the grant to the end, whatever the protocol.

    Grant ─► begin: record, counters ─► watch: viewer of a fan-out ─► pause, watch …
                                                                      └─► end: once

A destination of a relay is a viewer without a grant: nobody counts it, and it has no record.
"""

import logging
from collections.abc import Callable, Hashable
from typing import Final, Protocol

from headend.access.gate import Grant
from headend.access.session_record import Client, SessionRecord
from headend.errors import Refusal, Rejected
from headend.hub.ports import Writer
from headend.hub.stream import Stream, StreamState, no_audience
from headend.live.arrivals import not_found
from headend.live.services import Services
from headend.net.deadlines import NEVER
from headend.net.groups import Group, group_of
from headend.outputs.fanout import Encoder, Fanout, Viewer

END_OF_STREAM: Final = "the stream is over"
NOBODY: Final = "nobody published it"


class Watcher(Protocol):
    """The object that speaks with a viewer in its protocol. Its methods must not raise."""

    def watching_ended(self, watching: "Watching", why: Rejected | None) -> None:
        """Take note that nothing more comes.

        Args:
            watching: The viewer that is over.
            why: Why it was ended; None: the stream has ended, and its last bytes are sent.
        """


class Watching:
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
        "_given",
        "_grant",
        "_record",
        "_services",
        "_skips",
        "_viewer",
        "_watcher",
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
        self._services = services
        self._watcher: Watcher | None = watcher  # None once it is over: it holds us
        self._grant = grant
        self._record: SessionRecord | None = None
        self._asker: Group = None
        self._format: Hashable = None
        self._fanout: Fanout | None = None  # None while it does not watch
        self._viewer: Viewer | None = None
        self._given = 0  # before it paused
        self._skips = 0  # before it paused
        self.stream = stream
        self.wait_until = NEVER

    def begin(self, client: Client) -> None:
        """Take note of a viewer that was granted the stream; the gate may end it from now on."""
        services, grant = self._services, self._grant
        assert grant is not None
        services.counters.plays += 1
        self._asker = group_of(client.peer.address)
        self._record = SessionRecord.of(services.runtime, grant, client)
        is_waiting = self.stream.state is StreamState.WAITING
        self._record.accepted("waits for a publisher" if is_waiting else "accepted", client.tls)
        services.gate.began(grant, self._grant_ended)

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
        self._given += fanout.given(viewer)
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
            return self._given
        return self._given + self._fanout.given(self._viewer)

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

    def end(self, reason: str, became: str, level: int = logging.INFO) -> None:
        """End the viewer; only the first call counts.

        Args:
            reason: Reason for the events.
            became: How it ended, for the log: follows the stream's name.
            level: Level of that line.
        """
        self.pause()
        self.wait_until = NEVER
        self._watcher = None
        grant, self._grant = self._grant, None
        if grant is None:
            return
        self._services.gate.leave(grant)
        given, self._given = self._given, 0
        self._services.counters.bytes_out += given
        if self._record is not None:
            self._record.end(given, reason)
            self._record.say(became, level)

    def stream_ended(self) -> None:
        """Take note that the fan-out has ended."""
        if self._fanout is not None and self._viewer is not None:
            self._leave(self._fanout, self._viewer)
        self._end_and_tell(END_OF_STREAM, f": {END_OF_STREAM}", None)

    def _grant_ended(self, reason: str) -> None:
        """A token has expired, or the time is over."""
        self._end_and_tell(reason, f" ended: {reason}", Rejected(Refusal.DENIED, reason))

    def _end_and_tell(self, reason: str, became: str, why: Rejected | None) -> None:
        watcher = self._watcher
        self.end(reason, became)
        if watcher is not None:
            watcher.watching_ended(self, why)

    # ------------------------------------------------------------------ waiting

    def give_up(self, note: str = "") -> None:
        """End a viewer that still waits for a publisher, and tell it so.

        Args:
            note: Text that is added to the line of the log.
        """
        self.wait_until = NEVER
        if self.stream.state is StreamState.WAITING:
            self._end_and_tell(NOBODY, f": {NOBODY}{note}", not_found(self.path))
