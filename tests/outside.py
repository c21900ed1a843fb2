"""An internet on the loopback interface: 127.0.0.1 counts as outside, all else as before.

Nothing leaves this machine, even where a guard fails: the inner server that nobody may be sent to
listens on 127.0.0.2, and counts who comes.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from headend.net import addresses, places

OUTER: Final = "127.0.0.1"
INNER: Final = "127.0.0.2"
NAME: Final = "inner.test"  # resolves to the inner server

# Ways to write the inner server's address in a URL.
FORMS: Final = (
    INNER,
    "127.2",
    "127.0.2",
    "2130706434",
    "0x7f000002",
    "0x7f.2",
    "017700000002",
    "0177.0.0.02",
    "\uff11\uff12\uff17.0.0.2",
    "127\u30020\u30020\u30022",
    "[::ffff:127.0.0.2]",
    "[::ffff:7f00:2]",
    NAME,
    "INNER.test.",
)


def stand_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the address of test servers for one of the internet, and know the inner one's name."""
    is_inner, getaddrinfo = addresses.is_inner, socket.getaddrinfo

    def is_inner_here(address: addresses.Address) -> bool:
        return str(address) != OUTER and is_inner(address)

    def getaddrinfo_here(host: str, *more: object, **others: object) -> Sequence[object]:
        known: Callable[..., Sequence[object]] = getaddrinfo
        name = host.decode() if isinstance(host, bytes) else host
        return known(INNER if name.rstrip(".") == NAME else host, *more, **others)

    monkeypatch.setattr(places, "is_inner", is_inner_here)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo_here)


@dataclass
class Inner:
    """A server that nobody outside may send us to.

    Attributes:
        port: On which it listens.
        visits: Connections to it.
    """

    port: int
    visits: int = 0


@asynccontextmanager
async def inner_server() -> AsyncIterator[Inner]:
    """Run it."""

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner.visits += 1
        writer.close()

    async with await asyncio.start_server(count, INNER, 0) as server:
        inner = Inner(server.sockets[0].getsockname()[1])
        yield inner
