"""Tests of headend.access.guard."""

from ipaddress import IPv4Address, ip_address

from headend.access.guard import ADDRESSES, Guard

HOME = ip_address("203.0.113.7")


def test_few_wrong_attempts_cost_nothing_and_then_each_twice_as_much() -> None:
    guard = Guard(most=20, ban_s=300)
    delays = [guard.wrong(HOME, now) for now in range(10)]
    assert delays == [0, 0, 0, 0.25, 0.5, 1, 2, 4, 4, 4]
    assert guard.banned_s(HOME, 10) == 0


def test_many_wrong_attempts_lead_to_a_ban_that_ends() -> None:
    guard = Guard(most=5, ban_s=300)
    for now in range(5):
        guard.wrong(HOME, now)
    assert guard.banned_s(HOME, 4) == 300
    assert guard.banned_s(HOME, 303) == 1
    assert guard.banned_s(HOME, 304) == 0
    assert guard.bans == 1
    assert guard.wrong(HOME, 305) == 0  # starts anew
    assert guard.banned_s(ip_address("203.0.113.8"), 4) == 0


def test_right_attempt_and_time_let_wrong_ones_be_forgotten() -> None:
    guard = Guard(most=5, ban_s=300)
    for now in range(4):
        guard.wrong(HOME, now)
    guard.right(HOME)
    guard.right(HOME)
    assert guard.wrong(HOME, 5) == 0
    for now in range(6, 9):
        guard.wrong(HOME, now)
    assert guard.wrong(HOME, 609) == 0
    assert guard.bans == 0


def test_ipv6_counts_by_what_one_customer_has() -> None:
    guard = Guard(most=2, ban_s=300)
    guard.wrong(ip_address("2001:db8:0:1::1"), 0)
    guard.wrong(ip_address("2001:db8:0:1:ffff::2"), 0)
    assert guard.banned_s(ip_address("2001:db8:0:1::3"), 1) == 299
    assert guard.banned_s(ip_address("2001:db8:0:2::1"), 1) == 0


def test_machine_itself_counts_as_one_address() -> None:
    guard = Guard(most=1, ban_s=300)
    guard.wrong(None, 0)
    assert guard.banned_s(None, 0) == 300


def test_memory_is_bounded() -> None:
    guard = Guard(most=2, ban_s=300)
    for number in range(ADDRESSES + 10):
        guard.wrong(IPv4Address(number), 0)
    assert len(guard) == ADDRESSES
    assert guard.wrong(IPv4Address(5), 0) == 0  # the oldest are forgotten
    assert guard.banned_s(IPv4Address(5), 0) == 0


def test_attempts_at_another_worker_count_and_are_not_told_again() -> None:
    guard, told = Guard(most=3, ban_s=300), list[bool]()
    guard.told = lambda address, *, is_right: told.append(is_right)
    guard.hear(HOME, 0, is_right=False)
    guard.hear(HOME, 1, is_right=False)
    assert guard.banned_s(HOME, 1) == 0
    assert guard.wrong(HOME, 2) == 0
    assert guard.banned_s(HOME, 2) == 300
    guard.hear(HOME, 3, is_right=True)
    assert len(guard) == 0
    guard.right(HOME)
    assert told == [False]
