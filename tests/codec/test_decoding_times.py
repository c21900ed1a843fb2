"""Tests of headend.codec.decoding_times."""

import av
import pytest

from headend.codec.decoding_times import MAX_LATE, DecodingTimes
from headend.codec.flv_muxer import Packet


def packet(pts: int | None, dts: int | None, duration: int = 0) -> Packet:
    made: Packet = av.Packet(b"data")
    made.pts, made.dts, made.duration = pts, dts, duration
    return made


def times(packets: list[Packet]) -> list[tuple[int | None, int | None]]:
    return [(each.pts, each.dts) for each in packets]


@pytest.mark.parametrize("duration", [40, 0])
def test_first_packets_of_matroska_wait_for_a_decoding_time(duration: int) -> None:
    line = DecodingTimes()
    assert line.take(packet(80, None, duration)) == []
    assert line.take(packet(200 if duration else 120, None, duration)) == []
    shown = times(line.take(packet(120, 80, duration)))
    assert [dts for _, dts in shown] == [0, 40, 80]
    assert times(line.take(packet(160, 120, duration))) == [(160, 120)]
    assert line.flush() == []


def test_packet_of_avi_is_shown_when_it_is_decoded() -> None:
    assert times(DecodingTimes().take(packet(None, 40))) == [(40, 40)]


def test_what_never_gets_a_time_is_in_order_at_the_end() -> None:
    line = DecodingTimes()
    for pts in (0, 120, 40, 80):
        assert line.take(packet(pts, None)) == []
    assert times(line.flush()) == [(0, 0), (120, 40), (40, 80), (80, 120)]


def test_single_packet_comes_before_the_next() -> None:
    line = DecodingTimes()
    line.take(packet(5, None))
    assert times(line.take(packet(6, 5))) == [(5, 4), (6, 5)]


def test_packets_without_any_time_are_left_out_and_few_are_kept() -> None:
    line = DecodingTimes()
    assert line.take(packet(None, None)) == []
    for number in range(MAX_LATE + 5):
        line.take(packet(number, None))
    assert len(line.flush()) == MAX_LATE
