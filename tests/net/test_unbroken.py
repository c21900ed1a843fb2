"""Tests of headend.net.unbroken."""

import asyncio
import gc
import weakref
from contextlib import suppress

import pytest
from tests.harness import run, until

from headend.net.unbroken import Unbroken


async def test_work_is_finished_though_the_caller_is_cancelled() -> None:
    unbroken, may_end, done = Unbroken(), asyncio.Event(), []

    async def work() -> None:
        await may_end.wait()
        done.append(True)

    caller = asyncio.create_task(unbroken.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    may_end.set()
    await until(lambda: done)


async def test_result_and_exception_are_the_callers() -> None:
    async def good() -> int:
        return 1

    async def bad() -> None:
        raise KeyError("a")

    unbroken = Unbroken()
    assert await unbroken.run(good()) == 1
    with pytest.raises(KeyError):
        await unbroken.run(bad())


def test_exception_holds_nothing_when_the_caller_has_dealt_with_it() -> None:
    class Held:
        """What a frame of the work holds."""

    async def main() -> None:
        held: list[weakref.ref[Held]] = []

        async def bad() -> None:
            here = Held()
            held.append(weakref.ref(here))
            raise KeyError("a")

        gc.disable()
        with suppress(KeyError):
            await Unbroken().run(bad())
        await asyncio.sleep(0)
        assert held[0]() is None

    try:
        run(main())
    finally:
        gc.enable()


async def test_close_cancels_what_is_not_done() -> None:
    unbroken = Unbroken()
    caller = asyncio.create_task(unbroken.run(asyncio.Event().wait()))
    await asyncio.sleep(0)
    await unbroken.close()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await unbroken.close()
