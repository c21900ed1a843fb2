"""Tests of headend.hub.span."""

import pytest

from headend.hub.span import Span

WRAP = 2**32


def test_up_to_its_bytes_a_log_is_not_over() -> None:
    span = Span(20, 100)
    assert not span.passes(0, 60)
    assert not span.passes(0, 40)
    assert span.passes(0, 1)


def test_up_to_its_time_a_log_is_not_over() -> None:
    span = Span(0.5, 100)
    assert not span.passes(7000, 1)
    assert not span.passes(7500, 1)
    assert span.passes(7501, 1)


def test_once_over_it_stays_over_until_it_starts_anew() -> None:
    span = Span(1, 100)
    assert span.passes(0, 101)
    assert span.passes(0, 0)
    span.restart()
    assert not span.passes(50_000, 100)
    assert not span.passes(51_000, 0)
    assert span.passes(51_001, 0)


@pytest.mark.parametrize(("timestamp", "is_over"), [(499, False), (500, False), (501, True)])
def test_time_is_measured_across_the_wrap(timestamp: int, is_over: bool) -> None:
    span = Span(1, 100)
    assert not span.passes(WRAP - 500, 1)
    assert span.passes(timestamp, 1) is is_over


def test_step_back_is_no_long_span() -> None:
    span = Span(1, 100)
    assert not span.passes(5000, 1)
    assert not span.passes(4000, 1)
    assert not span.passes(6000, 1)


def test_first_timestamp_may_be_0() -> None:
    span = Span(1, 100)
    assert not span.passes(0, 1)
    assert span.passes(1001, 1)


def test_other_limits_hold_from_the_next_start_on() -> None:
    span = Span(20, 100)
    assert not span.passes(0, 60)
    span.configure(20, 50)
    assert not span.passes(0, 30)
    span.restart()
    assert span.passes(0, 60)
