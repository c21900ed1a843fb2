"""Tests of headend.access.tickets."""

from ipaddress import ip_address

import pytest

from headend.access import tickets
from headend.access.tickets import Tickets

KEY = bytes(range(32))
HERE = ip_address("192.0.2.1")
NOW = 1_800_000_000.0
QUERY = {"user": "u1", "pw": "good ü \ud800"}


def made(query: dict[str, str] | None = None, now: float = NOW) -> str:
    text = Tickets(KEY).make(QUERY if query is None else query, "live/a", HERE, now)
    assert text is not None
    return text


def test_ticket_stands_for_its_parameters_and_shows_none() -> None:
    text = made()
    assert Tickets(KEY).read(text, "live/a", HERE, NOW) == QUERY
    assert "good" not in text
    assert text.isascii()
    assert text.replace("-", "").replace("_", "").isalnum()
    assert len(text) < 120


def test_same_parameters_give_the_same_ticket_for_a_while() -> None:
    assert made() == made(dict(reversed(QUERY.items())))
    assert made({**QUERY, "pw": "bad"}) != made()


@pytest.mark.parametrize(
    ("path", "address"),
    [("live/b", "192.0.2.1"), ("live", "192.0.2.1"), ("live/a", "192.0.2.2"), ("live/a", None)],
)
def test_ticket_is_for_one_stream_at_one_address(path: str, address: str | None) -> None:
    place = None if address is None else ip_address(address)
    assert Tickets(KEY).read(made(), path, place, NOW) is None


def test_customer_of_ipv6_has_many_addresses() -> None:
    of_one, of_another = ip_address("2001:db8::1"), ip_address("2001:db8:0:1::1")
    text = Tickets(KEY).make(QUERY, "live/a", of_one, NOW)
    assert text is not None
    assert Tickets(KEY).read(text, "live/a", ip_address("2001:db8::ffff"), NOW) == QUERY
    assert Tickets(KEY).read(text, "live/a", of_another, NOW) is None


def test_ticket_does_not_last_for_ever() -> None:
    text = made()
    assert Tickets(KEY).read(text, "live/a", HERE, NOW + tickets.LIFE_S) == QUERY
    assert Tickets(KEY).read(text, "live/a", HERE, NOW + tickets.LIFE_S + tickets.STEP_S) is None


@pytest.mark.parametrize(
    "text",
    ["", "x", "====", "é", "\0", "A" * 5000, made()[:-2], made() + "A", made().swapcase()],
)
def test_what_is_no_ticket_stands_for_nothing(text: str) -> None:
    assert Tickets(KEY).read(text, "live/a", HERE, NOW) is None
    assert Tickets(bytes(32)).read(made(), "live/a", HERE, NOW) is None


def test_parameters_have_a_limit() -> None:
    assert Tickets(KEY).make({"a": "x" * tickets.QUERY_BYTES}, "live/a", HERE, NOW) is None
    longest = made({"a": "x" * (tickets.QUERY_BYTES - 8)})
    assert len(longest) <= tickets.TICKET_CHARACTERS
    assert Tickets(KEY).read(longest, "live/a", HERE, NOW)
