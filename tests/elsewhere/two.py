"""Two servers in one process that share a directory in memory."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.harness import Live, live_server

from headend.directory.table import NameTable, TableDirectory
from headend.directory.values import Member
from headend.elsewhere.elsewhere import Elsewhere

SECRET = b"what both servers know"


@dataclass
class Node:
    """A server, and its part of the directory."""

    live: Live
    elsewhere: Elsewhere
    directory: TableDirectory


async def join(live: Live, table: NameTable, name: str, secret: bytes = SECRET) -> Node:
    """Have a server that runs share a directory."""
    addresses = live.server.addresses
    http = f"http://{addresses['http'][0]}" if addresses["http"] else ""
    me = Member(name, f"boot-{name}", f"rtmp://{addresses['rtmp'][0]}", http)
    directory = TableDirectory(table, me)
    elsewhere = Elsewhere(live.services, directory, secret)
    live.services.features.add(elsewhere, ())
    return Node(live, elsewhere, directory)


@asynccontextmanager
async def nodes(path: Path, *settings: str, count: int = 2) -> AsyncIterator[list[Node]]:
    """Run servers that share a directory."""
    table = NameTable()
    async with AsyncExitStack() as stack:
        made = []
        for number in range(count):
            folder = path / f"node{number}"
            live = await stack.enter_async_context(live_server(folder, *settings))
            made.append(await join(live, table, f"n{number}"))
        yield made
