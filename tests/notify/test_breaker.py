"""Tests of headend.notify.breaker."""

from ipaddress import ip_address

from headend.notify.breaker import FAILURES, PAUSE_S, Breaker

ONE, OTHER, THIRD = (ip_address(f"192.0.2.{number}") for number in (1, 2, 3))


def test_backend_that_fails_on_several_is_left_alone_by_all() -> None:
    breaker = Breaker()
    last = [breaker.failed(address, 100.0) for address in (ONE, OTHER, ONE, ONE)]
    assert breaker.may_ask(ONE, 100.0)
    assert [*last, breaker.failed(ONE, 100.0), breaker.failed(ONE, 100.0)] == [
        *[False] * (FAILURES - 1), True, False,
    ]  # fmt: skip
    assert not any(breaker.may_ask(each, 101.0) for each in (ONE, OTHER, THIRD, None))
    assert breaker.is_resting(101.0)


def test_one_finds_out_whether_it_is_back() -> None:
    breaker = Breaker()
    for address in (ONE, OTHER, ONE, ONE, ONE):
        breaker.failed(address, 100.0)
    later = 100.0 + PAUSE_S
    assert breaker.may_ask(THIRD, later)
    assert not breaker.may_ask(ONE, later)
    assert breaker.answered()
    assert breaker.may_ask(ONE, later)
    assert not breaker.answered()


def test_one_address_alone_shuts_out_itself_only() -> None:
    breaker = Breaker()
    for _ in range(FAILURES + 2):
        breaker.failed(ONE, 100.0)
    assert not breaker.may_ask(ONE, 101.0)
    assert breaker.may_ask(OTHER, 101.0)
    of_one = ip_address("2001:db8::1"), ip_address("2001:db8::2")
    breaker = Breaker()
    for number in range(FAILURES):
        breaker.failed(of_one[number % 2], 100.0)  # one customer
    assert not breaker.may_ask(of_one[0], 101.0)
    assert breaker.may_ask(ONE, 101.0)


def test_answer_in_between_begins_anew() -> None:
    breaker = Breaker()
    for _ in range(3):
        for address in (ONE, OTHER, ONE, OTHER):
            breaker.failed(address, 100.0)
        assert not breaker.answered()
    assert breaker.may_ask(ONE, 100.0)
