"""Tests of headend.events."""

import json

import pytest

from headend.events import (
    KINDS,
    NAMES,
    CertificateExpiring,
    Event,
    Events,
    KeyUsed,
    ServerStopping,
    SessionEnded,
    StreamCreated,
    document,
)

CREATED = StreamCreated(time=1.5, stream="live/a")


class Bus:
    """A bus, and what it reports."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.events = Events(lambda event, error: self.faults.append(f"{event.name} {error}"))


def test_subscribers_are_told_in_the_order_of_their_subscription() -> None:
    bus, heard = Bus(), list[str]()
    bus.events.subscribe(lambda event: heard.append(f"first {event.name}"))
    bus.events.subscribe(lambda event: heard.append(f"second {event.name}"))
    bus.events.emit(CREATED)
    assert heard == ["first stream.created", "second stream.created"]


def test_subscriber_that_raises_disturbs_nobody_and_is_reported() -> None:
    bus, heard = Bus(), list[Event]()

    def fail(event: Event) -> None:
        raise ZeroDivisionError("oh")

    bus.events.subscribe(fail)
    bus.events.subscribe(heard.append)
    bus.events.emit(CREATED)
    assert heard == [CREATED]
    assert bus.faults == ["stream.created oh"]


def test_subscription_ends_once_and_only_for_itself() -> None:
    bus, heard = Bus(), list[Event]()
    end = bus.events.subscribe(heard.append)
    bus.events.subscribe(heard.append)  # the same callback a second time
    end()
    end()
    bus.events.emit(CREATED)
    assert heard == [CREATED]


def test_subscriber_that_leaves_while_it_is_told_skips_none_of_the_others() -> None:
    bus, heard = Bus(), list[str]()

    def leave(event: Event) -> None:
        heard.append("leaves")
        end()

    end = bus.events.subscribe(leave)
    bus.events.subscribe(lambda event: heard.append("stays"))
    bus.events.emit(CREATED)
    bus.events.emit(CREATED)
    assert heard == ["leaves", "stays", "stays"]


def test_names_are_those_of_the_interface() -> None:
    assert NAMES == (
        "stream.created",
        "stream.connected",
        "stream.active",
        "stream.disconnected",
        "stream.idle",
        "stream.ended",
        "session.started",
        "session.ended",
        "key.used",
        "request.refused",
        "peer.noisy",
        "server.started",
        "server.stopping",
        "certificate.expiring",
        "certificate.renewed",
        "certificate.failed",
        "relay.changed",
        "recording.started",
        "recording.ready",
        "recording.failed",
        "recording.uploaded",
        "recording.deleted",
    )
    assert len(set(KINDS)) == len(NAMES)


def test_document_holds_all_fields_as_plain_values() -> None:
    event = SessionEnded(
        time=7.25,
        id="0b0c",
        session=3,
        action="play",
        stream="live/a",
        protocol="rtmp",
        address=None,
        bytes=10,
        duration_s=1.5,
        reason="the peer left",
        tags=(("plan", "gold"),),
    )
    assert json.loads(json.dumps(document(event))) == {
        "time": 7.25,
        "id": "0b0c",
        "session": 3,
        "action": "play",
        "stream": "live/a",
        "protocol": "rtmp",
        "address": None,
        "user_agent": "",
        "key_id": None,
        "subject": None,
        "tags": {"plan": "gold"},
        "bytes": 10,
        "duration_s": 1.5,
        "reason": "the peer left",
    }
    expiring = CertificateExpiring(time=1, names=("a.example", "b.example"), not_after=2)
    assert document(expiring)["names"] == ["a.example", "b.example"]


@pytest.mark.parametrize(
    ("event", "stream"),
    [
        (CREATED, "live/a"),
        (KeyUsed(time=1, key_id="pk_1", stream="live/b", address=None), "live/b"),
        (ServerStopping(time=1), ""),
    ],
)
def test_event_tells_the_stream_that_it_is_about(event: Event, stream: str) -> None:
    assert event.subject_stream == stream
