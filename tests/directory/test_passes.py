"""Tests of headend.directory.passes."""

import pytest

from headend.directory import passes
from headend.directory.passes import WINDOW, Passes

SECRET = b"secret of all members"


def test_pass_names_its_maker_where_it_is_for() -> None:
    maker, taker = Passes(SECRET, "one"), Passes(SECRET, "two")
    assert taker.take(maker.make("play", "live/a", "two"), "play", "live/a") == "one"


def test_pass_is_good_once_in_any_order() -> None:
    maker, taker = Passes(SECRET, "one"), Passes(SECRET, "two")
    made = [maker.make("play", "live/a", "two") for _ in range(5)]
    for each in reversed(made):
        assert taker.take(each, "play", "live/a") == "one"
    for each in made:
        assert taker.take(each, "play", "live/a") is None


def test_pass_that_many_have_overtaken_is_too_old() -> None:
    maker, taker = Passes(SECRET, "one"), Passes(SECRET, "two")
    old, *_, young = [maker.make("play", "live/a", "two") for _ in range(WINDOW + 2)]
    assert taker.take(young, "play", "live/a") == "one"
    assert taker.take(old, "play", "live/a") is None


@pytest.mark.parametrize(
    ("action", "path", "boot"),
    [("publish", "live/a", "two"), ("play", "live/b", "two"), ("play", "live/a", "three")],
)
def test_pass_is_for_one_action_one_stream_and_one_member(
    action: str, path: str, boot: str
) -> None:
    maker, taker = Passes(SECRET, "one"), Passes(SECRET, "two")
    assert taker.take(maker.make(action, path, boot), "play", "live/a") is None


@pytest.mark.parametrize("text", ["", ".", "one.1", "one.-1.aa", "one.²." + "0" * 64, "one.1.é"])
def test_garbage_is_no_pass(text: str) -> None:
    assert Passes(SECRET, "two").take(text, "play", "live/a") is None


def test_pass_made_with_another_secret_is_not_good() -> None:
    maker, taker = Passes(b"another", "one"), Passes(SECRET, "two")
    assert taker.take(maker.make("play", "live/a", "two"), "play", "live/a") is None


def test_pass_does_not_hold_the_secret() -> None:
    assert SECRET.decode() not in Passes(SECRET, "one").make("play", "live/a", "two")


def test_members_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "BOOTS", 2)
    taker = Passes(SECRET, "taker")
    for name in ("one", "two", "three"):
        assert taker.take(Passes(SECRET, name).make("play", "a", "taker"), "play", "a") == name
    assert len(taker._seen) == 2
