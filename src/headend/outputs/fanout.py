"""One stream in one format for all its viewers: encoded once, sent on one flush.

    push ─► encoder ─► pending ─► flush ─┬─► every live viewer: one `send` of the same bytes
                                         └─► log, from the newest keyframe on
                                              └─► viewers that are behind, each from its position

A viewer is live, behind (its socket is full, or it just came) or waiting (for a keyframe). It has
no queue: what a full socket left of one block, and a position in the log. One that is behind when a
new keyframe comes goes on there, with sequence headers if they changed.
"""

from collections.abc import Container, Iterable, Sequence
from typing import Final, Protocol

from headend.hub.headers import Headers
from headend.hub.ports import Writer
from headend.hub.span import Span
from headend.media.tag import SCRIPT, VIDEO, Tag, TagKind
from headend.outputs.byte_log import ByteLog

# Milliseconds of media after a picture in which sound waits for the next one: up to ten pictures a
# second, each is worth a flush, and beyond that the sound between them is.
RIDE_MS: Final = 100
# Live viewers from which one call for all of them costs less than a `send` for each.
BULK: Final = 64


class Encoder(Protocol):
    """How a format puts tags into bytes, and what it tells its viewers in between."""

    def learn(self, headers: Sequence[Tag]) -> None:
        """Know metadata and sequence headers that came before the first tag."""

    def append(self, pieces: list[bytes], tag: Tag, timestamp: int) -> None:
        """Append the bytes of a tag, to be sent at `timestamp`; none if the format has none."""

    def interrupted(self) -> bytes:
        """Return what tells viewers that the publisher is silent."""

    def resumed(self) -> bytes:
        """Return what tells viewers that a publisher is there."""

    def ended(self) -> bytes:
        """Return what tells viewers that the stream is over."""


class Clock(Protocol):
    """When a fan-out is flushed."""

    def wake(self, fanout: "Fanout") -> None:
        """Flush it soon: it has a picture, or sound that has no picture to go with."""

    def ride(self, fanout: "Fanout") -> None:
        """Flush it soon, but not before the next picture, which will wake it."""


class Bulk(Protocol):
    """One call that sends the same bytes to many plain sockets."""

    @property
    def is_ready(self) -> bool:
        """Say whether there is such a call."""

    @property
    def closed(self) -> int:
        """Return how many sockets were closed so far: their numbers may be others' now."""

    def send(self, descriptors: Sequence[int], data: bytes) -> list[tuple[int, int]]:
        """Send; return index and bytes taken of each socket that did not take all."""


class Audience(Protocol):
    """Whose viewer it is."""

    def stream_ended(self) -> None:
        """The last bytes are with the writer; nothing follows."""


class Viewer:
    """One viewer of a fan-out.

    Attributes:
        writer: Where its bytes go. Its owner calls `Fanout.stalled` when the writer begins to have
            a backlog, and `Fanout.drained` when it has none again.
        skips: How often it lost media because it was late.
    """

    __slots__ = (
        "audience",
        "is_patient",
        "missed",
        "origin",
        "position",
        "send",
        "skips",
        "version",
        "writer",
    )

    def __init__(self, writer: Writer, audience: Audience, *, is_patient: bool = False) -> None:
        """Make a viewer that sees nothing yet.

        Args:
            writer: Where its bytes go.
            audience: Whose viewer it is.
            is_patient: It waits for the next keyframe, even if there is a newest one to start at.
        """
        self.writer: Final = writer
        self.audience: Final = audience
        self.send: Final = writer.send
        self.is_patient: Final = is_patient
        self.position = -1  # in the log; -1: has seen nothing yet
        self.origin = 0  # position where it started
        self.missed = 0  # bytes that it skipped since
        self.version = -1  # of the headers it knows
        self.skips = 0


