"""Tests of headend.http.hls_waiting, without a server."""

import asyncio
import gzip
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from headend.errors import LimitExceeded
from headend.http.hls_waiting import PACKED, HlsWaiting


class Playlists:
    """Has whatever is put into it."""

    def __init__(self) -> None:
        self.there: set[tuple[int, int | None]] = set()

    def has(self, *wanted: Any) -> bool:
        return wanted in self.there


class Stream:
    """A stream that is packaged."""

    def __init__(self) -> None:
        self.playlists = Playlists()
        self.is_closed = False
        self.waiting = 0

    @contextmanager
    def one_more_waiting(self) -> Any:
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1


class Given:
    """Waiting requests of one stream."""

    def __init__(self, most: int = 10) -> None:
        self.hls = SimpleNamespace(observers=[], waiting=0)
        limits = SimpleNamespace(waiting_requests=most)
        runtime = SimpleNamespace(
            loop=asyncio.get_running_loop(), settings=SimpleNamespace(limits=limits)
        )
        self.waiting = HlsWaiting(cast(Any, runtime), cast(Any, self.hls))
        self.stream: Any = Stream()

    def ask(self, *wanted: Any) -> asyncio.Task[bool]:
        return asyncio.create_task(self.waiting.wait(self.stream, cast(Any, wanted), 60))

    def desks(self) -> int:
        return len(self.waiting._desks)


async def test_request_is_woken_by_what_it_wants_and_by_nothing_else() -> None:
    given = Given()
    one, other = given.ask(7, 0), given.ask(7, 1)
    await asyncio.sleep(0)
    given.stream.playlists.there.add((7, 0))
    given.waiting.changed(given.stream)
    assert await one
    assert not other.done()
    given.stream.is_closed = True
    given.waiting.changed(given.stream)
    assert not await other
    assert given.desks() == 0
    assert not await given.ask(7, 1)
    assert given.desks() == 0, "nothing is kept of what is closed"


async def test_requests_that_gave_up_leave_nothing() -> None:
    given = Given()
    for part in range(100):
        assert not await given.waiting.wait(given.stream, (7, part), 0)
    (desk,) = given.waiting._desks.values()
    assert desk.waiters == {}
    assert given.stream.waiting == 0


async def test_too_many_requests_are_refused_and_those_that_need_not_wait_are_not() -> None:
    given = Given(most=3)
    given.hls.waiting = 3
    with pytest.raises(LimitExceeded, match="waiting_requests"):
        await given.ask(7, 0)
    given.stream.playlists.there.add((7, 0))
    assert await given.ask(7, 0)


async def test_playlist_is_compressed_once_until_it_changes_and_few_are_kept() -> None:
    given = Given()
    pack = given.waiting.packed
    first = pack(given.stream, "#EXTM3U")
    assert gzip.decompress(first) == b"#EXTM3U"
    assert pack(given.stream, "#EXTM3U") is first
    for number in range(PACKED):
        pack(given.stream, str(number))
    assert pack(given.stream, "one more") is not pack(given.stream, "one more")
    given.waiting.changed(given.stream)
    assert pack(given.stream, "#EXTM3U") is not first
