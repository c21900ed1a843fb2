"""Tests of headend.relay.backoff."""

import pytest

from headend.relay.backoff import Backoff, Failure


def pauses(failure: Failure, count: int, chance: float = 0.0) -> list[float]:
    backoff = Backoff()
    return [backoff.pause(failure, 0.0, chance) for _ in range(count)]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure.AWAY, [0.25, 0.5, 1.0, 1.25, 1.25]),
        (Failure.LOST, [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]),
        (Failure.REFUSED, [2, 4, 8, 16, 32, 60, 60]),
        (Failure.WRONG, [60, 60]),
    ],
)
def test_pauses_grow_up_to_what_fits_the_failure(failure: Failure, expected: list[float]) -> None:
    assert pauses(failure, len(expected)) == expected


@pytest.mark.parametrize("failure", list(Failure))
def test_there_are_never_more_than_sixty_tries_in_a_minute(failure: Failure) -> None:
    ends = pauses(failure, 62, 1.0)
    assert sum(ends) > 60


def test_jitter_makes_a_pause_shorter_never_longer() -> None:
    assert pauses(Failure.REFUSED, 1, 0.5) == [1.8]
    assert pauses(Failure.REFUSED, 1, 1.0) == [1.6]


def test_connection_that_lived_long_has_the_next_failure_start_anew() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.pause(Failure.LOST, 0, 0)
    assert backoff.pause(Failure.LOST, 9.9, 0) == 8
    assert backoff.pause(Failure.LOST, 10, 0) == 0.25


def test_another_kind_of_failure_starts_anew() -> None:
    backoff = Backoff()
    for _ in range(9):
        backoff.pause(Failure.REFUSED, 0, 0)
    assert backoff.pause(Failure.AWAY, 0, 0) == 0.25
    assert backoff.pause(Failure.REFUSED, 0, 0) == 2
