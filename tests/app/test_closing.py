"""Tests of headend.app.closing."""

import asyncio

import pytest
from tests.harness import log_lines

from headend.app.closing import Closing


class Part:
    """What closes, fails, or never comes to an end."""

    def __init__(self, *, hangs: bool = False, error: Exception | None = None) -> None:
        self.hangs = hangs
        self.error = error
        self.is_begun = False
        self.is_closed = False
        self.is_cancelled = False

    async def close(self) -> None:
        self.is_begun = True
        if self.error is not None:
            raise self.error
        if self.hangs:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.is_cancelled = True
                raise
        self.is_closed = True


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_part_that_hangs_is_left_and_those_beside_it_and_after_it_are_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hanging, beside, after = Part(hangs=True), Part(), Part()
    closing = Closing(now() + 0.05)
    closing.add("hanging", hanging.close)
    closing.add("beside", beside.close)
    await closing.run()
    closing.add("after", after.close)
    await closing.run()
    closing.finish()
    await asyncio.sleep(0)
    assert hanging.is_cancelled
    assert beside.is_closed
    assert after.is_closed
    assert log_lines(caplog) == [
        "ERROR hanging: not closed within limits.shutdown_s, and left as it is"
    ]


async def test_part_that_fails_is_told_and_holds_up_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = Part()
    closing = Closing(now() + 60)
    closing.add("broken", Part(error=ZeroDivisionError()).close)
    closing.add("other", other.close)
    await closing.run()
    await asyncio.sleep(0)
    closing.finish()
    assert other.is_closed
    assert log_lines(caplog) == ["ERROR broken: closing it failed: a bug"]


async def test_parts_that_are_not_there_take_no_time() -> None:
    closing = Closing(now())
    closing.add("missing", None)
    await closing.run()
    closing.finish()


async def test_caller_that_is_cancelled_waits_no_longer_and_the_rest_is_still_closed() -> None:
    hanging, quick, slow = Part(hangs=True), Part(), Part(hangs=True)

    async def close() -> None:
        closing = Closing(now() + 60)
        closing.add("hanging", hanging.close)
        await closing.run()
        closing.add("quick", quick.close)
        closing.add("slow", slow.close)
        await closing.run()
        closing.finish()

    caller = asyncio.create_task(close())
    while not hanging.is_begun:  # noqa: ASYNC110
        await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    assert quick.is_closed
    assert slow.is_begun
