"""Packets of two tracks, put in order of time however far apart the tracks come."""

import pytest

from headend.codec.package import Packet
from headend.hls import order as module
from headend.hls.order import Order
from headend.media.tag import AUDIO, VIDEO


def picture(dts: int, size: int = 1) -> Packet:
    return Packet(VIDEO, dts, dts, True, bytes(size))


def sound(dts: int) -> Packet:
    return Packet(AUDIO, dts, dts, True, b"s")


def times(order: Order) -> list[int]:
    return [packet.dts for packet in order.ready()]


def test_track_that_is_ahead_waits_for_the_other() -> None:
    order = Order((VIDEO, AUDIO), 0)
    for dts in (8000, 8040):
        order.add(picture(dts))
    order.add(sound(0))
    assert times(order) == [0]
    assert (order.following(VIDEO), order.following(AUDIO)) == (8000, None)
    assert [packet.dts for packet in order.drain()] == [8000, 8040]


@pytest.mark.parametrize(("limit", "size"), [("MOST", 1), ("MOST_BYTES", 100)])
def test_what_waits_is_bounded_in_number_and_bytes(
    limit: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, limit, 3 * size)
    order = Order((VIDEO, AUDIO), 0)
    for dts in (8000, 8040, 8080):
        order.add(picture(dts, size))
    assert times(order) == []
    order.add(picture(8120, size))
    assert times(order) == [8000, 8040, 8080, 8120]
