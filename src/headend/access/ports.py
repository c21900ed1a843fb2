"""The ports of the gate: what has a say in its decisions besides settings, keys and tokens."""

from collections.abc import Callable, Collection
from typing import Protocol

from headend.access.grant import Grant
from headend.decisions import AccessRequest

End = Callable[[str], None]  # takes the reason


class Check(Protocol):
    """Has a say before anything else is looked at, such as a list of addresses."""

    def check(self, request: AccessRequest) -> None:
        """Return if the request may go on.

        Raises:
            Rejected: It may not.
        """


class Limiter(Protocol):
    """Has a say in what everybody else has granted, and counts it."""

    def enter(self, request: AccessRequest, grant: Grant) -> None:
        """Count a grant.

        Raises:
            Rejected: There are too many; nothing was counted.
        """

    def leave(self, grant: Grant) -> None:
        """A grant is over; called once for each that was counted."""


class Claiming(Protocol):
    """Takes names among the members of a cluster, for publishers that all else has granted."""

    async def claim(self, request: AccessRequest, grant: Grant) -> None:
        """Take the name of a stream; `leave` of the gate's limiters gives it back.

        Raises:
            Rejected: Another member has it, or nobody can say.
        """

    def check_name(self, path: str) -> None:
        """Return if a source of the server's own, without a grant, may publish a name.

        Raises:
            Rejected: Another member has it.
        """

    def offer(self, paths: Collection[str]) -> bool:
        """Have any publisher take names at other members that are published here.

        Returns:
            They may by now; else it is to be asked again.
        """

    def keep(self, paths: Collection[str]) -> None:
        """Have names that were offered be this member's, as they were before."""

    def part(self) -> None:
        """Send members that fetch streams from here away, to wait for another owner."""

    def member_of(self, request: AccessRequest) -> str | None:
        """Return the name of the member that fetches a stream; None: a viewer like any other.

        Raises:
            Rejected: The pass that it shows is not good.
        """
