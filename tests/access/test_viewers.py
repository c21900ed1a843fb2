"""Tests of headend.access.viewers."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

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


def test_viewer_over_hls_counts_once_however_many_streams_it_looks_at() -> None:
    counts = TokenViewers()
    grants = [grant() for _ in range(5)]
    for each in grants:
        counts.enter(HLS, each)
    counts.enter(SESSION, grant())
    with pytest.raises(Rejected):
        counts.enter(replace(HLS, user_agent="two"), grant())
    for each in grants[1:]:
        counts.leave(each)
    with pytest.raises(Rejected):
        counts.enter(replace(HLS, user_agent="two"), grant())
    counts.leave(grants[0])
    counts.enter(replace(HLS, user_agent="two"), grant())


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
