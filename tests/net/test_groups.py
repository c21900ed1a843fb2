"""Tests of headend.net.groups."""

from ipaddress import ip_address

import pytest

from headend.net.groups import group_of


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8::1", "2001:db8::ffff:0:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.8", False),
    ],
)
def test_addresses_of_one_customer_count_together(one: str, other: str, is_same: bool) -> None:
    assert (group_of(ip_address(one)) == group_of(ip_address(other))) is is_same


def test_unix_sockets_count_together() -> None:
    assert group_of(None) == group_of(None)
    assert group_of(None) != group_of(ip_address("::1"))
