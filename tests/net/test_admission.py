"""Tests of headend.net.admission."""

from ipaddress import ip_address

import pytest

from headend.errors import LimitExceeded
from headend.net.admission import Admission
from headend.settings import Limits

ONE = ip_address("203.0.113.7")
OTHER = ip_address("2001:db8::7")
LIMITS = Limits(connections=4, connections_per_address=2)
FAST = Limits(connections_per_minute=3)


def test_connections_of_one_address_are_limited() -> None:
    admission = Admission(LIMITS)
    admission.enter(ONE, 0)
    admission.enter(ONE, 0)
    with pytest.raises(LimitExceeded, match=r"limits\.connections_per_address: 3 .* 2"):
        admission.enter(ONE, 0)
    admission.enter(OTHER, 0)
    assert admission.connections == 4


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_loopback_is_exempt_from_the_limit_of_an_address(address: str) -> None:
    admission = Admission(LIMITS)
    for _ in range(4):
        admission.enter(ip_address(address), 0)


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.8", None])
def test_connections_in_all_are_limited_for_everybody(address: str | None) -> None:
    admission = Admission(LIMITS)
    for known in (ONE, ONE, OTHER, None):
        admission.enter(known, 0)
    with pytest.raises(LimitExceeded, match=r"limits\.connections: 5 .* 4"):
        admission.enter(ip_address(address) if address else None, 0)


def test_who_was_refused_leaves_too_and_who_leaves_makes_room() -> None:
    admission = Admission(LIMITS)
    admission.enter(ONE, 0)
    admission.enter(ONE, 0)
    with pytest.raises(LimitExceeded):
        admission.enter(ONE, 0)
    admission.leave(ONE)
    admission.leave(ONE)
    admission.enter(ONE, 0)
    assert admission.connections == 2


def test_nothing_is_kept_of_who_has_left() -> None:
    admission = Admission(LIMITS)
    for address in (ONE, OTHER, None):
        admission.enter(address, 0)
        admission.leave(address)
    assert admission.connections == 0
    assert admission._by_address == {}


def test_limits_may_be_replaced() -> None:
    admission = Admission(LIMITS)
    admission.enter(ONE, 0)
    admission.limits = Limits(connections=1)
    with pytest.raises(LimitExceeded):
        admission.enter(OTHER, 0)


def test_ipv6_addresses_count_by_what_one_customer_has() -> None:
    admission = Admission(LIMITS)
    admission.enter(ip_address("2001:db8::1"), 0)
    admission.enter(ip_address("2001:db8::2"), 0)
    with pytest.raises(LimitExceeded, match="per_address"):
        admission.enter(ip_address("2001:db8::3"), 0)
    admission.enter(ip_address("2001:db8:0:1::3"), 0)


def try_often(admission: Admission, now: float, address: str = "203.0.113.7") -> int:
    """Connect and leave until it is refused, at most 10 times; return how often it was let in."""
    for count in range(10):
        try:
            admission.enter(ip_address(address), now)
        except LimitExceeded:
            return count
        finally:
            admission.leave(ip_address(address))
    return 10


def test_new_connections_of_an_address_are_limited_by_the_minute() -> None:
    admission = Admission(FAST)
    assert try_often(admission, 0) == 3
    assert try_often(admission, 0, "203.0.113.8") == 3
    with pytest.raises(LimitExceeded, match=r"limits\.connections_per_minute: 4 .* 3$"):
        admission.enter(ONE, 0)
    admission.leave(ONE)
    assert try_often(admission, 19) == 0
    assert try_often(admission, 21) == 1
    assert try_often(admission, 41) == 1
    assert try_often(admission, 1000) == 3


def test_loopback_balancers_and_servers_without_that_limit_take_any_number() -> None:
    admission = Admission(FAST)
    assert try_often(admission, 0, "127.0.0.1") == 10
    for _ in range(10):
        admission.enter(ONE, 0, is_balancer=True)
    assert try_often(Admission(Limits(connections_per_minute=0)), 0) == 10


class Idle:
    """A connection that leaves when it is asked to."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.is_gone = False

    def give_way(self) -> None:
        self.is_gone = True
        self._admission.leave(None)


def test_idle_connections_give_way_the_oldest_first_and_only_where_all_places_are_taken() -> None:
    admission = Admission(LIMITS)
    first, busy, second = (Idle(admission) for _ in range(3))
    for each in (first, busy, second):
        admission.enter(None, 0)
        admission.may_go(each)
    admission.must_stay(busy)
    admission.enter(ONE, 0)
    assert not first.is_gone
    admission.enter(ONE, 0)
    assert (first.is_gone, second.is_gone) == (True, False)
    admission.enter(OTHER, 0)
    assert (second.is_gone, busy.is_gone, admission.connections) == (True, False, 4)
    with pytest.raises(LimitExceeded):
        admission.enter(OTHER, 0)
    assert not busy.is_gone


def test_nobody_gives_way_to_an_address_that_has_too_many() -> None:
    admission = Admission(LIMITS)
    idle = Idle(admission)
    admission.enter(None, 0)
    admission.may_go(idle)
    for _ in range(2):
        admission.enter(ONE, 0)
    with pytest.raises(LimitExceeded, match=r"connections_per_address"):
        admission.enter(ONE, 0)
    assert not idle.is_gone
