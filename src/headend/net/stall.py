"""A peer that takes nothing any more while bytes wait for it, and how that is noticed."""

from headend.net.deadlines import NEVER
from headend.net.transport import Transport


class Stall:
    """Since when a peer takes nothing; one that takes a little now and then is late, not gone."""

    __slots__ = ("_drained", "_since")

    def __init__(self) -> None:
        self._since = NEVER
        self._drained = 0

    @property
    def is_on(self) -> bool:
        """Bytes wait for the peer."""
        return self._since != NEVER

    def begin(self, transport: Transport, now: float) -> None:
        """The transport has a backlog."""
        self._since = now
        self._drained = transport.drained_bytes

    def end(self) -> None:
        """The transport has no backlog any more."""
        self._since = NEVER

    def deadline(self, limit_s: float) -> float:
        """Return when to ask `is_over`, monotonic seconds; infinite: no need."""
        return self._since + limit_s

    def is_over(self, transport: Transport, now: float, limit_s: float) -> bool:
        """Say whether the peer took nothing for so long; what it took since sets the time anew."""
        if now < self._since + limit_s:
            return False
        if transport.drained_bytes == self._drained:
            return True
        self.begin(transport, now)
        return False
