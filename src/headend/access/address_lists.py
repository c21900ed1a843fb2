"""Lists of networks that say from which addresses something may be done.

A list of who may, which is everybody where it is empty, and one of who may not, which is stronger.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from headend.decisions import AccessRequest, Action
from headend.errors import Refusal, Rejected
from headend.settings import Auth

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# A unix socket counts as this machine.
_LOCAL: Final = (ip_address("127.0.0.1"), ip_address("::1"))
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


class NetworkSet:
    """Networks, asked as fast for a thousand of one size as for one."""

    __slots__ = ("_prefixes",)

    def __init__(self, networks: Iterable[Network]) -> None:
        """Take networks; IPv4 ones may be written as mapped IPv6."""
        self._prefixes: Final[dict[tuple[int, int], set[int]]] = {}
        for network in networks:
            plain = _unmapped(network)
            shift = plain.max_prefixlen - plain.prefixlen
            known = self._prefixes.setdefault((plain.version, shift), set())
            known.add(int(plain.network_address) >> shift)

    def __bool__(self) -> bool:
        return bool(self._prefixes)

    def __contains__(self, address: Address) -> bool:
        """Say whether an address is in one of the networks; a mapped one counts as IPv4."""
        plain = getattr(address, "ipv4_mapped", None) or address
        version, number = plain.version, int(plain)
        return any(
            version == of and number >> shift in known
            for (of, shift), known in self._prefixes.items()
        )


class AddressList:
    """From where one thing may be done."""

    __slots__ = ("_allowed", "_denied")

    def __init__(self, allowed: Iterable[Network], denied: Iterable[Network]) -> None:
        """Take the lists.

        Args:
            allowed: Who may; empty: everybody.
            denied: Who may not, even if allowed.
        """
        self._allowed: Final = NetworkSet(allowed)
        self._denied: Final = NetworkSet(denied)

    def __bool__(self) -> bool:
        """Say whether it excludes anybody."""
        return bool(self._allowed) or bool(self._denied)

    def allows(self, address: Address | None, *, is_known: bool = True) -> bool:
        """Say whether it may be done from an address.

        Args:
            address: None: this machine.
            is_known: It is the peer's own; otherwise nobody can say that a list has the peer.
        """
        if not self:
            return True
        if not is_known:
            return False
        forms = _LOCAL if address is None else (address,)
        if any(form in self._denied for form in forms):
            return False
        return not self._allowed or any(form in self._allowed for form in forms)


class AddressCheck:
    """Says from where who may publish and play, by the settings; a check of the gate."""

    def __init__(self, auth: Auth) -> None:
        self.configure(auth)

    def configure(self, auth: Auth) -> None:
        """Take settings that may have changed."""
        self._lists: Mapping[Action, AddressList] = {
            "publish": AddressList(auth.publish_from, auth.publish_not_from),
            "play": AddressList(auth.play_from, auth.play_not_from),
        }

    @property
    def is_about_play(self) -> bool:
        """It keeps somebody from watching."""
        return bool(self._lists["play"])

    def check(self, request: AccessRequest) -> None:
        """Return if the request comes from where it may.

        Raises:
            Rejected: It does not.
        """
        action = request.action
        if not self._lists[action].allows(request.address, is_known=not request.is_unknown):
            what = "publishing" if action == "publish" else "watching"
            raise Rejected(
                Refusal.DENIED,
                f"{what} is not allowed from your address",
                f"auth.{action}_from and auth.{action}_not_from say so",
            )


def _unmapped(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        base = IPv4Address(int(network.network_address) & 0xFFFF_FFFF)
        return IPv4Network((base, network.prefixlen - 96))
    return network
