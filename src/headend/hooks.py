"""Hooks of a Python program in a server: who may publish and play, and events.

    import headend
    from headend.hooks import Allow, Deny, PublishRequest, SessionEnded

    @headend.on_publish
    async def check(request: PublishRequest) -> Allow | Deny:
        return Allow() if request.name != "test" else Deny("test is not on today")

    @headend.on(SessionEnded)
    def bill(event: SessionEnded) -> None:
        ...

The setting `hooks = "my_hooks"` loads it. These functions are in one object, `default`; a program
with several servers makes a `Hooks` for each: `hooks = "my_hooks:hooks"`. Coroutine functions run
in an event loop of their own, beside the server's, and plain functions in threads: whatever they
do, no stream waits for it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeVar

from headend.decisions import Allow, Decision, Deny, Redirect
from headend.events import (
    CertificateExpiring,
    CertificateFailed,
    CertificateRenewed,
    Event,
    KeyUsed,
    PeerNoisy,
    RecordingDeleted,
    RecordingEvent,
    RecordingFailed,
    RecordingReady,
    RecordingStarted,
    RecordingUploaded,
    RelayChanged,
    RequestRefused,
    ServerStarted,
    ServerStopping,
    SessionEnded,
    SessionEvent,
    SessionStarted,
    StreamActive,
    StreamConnected,
    StreamCreated,
    StreamDisconnected,
    StreamEnded,
    StreamEvent,
    StreamIdle,
)

__all__ = [
    "Allow",
    "CertificateExpiring",
    "CertificateFailed",
    "CertificateRenewed",
    "Decision",
    "Deny",
    "Event",
    "Hooks",
    "KeyUsed",
    "PeerNoisy",
    "PlayRequest",
    "PublishRequest",
    "RecordingDeleted",
    "RecordingEvent",
    "RecordingFailed",
    "RecordingReady",
    "RecordingStarted",
    "RecordingUploaded",
    "Redirect",
    "RelayChanged",
    "Request",
    "RequestRefused",
    "ServerStarted",
    "ServerStopping",
    "SessionEnded",
    "SessionEvent",
    "SessionStarted",
    "StreamActive",
    "StreamConnected",
    "StreamCreated",
    "StreamDisconnected",
    "StreamEnded",
    "StreamEvent",
    "StreamIdle",
    "default",
    "on",
    "on_play",
    "on_publish",
]


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants to do what; keys, tokens and settings have granted it already.

    Attributes:
        stream: `APP/NAME`.
        address: Where the peer is; None: on a unix socket.
        protocol: rtmp, rtmps, http-flv, ws-flv, hls …
        is_secure: It came over TLS.
        key: Publish key that it showed. Never log it.
        token: Token that it showed. Never log it.
        key_id: Id of its publish key, if it is one of the server's.
        subject: Whom its key or token was made for.
        certificate: Common name of its verified client certificate.
        user_agent: What it calls itself.
        session: Number of its session in the API, where there is one.
        query: Parameters of its URL, key and token among them, without those that are the
            server's own. Never log it.
    """

    stream: str
    address: IPv4Address | IPv6Address | None = None
    protocol: str = "rtmp"
    is_secure: bool = False
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    key_id: str | None = None
    subject: str | None = None
    certificate: str | None = None
    user_agent: str | None = None
    session: int | None = None
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def app(self) -> str:
        """What stands before the name."""
        return self.stream.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Last segment of the stream's path."""
        return self.stream.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class PublishRequest(Request):
    """Somebody wants to publish."""


@dataclass(frozen=True, slots=True)
class PlayRequest(Request):
    """Somebody wants to watch."""


# None: no opinion; the next one is asked, and nobody's opinion is leave.
Answer = Decision | None
PublishHook = Callable[[PublishRequest], Answer | Awaitable[Answer]]
PlayHook = Callable[[PlayRequest], Answer | Awaitable[Answer]]
EventHook = Callable[[Event], object]

P = TypeVar("P", bound=Callable[[PublishRequest], object])
Q = TypeVar("Q", bound=Callable[[PlayRequest], object])
E = TypeVar("E", bound=Event)


class Hooks:
    """Functions that a server calls.

    Attributes:
        publish: Asked about every publisher, in this order.
        play: Asked about every viewer, in this order.
        events: Told of what happens: the kind, and the function.
    """

    def __init__(self) -> None:
        self.publish: list[PublishHook] = []
        self.play: list[PlayHook] = []
        self.events: list[tuple[type[Event], EventHook]] = []

    def on_publish(self, hook: P) -> P:
        """Have a function asked who may publish: it returns Allow, Deny, Redirect or None."""
        self.publish.append(hook)  # type: ignore[arg-type]
        return hook

    def on_play(self, hook: Q) -> Q:
        """Have a function asked who may watch: it returns Allow, Deny, Redirect or None."""
        self.play.append(hook)  # type: ignore[arg-type]
        return hook

    def on(self, kind: type[E]) -> Callable[[Callable[[E], object]], Callable[[E], object]]:
        """Have a function told of events of a kind, one after the other; Event: of all."""

        def register(hook: Callable[[E], object]) -> Callable[[E], object]:
            self.events.append((kind, hook))  # type: ignore[arg-type]
            return hook

        return register

    def __contains__(self, hook: object) -> bool:
        """Say whether a function is one of these."""
        events = (each for _, each in self.events)
        return any(each is hook for each in (*self.publish, *self.play, *events))

    @property
    def is_empty(self) -> bool:
        """Nothing is registered."""
        return not (self.publish or self.play or self.events)


# What `headend.on_publish` and its like register with; a server calls it if its settings say so.
default: Final = Hooks()
on_publish: Final = default.on_publish
on_play: Final = default.on_play
on: Final = default.on
