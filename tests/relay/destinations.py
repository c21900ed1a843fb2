"""Destinations that say what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.harness import (
    command,
)

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def destination(talk: Talk) -> AsyncIterator[str]:
    """Listen as a destination that does what `talk` does; gives HOST:PORT."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        listening.close()


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(4096)


async def speaks_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" + bytes(4000))
    await reader.read(100_000)


def redirector(where: str) -> Talk:
    """Act as a destination that sends publishers on, after an honest handshake."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1537)
        writer.write(b"\x03" + bytes(1536) + bytes(1536))
        await reader.readexactly(1536)
        details = {"level": "error", "code": "NetConnection.Connect.Rejected", "ex": {"code": 302}}
        details["ex"]["redirect"] = where  # type: ignore[index]
        await reader.read(1024)
        writer.write(command("_error", 1, None, details))
        await reader.read(1024)

    return talk