class Fanout:
    """The sink of one format, with all its viewers.

    Attributes:
        skips: How often a viewer, past or present, lost media because it was late.
        bytes_out: Bytes given to viewers.
    """

    def __init__(
        self,
        encoder: Encoder,
        clock: Clock,
        *,
        log_s: float,
        log_bytes: int,
        starts_at_keyframe: bool = True,
        silent: Container[TagKind] = frozenset(),
        bulk: Bulk | None = None,
    ) -> None:
        """Make a fan-out without viewers.

        Args:
            encoder: The format.
            clock: Is told when there is something to flush, and how urgent that is.
            log_s: Longest span of the log, seconds.
            log_bytes: Most bytes of the log.
            starts_at_keyframe: A newcomer starts at the newest keyframe; else it waits for the
                next.
            silent: Kinds of tracks whose headers a newcomer is not to get now: see `Settling`.
            bulk: Sends to many viewers at once; None: each is sent to by itself.
        """
        self._bulk = bulk
        self._encoder = encoder
        self._silent = silent
        self._clock = clock
        self._is_due = False  # the clock was told to flush
        self._is_riding = False  # the clock was told of sound that waits for a picture
        self._picture_time = -RIDE_MS - 1  # of the newest picture
        self._starts_at_keyframe = starts_at_keyframe
        self._span = Span(log_s, log_bytes)
        self._log = ByteLog()
        self._pending: list[bytes] = []
        self._keyframe = -1  # index in `_pending` where the newest keyframe starts
        self._headers = Headers()
        # As of the log's start: time of the keyframe, headers and their version.
        self._start_time = 0
        self._start_headers: tuple[Tag, ...] = ()
        self._start_version = 0
        self._next_start: tuple[int, tuple[Tag, ...], int] = (0, (), 0)
        self._newest_time = 0
        self._flushed_version = 0  # of the headers as of the last flush
        self._live: dict[Viewer, None] = {}
        self._behind: dict[Viewer, None] = {}
        self._waiting: dict[Viewer, None] = {}
        # Live viewers that are sent to in bulk, their descriptors, and the others; None: as yet.
        self._order: tuple[list[Viewer], list[int], list[Viewer]] | None = None
        self._closed = 0  # sockets by then
        self._is_backwards = False  # the order of this flush: nobody is always last
        self._is_over = False
        self.skips = 0
        self.bytes_out = 0

    def __len__(self) -> int:
        """Return the number of viewers."""
        return len(self._live) + len(self._behind) + len(self._waiting)

    def viewers(self) -> list[Viewer]:
        """Return all viewers."""
        return [*self._live, *self._behind, *self._waiting]

    @property
    def late(self) -> int:
        """Viewers whose sockets are full, or that catch up."""
        return len(self._behind)

    # ------------------------------------------------------------------ the sink

    def start(self, headers: Sequence[Tag]) -> None:
        self._headers.clear()
        for tag in headers:
            self._headers.keep(tag)
        self._encoder.learn(headers)

    def push(self, tag: Tag) -> None:
        """Encode a tag; it leaves with the next flush."""
        if tag.is_keyframe and self._keyframe >= 0 and self._waiting:
            self.flush()  # viewers that waited start at the first keyframe, not at this
        pending = self._pending
        if tag.is_keyframe:
            self._keyframe = len(pending)
            self._next_start = (tag.timestamp, self._headers.tags(), self._headers.version)
            self._span.restart()
        elif tag.is_sequence_header or tag.kind is SCRIPT:
            self._headers.keep(tag)
        self._newest_time = tag.timestamp
        if self._span.passes(tag.timestamp, len(tag.body)):
            self._keyframe = -1
            self._log.clear()
        self._encoder.append(pending, tag, tag.timestamp)
        if tag.kind is VIDEO:
            self._picture_time = tag.timestamp
        if pending and not self._is_due:
            self._tell_clock(tag)

    def _tell_clock(self, tag: Tag) -> None:
        """Have a picture flushed, and what has none to go with; sound beside pictures may wait."""
        if tag.kind is VIDEO or tag.timestamp - self._picture_time > RIDE_MS:
            self._is_due = True
            self._clock.wake(self)
        elif not self._is_riding:
            self._is_riding = True
            self._clock.ride(self)

    def interrupt(self) -> None:
        self._broadcast(self._encoder.interrupted())

    def resume(self) -> None:
        self._broadcast(self._encoder.resumed())

    def end(self) -> None:
        self._is_over = True
        self._broadcast(self._encoder.ended())
        viewers = self.viewers()
        self._order = None
        self._live.clear()
        self._behind.clear()
        self._waiting.clear()
        self._log.clear()
        for viewer in viewers:
            viewer.audience.stream_ended()

    # ------------------------------------------------------------------ the hot path

    def flush(self) -> None:
        """Send what is pending to every live viewer; then let newcomers start if they can."""
        pending = self._pending
        if not pending:
            return
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        is_start = self._keyframe >= 0
        if is_start:
            self._log.restart(data, sum(map(len, pending[: self._keyframe])))
            self._start_time, self._start_headers, self._start_version = self._next_start
            self._keyframe = -1
        else:
            self._log.append(data)
        self._pending = []
        self._is_due = self._is_riding = False
        self._flushed_version = self._headers.version
        self._is_backwards = not self._is_backwards
        bulk = self._bulk
        if bulk is not None and len(self._live) >= BULK and bulk.is_ready:
            short = self._send_in_bulk(bulk, data)
        else:
            short = _send(reversed(self._live) if self._is_backwards else self._live, data)
        self.bytes_out += len(data) * len(self._live)
        for viewer, sent in short:
            self.stalled(viewer)
            viewer.writer.keep(data, sent)
        if is_start and self._waiting:
            waiting, self._waiting = self._waiting, {}
            for viewer in waiting:
                self._behind[viewer] = None
                self.drained(viewer)

    def _send_in_bulk(self, bulk: Bulk, data: bytes) -> list[tuple[Viewer, int]]:
        """Send to plain sockets in one call, and to others one by one; see `_send`."""
        # A viewer that nobody has removed is sent to by its own socket alone once that is closed.
        if self._order is None or self._closed != bulk.closed:
            self._closed = bulk.closed
            plain = [viewer for viewer in self._live if viewer.writer.descriptor >= 0]
            others = [viewer for viewer in self._live if viewer.writer.descriptor < 0]
            self._order = plain, [viewer.writer.descriptor for viewer in plain], others
        plain, descriptors, others = self._order
        if self._is_backwards:
            plain, descriptors, others = plain[::-1], descriptors[::-1], others[::-1]
        answers = bulk.send(descriptors, data)
        return [(plain[index], sent) for index, sent in answers] + _send(others, data)

    # ------------------------------------------------------------------ viewers

    def add(self, viewer: Viewer) -> None:
        """Add a viewer; it starts at the newest keyframe, or waits for the next."""
        if self._is_over:
            viewer.writer.write(self._encoder.ended())
            viewer.audience.stream_ended()
            return
        self.flush()
        if self._log.start is not None and self._starts_at_keyframe and not viewer.is_patient:
            self._behind[viewer] = None
            self.drained(viewer)
        else:
            self._waiting[viewer] = None
            self._send_headers(viewer, self._headers.tags(), self._newest_time)
            viewer.version = self._headers.version

    def given(self, viewer: Viewer) -> int:
        """Return how many bytes of the stream a viewer was given so far."""
        if viewer.position < 0:
            return 0
        reached = self._log.end if viewer in self._live else viewer.position
        return reached - viewer.origin - viewer.missed

    def behind(self, viewer: Viewer) -> int:
        """Return how many bytes of the stream a viewer is still to be given."""
        if viewer.position < 0 or viewer in self._live:
            return 0
        return self._log.end - viewer.position

    def remove(self, viewer: Viewer) -> None:
        """Remove a viewer; nothing is sent to it any more. One that is not here is no error."""
        self._order = None
        self._live.pop(viewer, None)
        self._behind.pop(viewer, None)
        self._waiting.pop(viewer, None)

    def stalled(self, viewer: Viewer) -> None:
        """Take a viewer out of the flush: its writer has a backlog. It goes on from the log."""
        if viewer in self._live:
            self._order = None
            del self._live[viewer]
            self._behind[viewer] = None
            viewer.position = self._log.end
            viewer.version = self._flushed_version

    def drained(self, viewer: Viewer) -> None:
        """Go on with a viewer that was behind, now that its writer has no backlog."""
        log = self._log
        while viewer in self._behind and not viewer.writer.backlog:
            if viewer.position == log.end:
                del self._behind[viewer]
                self._order = None
                self._live[viewer] = None
                return
            if log.start is None:
                del self._behind[viewer]
                self._waiting[viewer] = None
                return
            if viewer.position < log.start:
                if viewer.position >= 0:
                    viewer.skips += 1
                    self.skips += 1
                    viewer.missed += log.start - viewer.position
                else:
                    viewer.origin = log.start
                viewer.position = log.start
                if viewer.version != self._start_version:
                    viewer.version = self._start_version
                    self._send_headers(viewer, self._start_headers, self._start_time)
                continue
            data = log.read(viewer.position)
            try:
                sent = viewer.send(data)
            except OSError:
                sent = 0
            viewer.position += len(data)
            self.bytes_out += len(data)
            if sent != len(data):
                viewer.writer.keep(data, sent)
                return

    def _send_headers(self, viewer: Viewer, headers: Sequence[Tag], timestamp: int) -> None:
        pieces: list[bytes] = []
        for tag in headers:
            if tag.kind not in self._silent:
                self._encoder.append(pieces, tag, timestamp)
        viewer.writer.write(b"".join(pieces))

    def _broadcast(self, data: bytes) -> None:
        """Send bytes that are no part of the log to everybody, behind what is pending."""
        self.flush()
        if data:
            for viewer in self.viewers():
                viewer.writer.write(data)
                if viewer.writer.backlog:
                    self.stalled(viewer)


def _send(viewers: Iterable[Viewer], data: bytes) -> list[tuple[Viewer, int]]:
    """Send the same bytes to viewers; return those that did not take all, and what they took."""
    size = len(data)
    short: list[tuple[Viewer, int]] = []
    for viewer in viewers:
        try:
            sent = viewer.send(data)
        except OSError:
            sent = 0  # full or gone; the writer finds out which
        if sent != size:
            short.append((viewer, sent))
    return short
