"""Every exception that Headend raises on purpose, on one screen.

Exceptions hold data and render it in `__str__`. For what a peer sent, whatever the bytes, pure code
raises `ProtocolError` or `MediaError`; they are caught once, by the owner of the connection.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Final, Literal


class HeadendError(Exception):
    """Base of all exceptions that Headend raises on purpose."""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error, what caused it, what caused that, and so on, each once.

    Chains may lead back: an error that was raised again while its own consequence was handled.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


class SettingsError(HeadendError):
    """A setting is wrong: names the key, the value found and what is allowed."""


class StorageError(HeadendError):
    """A file of ours cannot be written, as a disk is full or broken: names the file."""


class MediaError(HeadendError):
    """Bytes of a media format (AMF, FLV, a codec header) are wrong."""


class ProtocolError(HeadendError):
    """The peer broke the protocol."""


class LimitExceeded(ProtocolError):
    """The peer passed a named limit.

    Attributes:
        limit: Name of the limit, as in the settings or the module that holds it.
        value: What the peer asked for or reached.
        maximum: The most that is allowed, in the same unit.
    """

    def __init__(self, limit: str, value: int, maximum: int) -> None:
        super().__init__(limit, value, maximum)
        self.limit: Final = limit
        self.value: Final = value
        self.maximum: Final = maximum

    def __str__(self) -> str:
        return f"{self.limit}: {self.value} is over the limit of {self.maximum}"


class WrongProtocol(ProtocolError):
    """The peer speaks another protocol, and meant another port.

    Attributes:
        spoken: What it speaks.
    """

    def __init__(self, description: str, spoken: Literal["TLS", "HTTP"]) -> None:
        super().__init__(description)
        self.spoken: Final = spoken


class UsageError(HeadendError):
    """Our own code called something in the wrong state: a bug."""


class Refusal(Enum):
    """Why a request to publish or to play is refused; each protocol has its own codes for it."""

    DENIED = "denied"  # by key, token, address, settings or a program
    WRONG_SECRET = "wrong secret"  # a key, token or password that nobody was given
    SHUT_OUT = "shut out"  # unheard, for too many wrong secrets; it may come in floods
    TOO_MANY = "too many"  # a limit on streams or viewers is reached
    NAME_TAKEN = "name taken"
    FULL = "full"  # the server can hold no other stream
    NOT_FOUND = "not found"  # nobody publishes it
    BUSY = "busy"  # too much is asked for just now
    LOOP = "loop"  # the stream comes from where it is to go
    UNDECIDED = "undecided"  # nobody could say in time whether it is allowed
    ELSEWHERE = "elsewhere"  # it is to be had at another address
    STOPPING = "stopping"  # the server is
    REMOTE = "refused by the server"  # another server refuses, with a code of its own


class Rejected(HeadendError):
    """Policy said no.

    Attributes:
        refusal: Why, by kind.
        description: One line that tells a person why; safe to send to the peer.
        hint: What the operator can do about it: for the log only.
        code: Status code that another server or a program of the operator gave, such as
            `NetStream.Publish.Denied`; empty: that of the protocol for this kind of refusal.
        url: Where to ask instead; empty: nowhere.
        key_id: Id of the publish key that was shown, where it is known: for the audit trail.
    """

    def __init__(
        self, refusal: Refusal, description: str, hint: str = "", *, code: str = "", url: str = ""
    ) -> None:
        super().__init__(refusal, description)
        self.refusal: Final = refusal
        self.description: Final = description
        self.hint: Final = hint
        self.code: Final = code
        self.url: Final = url
        self.key_id: str | None = None

    def __str__(self) -> str:
        return f"{self.code or self.refusal.value}: {self.description}"


class DatabaseError(HeadendError):
    """The database is gone, slow or refuses; the cause is chained."""


class StoreError(HeadendError):
    """The object store is gone, slow or refuses; the cause is chained."""


class RelayError(HeadendError):
    """The other server failed or refused; the last real cause is chained."""
