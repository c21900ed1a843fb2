"""This module tests headend.server.admission."""

from ipaddress import ip_address

import pytest

from headend.errors import LimitExceeded
from headend.server.admission import Admission
from headend.settings import Limits

ONE = ip_address("203.0.113.7")
OTHER = ip_address("2001:db8::7")
LIMITS = Limits(connections=4, connections_per_address=2)


def test_connections_of_one_address_are_limited() -> None:
    admission = Admission(LIMITS)
    admission.enter(ONE)
    admission.enter(ONE)
    with pytest.raises(LimitExceeded, match=r"limits\.connections_per_address: 3 .* 2"):
        admission.enter(ONE)
    admission.enter(OTHER)
    assert admission.connections == 4


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_loopback_is_exempt_from_the_limit_of_an_address(address: str) -> None:
    admission = Admission(LIMITS)
    for _ in range(4):
        admission.enter(ip_address(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.8", None])
def test_connections_in_all_are_limited_for_everybody(address: str | None) -> None:
    admission = Admission(LIMITS)
    for known in (ONE, ONE, OTHER, None):
        admission.enter(known)
    with pytest.raises(LimitExceeded, match=r"limits\.connections: 5 .* 4"):
        admission.enter(ip_address(address) if address else None)


def test_who_was_refused_leaves_too_and_who_leaves_makes_room() -> None:
    admission = Admission(LIMITS)
    admission.enter(ONE)
    admission.enter(ONE)
    with pytest.raises(LimitExceeded):
        admission.enter(ONE)
    admission.leave(ONE)
    admission.leave(ONE)
    admission.enter(ONE)
    assert admission.connections == 2


def test_nothing_is_kept_of_who_has_left() -> None:
    admission = Admission(LIMITS)
    for address in (ONE, OTHER, None):
        admission.enter(address)
        admission.leave(address)
    assert admission.connections == 0
    assert admission._by_address == {}


def test_limits_may_be_replaced() -> None:
    admission = Admission(LIMITS)
    admission.enter(ONE)
    admission.limits = Limits(connections=1)
    with pytest.raises(LimitExceeded):
        admission.enter(OTHER)
