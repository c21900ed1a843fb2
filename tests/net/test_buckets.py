"""Tests of headend.net.buckets."""

from headend.net.buckets import Buckets


def test_full_bucket_lets_so_many_pass_and_fills_again_with_time() -> None:
    buckets = Buckets()
    assert [buckets.take("a", 0, 3, 0.5) for _ in range(4)] == [True, True, True, False]
    assert not buckets.take("a", 1, 3, 0.5)
    assert buckets.take("a", 2, 3, 0.5)
    assert not buckets.take("a", 2, 3, 0.5)
    assert [buckets.take("a", 1000, 3, 0.5) for _ in range(4)] == [True, True, True, False]


def test_what_one_address_takes_costs_no_other_anything() -> None:
    buckets = Buckets()
    for _ in range(100):
        buckets.take("a", 0, 1, 0.1)
    assert buckets.take("b", 0, 1, 0.1)
    assert buckets.take(None, 0, 1, 0.1)  # a unix socket


def test_only_so_many_addresses_are_remembered_those_seen_last() -> None:
    buckets = Buckets(addresses=2)
    assert all(buckets.take(name, 0, 1, 0) for name in "abca")
    assert len(buckets) == 2
    assert not buckets.take("c", 0, 1, 0)
    assert not buckets.take("a", 0, 1, 0)
