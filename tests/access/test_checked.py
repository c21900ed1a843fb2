"""Tests of headend.access.checked."""

import pytest

from headend.access.checked import DecisionError, checked
from headend.decisions import Allow, Decision, Deny, Redirect


@pytest.mark.parametrize(
    "decision",
    [
        Allow(),
        Allow("live/a", 10, 5_000_000, 3600.0, 1795622931.5, "Ann", (("plan", "gold"),)),
        Deny("no", "NetStream.Publish.BadName"),
        Redirect("rtmps://b.example:443/live/a"),
        Redirect("https://b.example/live/a.flv?token=x"),
    ],
)
def test_decision_that_makes_sense_is_taken_as_it_is(decision: Decision) -> None:
    assert checked(decision) == decision


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (Allow(stream="live"), "stream: must be APP/NAME"),
        (Allow(stream="../a"), "stream: must be APP/NAME"),
        (Allow(stream=7), "stream: must be APP/NAME"),  # type: ignore[arg-type]
        (Allow(max_viewers=-1), "max_viewers: must be a number"),
        (Allow(max_bit_rate=True), "max_bit_rate: must be a number"),
        (Allow(max_duration_s="1"), "max_duration_s: must be"),  # type: ignore[arg-type]
        (Allow(expires_at=float("nan")), "expires_at: must be a number"),
        (Allow(record="no"), "record: must be true or false"),  # type: ignore[arg-type]
        (Deny("no", "OK"), "code: must be such as"),
        (Redirect("file:///etc/passwd"), "url: must be"),
        (Redirect("rtmp://a.example/\r\nX: y"), "url: must be"),
        (Redirect("rtmp://[::1"), "url: must be"),
        (Redirect("rtmp://"), "url: must be"),
        (Redirect("rtmp://a.example/" + 2000 * "x"), "url: must be"),
        (Redirect(None), "url: must be"),  # type: ignore[arg-type]
    ],
)
def test_decision_that_makes_no_sense_is_told(decision: Decision, words: str) -> None:
    with pytest.raises(DecisionError, match=words):
        checked(decision)


def test_texts_are_one_short_line() -> None:
    assert checked(Deny(" not\r\non  Sundays\x00 ")) == Deny("not on Sundays")
    assert checked(Deny("")) == Deny("this is not allowed")
    assert checked(Deny("x" * 300)) == Deny("x" * 200)
    assert checked(Allow(subject="a\nb")) == Allow(subject="a b")
    assert checked(Allow(subject="\n")) == Allow()
