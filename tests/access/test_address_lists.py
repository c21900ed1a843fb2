"""Tests of headend.access.address_lists."""

from ipaddress import ip_address, ip_network

import pytest

from headend.access.address_lists import AddressList, NetworkSet


def lists(allowed: str = "", denied: str = "") -> AddressList:
    return AddressList(map(ip_network, allowed.split()), map(ip_network, denied.split()))


def test_without_lists_everybody_may() -> None:
    assert lists().allows(ip_address("203.0.113.7"))
    assert lists().allows(None)


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::a01:203", False),  # the number of 10.1.2.3, in the other family
    ],
)
def test_who_is_in_the_list_may_and_others_may_not(address: str, may: bool) -> None:
    assert lists("10.0.0.0/8 2001:db8::/32").allows(ip_address(address)) is may


def test_who_is_denied_may_not_even_if_allowed() -> None:
    both = lists("10.0.0.0/8", "10.6.6.0/24 10.7.0.1")
    assert both.allows(ip_address("10.6.5.1"))
    assert not both.allows(ip_address("10.6.6.1"))
    assert not both.allows(ip_address("::ffff:10.7.0.1"))
    assert lists(denied="10.6.6.6").allows(ip_address("10.6.6.7"))


def test_unix_socket_counts_as_this_machine() -> None:
    assert lists("127.0.0.0/8").allows(None)
    assert lists("::1").allows(None)
    assert not lists("10.0.0.0/8").allows(None)
    assert not lists(denied="::1").allows(None)


def test_network_may_be_written_as_mapped_ipv6() -> None:
    mapped = NetworkSet([ip_network("::ffff:10.0.0.0/104")])
    assert ip_address("10.9.9.9") in mapped
    assert ip_address("::ffff:10.9.9.9") in mapped
    assert ip_address("11.9.9.9") not in mapped


def test_all_addresses_of_a_family_are_one_network() -> None:
    every = NetworkSet([ip_network("0.0.0.0/0")])
    assert every
    assert ip_address("255.255.255.255") in every
    assert ip_address("::1") not in every
    assert not NetworkSet([])
