"""What one customer of a network has: one IPv4 address, or a /64 of IPv6."""

from collections.abc import Hashable
from ipaddress import IPv4Address
from typing import TypeAlias

from headend.decisions import Address

Group: TypeAlias = Hashable  # compared and counted; None: on a unix socket


def group_of(address: Address | None) -> Group:
    """Return what counts together with an address; `None` stands for a unix socket."""
    if address is None or isinstance(address, IPv4Address):
        return address
    mapped = address.ipv4_mapped  # ::ffff:192.0.2.1, which a socket for both families shows
    return int(address) >> 64 if mapped is None else mapped
