"""Tests of headend.errors."""

import pytest

from headend.errors import HeadendError, RelayError, causes


def test_causes_are_given_from_the_last_to_the_first() -> None:
    first, second, third = OSError("1"), RelayError("2"), HeadendError("3")
    second.__cause__, third.__cause__ = first, second
    first.__context__ = None
    assert list(causes(third)) == [third, second, first]
    assert list(causes(None)) == []


def test_cause_that_is_no_cause_but_was_at_hand_counts_too() -> None:
    first, second = OSError("1"), RelayError("2")
    second.__context__ = first
    assert list(causes(second)) == [second, first]


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_chain_that_leads_back_ends(link: str) -> None:
    own = OSError("raised from itself")
    setattr(own, link, own)
    assert list(causes(own)) == [own]
    one, other = OSError("1"), RelayError("2")
    other.__cause__ = one
    setattr(one, link, other)
    assert list(causes(other)) == [other, one]
