"""Tests of headend.access.viewers."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from headend.access import viewers
from headend.access.gate import Grant
from headend.access.viewers import TokenViewers
from headend.decisions import AccessRequest
from headend.errors import Rejected

SESSION = AccessRequest("play", "vip/a", ip_address("192.0.2.1"), protocol="rtmp")
HLS = replace(SESSION, protocol="hls", user_agent="one")


def grant(id: str | None = "t1", most: int | None = 2) -> Grant:
    return Grant("vip/a", "play", token_id=id, max_viewers=most)


def test_sessions_count_until_they_leave() -> None:
    counts = TokenViewers()
    first, second = grant(), grant()
    counts.enter(SESSION, first)
    counts.enter(SESSION, second)
    with pytest.raises(Rejected, match="this token has reached the limit of viewers"):
        counts.enter(SESSION, grant())
    counts.enter(SESSION, grant("t2"))
    counts.leave(first)
    counts.leave(first)
    counts.enter(SESSION, grant())
    with pytest.raises(Rejected):
        counts.enter(SESSION, grant())


def test_viewer_without_session_counts_once_until_it_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("headend.access.viewers.time.monotonic", lambda: now)
    counts = TokenViewers()
    for _ in range(5):
        counts.enter(HLS, grant())
    counts.enter(SESSION, grant())
    with pytest.raises(Rejected):
        counts.enter(replace(HLS, user_agent="two"), grant())
    now += viewers.AWAY_S
    counts.enter(replace(HLS, user_agent="two"), grant())


def test_tokens_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers, "TOKENS", 2)
    counts = TokenViewers()
    for id in ("a", "b", "c"):
        counts.enter(HLS, grant(id, 1))
    other = replace(HLS, user_agent="two")
    counts.enter(other, grant("a", 1))  # forgotten
    with pytest.raises(Rejected):
        counts.enter(other, grant("c", 1))


def test_pictures_and_pages_take_nobody_s_place() -> None:
    counts = TokenViewers()
    for _ in range(3):
        counts.enter(replace(HLS, protocol="http"), grant(most=1))
    counts.enter(SESSION, grant(most=1))
    counts.enter(replace(HLS, protocol="http"), grant(most=1))


def test_without_a_token_whom_it_is_counts_and_then_what_was_shown() -> None:
    counts = TokenViewers()

    def allowed(subject: str | None, viewer: str | None) -> Grant:
        return Grant("live/a", "play", max_viewers=1, subject=subject, viewer=viewer)

    counts.enter(SESSION, allowed("Ann", "one"))
    with pytest.raises(Rejected, match="these credentials have reached the limit"):
        counts.enter(SESSION, allowed("Ann", "two"))
    counts.enter(SESSION, allowed("Bob", "one"))
    counts.enter(SESSION, first := allowed(None, "one"))
    with pytest.raises(Rejected):
        counts.enter(HLS, allowed(None, "one"))
    counts.leave(first)
    counts.enter(HLS, allowed(None, "one"))


@pytest.mark.parametrize(
    "free",
    [grant(None), grant("t1", None), Grant("vip/a", "publish", token_id="t1", max_viewers=1)],
)
def test_nothing_else_is_counted(free: Grant) -> None:
    counts = TokenViewers()
    for _ in range(5):
        counts.enter(SESSION, free)
    counts.leave(free)
