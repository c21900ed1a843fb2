"""Tests of headend.codec.times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.codec.times import IS_SAME_TIME, IS_SHOWN_EARLY, IS_SHOWN_LATE, Times


def timed(*pictures: tuple[int, int]) -> tuple[list[tuple[int, int]], list[str]]:
    """Give timestamps with composition times; return the packets' times, and what was reported."""
    reports: list[str] = []
    times = Times(reports.append)
    return [times.video(*picture) for picture in pictures], reports


def test_good_times_stay_as_they_are() -> None:
    given_times = [(0, 80), (40, 200), (80, 80), (120, 0), (160, 40)]
    expected = [(0, 80), (40, 240), (80, 160), (120, 120), (160, 200)]
    assert timed(*given_times) == (expected, [])


def test_times_go_on_over_the_wrap_and_sound_shares_the_clock() -> None:
    times = Times(lambda _: None)
    assert times.video(0xFFFF_FFF0, 0) == (0xFFFF_FFF0, 0xFFFF_FFF0)
    assert times.audio(0x10) == 0x1_0000_0010
    assert times.video(0xFFFF_FFFF, 0)[0] == 0xFFFF_FFFF
    assert times.newest == 0x1_0000_0010


def test_pictures_of_one_timestamp_are_moved_apart() -> None:
    # HaishinKit's first two frames; a step back that the hub has clamped.
    same = [(0, 0), (0, 0), (33, 0), (66, 0), (66, 0), (66, 0), (66, 0), (100, 0)]
    times, reports = timed(*same)
    assert [dts for dts, _ in times] == [0, 1, 33, 66, 67, 98, 99, 100]
    assert all(pts == dts for dts, pts in times)
    assert reports == [IS_SAME_TIME] * 2


def test_sounds_of_one_timestamp_are_a_millisecond_apart_without_a_word() -> None:
    reports: list[str] = []
    times = Times(reports.append)
    assert [times.audio(each) for each in (0, 21, 21, 63, 64)] == [0, 21, 22, 63, 64]
    assert reports == []


def test_picture_that_is_shown_before_it_is_decoded_is_decoded_earlier_from_then_on() -> None:
    # IPBB of an encoder that forgot the delay: 0, 100, 33, 66 are shown in this order.
    order = [(0, 0), (33, 67), (66, -33), (100, -34), (133, 100), (166, 0), (200, -34)]
    times, reports = timed(*order)
    exact = [(66, 66), (99, 233), (132, 166), (166, 166)]
    assert times == [(0, 0), (33, 100), (34, 34), *exact]
    assert reports == [IS_SHOWN_EARLY] * 2


def test_composition_times_that_make_no_sense_are_left_out() -> None:
    times, reports = timed((0, 8_000_000), (40, 10_000), (80, -8_000_000), (120, -8_000_000))
    assert times[0] == (0, 0)
    assert times[1] == (40, 10_040)
    assert times[2] == (41, 41)  # decoding is put earlier by 640 ms at most
    assert reports[0] == IS_SHOWN_LATE


def test_time_that_goes_back_far_is_another_timeline() -> None:
    times, _ = timed((100_000, 0), (91_000, 0), (50_000, 0), (50_040, 0))
    assert [dts for dts, _ in times] == [100_000, 100_001, 50_000, 50_040]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1) | st.integers(0, 60) | st.integers(0, 2**32 - 1),
            st.integers(-(2**23), 2**23 - 1) | st.sampled_from([0, -34, 67, 80]),
        )
    )
)
def test_decoding_goes_on_and_is_never_after_showing(steps: list[tuple[int, int]]) -> None:
    times = Times(lambda _: None)
    timestamp, last = 0, None
    for step, composition in steps:
        timestamp = (timestamp + step) % 2**32
        dts, pts = times.video(timestamp, composition)
        assert pts >= dts
        assert last is None or dts > last or last - dts >= 10_000
        last = dts


@pytest.mark.parametrize("lead", [1, 34, 640])
def test_times_stay_exact_while_pictures_are_decoded_earlier(lead: int) -> None:
    pictures = [(1000, -lead)] + [(1000 + 1000 * n, 5) for n in range(1, 4)]
    times, reports = timed((0, 0), *pictures)
    assert times[2:] == [(1000 + 1000 * n - lead, 1005 + 1000 * n) for n in range(1, 4)]
    assert reports == [IS_SHOWN_EARLY]
