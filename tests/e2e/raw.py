"""A peer that says what no program says: RTMP messages, one by one, on a socket.

Only the chunks are headend's own; commands are written here byte by byte, as real players do.
"""

import socket
import struct
from collections.abc import Callable, Iterable
from typing import Final, Self

from tests.defaults import chunk_reader
from tests.e2e.wait import LIMIT_S

from headend.media.tag import Tag
from headend.rtmp.chunks import Message, serialize

C0_C1: Final = b"\x03" + bytes(1536)
C2: Final = bytes(1536)
S0_S1_S2_SIZE: Final = 3073
CHUNK_SIZE: Final = 128  # bytes; what holds when nobody says otherwise

AUDIO: Final = 8
VIDEO: Final = 9
COMMAND: Final = 20


def amf(*values: str | float | bool | dict[str, str] | None) -> bytes:
    """Write AMF0: texts, numbers, booleans, null and objects of texts."""
    return b"".join(map(_amf, values))


def _amf(value: str | float | bool | dict[str, str] | None) -> bytes:
    if value is None:
        return b"\x05"
    if isinstance(value, bool):
        return b"\x01" + bytes((value,))
    if isinstance(value, str):
        return b"\x02" + _text(value)
    if isinstance(value, dict):
        members = (_text(name) + _amf(member) for name, member in value.items())
        return b"\x03" + b"".join(members) + b"\x00\x00\x09"
    return b"\x00" + struct.pack(">d", value)


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


class RawPeer:
    """A connected peer; every read has a limit of LIMIT_S."""

    def __init__(self, sock: socket.socket, first: bytes = b"") -> None:
        """Shake hands.

        Args:
            sock: Connected; closed by `close`.
            first: Sent before the handshake.
        """
        self._socket = sock
        self._reader = chunk_reader()
        self._messages: list[Message] = []
        sock.settimeout(LIMIT_S)
        sock.sendall(first + C0_C1)
        left = S0_S1_S2_SIZE
        while left:
            data = sock.recv(left)
            assert data, "the server closed the connection"
            left -= len(data)
        sock.sendall(C2)

    @classmethod
    def tcp(cls, address: str, first: bytes = b"") -> Self:
        """Connect to HOST:PORT."""
        host, _, port = address.rpartition(":")
        return cls(socket.create_connection((host.strip("[]"), int(port)), LIMIT_S), first)

    @classmethod
    def unix(cls, path: str) -> Self:
        """Connect to a unix socket."""
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        return cls(sock)

    def close(self) -> None:
        """Close without a word."""
        self._socket.close()

    def send(self, type_id: int, payload: bytes, stream_id: int = 1, timestamp: int = 0) -> None:
        """Send a message."""
        message = Message(type_id, timestamp, stream_id, payload)
        self._socket.sendall(serialize(message, 5, CHUNK_SIZE))

    def command(self, payload: bytes, stream_id: int = 1) -> None:
        """Send a command."""
        self.send(COMMAND, payload, stream_id)

    def connect(self, app: str = "live") -> None:
        """Connect to an app and create message stream 1."""
        self.command(amf("connect", 1.0, {"app": app}), 0)
        self.read_until(lambda message: b"NetConnection.Connect.Success" in message.payload)
        self.command(amf("createStream", 2.0, None), 0)
        self.read_until(lambda message: message.payload == amf("_result", 2.0, None, 1.0))

    def publish(self, name: str) -> None:
        """Publish; the answer is read."""
        self.connect()
        self.command(amf("publish", 3.0, None, name, "live"))
        self.read_status("NetStream.Publish.")

    def play(self, name: str) -> None:
        """Play; the answer is read."""
        self.connect()
        self.command(amf("play", 3.0, None, name, -2000.0))
        self.read_status("NetStream.Play.Start")

    def send_tags(self, tags: Iterable[Tag]) -> None:
        """Send what an FLV file holds."""
        for tag in tags:
            self.send(int(tag.kind), tag.body, 1, tag.timestamp)

    def read_status(self, code: str) -> list[Message]:
        """Read up to an onStatus with this code; return what came before it."""
        return self.read_until(
            lambda message: message.type_id == COMMAND and code.encode() in message.payload
        )

    def read_until(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """Read up to the first message that is wanted; return those before it, and it."""
        read: list[Message] = []
        while True:
            while self._messages:
                read.append(self._messages.pop(0))
                if wanted(read[-1]):
                    return read
            data = self._socket.recv(65536)
            assert data, "the server closed the connection"
            self._messages = self._reader.receive_data(data)
