"""Where a connection comes from, and who is behind the proxies that it came through.

`named_by` is the one place that decides who a peer is, for every protocol: a header of the PROXY
protocol and `X-Forwarded-For` both end there.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final, Self

from headend.net.pseudonyms import Pseudonyms

# As proxies write an address with its port: 198.51.100.10:4711, [2001:db8::9]:1, [2001:db8::9].
WITH_PORT: Final = re.compile(r"(?:([0-9.]+)|\[([0-9A-Fa-f:.%\w]+)\])(?::(\d{1,5}))?", re.ASCII)
MAPPED: Final = bytes(10) + b"\xff\xff"  # before an IPv4 address in IPv6 (RFC 4291, 2.5.5.2)


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    Attributes:
        address: IP address, IPv4 never as mapped IPv6; None on a unix socket.
        port: 0 on a unix socket, and where a proxy did not name it.
        is_unknown: A proxy has not said who it is: the address is the nearest that is known, such
            as that of the proxy. It never counts as this machine.
        pseudonyms: Of the server that it is connected to, which say how its address is shown; None:
            in full.
    """

    address: IPv4Address | IPv6Address | None
    port: int
    is_unknown: bool = False
    pseudonyms: Pseudonyms | None = field(default=None, repr=False, compare=False)

    @classmethod
    def at(cls, host: str, port: int, pseudonyms: Pseudonyms | None = None) -> Self:
        """Return the peer at a numeric address, as the socket module writes it.

        Raises:
            ValueError: It is none.
        """
        return cls(_parse(host.partition("%")[0]), port, pseudonyms=pseudonyms)

    def is_in(self, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
        """Say whether the address is in one of the networks; a unix socket's is in none."""
        return self.address is not None and any(self.address in network for network in networks)

    @property
    def is_local(self) -> bool:
        """It is on this machine: on the loopback interface or a unix socket."""
        return not self.is_unknown and self._is_loopback

    @property
    def _is_loopback(self) -> bool:
        return self.address is None or self.address.is_loopback

    @property
    def shown_address(self) -> str | None:
        """What stands for the address in all that is shown; None: nothing."""
        if self.pseudonyms is not None:
            return self.pseudonyms.show(self.address)
        return None if self.address is None else str(self.address)

    def __str__(self) -> str:
        if self.address is None:
            return "unix"
        shown = self.shown_address
        if shown is None:
            return f"-:{self.port}"
        return f"[{shown}]:{self.port}" if ":" in shown else f"{shown}:{self.port}"


def named_by(
    proxy: Peer, named: Sequence[Peer | None], proxies: Iterable[IPv4Network | IPv6Network] = ()
) -> Peer:
    """Return the peer behind a proxy that is trusted to name it.

    Args:
        proxy: The other end of the connection.
        named: What it and the proxies before it said, the nearest last; None: nothing that can be
            read. Of several the last one counts that is no proxy itself: what stands before it was
            written by somebody else.
        proxies: Networks of other proxies that are trusted too.
    """
    peer, trusted = proxy, tuple(proxies)
    for each in reversed(named):
        if each is None:
            return replace(peer, is_unknown=True)
        # The loopback interface of another machine is not ours.
        peer = replace(
            each,
            is_unknown=each._is_loopback and not peer.is_local,
            pseudonyms=proxy.pseudonyms,
        )
        if not peer.is_in(trusted):
            break
    return peer


def forwarded_peers(text: str) -> list[Peer | None]:
    """Read `X-Forwarded-For`: addresses with commas between, each with a port or without."""
    return [_forwarded(each.strip()) for each in text.split(",")]


def _forwarded(text: str) -> Peer | None:
    match = WITH_PORT.fullmatch(text)
    host, port = (match[1] or match[2], int(match[3] or 0)) if match else (text, 0)
    try:
        return Peer.at(host, port) if port < 65536 else None
    except ValueError:
        return None


def _parse(host: str) -> IPv4Address | IPv6Address:
    """Parse an address as the system does: a tenth of the time that `ipaddress` takes for it."""
    try:
        if ":" not in host:
            return IPv4Address(inet_pton(AF_INET, host))
        packed = inet_pton(AF_INET6, host)
    except OSError as error:
        raise ValueError(f"{host!r} is no IP address") from error
    if packed.startswith(MAPPED):
        return IPv4Address(packed.removeprefix(MAPPED))
    return IPv6Address(packed)


LOCAL: Final = Peer(None, 0)  # on a unix socket
