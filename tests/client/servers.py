"""RTMP servers that say what a test wants, and clients that meet them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.e2e.wait import LIMIT_S
from tests.wire import wire

from headend.client import Publisher, publish
from headend.errors import (
    HeadendError,
)
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag

TAGS = [
    Tag(SCRIPT, 0, wire("02 000a 6f6e4d65746144617461 08 00000000 000009"), False, False),
    Tag(VIDEO, 0, wire("17 00 000000 0142c01fffe100046742c01f01000368ce3c"), False, True),
    Tag(AUDIO, 0, wire("af 00 1190"), False, True),
    Tag(VIDEO, 0, wire("17 01 000000 00000005 6588840021"), True, False),
    Tag(AUDIO, 21, wire("af 01 2110049f"), False, False),
    Tag(VIDEO, 40, wire("27 01 000000 00000004 419a0021"), False, False),
]

GREETING = bytes([3]) + bytes(2 * 1536)


def run(main: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT_S):
            await main

    asyncio.run(limited())


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def other_server(handler: Handler) -> AsyncIterator[str]:
    """Run a server that does what the test says with each connection; give a URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"rtmp://{host}:{port}/live/cam1"


def saying(data: bytes) -> Handler:
    """Say something, and then listen until the client leaves."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        while await reader.read(65_536):
            pass

    return handler


def reply(transaction_id: bytes, value: bytes) -> bytes:
    payload = wire("02 0007 5f726573756c74 00") + transaction_id + wire("05") + value
    return wire("03 000000 0000") + bytes([len(payload)]) + wire("14 00000000") + payload


STARTED = (
    GREETING
    + reply(wire("3ff0000000000000"), b"\x05")  # connect
    + reply(wire("4010000000000000"), wire("00 3ff0000000000000"))  # createStream: 1
    + reply(wire("4014000000000000"), b"\x05")  # publish or play
)


def on_status(level: str, code: str) -> bytes:
    payload = (
        wire("02 0008 6f6e537461747573 00 0000000000000000 05 03 0005 6c6576656c 02")
        + len(level).to_bytes(2, "big")
        + level.encode()
        + wire("0004 636f6465 02")
        + len(code).to_bytes(2, "big")
        + code.encode()
        + wire("000009")
    )
    return wire("03 000000 0000") + bytes([len(payload)]) + wire("14 01000000") + payload


async def fails(url: str, action: Any = publish, **options: Any) -> HeadendError:
    with pytest.raises(HeadendError) as caught:
        async with action(url, **options):
            pass
    return caught.value


async def write_on(out: Publisher, size: int = 10) -> None:
    while True:
        await out.write(Tag(VIDEO, 0, bytes(size), False, False))
        await asyncio.sleep(0)
