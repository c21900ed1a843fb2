"""Tests of headend.hls.fill_in."""

import pytest

from headend.codec.package import Packet
from headend.errors import MediaError
from headend.hls.fill_in import STILL_MS, FillIn
from headend.hls.order import Order
from headend.media.silence import Silence
from headend.media.tag import AUDIO, VIDEO

SILENCE = Silence(b"hush", 20)
STILL = Packet(VIDEO, 1000, 1000, True, b"still")


def sound(dts: int) -> Packet:
    return Packet(AUDIO, dts, dts, True, b"loud")


def picture(dts: int) -> Packet:
    return Packet(VIDEO, dts, dts, False, b"picture")


def test_silence_takes_the_place_of_sound_that_does_not_come() -> None:
    order, fill_in = Order([VIDEO, AUDIO], 0), FillIn(SILENCE, None, None, 0)
    for dts in (0, 40, 80):
        order.add(picture(dts))
        fill_in.fill(order, dts)
    got = [packet for packet in order.drain() if packet.kind is AUDIO]
    assert [(packet.dts, packet.payload) for packet in got] == [
        (dts, b"hush") for dts in (0, 20, 40, 60, 80)
    ]


def test_silence_waits_for_sound_that_comes_and_gives_way_when_it_is_back() -> None:
    order, fill_in = Order([VIDEO, AUDIO], 0), FillIn(None, SILENCE, None, 0)
    order.add(sound(0))
    for dts in range(0, 1040, 40):
        order.add(picture(dts))
        fill_in.fill(order, dts)
        assert fill_in.is_filled == (dts >= 1000)
    assert not fill_in.has_filled(picture(1040))
    assert fill_in.has_filled(sound(900))
    assert fill_in.is_filled
    assert not fill_in.has_filled(sound(1020))
    assert not fill_in.is_filled


def test_sound_without_a_known_silence_leaves_a_gap() -> None:
    order, fill_in = Order([VIDEO, AUDIO], 0), FillIn(None, None, None, 0)
    for dts in range(0, 3000, 40):
        order.add(picture(dts))
        fill_in.fill(order, dts)
    assert not fill_in.is_filled
    assert {packet.kind for packet in order.drain()} == {VIDEO}


def test_silence_does_not_stand_in_for_hours() -> None:
    order, fill_in = Order([VIDEO, AUDIO], 2000), FillIn(SILENCE, None, None, 2000)
    with pytest.raises(MediaError, match="over 60 s apart"):
        fill_in.fill(order, 62_001)
    assert order.following(AUDIO) is None


def test_still_is_shown_twice_a_second_with_the_sound() -> None:
    order, fill_in = Order([VIDEO, AUDIO], 1000), FillIn(None, None, STILL, 1000)
    order.add(STILL)
    for dts in range(1000, 2600, 20):
        order.add(sound(dts))
        fill_in.fill(order, dts)
    got = [packet for packet in order.drain() if packet.kind is VIDEO]
    assert [packet.dts for packet in got] == [1000, 1500, 2000, 2500]
    assert STILL_MS == 500
    assert all(packet.pts == packet.dts and packet.payload == b"still" for packet in got)
