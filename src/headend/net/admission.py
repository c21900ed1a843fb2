"""The number of connections, in all and for each address, held against the limits.

Every connection counts when it is accepted, before a TLS handshake that would cost us more than its
peer. IPv6 addresses count by /64, which is what one customer has.
"""

from typing import Final, Protocol

from headend.decisions import Address
from headend.errors import LimitExceeded
from headend.net.buckets import Buckets
from headend.net.groups import Group, group_of
from headend.settings import Limits

MINUTE_S: Final = 60.0


class Spare(Protocol):
    """A connection that nobody would miss just now."""

    def give_way(self) -> None:
        """Close at once; `leave` has been called on return."""


class Admission:
    """Who is in. Idle connections, the oldest first, give way where all places are taken.

    Attributes:
        limits: Replaced on reload.
        connections: Connections now.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.connections = 0
        self._by_address: dict[Group, int] = {}
        self._spare: dict[Spare, None] = {}
        self._attempts: Final = Buckets()

    def enter(self, address: Address | None, now: float, *, is_balancer: bool = False) -> None:
        """Count a connection in; the caller calls `leave` once, also after an exception.

        Args:
            address: Where the peer is; None on a unix socket.
            now: Monotonic seconds.
            is_balancer: Others come through it, and it says so of each.

        Raises:
            LimitExceeded: One too many, in all or from this address, now or within a minute.
                Loopback is exempt from the last two: proxies and tests connect from there.
        """
        self.connections += 1
        if address is not None:
            group = group_of(address)
            count = self._by_address[group] = self._by_address.get(group, 0) + 1
            if not address.is_loopback and not is_balancer:
                self._check_address(group, count, now)
        while self.connections > self.limits.connections and self._spare:
            oldest = next(iter(self._spare))
            del self._spare[oldest]
            oldest.give_way()
        if self.connections > self.limits.connections:
            raise LimitExceeded("limits.connections", self.connections, self.limits.connections)

    def leave(self, address: Address | None) -> None:
        """Count a connection out."""
        self.connections -= 1
        if address is not None:
            group = group_of(address)
            count = self._by_address[group] - 1
            if count:
                self._by_address[group] = count
            else:
                del self._by_address[group]

    def may_go(self, connection: Spare) -> None:
        """Have an idle connection give way where all places are taken."""
        self._spare[connection] = None

    def must_stay(self, connection: Spare) -> None:
        """Let a connection give way no more: it is of use, or gone."""
        self._spare.pop(connection, None)

    def _check_address(self, group: Group, count: int, now: float) -> None:
        limits = self.limits
        if count > limits.connections_per_address:
            raise LimitExceeded(
                "limits.connections_per_address", count, limits.connections_per_address
            )
        most = limits.connections_per_minute
        if most and not self._attempts.take(group, now, most, most / MINUTE_S):
            raise LimitExceeded("limits.connections_per_minute", most + 1, most)
