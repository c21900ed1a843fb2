"""The ports of the hub: outputs, publishers, observers, and where bytes leave."""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Literal, Protocol

from headend.media.tag import Tag

if TYPE_CHECKING:
    from headend.hub.stream import Stream

# Why a publisher is gone, or a stream over: the publisher or an administrator said so, its
# connection was lost, another one took the name over, the server stops.
Loss = Literal["ended", "lost", "replaced", "stopped"]


class StreamChange(Enum):
    """What becomes of a stream."""

    CREATED = auto()  # it gets its first publisher
    CONNECTED = auto()  # a publisher is there, the first or the next
    ACTIVE = auto()  # its media can be watched
    DISCONNECTED = auto()  # it is gone
    IDLE = auto()  # nobody watches any more
    MOVED = auto()  # it is published at another server from now on
    ENDED = auto()


class Observer(Protocol):
    """Who is told what becomes of streams."""

    def stream_changed(self, stream: "Stream", change: StreamChange, reason: Loss) -> None:
        """Take note; never blocks or raises.

        Args:
            stream: As it is now.
            change: What became of it.
            reason: Why, where a publisher or the stream is gone.
        """


class _Unwatched:
    """Observes nothing."""

    def stream_changed(self, stream: "Stream", change: StreamChange, reason: Loss) -> None:
        pass


NOBODY: Final[Observer] = _Unwatched()


class Sink(Protocol):
    """One output format of one stream. Its methods never block, await or raise.

    Order of calls: `start`, then any of `push`, `interrupt` and `resume`, then `end`. When a
    publisher comes (back), `start` with no headers and `resume` follow; its own headers come as
    tags.
    """

    def start(self, headers: Sequence[Tag]) -> None:
        """Begin with metadata and sequence headers; the log from its keyframe follows as `push`."""

    def push(self, tag: Tag) -> None:
        """Take one tag: media, a changed sequence header or data."""

    def interrupt(self) -> None:
        """The publisher is silent or lost; the stream may go on."""

    def resume(self) -> None:
        """The publisher is there (again): tags follow on the same timeline."""

    def end(self) -> None:
        """The stream is over; nothing follows."""


class StreamPublisher(Protocol):
    """Who publishes a stream, as the hub sees it."""

    @property
    def peer(self) -> str:
        """Where it is, for people."""

    def watched(self, *, is_watched: bool) -> None:
        """The first viewer is about to come, or the last one has left; patient ones don't count.

        Before the first one comes, whatever has been received and not read yet is to be published.
        """

    def replaced(self) -> None:
        """Another publisher took the name over; what this one still pushes goes nowhere."""


class Writer(Protocol):
    """Where bytes leave: a socket, a file, a list in a test. Its methods never block.

    Attributes:
        backlog: Bytes taken and not yet sent.
        send: Hands bytes over at once, only while `backlog` is 0; returns how many were taken, and
            raises OSError if none were. It is an attribute so that it can be a socket's own method.
    """

    backlog: int
    send: Callable[[bytes], int]

    @property
    def descriptor(self) -> int:
        """Return a socket's to which the system may send as `send` does; -1: there is none."""

    def keep(self, data: bytes, sent: int) -> None:
        """Take what a `send` left over: all of `data` behind its first `sent` bytes."""

    def write(self, data: bytes) -> None:
        """Send what can be sent at once, behind the backlog, and keep the rest."""

    def close(self) -> None:
        """Close once the backlog is sent."""
