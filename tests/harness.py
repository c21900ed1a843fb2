"""A whole server in the loop of a test, with peers that write raw bytes to it.

async def main() -> None:
    async with live_server(tmp_path, "limits.handshake_s=0.3") as live, witness(live):
        peer = await live.peer()
        ...

run(main())
"""

import asyncio
import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.defaults import chunk_reader
from tests.e2e.wait import LIMIT_S
from tests.no_secrets import WATCH
from tests.rtmp.command_peer import amf, shown
from tests.rtmp.peers import command, message
from tests.wire import wire

from headend.app import Server
from headend.live.services import Services
from headend.rtmp.chunks import Message
from headend.settings import load_settings
from headend.store.keys import KeyStore

LOOK_S = 0.005

C0_C1 = b"\x03" + bytes(1536)
C2 = bytes(1536)
GREETING_BYTES = 1 + 2 * 1536  # S0 S1 S2

VIDEO_HEADER = wire("17 00 000000 01 f4000a ffe1 0004 67f4000a 01 0002 68ce")
OTHER_HEADER = wire("17 00 000000 01 f4001f ffe1 0004 67f4001f 01 0002 68ce")
KEYFRAME = wire("17 01 000000 65")
FRAME = wire("27 01 000000 41")


def run(main: Coroutine[Any, Any, None], limit_s: float = LIMIT_S) -> None:
    """Run a test's coroutine, with a limit."""

    async def limited() -> None:
        async with asyncio.timeout(limit_s):
            await main

    asyncio.run(limited())


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something is so; the limit is that of `run`."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)


async def until_so(condition: Callable[[], Awaitable[object]]) -> None:
    """Ask until something is so, and leave the server time in between."""
    while not await condition():  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)


def resident_bytes() -> int:
    """Memory of this process that is really there."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def log_lines(caplog: pytest.LogCaptureFixture, text: str = "") -> list[str]:
    """Lines of the log from INFO on that hold a text, with their levels."""
    lines = [f"{r.levelname} {r.getMessage()}" for r in caplog.records if r.levelno >= 20]
    return [line for line in lines if text in line]


class Live:
    """A server that runs, and what a test wants of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._peers: list[Peer] = []

    @property
    def services(self) -> Services:
        return self.server.services

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.server.addresses["rtmp"][0].rpartition(":")
        return host, int(port)

    async def key_store(self) -> KeyStore:
        """Return the publish keys, once the database is there: that takes its time."""
        await self.services.access.database()
        return await self.services.access.keys.store()

    async def peer(
        self, *, receive_buffer: int | None = None, send_buffer: int = 0, source: str = ""
    ) -> "Peer":
        """Connect a peer, from another address of loopback perhaps; it has sent nothing yet."""
        sock = socket.socket()
        if source:
            sock.bind((source, 0))
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if send_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        await asyncio.get_running_loop().sock_connect(sock, self.address)
        peer = Peer(sock)
        self._peers.append(peer)
        return peer

    def close_peers(self) -> None:
        """Leave as a test's end does: a server that stops would wait for peers that linger."""
        for peer in self._peers:
            peer.close()

    async def connected(self, *, flash_version: str = "", **options: Any) -> "Peer":
        """Connect a peer up to the answer to `connect` and one `createStream`."""
        peer = await self.peer(**options)
        told = {"flashVer": flash_version} if flash_version else {}
        await peer.send(C0_C1 + C2 + command("connect", 1, {"app": "live", **told}))
        await peer.send(command("createStream", 2, None))
        await peer.expect("_result 2 None 1.0")
        return peer

    async def received(self, path: str, count: int) -> None:
        """Wait until so many tags of a stream have been read."""

        def is_there() -> bool:
            stream = self.services.registry.stream(path)
            return stream is not None and stream.tags_in >= count

        await until(is_there)

    async def publisher(self, name: str = "a", **options: Any) -> "Peer":
        peer = await self.connected(**options)
        await peer.send(command("publish", 3, None, name, "live", on=1))
        await peer.expect("NetStream.Publish.Start")
        return peer

    async def player(self, name: str = "a", **options: Any) -> "Peer":
        peer = await self.connected(**options)
        await peer.send(command("play", 3, None, name, on=1))
        await peer.expect("NetStream.Play.Start")
        return peer


