"""Tests of headend.media.steps."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from headend.media.steps import LONGEST_MS, Steps


def durations(*times: int) -> list[int]:
    """Add packets; return how long they last."""
    steps = Steps()
    return [steps.add(time) for time in times]


def test_packets_of_a_steady_track_last_a_step() -> None:
    assert durations(0, 40, 80, 120, 160) == [1, 1, 40, 40, 40]
    assert durations(5, 28, 51, 75, 98) == [1, 1, 23, 23, 23]


def test_hole_is_no_long_packet() -> None:
    assert durations(0, 40, 80, 2980, 3020, 3060) == [1, 1, 40, 40, 40, 40]
    assert durations(0, 1000, 2000, 3000) == [1, 1, LONGEST_MS, LONGEST_MS]


def test_packet_that_follows_closely_lasts_as_long_as_the_one_before() -> None:
    steps = Steps()
    for time in (0, 40, 80, 120):
        steps.add(time)
    assert steps.earliest == 121
    assert steps.add(121) == 39
    assert steps.earliest == 160  # the end of the packet of 120


@given(st.lists(st.integers(0, 60) | st.integers(0, 5000), max_size=50), st.data())
def test_nothing_comes_before_the_end_of_the_packet_before_the_last(
    steps: list[int], data: st.DataObject
) -> None:
    whole = Steps()
    times: list[tuple[int, int]] = []
    late = Steps()  # one that begins later allows no less
    begins = data.draw(st.integers(0, 50))
    for number, step in enumerate(steps):
        time = max(times[-1][0] + step if times else step, whole.earliest)
        times.append((time, whole.add(time)))
        if number >= begins:
            assert time >= late.earliest
            late.add(time)
    for (first, lasts), (_, _), (third, _) in zip(times, times[1:], times[2:], strict=False):
        assert third >= first + lasts
    for (first, lasts), (second, last) in pairwise(times):
        assert second + last >= first + lasts
        assert last <= LONGEST_MS
