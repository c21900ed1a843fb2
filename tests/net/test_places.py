"""Tests of headend.net.places."""

import socket
from ipaddress import ip_address

import pytest
from tests.outside import FORMS, INNER, OUTER, stand_outside

from headend.net import places
from headend.net.places import DialRoute, InnerPlace, NoSuchHost, PlaceForbidden, Rules, resolve


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


@pytest.mark.parametrize("host", FORMS)
async def test_forbidden_address_is_found_however_it_is_written(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_outside(monkeypatch)
    rules = Rules.of(["10.0.0.0/8", "other.example"])
    with pytest.raises(PlaceForbidden, match="is not allowed; name it in auth"):
        await resolve(host.strip("[]"), 80, rules)
    assert await resolve(host.strip("[]"), 80, Rules.of([INNER]))


async def test_name_is_allowed_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_outside(monkeypatch)
    for host in ("inner.test", "INNER.TEST.", "\uff49nner\u3002test"):
        assert await resolve(host, 80, Rules.of(["inner.test"])) == [(socket.AF_INET, INNER)]
        with pytest.raises(PlaceForbidden):
            await resolve(host, 80, Rules.of(["*.example"]))


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "256.1.1.1", "a b", "\u2100", ""])
async def test_what_can_be_no_host_has_no_address(host: str) -> None:
    for rules in (None, Rules()):
        with pytest.raises(NoSuchHost, match="no such host"):
            await resolve(host, 80, rules)


# ---------------------------------------------------------------------- routes


@pytest.mark.parametrize("host", FORMS)
async def test_nobody_outside_leads_inside(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_outside(monkeypatch)
    route = DialRoute(OUTER)
    await route.look_up(OUTER, 80)
    with pytest.raises(InnerPlace, match="is an inner address, and a server outside sends us"):
        await route.look_up(host.strip("[]"), 80)


async def test_inside_leads_inside_and_anywhere_leads_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_outside(monkeypatch)
    route = DialRoute("inner.test")
    await route.look_up("inner.test", 80)
    assert await route.look_up("127.0.0.3", 80)
    assert await route.look_up(OUTER, 80)
    with pytest.raises(InnerPlace):  # it came from outside by now …
        await route.look_up("127.0.0.3", 80)
    assert await route.look_up("INNER.test.", 80)  # … but this is what was named


async def test_networks_that_a_setting_names_are_reached_from_outside_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_outside(monkeypatch)
    named = Rules.of([f"{INNER}/32", OUTER])
    route = DialRoute(OUTER, None, named)
    await route.look_up(OUTER, 80)
    assert await route.look_up("127.2", 80)
    with pytest.raises(PlaceForbidden):
        await route.look_up("127.0.0.3", 80)
    by_name = DialRoute(OUTER, None, Rules.of(["inner.test"]))  # a name is no network
    await by_name.look_up(OUTER, 80)
    with pytest.raises(InnerPlace):
        await by_name.look_up("inner.test", 80)


async def test_place_that_is_named_is_asked_by_its_own_rules() -> None:
    assert await DialRoute("169.254.169.254").look_up("169.254.169.254", 80)
    with pytest.raises(PlaceForbidden):
        await DialRoute("169.254.169.254", Rules()).look_up("169.254.169.254", 80)
    with pytest.raises(PlaceForbidden):
        await DialRoute("127.0.0.1").look_up("169.254.169.254", 80)


async def test_name_with_an_address_outside_is_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(host: str, port: int, **_: object) -> list[object]:
        both = ("127.0.0.3", "203.0.113.9") if host == "two.test" else (host,)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in both]

    stand_outside(monkeypatch)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(places, "is_inner", lambda address: str(address) != "203.0.113.9")
    route = DialRoute("two.test")
    assert len(await route.look_up("two.test", 80)) == 2
    with pytest.raises(InnerPlace):
        await route.look_up(INNER, 80)
    outer = DialRoute("203.0.113.9")
    await outer.look_up("203.0.113.9", 80)
    assert await outer.look_up("two.test", 80) == [(socket.AF_INET, "203.0.113.9")]


async def test_proxy_is_called_and_what_it_fetches_is_taken_for_outside() -> None:
    route = DialRoute("127.0.0.1")
    route.take_proxies(["127.0.0.9"])
    assert await route.look_up("127.0.0.2", 80)
    assert await route.look_up("127.0.0.9", 80)
    with pytest.raises(InnerPlace):
        await route.look_up("127.0.0.2", 80)
    assert await route.look_up("127.0.0.9", 80)
    assert await route.look_up("127.0.0.1", 80)
