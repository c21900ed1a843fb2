"""Tests that keep the bench of the player page working; they time nothing."""

from bench.web import Watched, targets
from bench.web_source import BITS, CELL, CODE_Y, PICTURE, coded


def test_time_is_drawn_in_squares_highest_bit_first() -> None:
    plane = PICTURE.luma("12:34:56.789", 0)
    drawn = coded(plane, 0x80000005)
    assert len(drawn) == len(plane)
    middle = (CODE_Y + CELL // 2) * PICTURE.width
    levels = [drawn[middle + bit * CELL + CELL // 2] for bit in range(BITS)]
    assert levels == [235, *[24] * 28, 235, 24, 235]
    assert drawn[: CODE_Y * PICTURE.width] == plane[: CODE_Y * PICTURE.width]


def test_figures_are_set_beside_what_must_be_reached() -> None:
    flv = Watched("FLV", [0.4, 0.6, 0.5], [0.5, 0.7, 0.6], 0, 0.0, 0)
    hls = Watched("HLS", [1.6] * 3, [1.7] * 3, 2, 1.0, 0)
    found = {target.label: target for target in targets([0.5, 1.1, 0.6], flv, hls)}
    assert found["first picture, median, s"].value == 0.6
    assert found["first picture, slowest, s"].is_reached is False
    assert found["FLV: live latency, median, s"].value == 0.5
    assert found["FLV: stalls"].is_reached is True
    assert found["HLS: live latency, median, s"].is_reached is False
    assert found["HLS: stalls"].is_reached is False
