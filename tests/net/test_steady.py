"""Tests of headend.net.steady."""

from headend.net.steady import SteadyClock


def test_time_goes_on_evenly_however_the_clock_is_set() -> None:
    wall, passed = 1000.0, 50.0
    clock = SteadyClock(lambda: wall, lambda: passed)
    wall += 86_400
    passed += 5
    assert clock.now() == 1005
    wall -= 2 * 86_400
    passed += 5
    assert clock.now() == 1010


def test_nothing_is_of_the_future() -> None:
    passed = 0.0
    clock = SteadyClock(lambda: 1000.0, lambda: passed)
    assert clock.age_s(900) == 100
    assert clock.age_s(87_400) == 0
    passed += 7
    assert clock.age_s(1000) == 7
