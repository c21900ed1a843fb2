"""Tests of headend.net.stall."""

from typing import cast

from headend.net.stall import Stall
from headend.net.transport import Transport


class FakeTransport:
    drained_bytes = 0


def test_peer_that_takes_nothing_is_given_up_after_the_limit() -> None:
    transport, stall = cast(Transport, FakeTransport()), Stall()
    assert not stall.is_on
    assert not stall.is_over(transport, 1e9, 15)
    stall.begin(transport, 100)
    assert stall.is_on
    assert stall.deadline(15) == 115
    assert not stall.is_over(transport, 114.9, 15)
    assert stall.is_over(transport, 115, 15)


def test_peer_that_takes_a_little_has_the_time_anew() -> None:
    transport, stall = cast(Transport, FakeTransport()), Stall()
    stall.begin(transport, 100)
    transport.drained_bytes = 7
    assert not stall.is_over(transport, 115, 15)
    assert stall.deadline(15) == 130
    assert stall.is_over(transport, 130, 15)


def test_peer_that_has_taken_all_is_not_given_up() -> None:
    transport, stall = cast(Transport, FakeTransport()), Stall()
    stall.begin(transport, 100)
    stall.end()
    assert not stall.is_on
    assert not stall.is_over(transport, 200, 15)
