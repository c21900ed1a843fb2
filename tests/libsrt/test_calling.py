"""Calls over SRT that are refused, and callers that leave, before anybody looks."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.harness import until

from headend.errors import Rejected
from headend.libsrt.calling import SrtCall
from headend.libsrt.engine import Engine, borrow, give_back
from headend.libsrt.library import ERR, IN, OUT, Library, SrtError
from headend.srt_url import SrtUrl, parse_srt_url

BREAKS_S = 20.0  # libsrt finds a caller gone after 5 s


class Owner:
    """Takes note of what it is told."""

    def __init__(self) -> None:
        self.untaken = 0
        self.latency_ms = 0
        self.losses = 0

    def connected(self) -> None:
        """Do nothing."""

    def received(self, data: bytes) -> None:
        """Do nothing."""

    def lost(self) -> None:
        self.losses += 1


@asynccontextmanager
async def engine() -> AsyncIterator[Engine]:
    try:
        made = borrow(asyncio.get_running_loop())
    except SrtError as error:
        pytest.skip(str(error))
    try:
        yield made
    finally:
        await give_back(made)


def watch_once_broken(monkeypatch: pytest.MonkeyPatch, events: int) -> None:
    """Have sockets watched for some events only once they are broken."""
    watch = Library.watch

    def late(library: Library, epoll: int, sock: int, wanted: int) -> None:
        end = time.monotonic() + BREAKS_S
        while wanted == events and not library.is_broken(sock):
            assert time.monotonic() < end
            time.sleep(0.01)
        watch(library, epoll, sock, wanted)

    monkeypatch.setattr(Library, "watch", late)


async def look_up(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    return [(socket.AF_INET, host)]


def listening(made: Engine, code: int) -> tuple[int, SrtUrl]:
    address = ("127.0.0.1", 0)
    listener = made.library.listen(address, socket.AF_INET, 20, lambda *_: code)
    _, port = made.library.name(listener)
    return listener, parse_srt_url(f"srt://127.0.0.1:{port}?streamid=publish:live/a")


async def test_call_that_is_refused_before_it_is_watched_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with engine() as made:
        listener, url = listening(made, 1403)
        made.listen(listener, lambda sock: None)
        watch_once_broken(monkeypatch, OUT | ERR)
        call = SrtCall(made, asyncio.get_running_loop(), url, Owner())
        with pytest.raises(Rejected, match="1403"):
            await call.open(look_up, timeout_s=10)
        call.close()
        made.close(listener)


@pytest.mark.parametrize("reads", [False, True])
async def test_caller_that_leaves_before_it_is_watched_is_lost_once(
    monkeypatch: pytest.MonkeyPatch, *, reads: bool
) -> None:
    async with engine() as made:
        listener, url = listening(made, 0)
        opened: list[int] = []
        made.listen(listener, opened.append)
        call = SrtCall(made, asyncio.get_running_loop(), url, Owner())
        await asyncio.gather(call.open(look_up, timeout_s=10), until(lambda: opened))
        call.close()
        watch_once_broken(monkeypatch, IN | ERR if reads else ERR)
        owner = Owner()
        made.watch(opened[0], owner, reads=reads)
        await until(lambda: owner.losses)
        made.watch(opened[0], owner, reads=reads)
        await asyncio.sleep(0.5)
        assert owner.losses == 1
        made.close(opened[0])
        made.close(listener)
