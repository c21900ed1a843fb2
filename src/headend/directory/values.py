"""Members, owners, wishes and claims: what a directory is told, and what it answers.

NameWish ─► claim ─► Claim: the name is this member's, until it releases it or loses it
            └──► Refused: another member has it, and may keep it
path ─► find ──► StreamOwner: the other member that has it, and where
"""

from dataclasses import dataclass
from typing import Final, Literal

Takeover = Literal["same-key", "always", "never"]

UNCONFIRMED: Final = 0  # epoch of a claim that was made while the directory was away


@dataclass(frozen=True, slots=True)
class Member:
    """A process that publishes and plays streams together with others.

    Attributes:
        node: Name of its machine or node, for people.
        boot: Id of this start of the process; tells members of one name apart.
        rtmp: URL under which others fetch streams, without a path: `rtmp://HOST:PORT`.
        http: URL under which others fetch playlists and pictures, without a path; empty: it has no
            HTTP.
        unix: Path of a unix socket on which it speaks RTMP to members of the same machine; empty:
            there is none.
        unix_http: The same for HTTP.
        worker: Number among the workers of its machine, from 0 on.
        public: URLs under which clients reach it, without paths and with spaces between; empty: it
            is not known.
    """

    node: str
    boot: str
    rtmp: str = ""
    http: str = ""
    unix: str = ""
    unix_http: str = ""
    worker: int = 0
    public: str = ""

    @property
    def label(self) -> str:
        """Name for people: node, and worker if it is not the first."""
        return f"{self.node}/{self.worker}" if self.worker else self.node


@dataclass(frozen=True, slots=True)
class NameWish:
    """What a publisher wants.

    Attributes:
        path: `APP/NAME`.
        holder: A digest of the publisher: the same one may take over; empty: nobody who can be
            told apart.
        order: Rank and negative priority among the publishers of the name: the lower is better.
        takeover: When a publisher of the same order may take the name from another one.
    """

    path: str
    holder: str
    order: tuple[int, int] = (0, 0)
    takeover: Takeover = "same-key"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of this member to publish a name.

    Attributes:
        wish: What was wanted.
        epoch: Grows with each claim of any member: of two claims of a name the higher counts.
    """

    wish: NameWish
    epoch: int


@dataclass(frozen=True, slots=True)
class StreamOwner:
    """Who has a name.

    Attributes:
        member: The member that publishes it.
        epoch: Epoch of its claim.
    """

    member: Member
    epoch: int


def may_take(wish: NameWish, holder: str, order: tuple[int, int]) -> bool:
    """Say whether a publisher may take a name from one at another member.

    Args:
        wish: What it wants.
        holder: Digest of who has the name.
        order: Order of who has the name.
    """
    if wish.order != order:
        return wish.order < order
    if wish.takeover == "same-key":
        return bool(wish.holder) and wish.holder == holder
    return wish.takeover == "always"
