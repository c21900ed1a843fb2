"""What happens in a server, as values, and the bus that tells it.

    Server, hub, gate ─► Events.emit ─► webhooks, Python hooks, audit trail, API …

Every event has a name such as `stream.created`, which webhooks filter by, and becomes a document of
plain values by `document`. Names and fields are part of the public interface: adding is free.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar, Final, Literal

Subscriber = Callable[["Event"], None]
Action = Literal["publish", "play"]
Loss = Literal["ended", "lost", "replaced", "stopped"]
Tags = tuple[tuple[str, str], ...]  # names and values


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        name: Of its kind, such as `stream.created`.
        time: When, Unix seconds.
    """

    name: ClassVar[str] = ""
    time: float

    @property
    def subject_stream(self) -> str:
        """The stream that it is about, `APP/NAME`; empty: none. Order is kept within one."""
        return str(getattr(self, "stream", ""))


# ---------------------------------------------------------------------- streams


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent(Event):
    """Something that happened to a stream.

    Attributes:
        stream: `APP/NAME`.
    """

    stream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCreated(StreamEvent):
    """A stream begins: a name gets its first publisher. Names only waited for are no streams."""

    name: ClassVar[str] = "stream.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConnected(StreamEvent):
    """A publisher is there, the first or the next.

    Attributes:
        publisher: Where it is, such as `10.0.0.7:51044`.
    """

    name: ClassVar[str] = "stream.connected"
    publisher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamActive(StreamEvent):
    """A publisher's media can be watched: a keyframe came, or sound where there is no video."""

    name: ClassVar[str] = "stream.active"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDisconnected(StreamEvent):
    """The publisher is gone.

    Attributes:
        reason: `ended`: it or an administrator said so; `lost`: it may come back;
            `replaced`: another one took the name over; `stopped`: the server stops.
    """

    name: ClassVar[str] = "stream.disconnected"
    reason: Loss


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamIdle(StreamEvent):
    """The last viewer of a stream left; HLS counts as one until `hls.idle_s` is over."""

    name: ClassVar[str] = "stream.idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnded(StreamEvent):
    """A stream is over, its viewers were told.

    Attributes:
        reason: `ended` and `stopped`: as above; `lost`: the publisher did not come back.
        bytes: Media published.
        duration_s: Since it was created.
    """

    name: ClassVar[str] = "stream.ended"
    reason: Loss
    bytes: int
    duration_s: float


# ---------------------------------------------------------------------- sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent(Event):
    """Something about one peer that publishes or plays one stream.

    Attributes:
        id: Of this publish or play, unique for good.
        session: Number of the session in the API, until the server stops; None: it has none.
        action: publish or play.
        stream: `APP/NAME`.
        protocol: rtmp, rtmps, http-flv, https-flv, ws-flv, wss-flv, hls or embedded.
        address: IP address of the peer; None: on a unix socket, or in this process.
        user_agent: What it calls itself; empty: not told.
        key_id: Publish key that let it in, by its id.
        subject: Whom its key or token was made for, or who a callback or hook says it is.
        tags: What a callback or hook wants to find again.
    """

    id: str
    session: int | None
    action: Action
    stream: str
    protocol: str
    address: str | None
    user_agent: str = ""
    key_id: str | None = None
    subject: str | None = None
    tags: Tags = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(SessionEvent):
    """A publish or a play was granted."""

    name: ClassVar[str] = "session.started"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(SessionEvent):
    """A publish or a play is over.

    Attributes:
        bytes: Media published, or bytes given to the viewer.
        duration_s: Since it started.
        reason: For people.
    """

    name: ClassVar[str] = "session.ended"
    bytes: int
    duration_s: float
    reason: str


# ---------------------------------------------------------------------- access


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUsed(Event):
    """A publish key let somebody in.

    Attributes:
        key_id: The key's id.
        stream: `APP/NAME`.
        address: IP address of the peer; None: on a unix socket.
    """

    name: ClassVar[str] = "key.used"
    key_id: str
    stream: str
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused(Event):
    """A request to publish or to play was refused.

    Attributes:
        action: publish or play.
        stream: `APP/NAME` that was asked for.
        protocol: As of a session.
        address: IP address of the peer; None: on a unix socket.
        code: As an RTMP peer is told, such as `NetStream.Publish.Denied`.
        reason: As the peer was told.
        session: Number of its session in the API; None: it has none.
        user_agent: What it calls itself; empty: not told.
        key_id: Publish key that it showed, by its id; None: none that was made here.
        subject: Whom its key or token was made for.
    """

    name: ClassVar[str] = "request.refused"
    action: Action
    stream: str
    protocol: str
    address: str | None
    code: str
    reason: str
    session: int | None = None
    user_agent: str = ""
    key_id: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerNoisy(Event):
    """An address did more than is told one by one: this tells of the rest.

    Attributes:
        address: IP address; None: several, or a unix socket.
        refusals: Requests that were refused, and other faults.
        sessions: Publishes and plays that were granted.
        period_s: In so many seconds.
    """

    name: ClassVar[str] = "peer.noisy"
    address: str | None
    refusals: int
    sessions: int
    period_s: float


