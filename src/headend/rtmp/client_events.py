"""What a client session tells of its server."""

from dataclasses import dataclass, field
from typing import TypeAlias

from headend.rtmp.events import MediaReceived


@dataclass(frozen=True, slots=True)
class Started:
    """Publish or play is granted."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refuses what we asked for, or ends it with an error; nothing more will come.

    Attributes:
        code: As sent, such as `NetStream.Publish.BadName`; may be empty.
        description: The server's own words, one line, safe to show.
        redirect: Where to ask instead, as sent (`ex.redirect`, of SRS `ex.redirect2` where it is
            given: the whole URL); empty: nowhere. May hold a secret.
    """

    code: str
    description: str
    redirect: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class MoveRequested:
    """The server asks us to connect anew, without a hurry: it serves us until we leave.

    Attributes:
        tc_url: Where, absolute or relative, as sent; empty: where we are.
    """

    tc_url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream is over; nothing more will come.

    Attributes:
        code: Code that said so; `StreamEOF` where it was that control message.
    """

    code: str


ClientEvent: TypeAlias = Started | MediaReceived | MoveRequested | Refused | Ended
