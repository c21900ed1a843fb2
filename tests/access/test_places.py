"""This module tests headend.access.places."""

import socket
from ipaddress import ip_address

import pytest
from tests.live import run

from headend.access.places import OutgoingError, Rules, check_literal, resolve


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "::ffff:169.254.169.254",  # an IPv4 address in IPv6's clothes
        "64:ff9b::a9fe:a9fe",  # by NAT64
        "2002:a9fe:a9fe::1",  # by 6to4
    ],
)
def test_metadata_of_clouds_and_the_like_are_never_called_by_default(address: str) -> None:
    assert not Rules().allow("a.example", ip_address(address))
    assert not Rules.of(["a.example"]).allow("a.example", ip_address(address))
    assert Rules.of([address]).allow("a.example", ip_address(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "::1", "203.0.113.9", "2001:db8::1"])
def test_other_addresses_are_called_by_default(address: str) -> None:
    assert Rules().allow("a.example", ip_address(address))


@pytest.mark.parametrize(
    ("host", "address", "is_allowed"),
    [
        ("a.example", "203.0.113.9", True),
        ("A.EXAMPLE.", "203.0.113.9", True),
        ("x.b.example", "203.0.113.9", True),
        ("b.example", "203.0.113.9", False),
        ("c.example", "203.0.113.9", False),
        ("c.example", "10.1.2.3", True),
        ("c.example", "::ffff:10.1.2.3", True),
        ("203.0.113.9", "203.0.113.9", False),
    ],
)
def test_list_allows_what_it_names_and_nothing_else(
    host: str, address: str, is_allowed: bool
) -> None:
    rules = Rules.of(["a.example", "*.B.example", "10.0.0.0/8"])
    assert rules.allow(host, ip_address(address)) is is_allowed


def test_host_that_is_an_address_is_checked_as_it_is() -> None:
    check_literal("a.example", Rules())
    check_literal("127.0.0.1", Rules())
    with pytest.raises(OutgoingError, match=r"fe80::1%eth0 is not allowed"):
        check_literal("fe80::1%eth0", Rules())


def test_addresses_are_given_to_who_connects_by_itself() -> None:
    async def main() -> None:
        found = await resolve("127.0.0.1", 1935, Rules())
        assert found == [(socket.AF_INET, "127.0.0.1")]
        with pytest.raises(OutgoingError, match="not allowed"):
            await resolve("169.254.169.254", 1935, Rules())

    run(main())
