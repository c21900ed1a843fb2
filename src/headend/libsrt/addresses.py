"""Addresses as the system has them in memory: sockaddr of Linux, and of BSD and macOS."""

import socket
import struct
from typing import Any, Final

_HAS_LENGTH: Final = hasattr(socket, "SO_NOSIGPIPE")  # BSD and macOS have it in the first byte


def packed(address: tuple[Any, ...], family: int) -> bytes:
    """Return a sockaddr of Linux or macOS, which has its length in the first byte."""
    host = socket.inet_pton(family, str(address[0]).partition("%")[0])
    if family == socket.AF_INET:
        rest = struct.pack("!H4s8x", address[1], host)
    else:
        rest = struct.pack("!HI16s", address[1], 0, host) + struct.pack("@I", address[3])
    return _family(family, 2 + len(rest)) + rest


def _family(family: int, size: int) -> bytes:
    return bytes((size, family)) if _HAS_LENGTH else struct.pack("@H", family)


def unpacked(data: bytes) -> tuple[str, int] | None:
    """Read a sockaddr; None: it is of another family."""
    family = data[1] if _HAS_LENGTH else struct.unpack_from("@H", data)[0]
    port = int.from_bytes(data[2:4], "big")
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, data[4:8]), port
    if family == socket.AF_INET6 and len(data) >= 24:
        return socket.inet_ntop(socket.AF_INET6, data[8:24]), port
    return None
