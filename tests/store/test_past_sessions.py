"""Tests of headend.store.past_sessions."""

from dataclasses import replace

from tests.store.session_events import ENDED, REFUSED, STARTED

from headend.events import (
    PeerNoisy,
    ServerStopping,
)
from headend.store.past_sessions import PER_SESSION, PastSessions, entry_of, record_of
from headend.store.records import AuditEntry, StoredSession


def test_start_and_end_become_one_record() -> None:
    started = StoredSession(
        "a1", 7, "play", "rtmp", "live/a", "203.0.113.7", "customer 17", "VLC", 100.0
    )
    assert record_of(STARTED) == started
    assert record_of(ENDED) == replace(
        started, ended_at=130.0, bytes=5000, reason="the viewer left"
    )


def test_what_was_not_told_one_by_one_becomes_one_entry_with_its_number() -> None:
    noisy = PeerNoisy(time=90.0, address="203.0.113.7", refusals=40, sessions=2, period_s=60.0)
    assert entry_of(noisy) == AuditEntry(
        90.0, "", "peer.noisy", "", "203.0.113.7", "refused",
        "203.0.113.7: 40 refusals and faults and 2 sessions more in 60 s, not told one by one",
        42,
    )  # fmt: skip
    assert record_of(noisy) is None


def test_refusal_becomes_a_record_with_the_code_and_the_text_the_peer_got() -> None:
    record = record_of(REFUSED)
    assert record is not None
    assert record.code == "NetStream.Publish.Denied"
    assert record.reason == "the publish key has expired"
    assert (record.started_at, record.ended_at, record.subject) == (90.0, 90.0, "pk_1")
    again = record_of(REFUSED)
    assert again is not None
    assert again.id != record.id


def test_refusal_becomes_an_entry_of_the_audit_trail_and_nothing_else_does() -> None:
    assert entry_of(REFUSED) == AuditEntry(
        90.0, "pk_1", "publish", "live/b", None, "refused",
        "NetStream.Publish.Denied: the publish key has expired",
    )  # fmt: skip
    assert entry_of(STARTED) is None
    assert record_of(ServerStopping(time=1.0)) is None


def test_sessions_that_are_over_are_remembered_by_number() -> None:
    past = PastSessions()
    for event in (STARTED, ENDED, REFUSED, replace(ENDED, session=None)):
        record = record_of(event)
        assert record is not None
        past.keep(record)
    assert [record.id for record in past.of(7)] == ["a1"]
    assert [record.code for record in past.of(6)] == ["NetStream.Publish.Denied"]
    assert past.of(8) == []
    assert len(past) == 2


def test_only_so_many_are_remembered_the_newest() -> None:
    past = PastSessions(most=2)
    ended = record_of(ENDED)
    assert ended is not None
    for number in (1, 2, 1, 3):
        past.keep(replace(ended, session=number))
    assert [len(past.of(number)) for number in (1, 2, 3)] == [2, 0, 1]
    for number in range(20):
        past.keep(replace(ended, id=str(number), session=9))
    assert [record.id for record in past.of(9)] == [str(n) for n in range(20 - PER_SESSION, 20)]
