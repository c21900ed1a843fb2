"""Tests of headend.hub.shares."""

from collections import Counter
from itertools import count

import pytest

from headend.hub.shares import gives_way


@pytest.mark.parametrize(
    ("owners", "newcomer", "loser"),
    [
        ("aab", "c", 0),  # the oldest of who has most
        ("baa", "c", 1),
        ("baa", "b", 1),
        ("baa", "a", 1),
        ("bbaa", "a", 2),  # of those that have the same the newcomer loses
        ("abc", "d", 0),
        ("abc", "c", 2),
        ("a", "a", 0),
    ],
)
def test_who_has_most_gives_up_the_oldest(owners: str, newcomer: str, loser: int) -> None:
    assert gives_way(list(enumerate(owners)), newcomer) == loser


def test_no_owner_keeps_others_out_however_often_it_comes() -> None:
    numbers = count()
    held = [(next(numbers), "greedy") for _ in range(10)]
    for each in range(4):  # four others come, and the greedy one in between
        for newcomer in (f"other {each}", "greedy", "greedy"):
            loser = gives_way(held, newcomer)
            held = [thing for thing in held if thing[0] != loser]
            held.append((next(numbers), newcomer))
    assert Counter(owner for _, owner in held) == {
        "greedy": 6,
        **{f"other {each}": 1 for each in range(4)},
    }
