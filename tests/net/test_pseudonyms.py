"""Tests of headend.net.pseudonyms."""

import re
from ipaddress import ip_address

from headend.net.pseudonyms import CACHED, DAY_S, Form, Pseudonyms

KEY = bytes(range(32))
ADDRESS = ip_address("203.0.113.7")


def pseudonyms(form: Form = "pseudonymous", days: int = 1, key: bytes = KEY) -> Pseudonyms:
    return Pseudonyms(key, form, days)


def test_full_address_is_shown_where_that_is_wanted() -> None:
    assert pseudonyms("full").shown(ADDRESS, 0) == "203.0.113.7"
    assert pseudonyms("full").shown(ip_address("::ffff:203.0.113.7"), 0) == "203.0.113.7"
    assert pseudonyms("full").shown(None, 0) is None


def test_nothing_is_shown_where_nothing_is_wanted() -> None:
    assert pseudonyms("none").shown(ADDRESS, 0) is None


def test_address_has_one_pseudonym_within_a_day_and_another_the_next() -> None:
    one = pseudonyms()
    first = one.shown(ADDRESS, 5 * DAY_S)
    assert re.fullmatch(r"anon-[a-z2-7]{16}", first or "")
    assert one.shown(ip_address("::ffff:203.0.113.7"), 6 * DAY_S - 1) == first
    assert one.shown(ADDRESS, 6 * DAY_S) != first
    assert one.shown(ADDRESS, 5 * DAY_S) == first
    assert one.shown(ip_address("203.0.113.8"), 5 * DAY_S) != first
    assert pseudonyms(key=KEY[::-1]).shown(ADDRESS, 5 * DAY_S) != first


def test_period_may_be_longer_or_without_end() -> None:
    week, always = pseudonyms(days=7), pseudonyms(days=0)
    assert week.shown(ADDRESS, 0) == week.shown(ADDRESS, 7 * DAY_S - 1)
    assert week.shown(ADDRESS, 0) != week.shown(ADDRESS, 7 * DAY_S)
    assert always.shown(ADDRESS, 0) == always.shown(ADDRESS, 9999 * DAY_S)


def test_all_that_stands_for_an_address_is_found_again() -> None:
    one = pseudonyms()
    kept = {one.shown(ADDRESS, day * DAY_S + 60) for day in range(3, 6)}
    found = one.all(ip_address("::ffff:203.0.113.7"), 3 * DAY_S, 5 * DAY_S + 90)
    assert found[0] == "203.0.113.7"
    assert set(found[1:]) == kept


def test_memory_is_bounded() -> None:
    one = pseudonyms()
    for number in range(CACHED + 10):
        one.shown(ip_address(number), 0)
    assert len(one._known) <= CACHED
