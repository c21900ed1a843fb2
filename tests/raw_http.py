"""Clients that write raw bytes to the HTTP port of a server in the loop of a test.

async with http_server(tmp_path) as live:
    client = await HttpClient.to(live)
    await client.send(b"GET /healthz HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
    assert (await client.answer()).status == 200
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.harness import Live, live_server

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def http_server(data: Path, *settings: str) -> AsyncIterator[Live]:
    """Run a server whose HTTP port is a free one of loopback."""
    async with live_server(data, "http.listen=127.0.0.1:0", *settings) as live:
        yield live


def http_address(live: Live) -> tuple[str, int]:
    """Return host and port of the HTTP port."""
    host, _, port = live.server.addresses["http"][0].rpartition(":")
    return host.strip("[]"), int(port)


@dataclass(frozen=True)
class Answer:
    """One answer; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class HttpClient:
    """One connection.

    Attributes:
        name: Its address as the server's log shows it.
        received: What has come and is in no answer yet.
        is_closed: The server has closed the connection.
        was_reset: … with a reset.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        host, port = sock.getsockname()[:2]
        self.name = f"{host}:{port}"
        self.received = bytearray()
        self.is_closed = self.was_reset = False

    @classmethod
    async def to(cls, live: Live, *, receive_buffer: int | None = None) -> Self:
        """Connect."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, http_address(live))
        return cls(sock)

    async def send(self, data: bytes) -> None:
        """Send everything; a connection that the server has closed takes it silently."""
        with suppress(BrokenPipeError, ConnectionResetError):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def receive(self) -> None:
        """Read once."""
        try:
            data = await asyncio.get_running_loop().sock_recv(self.sock, 65_536)
        except ConnectionResetError:
            self.was_reset = True
            data = b""
        self.received += data
        self.is_closed = self.is_closed or not data

    async def expect(self, text: bytes) -> bytes:
        """Read up to the end of a text; return it all."""
        while text not in self.received:
            assert not self.is_closed, f"closed without {text!r}: {bytes(self.received)!r}"
            await self.receive()
        end = self.received.index(text) + len(text)
        found = bytes(self.received[:end])
        del self.received[:end]
        return found

    async def answer(self, *, has_body: bool = True) -> Answer:
        """Read one answer: its body has a length, or ends with the connection."""
        head = (await self.expect(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for line in head[1:-2]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        status = int(head[0].split()[1])
        body = b""
        if has_body and status not in (101, 204, 304):
            length = headers.get("content-length")
            while not self.is_closed and (length is None or len(self.received) < int(length)):
                await self.receive()
            size = len(self.received) if length is None else int(length)
            body = bytes(self.received[:size])
            del self.received[:size]
        return Answer(status, headers, body)

    async def expect_close(self) -> bytes:
        """Read until the server closes; return what came."""
        while not self.is_closed:
            await self.receive()
        return bytes(self.received)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close so that the server sees a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