# ---------------------------------------------------------------------- the server


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStarted(Event):
    """The server listens. Streams and sessions of before are over, also those never told to be.

    Attributes:
        version: Of Headend.
    """

    name: ClassVar[str] = "server.started"
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStopping(Event):
    """The server stops accepting and tells all its peers."""

    name: ClassVar[str] = "server.stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateExpiring(Event):
    """A certificate is about to expire, or did; told once a day.

    Attributes:
        names: Whom it is for.
        not_after: When it expires, Unix seconds.
    """

    name: ClassVar[str] = "certificate.expiring"
    names: tuple[str, ...]
    not_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRenewed(Event):
    """Another certificate is served: its file changed, or an authority issued it.

    Attributes:
        names: Whom it is for.
        not_after: When it expires, Unix seconds.
    """

    name: ClassVar[str] = "certificate.renewed"
    names: tuple[str, ...]
    not_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFailed(Event):
    """No new certificate could be had, or one on disk is wrong; the old one is served.

    Attributes:
        names: Whom it should be for.
        reason: Why.
    """

    name: ClassVar[str] = "certificate.failed"
    names: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayChanged(Event):
    """A relay to or from another server is in another state.

    Attributes:
        relay: Its id in the API.
        stream: `APP/NAME` here.
        direction: out or in.
        state: The new one.
        reason: Why, for people; may be empty.
    """

    name: ClassVar[str] = "relay.changed"
    relay: str
    stream: str
    direction: Literal["out", "in"]
    state: str
    reason: str = ""


# ---------------------------------------------------------------------- recordings


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEvent(StreamEvent):
    """Something that happened to a recording.

    Attributes:
        recording: Its id in the API.
    """

    recording: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted(RecordingEvent):
    """A recording begins."""

    name: ClassVar[str] = "recording.started"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReady(RecordingEvent):
    """A recording is whole, and can be played and downloaded.

    Attributes:
        bytes: Of all its files.
        duration_s: Of all its segments.
    """

    name: ClassVar[str] = "recording.ready"
    bytes: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFailed(RecordingEvent):
    """A recording ended before its stream did. What it has can be played.

    Attributes:
        reason: Why, for people.
        bytes: Of all its files.
        duration_s: Of all its segments.
    """

    name: ClassVar[str] = "recording.failed"
    reason: str
    bytes: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingUploaded(RecordingEvent):
    """All of a recording is in object storage.

    Attributes:
        store: URL of the store, without secrets.
        files: Number of its files.
        bytes: Of all its files.
    """

    name: ClassVar[str] = "recording.uploaded"
    store: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingDeleted(RecordingEvent):
    """A recording was deleted, with its files.

    Attributes:
        reason: `deleted`: somebody did it; `days`, `bytes`: it was the turn of the oldest ones.
    """

    name: ClassVar[str] = "recording.deleted"
    reason: Literal["deleted", "days", "bytes"]


KINDS: Final[tuple[type[Event], ...]] = (
    StreamCreated,
    StreamConnected,
    StreamActive,
    StreamDisconnected,
    StreamIdle,
    StreamEnded,
    SessionStarted,
    SessionEnded,
    KeyUsed,
    RequestRefused,
    PeerNoisy,
    ServerStarted,
    ServerStopping,
    CertificateExpiring,
    CertificateRenewed,
    CertificateFailed,
    RelayChanged,
    RecordingStarted,
    RecordingReady,
    RecordingFailed,
    RecordingUploaded,
    RecordingDeleted,
)
NAMES: Final = tuple(kind.name for kind in KINDS)


def document(event: Event) -> dict[str, object]:
    """Return an event's fields as values that JSON knows, without its name."""
    return {field.name: _plain(field.name, getattr(event, field.name)) for field in fields(event)}


def _plain(name: str, value: object) -> object:
    if not isinstance(value, tuple):
        return value
    return dict(value) if name == "tags" else list(value)


# ---------------------------------------------------------------------- the bus


class Events:
    """Tells subscribers what happens, at once and in the order of subscription.

    A subscriber must not block; one that raises disturbs neither the others nor what happens.
    """

    def __init__(self, report: Callable[[Event, Exception], None]) -> None:
        """Make a bus without subscribers.

        Args:
            report: Told of a subscriber that raised.
        """
        self._report = report
        self._subscribers: tuple[tuple[object, Subscriber], ...] = ()

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Have every event that follows given to a callback.

        Returns:
            What ends the subscription; it may be called again.
        """
        mark = object()
        self._subscribers = (*self._subscribers, (mark, callback))

        def unsubscribe() -> None:
            self._subscribers = tuple(each for each in self._subscribers if each[0] is not mark)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Tell all subscribers; never raises."""
        for _, callback in self._subscribers:
            try:
                callback(event)
            except Exception as error:
                self._report(event, error)
