"""Where connections of ours may go: asked by everything that connects, whatever the protocol.

    host ─► plain_host ─► DNS, once ─► each address checked ─► connect to one that was allowed

Whoever may name a URL, by a setting, the API, a redirect or a playlist, could otherwise have the
server ask what only the server can reach, such as the metadata of a cloud, where credentials are
(SSRF).
"""

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Final, TypeAlias

from headend.errors import RelayError
from headend.net.addresses import (
    Address,
    Network,
    is_forbidden,
    is_inner,
    meanings,
    plain_host,
)
from headend.net.names import Found, address_of, look_up

__all__ = [
    "DialRoute",
    "Found",
    "InnerPlace",
    "LookUp",
    "NoSuchHost",
    "OutgoingError",
    "PlaceForbidden",
    "Rules",
    "resolve",
]

# Gives the addresses of a host, a name or an address, and a port that may be connected to; raises
# an OutgoingError if there are none. Connections go to one of these, as it was given.
LookUp: TypeAlias = Callable[[str, int], Awaitable[Found]]


class OutgoingError(RelayError):
    """A call to another server failed, or may not be made; shows its host, never its whole URL."""


class NoSuchHost(OutgoingError):
    """A host has no address.

    Attributes:
        reason: In the words of the system.
    """

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host}: {reason}")
        self.reason: Final = reason


class PlaceForbidden(OutgoingError):
    """A call may not go there."""


class InnerPlace(PlaceForbidden):
    """A server outside sends us inside."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Where calls may go.

    Attributes:
        hosts: Names, or patterns such as `*.example.com`, in lower case.
        networks: Addresses, whatever they are called: also those that are refused otherwise.
        is_outer_only: Addresses of this machine and of private networks are refused.
    """

    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    is_outer_only: bool = False

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
        if any(each in network for each in meanings(address) for network in self.networks):
            return True
        if is_forbidden(address) or (self.is_outer_only and is_inner(address)):
            return False
        if not self.hosts and not self.networks:
            return True
        return any(fnmatchcase(host.lower().rstrip("."), pattern) for pattern in self.hosts)


async def resolve(host: str, port: int, rules: Rules | None) -> Found:
    """Return the addresses of a host to connect to: those that are allowed.

    Args:
        host: Name or IP address, without brackets.
        port: TCP port.
        rules: What is allowed; None: everything, for a place that a setting or a person names.

    Raises:
        PlaceForbidden: None of its addresses is allowed.
        NoSuchHost: It has none.
    """
    try:
        plain = plain_host(host)
        found = await look_up(plain, port)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such host"
        raise NoSuchHost(host, reason) from error
    if rules is None:
        return found
    allowed = [each for each in found if rules.allow(plain, _address(each[1]))]
    if found and not allowed:
        raise _not_allowed(host, rules, found)
    return allowed


def _address(text: str) -> Address:
    return ip_address(text.partition("%")[0])


def _not_allowed(host: str, rules: Rules, found: Found) -> PlaceForbidden:
    if rules.is_outer_only and all(is_inner(_address(text)) for _, text in found):
        return InnerPlace(f"{host} is an inner address, and a server outside sends us there")
    return PlaceForbidden(f"{host} is not allowed; name it in auth.outgoing if it should be")


class DialRoute:
    """Where the connections for one source may go: to the place that it names, and on from there.

    What a person or a setting names is called as `first` says. Where that leads, by redirects or
    in playlists, is called as `onward` says; and once something came from outside, inner addresses
    are not called any more, whatever leads there. A place that was named may always be.
    """

    def __init__(self, named: str, first: Rules | None = None, onward: Rules | None = None) -> None:
        """Begin.

        Args:
            named: Host that the source names.
            first: Which addresses it may have; None: all.
            onward: Which ones other hosts may have; None: all that are not forbidden.
        """
        self._named: Final = _same(named)
        self._first: Final = first
        self._onward = Rules() if onward is None else onward
        self._known: Found = []
        self._proxies: set[str] = set()

    def pin(self, sock: socket.socket) -> None:
        """Let the named host be where a socket is connected to, so that DNS has no second say."""
        self._known = [(sock.family, address_of(sock.getpeername()))]

    def take_proxies(self, hosts: Sequence[str]) -> None:
        """Let proxies be called that the environment names; what they fetch is not seen here."""
        self._proxies.update(map(_same, hosts))

    async def look_up(self, host: str, port: int) -> Found:
        """Return the addresses of a host that may be called.

        Raises:
            OutgoingError: There are none.
        """
        same = _same(host)
        if same in self._proxies:
            self._onward = replace(self._onward, is_outer_only=True)
            return await resolve(host, port, None)
        if same != self._named:
            found = await resolve(host, port, self._onward)
        else:
            found = self._known or await resolve(host, port, self._first)
        self._note(found)
        return found

    def _note(self, found: Found) -> None:
        """Remember whether something comes from outside."""
        if not all(is_inner(_address(text)) for _, text in found):
            self._onward = replace(self._onward, is_outer_only=True)


def _same(host: str) -> str:
    """Return what is the same for a host in whatever way it is written."""
    try:
        return plain_host(host).rstrip(".")
    except ValueError:
        return host
