"""What an address that we would connect to is, however it is written: inside, outside, forbidden.

    host ─► plain_host: 127.1, 0x7f000001 and full-width digits are 127.0.0.1 ─► DNS ─► addresses
    address ─► what it stands for: itself, and the IPv4 address that is embedded in it

Who may name a host must not be able to write it so that one part of a program reads another address
than the next one.
"""

import re
import socket
import unicodedata
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

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
_NOWHERE: Final = tuple(map(ip_network, ("0.0.0.0/8", "255.255.255.255/32", "::/128")))

# Addresses of IPv6 that end in one of IPv4, for which some router or kernel lets them stand.
_ENDING_IN_IPV4: Final = (
    IPv6Network("::ffff:0:0/96"),  # mapped (RFC 4291, 2.5.5.2)
    IPv6Network("::/96"),  # compatible (2.5.5.1)
    IPv6Network("::ffff:0:0:0/96"),  # translated (RFC 2765)
    IPv6Network("64:ff9b::/96"),  # NAT64 (RFC 6052)
    IPv6Network("64:ff9b:1::/96"),  # NAT64 of a network of one's own (RFC 8215)
)
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")  # the same, the IPv4 address in the middle
_NAME: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")


def plain_host(host: str) -> str:
    """Return a host as the network sees it: an address in its usual form, or a name in ASCII.

    Args:
        host: As it is in a URL, IPv6 without brackets.

    Raises:
        ValueError: It is neither an address nor a name.
    """
    host, percent, zone = host.partition("%")
    text = unicodedata.normalize("NFKC", host).replace("\u3002", ".").lower()
    if ":" in text:
        return f"{IPv6Address(text)}{percent}{zone}"
    if percent:
        raise ValueError(f"{host!r} has no zone")
    if _NUMBER.fullmatch(text.rstrip(".").rpartition(".")[2]):
        return _ipv4(text.rstrip("."))
    if not text.isascii():
        text = text.encode("idna").decode("ascii")  # UnicodeError is a ValueError
    if not _NAME.fullmatch(text):
        raise ValueError(f"{host!r} is no name")
    return text


def _ipv4(text: str) -> str:
    """Return the address that the system reads: of one to four numbers, of base 8, 10 or 16."""
    try:
        return str(IPv4Address(socket.inet_aton(text)))
    except OSError:
        raise ValueError(f"{text!r} is no address") from None


def address_of(host: str) -> Address | None:
    """Return the address that a host is, however it is written; None: it is a name.

    Raises:
        ValueError: It is neither.
    """
    plain = plain_host(host)
    try:
        return ip_address(plain.partition("%")[0])
    except ValueError:
        return None


def is_forbidden(address: Address) -> bool:
    """Say whether an address is none that a server of ours has business with."""
    return any(
        each.is_link_local
        or each.is_multicast
        or any(each in network for network in (*METADATA, *_NOWHERE))
        for each in meanings(address)
    )


def is_inner(address: Address) -> bool:
    """Say whether an address is one of this machine, or of a network that is not the internet."""
    embedded = _embedded(address)
    if embedded:
        return any(map(is_inner, embedded))
    if isinstance(address, IPv6Address) and address.is_site_local:
        return True
    return not address.is_global or address.is_multicast


def meanings(address: Address) -> list[Address]:
    """Return an address, and the IPv4 addresses that it may stand for."""
    return [address, *_embedded(address)]


def _embedded(address: Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address) or int(address) == 1:
        return []
    number = int(address)
    if any(address in network for network in _ENDING_IN_IPV4):
        return [IPv4Address(number & 0xFFFF_FFFF)]
    if address in _LOCAL_NAT64:  # eight bits in the middle are none of it (RFC 6052, 2.2)
        return [IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)]
    if address.sixtofour is not None:
        return [address.sixtofour]
    return [] if address.teredo is None else list(address.teredo)
