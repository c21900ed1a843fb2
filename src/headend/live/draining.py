"""Whether a server drains: it goes on with the peers that are there, and takes no new ones.

A limiter of the gate, so that a client is refused once it has shown that it may come in, and
servers that fetch streams from here go on doing so.
"""

from headend.access.gate import Grant
from headend.decisions import AccessRequest
from headend.errors import Refusal, Rejected

REFUSED = "this server takes nobody new, because it is about to stop; connect again for another one"


class Draining:
    """The state of a server that may drain.

    Attributes:
        ends_at: When it stops at the latest, monotonic seconds; None: it does not drain.
    """

    def __init__(self) -> None:
        """Begin without a drain."""
        self.ends_at: float | None = None

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
            raise Rejected(Refusal.STOPPING, REFUSED)

    def leave(self, grant: Grant) -> None:
        """Do nothing: peers that leave are not counted here."""
