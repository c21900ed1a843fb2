"""Tests of headend.hls.numbers."""

from headend.hls.numbers import EPOCH_S, REMEMBERED, First, Numbers

NOW = 1_796_000_000.0  # 2026-11-30
CLOCK = First(241_241_601, 699)


def test_first_numbers_are_the_clocks_and_grow_with_it() -> None:
    numbers = Numbers()
    assert numbers.first("live/a", NOW) == CLOCK
    assert numbers.first("live/a", NOW + 0.25).sequence == CLOCK.sequence + 1
    assert numbers.first("live/a", NOW + 86_400).discontinuity == CLOCK.discontinuity + 1
    assert CLOCK.sequence < 1 << 31


def test_numbers_that_are_ahead_of_the_clock_are_not_given_out_again() -> None:
    numbers = Numbers()
    used = First(CLOCK.sequence + 9, CLOCK.discontinuity + 2)
    numbers.note("live/a", used, NOW)
    assert numbers.first("live/a", NOW) == used
    assert numbers.first("live/b", NOW) == CLOCK
    assert numbers.first("live/a", NOW + 60) == First(CLOCK.sequence + 240, used.discontinuity)


def test_numbers_do_not_fall_with_a_clock_that_is_set_back() -> None:
    numbers = Numbers()
    numbers.note("live/a", CLOCK, NOW - 7200)
    assert numbers.first("live/a", NOW - 7200) == CLOCK


def test_first_numbers_are_one_where_the_clock_is_not_set() -> None:
    assert Numbers().first("live/a", 0.0) == First(1, 1)


def test_names_that_the_clock_has_passed_are_forgotten() -> None:
    numbers = Numbers()
    for name in ("live/a", "live/b"):
        numbers.note(name, First(CLOCK.sequence + 4, 1), NOW)
    assert len(numbers) == 2
    numbers.note("live/c", First(CLOCK.sequence + 8, 1), NOW + 1)
    assert len(numbers) == 1
    numbers.note("live/d", CLOCK, NOW + 1)
    assert numbers.first("live/c", NOW + 1).sequence == CLOCK.sequence + 8


def test_names_are_remembered_up_to_a_limit_the_newest_ones() -> None:
    numbers = Numbers()
    used = First(CLOCK.sequence + 9, 1)
    for name in (*range(REMEMBERED), 0, REMEMBERED):
        numbers.note(str(name), used, NOW)
    assert len(numbers) == REMEMBERED
    assert numbers.first("0", NOW).sequence == used.sequence
    assert numbers.first("1", NOW) == CLOCK


def test_discontinuities_of_ten_years_are_few_enough_to_be_counted_with_each_playlist() -> None:
    assert Numbers().first("live/a", EPOCH_S + 10 * 365 * 86_400).discontinuity < 4000


def test_name_goes_on_where_another_packager_that_is_done_has_ended_whatever_the_clock() -> None:
    numbers, told = Numbers(), First(CLOCK.sequence + 3, CLOCK.discontinuity, goes_on=True)
    numbers.hear("live/a", told, NOW)
    for name in ("live/b", "live/c"):
        numbers.note(name, CLOCK, NOW + 60)
    assert numbers.first("live/a", NOW + 60) == told


def test_packager_that_goes_on_itself_keeps_its_numbers() -> None:
    numbers, told = Numbers(), First(CLOCK.sequence + 3, CLOCK.discontinuity, goes_on=True)
    again = First(told.sequence, told.discontinuity + 1)
    numbers.hear("live/a", told, NOW)
    numbers.hear("live/a", again, NOW)
    assert numbers.first("live/a", NOW) == again
    numbers.hear("live/a", told, NOW)  # said before, and late
    assert numbers.first("live/a", NOW + 60).sequence == CLOCK.sequence + 240


def test_what_is_heard_late_lets_no_number_fall() -> None:
    numbers, used = Numbers(), First(CLOCK.sequence + 9, CLOCK.discontinuity + 2)
    numbers.note("live/a", used, NOW)
    numbers.hear("live/a", First(CLOCK.sequence + 8, 1, goes_on=True), NOW)
    assert numbers.first("live/a", NOW) == used
