"""This module holds every exception Headend raises on purpose, on one screen.

Exceptions hold data and render it in `__str__`. For what a peer sent, whatever the bytes, pure code
raises `ProtocolError` or `MediaError`; they are caught once, in `server/`.
"""

from collections.abc import Iterator
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


class Rejected(HeadendError):
    """Policy said no.

    Attributes:
        code: Status code for the peer, such as `NetStream.Publish.Denied`.
        description: One line that tells a person why; safe to send to the peer.
        hint: What the operator can do about it: for the log only.
        key_id: Id of the publish key that was shown, where it is known: for the audit trail.
    """

    def __init__(self, code: str, description: str, hint: str = "") -> None:
        super().__init__(code, description)
        self.code: Final = code
        self.description: Final = description
        self.hint: Final = hint
        self.key_id: str | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.description}"


class DatabaseError(HeadendError):
    """The database is gone, slow or refuses; the cause is chained."""


class RelayError(HeadendError):
    """The other server failed or refused; the last real cause is chained."""
