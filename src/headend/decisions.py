"""What is asked and answered when somebody wants to publish or play.

    AccessRequest ─► Authorizer ─► Decision: Allow, Deny or Redirect

Plain values, so that whoever decides (settings, keys, tokens, a callback, a Python hook) can be
tested, and written, without the rest of the server.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal, Protocol, TypeAlias

Action = Literal["publish", "play"]
ACTIONS: Final[tuple[Action, ...]] = ("publish", "play")
# Protocols whose clients ask again and again: viewers of HLS; pictures and pages.
WITHOUT_SESSION: Final = ("hls", "http")
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who wants to do what.

    Attributes:
        action: publish or play.
        path: `APP/NAME`; the app alone where a bare key stands for the name, until the key is
            known: authorizers always see the stream's path.
        address: Where the peer is; None for a unix socket, which counts as loopback.
        key: Publish key it showed. Never log it.
        token: Token it showed. Never log it.
        is_secure: It came over TLS.
        certificate: Common name of its verified client certificate, if it showed one.
        key_id: Id of the publish key that it showed, or proved to hold.
        subject: Whom the key or token was made for, if that is said.
        protocol: rtmp, rtmps, http-flv, ws-flv, hls or http.
        user_agent: What the peer calls itself; anything.
        session: Number of its session; None where there is none yet.
        is_bare: The key stands in place of the name: the key tells which stream is meant.
        query: Parameters it sent, key and token among them, without those that are the server's
            own. Never log it.
        is_unknown: A proxy has not said where it is: the address is the proxy's. It counts as no
            machine in particular, and never as this one.
    """

    action: Action
    path: str
    address: Address | None
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    is_secure: bool = False
    certificate: str | None = None
    key_id: str | None = None
    subject: str | None = None
    protocol: str = "rtmp"
    user_agent: str | None = None
    session: int | None = None
    is_bare: bool = False
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_unknown: bool = False

    @property
    def app(self) -> str:
        """What stands before the name."""
        return self.path.rpartition("/")[0] or self.path

    @property
    def name(self) -> str:
        """Last segment of the path; empty where it has one only."""
        app, _, name = self.path.rpartition("/")
        return name if app else ""

    @property
    def has_session(self) -> bool:
        """Say whether what is granted lasts as long as a connection, not for one request."""
        return self.protocol not in WITHOUT_SESSION

    @property
    def is_local(self) -> bool:
        """Say whether the peer runs on this machine."""
        if self.is_unknown:
            return False
        if self.address is None:
            return True
        mapped = getattr(self.address, "ipv4_mapped", None)  # ::ffff:127.0.0.1
        return bool((mapped or self.address).is_loopback)


@dataclass(frozen=True, slots=True)
class Allow:
    """Granted; each limit that is not None takes the place of a wider one.

    Attributes:
        stream: `APP/NAME` that is published or played instead of what was asked for.
        max_viewers: Most viewers of the stream (publish), or with the same credentials (play).
        max_bit_rate: Most bit/s of a publisher.
        max_duration_s: Longest time in seconds that the session lasts.
        expires_at: The session ends then, Unix seconds.
        subject: Who this is, for history and events.
        tags: Whatever the application wants to find again in events.
        record: Whether the stream is recorded, whatever the settings say (publish); None: they
            decide.
    """

    stream: str | None = None
    max_viewers: int | None = None
    max_bit_rate: int | None = None
    max_duration_s: float | None = None
    expires_at: float | None = None
    subject: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    record: bool | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """Refused.

    Attributes:
        reason: One line that tells the person at the other end why; sent to the peer.
        code: Status code for it; None: that of the action, such as `NetStream.Publish.Denied`.
    """

    reason: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """To be asked for elsewhere.

    Attributes:
        url: Where: `rtmp://…`, `rtmps://…`, `http://…` or `https://…`.
    """

    url: str


Decision: TypeAlias = Allow | Deny | Redirect


class Authorizer(Protocol):
    """Has a say in the requests that keys, tokens and settings grant.

    It may have an attribute `actions`: which actions it is asked about; without it, about all.
    """

    async def authorize(self, request: AccessRequest) -> Decision:
        """Decide.

        Raises:
            HeadendError: It can't; the request is refused. It raises nothing else.
        """


def is_asked(authorizer: Authorizer, action: Action) -> bool:
    """Say whether an authorizer has a say in an action."""
    actions: Collection[Action] = getattr(authorizer, "actions", ACTIONS)
    return action in actions
