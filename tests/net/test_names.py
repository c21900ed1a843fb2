"""Tests of headend.net.names."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.harness import until

from headend.net import names
from headend.net.names import look_up

SILENT = "silent.example"


class Dns:
    """Stands for the system's lookups; of one name it says nothing until it is let.

    Attributes:
        asked: Names, in the order in which they were asked for.
        speaks: Set: the silent name is answered too.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.speaks = threading.Event()

    def getaddrinfo(self, host: str, port: int, **_: object) -> list[object]:
        self.asked.append(host)
        if host.endswith(SILENT):
            self.speaks.wait()
        if host == "unknown.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        place = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.9", port))
        return [place, place]


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dns]:
    made = Dns()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    yield made
    made.speaks.set()


async def test_name_has_addresses_each_once() -> None:
    assert (socket.AF_INET, "127.0.0.1") in await look_up("localhost", 80)
    assert await look_up("localhost", 80, socket.AF_INET) == [(socket.AF_INET, "127.0.0.1")]
    assert await look_up("::1", 80) == [(socket.AF_INET6, "::1")]


async def test_name_that_nobody_knows_is_an_error(dns: Dns) -> None:
    for _ in range(2):
        with pytest.raises(socket.gaierror, match="not known"):
            await look_up("unknown.example", 80)
    assert dns.asked == ["unknown.example"] * 2


async def test_name_that_cannot_be_one_is_an_error() -> None:
    with pytest.raises(UnicodeError):
        await look_up("a" * 70 + ".example", 80)


async def test_names_that_are_not_answered_hold_up_no_other(dns: Dns) -> None:
    silent = [asyncio.create_task(look_up(f"{number}.{SILENT}", 80)) for number in range(40)]
    await until(lambda: len(dns.asked) == 40)
    assert await look_up("known.example", 80) == [(socket.AF_INET, "203.0.113.9")]
    dns.speaks.set()
    assert await asyncio.gather(*silent) == [[(socket.AF_INET, "203.0.113.9")]] * 40


async def test_name_is_asked_for_once_at_a_time_whoever_waits(dns: Dns) -> None:
    first = asyncio.create_task(look_up(SILENT, 80))
    second = asyncio.create_task(look_up(SILENT, 80))
    await until(lambda: dns.asked)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await look_up(SILENT, 80)
    dns.speaks.set()
    assert await second == [(socket.AF_INET, "203.0.113.9")]
    assert dns.asked == [SILENT]
    assert await look_up(SILENT, 80) == [(socket.AF_INET, "203.0.113.9")]
    assert dns.asked == [SILENT] * 2


async def test_there_is_a_limit(dns: Dns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST", 1)

    waiting = asyncio.create_task(look_up(SILENT, 80))
    await until(lambda: dns.asked)
    with pytest.raises(OSError, match="too many names"):
        await look_up("known.example", 80)
    dns.speaks.set()
    await waiting


ENDS = """
import asyncio, socket, threading
from headend.net.names import look_up

begun = threading.Event()

def getaddrinfo(*_, **__):
    begun.set()
    threading.Event().wait()

async def main():
    socket.getaddrinfo = getaddrinfo
    waiting = asyncio.create_task(look_up("silent.example", 80))
    while not begun.is_set():
        await asyncio.sleep(0.01)
    waiting.cancel()

asyncio.run(main())
"""


def test_process_ends_while_a_name_is_not_answered() -> None:
    done = subprocess.run([sys.executable, "-c", ENDS], timeout=60, check=False)
    assert done.returncode == 0
