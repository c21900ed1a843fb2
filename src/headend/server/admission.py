"""This module counts connections, in all and for each address, against the limits."""

from ipaddress import IPv4Address, IPv6Address

from headend.errors import LimitExceeded
from headend.settings import Limits

Address = IPv4Address | IPv6Address


class Admission:
    """Who is in.

    Attributes:
        limits: Replaced on reload.
        connections: Connections now.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.connections = 0
        self._by_address: dict[Address, int] = {}

    def enter(self, address: Address | None) -> None:
        """Count a connection in; the caller calls `leave` once, also after an exception.

        Args:
            address: Where the peer is; None on a unix socket.

        Raises:
            LimitExceeded: One too many, in all or from this address. Loopback is exempt from the
                second: proxies and tests connect from there.
        """
        self.connections += 1
        if address is not None:
            count = self._by_address[address] = self._by_address.get(address, 0) + 1
            most = self.limits.connections_per_address
            if count > most and not address.is_loopback:
                raise LimitExceeded("limits.connections_per_address", count, most)
        if self.connections > self.limits.connections:
            raise LimitExceeded("limits.connections", self.connections, self.limits.connections)

    def leave(self, address: Address | None) -> None:
        """Count a connection out."""
        self.connections -= 1
        if address is not None:
            count = self._by_address[address] - 1
            if count:
                self._by_address[address] = count
            else:
                del self._by_address[address]
