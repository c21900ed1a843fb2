"""The flush clock, on a loop and a clock that the test turns."""

import logging
from asyncio import AbstractEventLoop
from typing import Any, cast

import pytest
from tests.net.loops import FakeLoop, Out

from headend.net.flush_clock import FlushClock, FlushMode

BUDGET_S = 0.03


class Fixture:
    def __init__(self, mode: FlushMode = "adaptive", budget_s: float = BUDGET_S) -> None:
        self.loop = FakeLoop()
        self.told: list[str] = []
        self.clock = FlushClock(
            cast(AbstractEventLoop, cast(Any, self.loop)),
            budget_s,
            mode,
            lambda: self.told.append("hold"),
            lambda: self.told.append("release"),
        )
        self.out, self.other = Out(self.loop), Out(self.loop)

    def after(self, seconds: float) -> None:
        self.loop.run_until(self.loop.now + seconds)


def test_what_waits_outside_of_turns_leaves_at_once() -> None:
    fixture = Fixture()
    fixture.clock.wake(fixture.out)
    fixture.clock.wake(fixture.other)
    assert fixture.out.times == []
    fixture.after(0)
    assert (fixture.out.times, fixture.other.times) == ([0.0], [0.0])
    assert (fixture.clock.flushes, fixture.clock.rounds) == (2, 1)


def test_what_waits_in_a_turn_or_a_pause_leaves_at_its_end() -> None:
    fixture = Fixture()
    fixture.clock.is_expected = True
    fixture.clock.wake(fixture.out)
    fixture.after(1)
    assert fixture.clock.is_due
    assert fixture.out.times == []
    fixture.clock.turn_ended()
    assert (fixture.out.times, fixture.clock.is_due) == ([1.0], False)


def test_sound_leaves_with_the_picture_that_follows() -> None:
    fixture = Fixture()
    fixture.clock.ride(fixture.out)
    fixture.after(0.02)
    fixture.clock.turn_ended()
    assert fixture.out.times == []
    fixture.clock.wake(fixture.out)
    fixture.after(1)
    assert fixture.out.times == [0.02]


def test_sound_whose_picture_does_not_come_leaves_after_the_budget() -> None:
    fixture = Fixture()
    fixture.clock.ride(fixture.out)
    fixture.after(0.02)
    fixture.clock.ride(fixture.other)
    fixture.clock.ride(fixture.out)  # nothing new: its time goes on
    fixture.after(1)
    assert (fixture.out.times, fixture.other.times) == ([0.03], [0.05])


def test_sound_leaves_after_the_budget_even_in_a_pause() -> None:
    fixture = Fixture()
    fixture.clock.is_expected = True
    fixture.clock.ride(fixture.out)
    fixture.after(BUDGET_S)
    assert fixture.out.times == [0.03]


def test_flush_takes_along_what_rides() -> None:
    fixture = Fixture()
    fixture.clock.ride(fixture.out)
    fixture.clock.wake(fixture.other)
    fixture.clock.flush()
    assert (fixture.out.times, fixture.other.times) == ([0.0], [0.0])
    fixture.after(1)
    assert len(fixture.out.times) == 1


@pytest.mark.parametrize("way", ["wake", "ride"])
def test_fixed_flush_comes_a_budget_after_the_first_byte_that_waits(way: str) -> None:
    fixture = Fixture("fixed")
    fixture.after(0.012)
    getattr(fixture.clock, way)(fixture.out)
    assert fixture.told == ["hold"]
    fixture.after(0.02)
    fixture.clock.wake(fixture.other)
    fixture.clock.turn_ended()
    assert (fixture.out.times, fixture.clock.is_due) == ([], False)
    fixture.after(0.01)
    assert (fixture.out.times, fixture.other.times) == ([0.042], [0.042])
    assert fixture.told == ["hold", "release"]
    fixture.after(1)
    assert fixture.told == ["hold", "release"]


def test_what_publishers_bring_at_a_fixed_flush_leaves_with_it() -> None:
    fixture = Fixture("fixed")
    fixture.clock = FlushClock(
        cast(AbstractEventLoop, cast(Any, fixture.loop)),
        BUDGET_S,
        "fixed",
        lambda: None,
        lambda: fixture.clock.wake(fixture.other),
    )
    fixture.clock.wake(fixture.out)
    fixture.after(1)
    assert (fixture.out.times, fixture.other.times) == ([0.03], [0.03])


@pytest.mark.parametrize("mode", ["adaptive", "fixed"])
def test_without_a_budget_nothing_waits(mode: FlushMode) -> None:
    fixture = Fixture(mode, 0.0)
    fixture.clock.ride(fixture.out)
    fixture.after(0)
    assert fixture.out.times == [0.0]


def test_another_mode_lets_out_what_waits() -> None:
    fixture = Fixture("fixed")
    fixture.clock.wake(fixture.out)
    fixture.clock.configure(BUDGET_S, "adaptive")
    assert fixture.out.times == [0.0]
    assert fixture.told == ["hold", "release"]
    fixture.clock.ride(fixture.out)
    fixture.clock.configure(0.2, "fixed")
    assert fixture.out.times == [0.0, 0.0]
    fixture.after(1)
    assert len(fixture.out.times) == 2


def test_closed_clock_rings_no_more() -> None:
    fixture = Fixture()
    fixture.clock.ride(fixture.out)
    fixture.clock.wake(fixture.other)
    fixture.clock.close()
    fixture.after(1)
    assert fixture.out.times == fixture.other.times == []


def test_flush_that_raises_is_reported_and_the_others_leave(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Bad:
        def flush(self) -> None:
            raise ZeroDivisionError

    fixture = Fixture()
    fixture.clock.wake(Bad())
    fixture.clock.wake(fixture.out)
    with caplog.at_level(logging.ERROR):
        fixture.clock.flush()
    assert fixture.out.times == [0.0]
    assert [record.getMessage() for record in caplog.records] == ["a flush failed: a bug"]
