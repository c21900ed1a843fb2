"""Tests of headend.codec.extent."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from headend.codec.extent import Extent


def stream(seconds: float | None = None, noted: str = "") -> Any:
    clock = Fraction(1, 1000)
    duration = None if seconds is None else round(seconds * 1000)
    return SimpleNamespace(duration=duration, time_base=clock, metadata={"DURATION": noted})


def packet(dts: int | None, duration: int | None = 40) -> Any:
    return SimpleNamespace(dts=dts, duration=duration, time_base=Fraction(1, 1000))


@pytest.mark.parametrize(
    ("noted", "announced"),
    [
        ("00:01:02.345000000", 62.345),
        ("", None),
        ("soon", None),
        ("1:2", None),
        ("00:00:nan", None),
        ("00:00:1e300", None),
    ],
)
def test_length_is_noted_in_matroska(noted: str, announced: float | None) -> None:
    assert Extent(stream(noted=noted)).announced_s == announced


@pytest.mark.parametrize(
    ("announced", "end_ms", "is_cut"),
    [(10.0, 10_000, False), (10.0, 9100, False), (10.0, 5000, True), (1.5, 900, False)],
)
def test_what_is_clearly_less_is_cut(announced: float, end_ms: int, is_cut: bool) -> None:
    extent = Extent(stream(announced))
    for dts in range(3000, 3000 + end_ms, 100):  # a clock that begins anywhere
        extent.add(packet(dts, 100))
    assert extent.seen_s == pytest.approx(end_ms / 1000)
    assert extent.is_cut is is_cut


def test_nothing_announced_is_never_cut_and_packets_without_time_count_nothing() -> None:
    extent = Extent(stream())
    extent.add(packet(None))
    extent.add(packet(0, None))
    assert extent.seen_s == 0
    assert not extent.is_cut
