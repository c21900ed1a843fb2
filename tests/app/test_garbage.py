"""Tests of headend.app.garbage."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from headend.app import garbage
from headend.app.garbage import KEPT, LOOKS, YOUNG, Collector


class Thing:
    """Something that the collector looks at."""

    def __init__(self) -> None:
        self.other: Thing | None = None


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.enable()
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    gc.collect()


def looked_at() -> int:
    """Count what a look at everything would look at."""
    return len(gc.get_objects())


async def test_no_look_has_more_before_it_than_it_can_do_in_time_whatever_is_kept() -> None:
    collector = Collector(asyncio.get_running_loop())
    collector.start()
    most = 0
    kept = []
    try:
        for number in range(100_000):
            kept.append(Thing())
            if not number % 1000:
                most = max(most, looked_at())
    finally:
        collector.stop()
    assert len(kept) == 100_000
    assert most <= KEPT + 2 * (LOOKS + 1) * YOUNG


async def test_collector_that_was_off_while_the_server_started_is_on() -> None:
    gc.disable()
    collector = Collector(asyncio.get_running_loop())
    collector.start()
    try:
        assert gc.isenabled()
    finally:
        collector.stop()


async def test_cycle_is_freed_when_it_is_looked_at_once_a_minute() -> None:
    collector = Collector(asyncio.get_running_loop())
    collector.start()
    try:
        thing = Thing()
        thing.other = thing
        held = weakref.ref(thing)
        gc.collect(1)  # it is among what is kept
        del thing
        assert held() is not None
        collector.look()
        assert held() is None
    finally:
        collector.stop()


async def test_looks_go_on_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "PERIOD_S", 0.01)

    before = list(gc.callbacks)
    collector = Collector(asyncio.get_running_loop())
    collector.stop()  # before it has begun
    collector.start()
    looks = asyncio.Event()
    count = 0
    look = collector.look

    def note() -> None:
        nonlocal count
        count += 1
        look()
        if count == 2:
            looks.set()

    monkeypatch.setattr(collector, "look", note)
    collector._wait()
    await looks.wait()
    collector.stop()
    assert gc.callbacks == before
