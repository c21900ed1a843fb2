"""Tests of headend.sources.feed."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import aclosing

import pytest

from headend.sources.feed import DEPTH, in_thread


def counting(to: int, log: list[str] | None = None) -> Generator[int, None, None]:
    try:
        for number in range(to):
            if log is not None:
                log.append(threading.current_thread().name)
            yield number
    finally:
        if log is not None:
            log.append("closed")


def test_items_come_in_order_and_from_a_thread() -> None:
    log: list[str] = []

    async def main() -> list[int]:
        async with aclosing(in_thread(counting(100, log))) as feed:
            return [number async for number in feed]

    assert asyncio.run(main()) == list(range(100))
    assert set(log) == {"feed", "closed"}


def test_failure_comes_behind_the_items() -> None:
    def failing() -> Generator[int, None, None]:
        yield 1
        raise ValueError("over")

    received = []

    async def main() -> None:
        async for number in in_thread(failing()):
            received.append(number)  # noqa: PERF401 (what came before the failure counts)

    with pytest.raises(ValueError, match="over"):
        asyncio.run(main())
    assert received == [1]


def test_generator_is_closed_when_nobody_wants_more() -> None:
    log: list[str] = []

    async def main() -> None:
        async with aclosing(in_thread(counting(10**9, log))) as feed:
            async for number in feed:
                if number == 5:
                    break

    asyncio.run(main())
    assert log[-1] == "closed"
    assert len(log) <= 5 + DEPTH + 4


def test_loop_that_is_closed_does_not_disturb_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headend.sources.feed.STOP_S", 0.01)
    hang, done = threading.Event(), threading.Event()

    def hanging() -> Generator[int, None, None]:
        try:
            yield 1
            hang.wait(10)
        finally:
            done.set()

    async def main() -> None:
        async with aclosing(in_thread(hanging())) as feed:
            await anext(feed)

    asyncio.run(main())
    hang.set()
    assert done.wait(10)
