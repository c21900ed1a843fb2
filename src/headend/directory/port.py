"""The port of a directory, and of what watches it.

A server alone has none. The supervisor keeps one for the workers of a machine, Redis one for nodes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from headend.directory.values import Claim, Member, NameWish, StreamOwner

Body = Mapping[str, object]  # of a message, as JSON has it


class DirectoryWatcher(Protocol):
    """Told what changes in a directory. Its methods must not block or raise."""

    def owner_changed(self, path: str) -> None:
        """Take note that another member has a name now, or has it no more; `find` says who.

        If this member had claimed the name, the claim is lost.
        """

    def message(self, sender: Member, kind: str, body: Body) -> None:
        """Take a message of another member."""


class Directory(Protocol):
    """Says who has a stream; one object in each member.

    Attributes:
        me: This member.
        is_away: The directory does not answer: what is known may be old.
    """

    @property
    def me(self) -> Member: ...

    @property
    def is_away(self) -> bool: ...

    def watch(self, watcher: DirectoryWatcher) -> None:
        """Have a watcher told of changes from now on."""

    def keep(self, held: Callable[[], Sequence[Claim]]) -> None:
        """Have claims made again after the directory was away.

        Args:
            held: Gives the claims of this member.
        """

    async def claim(self, wish: NameWish) -> Claim:
        """Take a name for a publisher at this member, which may have it already.

        Raises:
            Rejected: Another member has it and may keep it, or nobody can say.
        """

    def release(self, claim: Claim) -> None:
        """Give a name back, unless another member has taken it; it need not wait for an answer."""

    def find(self, path: str) -> StreamOwner | None:
        """Return the other member that has a name, from memory; None: none, or this one."""

    def members(self) -> Sequence[Member]:
        """Return all members that are there, this one too."""

    def tell(self, member: Member | None, kind: str, body: Body) -> None:
        """Send a message to another member, or to all others; it may be lost."""
