"""Tests of headend.access.known_viewers."""

from dataclasses import fields, replace
from ipaddress import ip_address
from typing import Any

import pytest

from headend.access import known_viewers
from headend.access.known_viewers import AWAY_S, KnownViewers, credentials_digest, question_digest
from headend.decisions import AccessRequest, Allow

ASKED = AccessRequest(
    "play", "live/a", ip_address("192.0.2.1"), protocol="hls", query={"user": "u1", "pw": "x"}
)
ANSWER = (Allow(subject="u1"),)
NEVER = float("inf")

OTHERS: dict[str, Any] = {
    "action": "publish", "path": "live/b", "address": ip_address("192.0.2.2"), "key": "k",
    "token": "t", "is_secure": True, "certificate": "c", "key_id": "pk_1", "subject": "Ann",
    "protocol": "http", "user_agent": "one", "session": 7, "is_bare": True,
    "query": {"user": "u1", "pw": "y"}, "is_unknown": True,
}  # fmt: skip


def test_question_is_all_that_is_asked() -> None:
    assert set(OTHERS) == {field.name for field in fields(AccessRequest)}
    asked = [ASKED, *(replace(ASKED, **{name: value}) for name, value in OTHERS.items())]
    assert len({question_digest(each) for each in asked}) == len(asked)
    same = replace(ASKED, query=dict(reversed(list(ASKED.query.items()))))
    assert question_digest(same) == question_digest(ASKED)
    surrogate = replace(ASKED, user_agent="\ud800", query={"\udfff": "\0"})
    assert question_digest(surrogate)


def test_credentials_are_what_a_peer_shows_of_itself() -> None:
    assert credentials_digest(ASKED) == credentials_digest(replace(ASKED, user_agent="two"))
    assert credentials_digest(ASKED) != credentials_digest(replace(ASKED, token="t"))
    assert credentials_digest(replace(ASKED, query={})) is None


def test_answer_holds_for_a_while_and_no_longer_than_what_it_grants() -> None:
    known = KnownViewers()
    assert known.answer("q", 100.0) is None
    known.note("q", ANSWER, 100.0, NEVER)
    assert known.answer("q", 100.0 + known_viewers.ASK_AGAIN_S - 0.1) is ANSWER
    assert known.answer("q", 100.0 + known_viewers.ASK_AGAIN_S) is None
    known.note("short", ANSWER, 100.0, 102.0)
    assert known.answer("short", 101.0) is ANSWER
    assert known.answer("short", 102.0) is None


def test_viewer_watches_since_its_first_request_until_it_was_away() -> None:
    known = KnownViewers()
    for now in range(100, 200, 15):
        known.note("q", ANSWER, now, NEVER)
        assert known.since("q", now) == 100
    later = 190 + AWAY_S
    assert known.since("q", later) == later
    assert len(known) == 0


def test_viewers_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_viewers, "VIEWERS", 2)
    known = KnownViewers()
    known.note("a", ANSWER, 100.0, NEVER)
    known.note("b", ANSWER, 100.0, NEVER)
    assert known.answer("a", 101.0) is ANSWER
    known.note("c", ANSWER, 101.0, NEVER)
    assert known.answer("b", 101.0) is None  # away longest
    assert known.answer("a", 101.0) is ANSWER
    assert len(known) == 2
