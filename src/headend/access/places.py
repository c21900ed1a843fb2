"""This module says where calls may go whose URL a setting or the API names.

Whoever may name a URL could otherwise have the server ask what only the server can reach, such as
the metadata of a cloud, where credentials are (SSRF). A name is resolved once, each address it has
is checked, and the connection goes to the address that was checked.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from headend.access.names import look_up
from headend.errors import HeadendError

# Where clouds answer the machines that they run, besides the link-local networks.
METADATA: Final = tuple(
    ip_network(text)
    for text in (
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle Cloud
        "fd00:ec2::/32",  # AWS
        "fd20:ce::254/128",  # Google Cloud
    )
)
# Addresses of IPv6 that stand for one of IPv4: RFC 6052 (NAT64), by any router that offers it.
_NAT64: Final = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class OutgoingError(HeadendError):
    """A call to another server failed, or may not be made; shows its host, never its whole URL."""


class PlaceForbidden(OutgoingError):
    """A call may not go there."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Where calls may go.

    Attributes:
        hosts: Names, or patterns such as `*.example.com`, in lower case.
        networks: Addresses, whatever they are called: also those that are refused otherwise.
    """

    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, entries: Sequence[str]) -> "Rules":
        """Sort the entries of `auth.outgoing` into names and networks."""
        hosts, networks = list[str](), list[Network]()
        for entry in entries:
            try:
                networks.append(ip_network(entry, strict=False))
            except ValueError:
                hosts.append(entry.lower())
        return cls(tuple(hosts), tuple(networks))

    def allow(self, host: str, address: Address) -> bool:
        """Say whether an address may be called, which a name has, or which is the name."""
        real = _real(address)
        if any(real in network or address in network for network in self.networks):
            return True
        if is_forbidden(real) or is_forbidden(address):
            return False
        if not self.hosts and not self.networks:
            return True
        return any(fnmatchcase(host.lower().rstrip("."), pattern) for pattern in self.hosts)


def is_forbidden(address: Address) -> bool:
    """Say whether an address is none that a server of ours has business with."""
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address == IPv4Address("255.255.255.255")
        or any(address in network for network in METADATA)
    )


def _real(address: Address) -> Address:
    """Return the IPv4 address that one of IPv6 stands for, else the address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


async def resolve(
    host: str, port: int, rules: Rules, family: socket.AddressFamily = socket.AF_UNSPEC
) -> list[tuple[socket.AddressFamily, str]]:
    """Return the addresses of a host to connect to: those that are allowed.

    Args:
        host: Name or IP address, without brackets.
        port: TCP port.
        rules: What is allowed.
        family: Only addresses of this one.

    Raises:
        OutgoingError: There is no such host, or none of its addresses is allowed.
    """
    try:
        found = await look_up(host, port, family)
    except (OSError, UnicodeError) as error:
        raise OutgoingError(
            f"{host}: {getattr(error, 'strerror', None) or 'no such host'}"
        ) from error
    allowed: list[tuple[socket.AddressFamily, str]] = [
        (kind, text)
        for kind, text in found
        if rules.allow(host, ip_address(text.partition("%")[0]))
    ]
    if not allowed:
        raise not_allowed(host)
    return allowed


def check_literal(host: str, rules: Rules) -> None:
    """Check a host that is an address; a name is checked when it is resolved.

    Raises:
        OutgoingError: It is not allowed.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return
    if not rules.allow(host, address):
        raise not_allowed(host)


def not_allowed(host: str) -> PlaceForbidden:
    """Return what is said of a place where calls may not go."""
    return PlaceForbidden(f"{host} is not allowed; name it in auth.outgoing if it should be")
