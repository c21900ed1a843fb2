"""The PROXY protocol header, in which a load balancer names the real client.

    1: PROXY TCP4 203.0.113.7 10.0.0.1 51044 1935 CR LF                 one line, at most 107 bytes
    2: 0d0a0d0a000d0a515549540a | 21 | 11 | 000c | addresses, extensions       12 + 1 + 1 + 2 bytes

There is no I/O here: the listener calls `parse` with what has arrived, until it gives a value. A
listener must expect the header only from addresses that it trusts: any other peer could write one.

Source: haproxy, doc/proxy-protocol.txt, sections 2.1 and 2.2.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from headend.errors import LimitExceeded, ProtocolError

V1_SIGNATURE: Final = b"PROXY "
V1_MAX_SIZE: Final = 107  # bytes with CR LF: the longest line the specification can produce
V2_SIGNATURE: Final = bytes.fromhex("0d0a0d0a000d0a515549540a")
V2_HEAD_SIZE: Final = 16
V2_MAX_BODY: Final = 2048  # bytes of addresses and extensions; balancers send a few hundred at most

LOCAL: Final = 0x20  # version 2, the balancer's own connection (a health check)
PROXY: Final = 0x21  # version 2, on behalf of a client

# Second byte of version 2: address family and transport; with the size of one address.
ADDRESS_SIZES: Final = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}
# No IP address within: unspecified, and unix sockets (two paths of 108 bytes).
UNNAMED_SIZES: Final = {0x00: 0, 0x31: 216, 0x32: 216}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A complete header.

    Attributes:
        source: Address and port of the client; None when the header names none (LOCAL, UNKNOWN,
            unspecified, unix). IPv4 mapped into IPv6 is given as IPv4.
        destination: Address and port the client connected to.
        length: Bytes of the header; what the client sent starts behind them.
        is_own: The balancer connected for itself, as for a health check (LOCAL); otherwise
            a header without a source stands for a client that it does not name.
    """

    source: tuple[str, int] | None
    destination: tuple[str, int] | None
    length: int
    is_own: bool = field(default=False, compare=False)


def parse(data: bytes) -> Parsed | None:
    """Parse the PROXY protocol header, version 1 or 2, at the start of a connection.

    Args:
        data: All bytes of the connection up to now; may hold more than the header.

    Returns:
        The header, or None when more bytes are needed: never for more than 2064.

    Raises:
        ProtocolError: The bytes do not start with a PROXY header, or it is malformed.
        LimitExceeded: A version 2 header is larger than 16 + 2048 bytes.
    """
    if data.startswith(V1_SIGNATURE):
        return _parse_v1(data)
    if data.startswith(V2_SIGNATURE):
        return _parse_v2(data)
    if V1_SIGNATURE.startswith(data) or V2_SIGNATURE.startswith(data):
        return None
    raise ProtocolError("no PROXY protocol header, which this port expects of each connection")


def _parse_v1(data: bytes) -> Parsed | None:
    end = data.find(b"\r\n", 0, V1_MAX_SIZE)
    if end < 0:
        if len(data) >= V1_MAX_SIZE:
            raise ProtocolError(f"PROXY protocol 1: no end of line in {V1_MAX_SIZE} bytes")
        return None
    length = end + 2
    fields = data[:end].split(b" ")
    if fields[1] == b"UNKNOWN":  # whatever follows is to be ignored
        return Parsed(None, None, length)
    if len(fields) != 6 or fields[1] not in (b"TCP4", b"TCP6"):
        raise ProtocolError("PROXY protocol 1: not of the form TCP4 SOURCE DESTINATION PORT PORT")
    version = 4 if fields[1] == b"TCP4" else 6
    source = _v1_address(fields[2], version), _v1_port(fields[4])
    destination = _v1_address(fields[3], version), _v1_port(fields[5])
    return Parsed(source, destination, length)


def _v1_address(text: bytes, version: int) -> str:
    try:
        address = ip_address(text.decode("ascii"))
    except ValueError:
        address = None
    if address is None or address.version != version or b"%" in text:
        raise ProtocolError(f"PROXY protocol 1: not an IPv{version} address")
    return _text(address)


def _v1_port(text: bytes) -> int:
    if not (text.isdigit() and len(text) <= 5 and int(text) < 65536):
        raise ProtocolError("PROXY protocol 1: not a port")
    return int(text)


def _parse_v2(data: bytes) -> Parsed | None:
    if len(data) < V2_HEAD_SIZE:
        return None
    command, family = data[12], data[13]
    if command not in (LOCAL, PROXY):
        raise ProtocolError(f"PROXY protocol 2: unknown version and command 0x{command:02x}")
    size = int.from_bytes(data[14:16], "big")
    if size > V2_MAX_BODY:
        raise LimitExceeded("bytes of a PROXY protocol header", size, V2_MAX_BODY)
    length = V2_HEAD_SIZE + size
    if len(data) < length:
        return None
    if command == LOCAL:  # family and addresses are to be ignored
        return Parsed(None, None, length, is_own=True)
    return _v2_addresses(family, data[V2_HEAD_SIZE:length], length)


def _v2_addresses(family: int, body: bytes, length: int) -> Parsed:
    """Addresses at the start of `body`; the extensions (TLV) behind them are not used."""
    width = ADDRESS_SIZES.get(family)
    needed = UNNAMED_SIZES.get(family) if width is None else 2 * width + 4
    if needed is None:
        raise ProtocolError(f"PROXY protocol 2: unknown address family 0x{family:02x}")
    if len(body) < needed:
        raise ProtocolError(f"PROXY protocol 2: {len(body)} bytes of addresses, {needed} needed")
    if width is None:
        return Parsed(None, None, length)
    ports = body[2 * width : needed]
    source = _text(ip_address(body[:width])), int.from_bytes(ports[:2], "big")
    destination = _text(ip_address(body[width : 2 * width])), int.from_bytes(ports[2:], "big")
    return Parsed(source, destination, length)


def _text(address: IPv4Address | IPv6Address) -> str:
    # Rules about addresses (loopback, limits per address) must not be evaded as ::ffff:127.0.0.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
