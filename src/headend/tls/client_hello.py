"""The name and the protocols that a TLS client asks for, read before OpenSSL does.

    16 0301 LENGTH  01 LENGTH  0303 RANDOM  SESSION  CIPHERS  COMPRESSION  EXTENSIONS
    └─ record ────┘ └ message ┘                                            0000 name, 0010 ALPN

Source: RFC 8446, 4.1.2 and 5.1; RFC 6066, 3; RFC 7301, 3.1.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from headend.errors import ProtocolError

HANDSHAKE: Final = 22  # type of a record
CLIENT_HELLO: Final = 1  # type of a message
SERVER_NAME: Final = 0  # types of extensions
ALPN: Final = 16
HOST_NAME: Final = 0  # type of a name

RECORD_HEADER_BYTES: Final = 5
MESSAGE_HEADER_BYTES: Final = 4
VERSION_AND_RANDOM_BYTES: Final = 2 + 32
RECORD_BYTES: Final = 1 << 14  # of RFC 8446, 5.1
# Those of browsers have 2 kB, with a post-quantum key share; this leaves room for a ticket.
MOST_BYTES: Final = 1 << 14


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client asks for.

    Attributes:
        server_name: In lower case; None without SNI.
        protocols: Of ALPN, in the client's order.
    """

    server_name: str | None
    protocols: tuple[bytes, ...]


def lacks(data: bytes, protocols: Iterable[bytes]) -> bool:
    """Say whether a message is whole and offers none of some protocols, without parsing it.

    False where that takes a closer look.

    Args:
        data: All that has come so far.
        protocols: Names of ALPN.
    """
    head = RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES
    if len(data) < head or data[0] != HANDSHAKE or data[RECORD_HEADER_BYTES] != CLIENT_HELLO:
        return False
    message_end = head + int.from_bytes(data[RECORD_HEADER_BYTES + 1 : head])
    record_end = RECORD_HEADER_BYTES + int.from_bytes(data[3:RECORD_HEADER_BYTES])
    is_whole = message_end <= record_end <= len(data)
    return is_whole and not any(protocol in data for protocol in protocols)


def parse(data: bytes) -> ClientHello | None:
    """Parse the first bytes of a TLS connection.

    Args:
        data: All that has come so far.

    Returns:
        None while the message is not complete.

    Raises:
        ProtocolError: These are not the first bytes of a TLS client, or too many.
    """
    message = bytearray()
    for content in _records(data):
        message += content
        end = _message_end(message)
        if end is not None and len(message) >= end:  # what follows is not for us
            return _parse_body(_HelloReader(bytes(message[MESSAGE_HEADER_BYTES:end])))
    return None


def _records(data: bytes) -> Iterator[bytes]:
    """Take the records off; the last one may be cut short."""
    start = 0
    while start < len(data):
        content = start + RECORD_HEADER_BYTES
        if data[start] != HANDSHAKE or data[start + 1 : start + 2] not in (b"", b"\x03"):
            raise ProtocolError("no TLS handshake")
        size = int.from_bytes(data[start + 3 : content])
        if len(data) >= content and not 0 < size <= RECORD_BYTES:
            raise ProtocolError(f"a TLS record of {size} bytes")
        yield data[content : content + size]
        start = content + size


def _message_end(message: bytearray) -> int | None:
    """Return where the message ends; None while its header is not complete."""
    if message and message[0] != CLIENT_HELLO:
        raise ProtocolError(f"a TLS handshake starts with a ClientHello, not {message[0]}")
    if len(message) < MESSAGE_HEADER_BYTES:
        return None
    end = MESSAGE_HEADER_BYTES + int.from_bytes(message[1:MESSAGE_HEADER_BYTES])
    if end > MOST_BYTES:
        raise ProtocolError(f"a ClientHello of {end} bytes; at most {MOST_BYTES}")
    return end


def _parse_body(body: "_HelloReader") -> ClientHello:
    body.take(VERSION_AND_RANDOM_BYTES)
    body.take_vector(1)  # session
    body.take_vector(2)  # ciphers
    body.take_vector(1)  # compression
    server_name: str | None = None
    protocols: tuple[bytes, ...] = ()
    extensions = body.take_vector(2) if body.is_left else _HelloReader(b"")
    while extensions.is_left:
        kind = int.from_bytes(extensions.take(2))
        content = extensions.take_vector(2)
        if kind == SERVER_NAME:
            server_name = _parse_name(content)
        elif kind == ALPN:
            protocols = tuple(content.take_vector(2).vectors(1))
    return ClientHello(server_name, protocols)


def _parse_name(content: "_HelloReader") -> str | None:
    names = content.take_vector(2)
    if names.take(1) != bytes([HOST_NAME]):
        return None
    return names.take_vector(2).rest().decode("ascii", "replace").lower()


class _HelloReader:
    """Bytes that are taken from the front; ProtocolError where there are too few."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def is_left(self) -> bool:
        return bool(self._data)

    def take(self, size: int) -> bytes:
        if size > len(self._data):
            raise ProtocolError("the ClientHello is cut short")
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def take_vector(self, size_bytes: int) -> "_HelloReader":
        """Take a vector with its length in front (RFC 8446, 3.4)."""
        return _HelloReader(self.take(int.from_bytes(self.take(size_bytes))))

    def vectors(self, size_bytes: int) -> Iterator[bytes]:
        while self.is_left:
            yield self.take_vector(size_bytes).rest()

    def rest(self) -> bytes:
        return self.take(len(self._data))
