"""Viewers over HLS, each a session like one that holds a connection.

    request ─► note ─┬─► first one: limits, session, record
                     └─► others: when it asked last, what it was given
    nothing asked for VIEWER_S, grant over, kicked, packaging over ─► end

A viewer is told from others by its address, its program and the credentials that decided.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from headend.access.gate import Gate
from headend.access.grant import Grant
from headend.access.session_record import SessionRecord
from headend.decisions import AccessRequest
from headend.errors import Refusal, Rejected
from headend.net.peer import Peer
from headend.net.runtime import Runtime

VIEWER_S: Final = 15.0  # that a viewer of a live stream is counted after its last request
VIEWERS: Final = 50_000  # of one stream, that are told apart
KICKED_S: Final = 60.0  # that a viewer is refused after it was kicked: it would just ask again
KICKED: Final = 10_000  # that are remembered; the oldest is forgotten first

Who = tuple[str, str, str | None]  # address, user agent, credentials


class SessionList(Protocol):
    """The sessions of the server."""

    def next_id(self) -> int:
        """Return the number of a session that begins."""

    def add(self, session: "HlsViewer", /) -> None:
        """Add a session to the list."""

    def discard(self, session: "HlsViewer", /) -> None:
        """Remove a session from the list."""


class HlsViewer:
    """One viewer over HLS, which is a session.

    Attributes:
        id: Number of the session.
        peer: Where its first request came from.
        user_agent: Name of its program, as it says.
        started: When it asked first, monotonic seconds.
        is_over: The session is over.
        due: Kept by `Deadlines`.
    """

    __slots__ = (
        "_answers",
        "_asked",
        "_audience",
        "_bytes",
        "_grant",
        "_record",
        "_who",
        "due",
        "id",
        "is_over",
        "peer",
        "started",
        "user_agent",
    )

    protocol: Final = "hls"
    tls: Final = None
    bytes_in: Final = 0

    def __init__(
        self, audience: "HlsAudience", who: Who, asked: AccessRequest, grant: Grant, peer: Peer
    ) -> None:
        """Begin the session of a viewer that was granted the stream."""
        runtime = audience.viewers.runtime
        self._audience = audience
        self._who = who
        self._grant = grant
        self._bytes = 0
        self._answers: list[Callable[[], object]] = []  # end what it is being given
        self._asked = self.started = runtime.loop.time()
        self.due = float("inf")
        self.id: Final = audience.viewers.sessions.next_id()
        self.peer: Final = peer
        self.user_agent: Final = asked.user_agent or ""
        self.is_over = False
        self._record = SessionRecord.of(runtime, grant, self)

    @property
    def publishing(self) -> list[str]:
        return []

    @property
    def playing(self) -> list[str]:
        return [self._grant.path]

    @property
    def watching(self) -> list[str]:
        return self.playing

    @property
    def bytes_out(self) -> int:
        return self._bytes

    def asks(self, now: float) -> None:
        """Count a request that comes at `now`, monotonic seconds."""
        self._asked = now

    def gets(self, size: int) -> None:
        """Count bytes that the viewer is given."""
        self._bytes += size
        if self.is_over:  # while its request waited
            self._audience.viewers.runtime.counters.bytes_out += size

    @contextmanager
    def answered(self, abort: Callable[[], object]) -> Iterator[None]:
        """Have it count while a long answer is sent to it.

        Args:
            abort: Ends the answer, when the viewer may not have the rest.
        """
        runtime = self._audience.viewers.runtime
        self._answers.append(abort)
        try:
            yield
        finally:
            self._answers.remove(abort)
            self.asks(runtime.loop.time())
            runtime.deadlines.update(self)

    def deadline(self) -> float | None:
        return None if self.is_over or self._answers else self._asked + self._audience.stays_s

    def deadline_passed(self, now: float) -> None:
        self.end(f"it asked for nothing for {self._audience.stays_s:g} s")

    def kick(self) -> None:
        """End the session as an administrator wants, and refuse the viewer for a while."""
        if not self.is_over:
            self._audience.viewers.shut_out(self._grant.path, self._who)
            self._record.say(": closed by an administrator", logging.WARNING)
            self.cut_off("closed by an administrator")

    def stop(self) -> None:
        """End the session because the server stops."""
        self.end("the server is stopping")

    def abort(self) -> None:
        """End the session at once."""
        self.stop()

    def cut_off(self, reason: str) -> None:
        """Count it no more, and end what it is being given: it may not have it any longer."""
        self.end(reason)
        for abort in tuple(self._answers):
            abort()

    def end(self, reason: str) -> None:
        """End the session; only the first call counts."""
        if self.is_over:
            return
        self.is_over = True
        viewers = self._audience.viewers
        self._audience.forget(self._who)
        viewers.sessions.discard(self)
        viewers.runtime.deadlines.forget(self)
        viewers.runtime.counters.bytes_out += self._bytes
        viewers.gate.leave(self._grant)
        self._record.end(self._bytes, reason)


class HlsAudience:
    """The viewers of one stream, live or recorded.

    Attributes:
        viewers: The viewers of all streams.
        stays_s: How long a viewer is counted after its last request.
        asked: When the last request came, monotonic seconds.
        bytes_out: Bytes given to clients.
    """

    def __init__(self, viewers: "HlsViewers", stays_s: float = VIEWER_S) -> None:
        self.viewers: Final = viewers
        self.stays_s: Final = stays_s
        self._members: dict[Who, HlsViewer] = {}
        self.asked = viewers.runtime.loop.time()
        self.bytes_out = 0

    def __len__(self) -> int:
        """Return how many asked for something lately."""
        return len(self._members)

    def find(self, asked: AccessRequest, grant: Grant) -> HlsViewer | None:
        """Return the viewer that a request comes from; None: it would be a new one."""
        return self._members.get(_who(asked, grant))

    def note(self, asked: AccessRequest, grant: Grant, peer: Peer) -> HlsViewer | None:
        """Take note of a request; None: there are too many viewers to tell them apart.

        Args:
            asked: The request.
            grant: The gate's grant, which is not counted yet.
            peer: Address of the viewer.

        Raises:
            Rejected: The viewer is new and too many watch, or it was kicked.
        """
        viewers = self.viewers
        self.asked = viewers.runtime.loop.time()
        who = _who(asked, grant)
        viewer = self._members.get(who)
        if viewer is None:
            if len(self._members) >= VIEWERS:
                return None
            viewers.enter(asked, grant)
            viewer = self._members[who] = HlsViewer(self, who, asked, grant, peer)
            viewers.sessions.add(viewer)
            viewers.runtime.deadlines.update(viewer)
            viewers.gate.began(grant, viewer.cut_off)
        viewer.asks(self.asked)
        return viewer

    def gave(self, viewer: HlsViewer | None, size: int) -> None:
        """Count bytes that a client gets."""
        self.bytes_out += size
        if viewer is None:
            self.viewers.runtime.counters.bytes_out += size
        else:
            viewer.gets(size)

    def forget(self, who: Who) -> None:
        """Remove a viewer whose session is over."""
        del self._members[who]

    def end(self, reason: str) -> None:
        """End all sessions."""
        for viewer in list(self._members.values()):
            viewer.end(reason)


class HlsViewers:
    """The viewers of all streams over HLS.

    Attributes:
        runtime: Runtime of the server.
        gate: Counts viewers against the limits.
        sessions: List of all sessions.
    """

    def __init__(self, runtime: Runtime, gate: Gate, sessions: SessionList) -> None:
        self.runtime: Final = runtime
        self.gate: Final = gate
        self.sessions: Final = sessions
        self._kicked: OrderedDict[tuple[str, Who], float] = OrderedDict()  # until when

    def check(self, asked: AccessRequest, grant: Grant) -> None:
        """Return if a new viewer may begin to watch; nothing is counted.

        Raises:
            Rejected: Too many watch, or the viewer was kicked.
        """
        self.enter(asked, grant)
        self.gate.leave(grant)

    def enter(self, asked: AccessRequest, grant: Grant) -> None:
        """Count a new viewer; the gate must `leave` the grant at its end.

        Raises:
            Rejected: Too many watch, or the viewer was kicked.
        """
        until = self._kicked.get((grant.path, _who(asked, grant)), 0.0)
        if self.runtime.loop.time() < until:
            text = "an administrator has closed your session; try again in a minute"
            raise Rejected(Refusal.DENIED, text)
        self.gate.enter(asked, grant)

    def shut_out(self, path: str, who: Who) -> None:
        """Refuse a viewer of a stream for a while."""
        self._kicked[path, who] = self.runtime.loop.time() + KICKED_S
        self._kicked.move_to_end((path, who))
        if len(self._kicked) > KICKED:
            self._kicked.popitem(last=False)


def _who(asked: AccessRequest, grant: Grant) -> Who:
    """Return what tells a viewer from others."""
    return str(asked.address), asked.user_agent or "", grant.viewer