class Peer:
    """One end of a connection to the server.

    Attributes:
        name: Its address as the server's log shows it.
        media: Video and audio bodies received, in order.
        times: Their timestamps.
        said: Every other message received, one line each.
        reasons: Descriptions of the statuses among them.
        heard: Their payloads.
        is_closed: The server has closed the connection.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        host, port = sock.getsockname()[:2]
        self.name = f"{ip_address(host)}:{port}"
        self.media: list[bytes] = []
        self.times: list[int] = []
        self.said: list[str] = []
        self.reasons: list[str] = []
        self.heard = bytearray()
        self.is_closed = False
        self._greeting = GREETING_BYTES
        self._reader = chunk_reader()

    @property
    def chunk_size(self) -> int:
        """Chunk size that the server has announced."""
        return self._reader.chunk_size

    async def send(self, data: bytes) -> None:
        """Send everything; a connection that the server has closed takes it silently."""
        with suppress(BrokenPipeError, ConnectionResetError):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def send_video(self, body: bytes, timestamp: int = 0, *, on: int = 1) -> None:
        await self.send(message(6, 9, on, body, timestamp))

    async def receive(self) -> None:
        """Read once."""
        try:
            data = await asyncio.get_running_loop().sock_recv(self.sock, 65_536)
        except ConnectionResetError:
            data = b""
        self.is_closed = not data
        if self._greeting:
            taken = min(self._greeting, len(data))
            self._greeting -= taken
            data = data[taken:]
        for received in self._reader.receive_data(data):
            self._take(received)

    def _take(self, received: Message) -> None:
        if received.type_id in (8, 9):
            self.media.append(received.payload)
            self.times.append(received.timestamp)
        else:
            self.heard += received.payload
            WATCH.look("rtmp", received.payload)
            self.said.append(shown(received) if received.type_id != 18 else "data")
            _, found, rest = received.payload.partition(b"\x00\x0bdescription\x02")
            if found:
                size = int.from_bytes(rest[:2], "big")
                self.reasons.append(rest[2 : 2 + size].decode())

    async def expect(self, text: str) -> str:
        """Read until the server says something that holds a text; return it."""
        while True:
            for line in self.said:
                if text in line:
                    return line
            assert not self.is_closed, f"closed without {text!r}: {self.said}"
            await self.receive()

    async def expect_media(self, count: int) -> list[bytes]:
        """Read until so many bodies have come; return all of them."""
        while len(self.media) < count:
            assert not self.is_closed, f"closed after {len(self.media)} of {count}: {self.said}"
            await self.receive()
        return self.media

    async def expect_close(self) -> list[str]:
        """Read until the server closes; return what it has said."""
        while not self.is_closed:
            await self.receive()
        return self.said

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close so that the server sees a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@asynccontextmanager
async def live_server(data: Path, *settings: str, path: Path | None = None) -> AsyncIterator[Live]:
    """Run a server on a free port of loopback, with a settings file or without."""
    off = ("tls.listen=off", "http.listen=off", "srt.listen=off")
    given = ("rtmp.listen=127.0.0.1:0", *off, f"data={data}", *settings)
    server = Server(load_settings(path, given, environ={}))
    await server.start()
    live = Live(server)
    try:
        yield live
    finally:
        live.close_peers()
        await server.stop()


class Witness:
    """A publisher and a player beside what is tested; each frame is sent when the last has come.

    Attributes:
        sent: Bodies sent.
        longest_s: Longest time from sending a frame until it was received.
        is_over: Set when enough was seen. Cancelling would lose what has just been read.
    """

    def __init__(self, publisher: Peer, player: Peer) -> None:
        self._publisher = publisher
        self._player = player
        self.sent: list[bytes] = []
        self.longest_s = 0.0
        self.is_over = False

    async def watch(self) -> None:
        """Go on until `is_over`."""
        await self._publisher.send_video(VIDEO_HEADER)  # comes with the first keyframe
        self.sent.append(VIDEO_HEADER)
        while not self.is_over:
            number = len(self.sent)
            kind = KEYFRAME if number % 50 == 1 else FRAME
            await self._step(kind + number.to_bytes(4, "big") + bytes(20))

    async def _step(self, body: bytes) -> None:
        started = time.perf_counter()
        self.sent.append(body)
        await self._publisher.send_video(body, 10 * len(self.sent))
        await self._player.expect_media(len(self.sent))
        self.longest_s = max(self.longest_s, time.perf_counter() - started)

    async def go_on(self, count: int = 5) -> None:
        """Wait until so many more frames have come."""
        enough = len(self.sent) + count
        await until(lambda: len(self.sent) >= enough)

    async def finish(self) -> None:
        """Check that every frame came, in order, and that both are still served."""
        await self._player.expect_media(len(self.sent))
        for number in range(10):
            await self._step(FRAME + bytes([number]))
        assert self._player.media == self.sent


# No stall of the streams beside is longer: far more than any is, for the peers of the test share
# the loop, and the machine may be busy.
WITNESS_S = 30.0


@asynccontextmanager
async def witness(live: Live) -> AsyncIterator[Witness]:
    """Publish and play another stream meanwhile; at the end not a byte of it must be missing."""
    player = await live.player("witness")
    publisher = await live.publisher("witness")
    seen = Witness(publisher, player)
    watching = asyncio.create_task(seen.watch())
    try:
        yield seen
        seen.is_over = True
        await watching
    finally:
        watching.cancel()
    await seen.finish()
    assert seen.longest_s < WITNESS_S
    assert not re.search("Unpublish|StreamEOF", "".join(player.said))
    publisher.close()
    player.close()


__all__ = ["amf", "command", "message"]
