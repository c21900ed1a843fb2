"""Whether a server drains: it goes on with the peers that are there, and takes no new ones.

A limiter of the gate, so that a client is refused once it has shown that it may come in, and
servers that fetch streams from here go on doing so.
"""

from typing import Final, Protocol

from headend.access.gate import Grant
from headend.decisions import AccessRequest
from headend.errors import Refusal, Rejected

REFUSED: Final = "this server takes nobody new, because it is about to stop; try again"


class Others(Protocol):
    """The other servers of a cluster."""

    def place(self, scheme: str) -> str:
        """Return the URL of one that takes clients, without a path; empty: there is none."""

    def tell(self) -> None:
        """Say that this server drains; it is to be said again every few seconds."""


class Draining:
    """The state of a server that may drain.

    Attributes:
        ends_at: When it stops at the latest, monotonic seconds; None: it does not drain.
        others: Servers that clients may go to; None: there are none.
    """

    def __init__(self) -> None:
        """Begin without a drain."""
        self.ends_at: float | None = None
        self.others: Others | None = None

    @property
    def is_on(self) -> bool:
        """The server drains."""
        return self.ends_at is not None

    # ------------------------------------------------------------------ a limiter of the gate

    def enter(self, request: AccessRequest, grant: Grant) -> None:
        """Let a publisher or player in.

        Raises:
            Rejected: The server drains.
        """
        if self.is_on:
            raise Rejected(Refusal.STOPPING, REFUSED, url=self._elsewhere(request, grant))

    def _elsewhere(self, request: AccessRequest, grant: Grant) -> str:
        """Return where a client may ask instead, over HTTP without a path; empty: nowhere."""
        if self.others is None:
            return ""
        if request.protocol == "http-flv":
            return self.others.place("https" if request.is_secure else "http")
        if request.protocol in ("rtmp", "rtmps") and (place := self.others.place(request.protocol)):
            return f"{place}/{grant.path}"
        return ""

    def leave(self, grant: Grant) -> None:
        """Do nothing: peers that leave are not counted here."""
