"""Tests of headend.hls.restraint."""

import pytest

from headend.hls.restraint import Restraint


def begun(restraint: Restraint, *times: float) -> list[float]:
    """Try to begin a run at each of these times; return those at which one may."""
    may = []
    for now in times:
        if restraint.may_begin(now):
            restraint.begin(now)
            may.append(now)
    return may


def test_eight_runs_may_begin_at_once_and_one_a_second() -> None:
    restraint = Restraint()
    start = 1_800_000_000.0
    assert len(begun(restraint, *[start] * 100)) == 8
    seconds = [start + number / 10 for number in range(101)]
    assert len(begun(restraint, *seconds)) == pytest.approx(10, abs=1)
    assert len(begun(restraint, *[start + 1000] * 100)) == 8


def test_clock_that_is_set_back_stops_nothing_for_good() -> None:
    restraint = Restraint()
    assert len(begun(restraint, *[2000.0] * 100)) == 8
    assert begun(restraint, 1000.0) == []
    assert begun(restraint, 1001.5) == [1001.5]
    restraint.fail(1001.5)
    restraint.fail(1001.5)
    assert begun(restraint, 500.0) == []  # the rest is over, but one more has to be saved up
    assert begun(restraint, 501.0) == [501.0]


def test_after_each_failure_in_a_row_the_rest_is_twice_as_long() -> None:
    restraint = Restraint()
    now = 0.0
    rests = []
    for _ in range(12):
        restraint.begin(now)
        restraint.fail(now)
        first = next(t for t in range(1000) if restraint.may_begin(now + t))
        rests.append(first)
        now += first + 2
    assert rests == [0, 1, 2, 4, 8, 16, 32, 64, 64, 64, 64, 64]


def test_good_run_and_other_tracks_end_the_row() -> None:
    restraint = Restraint()
    for _ in range(6):
        restraint.fail(0.0)
    assert not restraint.may_begin(10.0)
    restraint.forget()
    assert restraint.may_begin(10.0)
    for _ in range(6):
        restraint.fail(10.0)
    restraint.begin(30.0)
    restraint.fail(40.0)
    assert restraint.may_begin(40.0)
