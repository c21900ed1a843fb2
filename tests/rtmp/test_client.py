"""Tests of headend.rtmp.client."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pair import Pair, Split, byte_by_byte, in_pieces, reject, whole
from tests.rtmp.server_words import (
    CONNECTED,
    CREATED,
    GREETING,
    answer,
    chunk,
    information,
    number,
    status,
    text,
)
from tests.wire import wire

from headend.errors import LimitExceeded, ProtocolError, UsageError
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.rtmp.client import ClientSession, ClientSettings
from headend.rtmp.client_events import Ended, MoveRequested, Refused, Started
from headend.rtmp.client_requests import Action
from headend.rtmp.events import (
    ConnectCommand,
    MediaReceived,
    PlayCommand,
    PlayEnded,
    PublishCommand,
    PublishEnded,
)
from headend.rtmp.url import parse_url

METADATA = wire("02 000a 6f6e4d65746144617461 08 00000000 000009")
HEADER = wire("17 00 000000 0142c01fffe100046742c01f01000368ce3c")
KEYFRAME = wire("17 01 000000 00000005 6588840021")
TAGS = [
    Tag(SCRIPT, 0, METADATA, False, False),
    Tag(VIDEO, 0, HEADER, False, True),
    Tag(AUDIO, 0, wire("af 00 1190"), False, True),
    Tag(VIDEO, 0x0123_4567, KEYFRAME, True, False),
    Tag(VIDEO, 0x0123_4589, wire("27 01 000000 000249f0") + bytes(66_000), False, False),
    Tag(AUDIO, 0x0123_4590, wire("af 01 2110049f"), False, False),
]

SPLITS = pytest.mark.parametrize("split", [whole, byte_by_byte, in_pieces([1, 127, 4096])])


# ---------------------------------------------------------------- what a server writes


def client(action: Action = "publish") -> ClientSession:
    url = parse_url("rtmp://h/live/cam1")
    return ClientSession(ClientSettings(url, action), bytes(1528), 0)


def started(action: Action) -> ClientSession:
    session = client(action)
    session.receive_data(GREETING + CONNECTED + CREATED, 1)
    start = "NetStream.Publish.Start" if action == "publish" else "NetStream.Play.Start"
    session.receive_data(status(start), 2)
    assert session.events() == [Started()]
    session.data_to_send()
    return session


def sent(session: ClientSession) -> bytes:
    return b"".join(session.data_to_send())


# ---------------------------------------------------------------- against our own server


@SPLITS
def test_client_publishes(split: Any) -> None:
    publish(split, TAGS)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=5))
def test_client_publishes_whatever_the_pieces(sizes: list[int]) -> None:
    publish(in_pieces(sizes), TAGS[:4])


def publish(split: Split, tags: list[Tag]) -> None:
    pair = Pair("publish", "rtmp://h:1935/live/cam1?key=s", split=split)
    pair.run()
    assert pair.client_events == [Started()]
    connect, publish = pair.server_events
    assert isinstance(connect, ConnectCommand)
    assert connect.tc_url == "rtmp://h:1935/live"
    assert isinstance(publish, PublishCommand)
    assert (publish.target.path, publish.target.key) == ("live/cam1", "s")
    for tag in tags:
        pair.client.send_tag(tag)
    pair.run()
    received = [e for e in pair.server_events if isinstance(e, MediaReceived)]
    assert [tag for event in received for tag in event.tags] == tags
    pair.client.finish()
    pair.run()
    assert pair.server_events[-1] == PublishEnded(1)
    assert pair.client.is_done


@SPLITS
def test_client_plays(split: Any) -> None:
    pair = Pair("play", split=split)
    pair.run()
    assert pair.client_events == [Started()]
    assert [type(event) for event in pair.server_events] == [ConnectCommand, PlayCommand]
    pair.feed_client(
        chunk(18, METADATA, stream_id=1)
        + chunk(9, HEADER, stream_id=1)
        + chunk(8, wire("af 00 1190"), stream_id=1)
        + chunk(9, KEYFRAME, stream_id=1, timestamp=40)
    )
    received = [event for event in pair.client_events if isinstance(event, MediaReceived)]
    assert [tag for event in received for tag in event.tags] == [
        *TAGS[:3],
        Tag(VIDEO, 40, KEYFRAME, True, False),
    ]
    pair.client.finish()
    pair.run()
    assert pair.server_events[-1] == PlayEnded(1)


@pytest.mark.parametrize(
    ("action", "kind", "code"),
    [
        ("publish", ConnectCommand, "NetConnection.Connect.Rejected"),
        ("publish", PublishCommand, "NetStream.Publish.BadName"),
        ("publish", PublishCommand, "NetStream.Publish.Denied"),
        ("play", PlayCommand, "NetStream.Play.StreamNotFound"),
    ],
)
@SPLITS
def test_refusal_of_the_server_is_an_event(
    action: Action, kind: Any, code: str, split: Any
) -> None:
    pair = Pair(action, split=split, answer=reject(kind, code, "not you"))
    pair.run()
    assert pair.client_events == [Refused(code, "not you")]
    assert pair.client.is_done
    assert pair.server.is_closing


def test_server_that_closes_ends_the_stream() -> None:
    pair = Pair("play")
    pair.run()
    pair.server.close("bye")
    pair.run()
    assert pair.client_events == [Started(), Ended("NetConnection.Connect.Closed")]


def test_publish_that_the_server_ends_later_is_refused() -> None:
    pair = Pair("publish")
    pair.run()
    pair.server.end(1, "NetStream.Publish.BadName", "another encoder took over")
    pair.run()
    assert pair.client_events[-1] == Refused(
        "NetStream.Publish.BadName", "another encoder took over"
    )


def test_players_silence_is_broken_by_pings_of_both_sides() -> None:
    pair = Pair("play")
    pair.run()
    pair.now = 30.0
    pair.client.handle_timeout(pair.now)
    pair.server.handle_timeout(pair.now)
    pair.run()
    assert pair.client.deadline() == 60.0
    assert not pair.client.is_done


# ---------------------------------------------------------------- what is sent, and when


def test_nothing_but_c0_and_c1_is_sent_before_the_server_speaks() -> None:
    session = client()
    assert sent(session) == bytes([3]) + bytes(1536)
    session.receive_data(GREETING[:1537], 0)
    assert sent(session) == bytes(1536)


def test_set_chunk_size_and_connect_follow_the_handshake() -> None:
    session = client()
    sent(session)
    session.receive_data(GREETING, 0)
    out = sent(session)
    assert out[1536:1552] == wire("02 000000 000004 01 00000000 00010000")
    assert out[1552:1553] + out[1559:1575] == wire("03 14 00000000 02 0007 636f6e6e656374 00")


def test_publish_waits_only_for_createstream() -> None:
    session = client()
    session.receive_data(GREETING, 0)
    sent(session)
    session.receive_data(CONNECTED, 0)
    out = sent(session)
    assert out.index(b"releaseStream") < out.index(b"FCPublish") < out.index(b"createStream")
    session.receive_data(CREATED, 0)
    out = sent(session)
    assert out[:1] + out[7:22] == wire("08 14 01000000 02 0007 7075626c697368 ")
    assert session.events() == []


def test_result_of_connect_without_information_is_enough() -> None:
    session = client()
    session.receive_data(GREETING + answer("_result", 1), 0)
    assert b"createStream" in sent(session)


def test_plain_result_of_publish_starts_too() -> None:
    session = client()
    session.receive_data(GREETING + CONNECTED + CREATED + answer("_result", 5), 0)
    session.receive_data(status("NetStream.Publish.Start"), 0)
    assert session.events() == [Started()]


def test_media_goes_out_on_chunk_streams_of_its_own() -> None:
    session = started("publish")
    session.send_tag(Tag(AUDIO, 1, b"\xaf\x01\x21", False, False))
    assert sent(session) == wire("04 000001 000003 08 01000000 af0121")
    session.send_tag(Tag(VIDEO, 0x0100_0000, b"\x27\x01", False, False))
    assert sent(session) == wire("06 ffffff 000002 09 01000000 01000000 2701")
    session.send_tag(Tag(SCRIPT, 0, METADATA, False, False))
    assert sent(session)[:12] == wire("04 000000 000025 12 01000000")


def test_tags_cannot_be_sent_before_the_start_nor_after_the_end_nor_by_a_player() -> None:
    tag = Tag(AUDIO, 0, b"", False, False)
    with pytest.raises(UsageError):
        client().send_tag(tag)
    with pytest.raises(UsageError):
        started("play").send_tag(tag)
    session = started("publish")
    session.finish()
    with pytest.raises(UsageError):
        session.send_tag(tag)


def test_client_that_has_no_stream_yet_just_leaves() -> None:
    session = client()
    sent(session)
    session.finish()
    assert sent(session) == b""
    session.receive_data(b"\xff", 0)
    assert session.is_done


# ---------------------------------------------------------------- what servers say


def test_ping_is_answered_with_its_own_time() -> None:
    session = started("publish")
    session.receive_data(chunk(4, wire("0006 0000abcd")), 3)
    assert sent(session) == wire("02 000000 000006 04 00000000 0007 0000abcd")


def test_every_half_window_is_acknowledged() -> None:
    session = started("play")
    session.receive_data(chunk(5, wire("00002710")), 3)  # 10 000
    sent(session)
    session.receive_data(chunk(8, bytes(5000)), 3)
    first = sent(session)
    assert first[:12] == wire("02 000000 000004 03 00000000")
    session.receive_data(chunk(8, bytes(4987)), 3)  # 4999 bytes with its header
    assert sent(session) == b""
    session.receive_data(chunk(8, b""), 3)
    second = sent(session)
    assert int.from_bytes(second[12:], "big") - int.from_bytes(first[12:], "big") == 5011


def test_tiny_window_is_widened() -> None:
    session = started("play")
    session.receive_data(chunk(5, wire("00000001")), 3)
    sent(session)
    session.receive_data(chunk(8, bytes(10)), 3)
    assert sent(session) == b""


def test_peer_bandwidth_is_answered_with_the_same_window() -> None:
    session = started("publish")
    session.receive_data(chunk(6, wire("002625a0 02")), 3)
    assert sent(session) == wire("02 000000 000004 05 00000000 002625a0")


def test_servers_chunk_size_changes_only_what_is_read() -> None:
    session = started("publish")
    session.receive_data(chunk(1, wire("00000080")), 3)
    session.send_tag(Tag(VIDEO, 0, bytes(200), False, False))
    assert len(sent(session)) == 12 + 200


@pytest.mark.parametrize(
    "message",
    [
        answer("onBWDone", 0, number(8192)),
        answer("onFCPublish", 0, information(code="NetStream.Publish.Start")),
        answer("unheardOf", 9),
        answer("_error", 2, information(level="error", code="NetConnection.Call.Failed")),
        answer("_error", 3),
        answer("_result", 77, number(1)),
        answer("_result", 1),
        answer("_result", 4, number(2)),
        answer("_onbwcheck", 0),
        answer("FCUnpublish", 1),
        answer("deleteStream", 2),
        status("NetStream.Data.Start"),
        status("NetStream.Play.Reset"),
        chunk(3, wire("00001000")),
        chunk(4, wire("0000 00000001")),
        chunk(4, wire("0001 00000002")),  # StreamEOF of a stream that is not ours
        chunk(19, b"shared object"),
        chunk(8, wire("af 01 21"), stream_id=1),
        chunk(18, wire("02 000f 40636c656172446174614672616d65")),
    ],
)
def test_publisher_ignores(message: bytes) -> None:
    session = started("publish")
    session.receive_data(message, 3)
    assert (session.events(), sent(session), session.is_done) == ([], b"", False)


def test_bandwidth_check_that_wants_an_answer_gets_zero() -> None:
    session = started("publish")
    session.receive_data(answer("_onbwcheck", 7), 3)
    assert sent(session)[12:] == wire(
        "02 0007 5f726573756c74 00 401c000000000000 05 00 0000000000000000"
    )


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (status("NetStream.Play.UnpublishNotify"), "NetStream.Play.UnpublishNotify"),
        (status("NetStream.Play.Stop"), "NetStream.Play.Stop"),
        (status("NetStream.Play.Complete"), "NetStream.Play.Complete"),
        (status("NetConnection.Connect.Closed"), "NetConnection.Connect.Closed"),
        (answer("onFCUnsubscribe", 0), "onFCUnsubscribe"),
        (answer("FCUnpublish", 1), "FCUnpublish"),
        (answer("closeStream", 0), "closeStream"),
        (answer("deleteStream", 2), "deleteStream"),
        (chunk(4, wire("0001 00000001")), "StreamEOF"),
    ],
)
def test_play_ends_with(message: bytes, code: str) -> None:
    session = started("play")
    frame = chunk(8, wire("af 01 21"), stream_id=1)
    session.receive_data(frame + message + frame, 3)
    media, end = session.events()
    assert isinstance(media, MediaReceived)
    assert media.tags == [Tag(AUDIO, 0, wire("af 01 21"), False, False)]
    assert end == Ended(code)
    assert session.is_done


def test_end_before_the_start_is_ignored() -> None:
    session = client("play")
    session.receive_data(GREETING + CONNECTED + CREATED, 0)
    session.receive_data(status("NetStream.Play.Stop") + chunk(4, wire("0001 00000001")), 0)
    session.receive_data(answer("onFCUnsubscribe", 0) + answer("deleteStream", 0), 0)
    assert session.events() == []


def test_play_starts_when_its_publisher_comes() -> None:
    session = client("play")
    session.receive_data(GREETING + CONNECTED + CREATED, 0)
    session.receive_data(status("NetStream.Play.PublishNotify"), 0)
    assert session.events() == [Started()]


@pytest.mark.parametrize("code", ["NetStream.Publish.BadName", "NetStream.Publish.Denied"])
def test_refusal_with_the_wrong_level_counts(code: str) -> None:
    session = client()
    session.receive_data(GREETING + CONNECTED + CREATED + status(code), 0)
    assert session.events() == [Refused(code, "")]


def test_unknown_code_with_level_error_refuses() -> None:
    session = client()
    session.receive_data(GREETING + CONNECTED + CREATED + status("Odd", "error", "why"), 0)
    assert session.events() == [Refused("Odd", "why")]


@pytest.mark.parametrize("transaction_id", [1, 4, 5])
def test_error_in_answer_to_what_counts_refuses(transaction_id: int) -> None:
    session = client()
    details = information(level="error", code="NetConnection.Call.Failed", description="no")
    session.receive_data(GREETING + answer("_error", transaction_id, details), 0)
    assert session.events() == [Refused("NetConnection.Call.Failed", "no")]


def test_error_without_information_refuses_without_words() -> None:
    session = client()
    session.receive_data(GREETING + answer("_error", 1), 0)
    assert session.events() == [Refused("", "")]


def test_result_of_connect_that_holds_an_error_refuses() -> None:
    session = client()
    details = information(level="error", code="NetConnection.Connect.InvalidApp")
    session.receive_data(GREETING + answer("_result", 1, details), 0)
    assert session.events() == [Refused("NetConnection.Connect.InvalidApp", "")]


def test_description_is_one_line_without_control_characters() -> None:
    session = client()
    session.receive_data(GREETING + status("X", "error", "a\x1b[31m\r\nb" + "c" * 600), 0)
    (event,) = session.events()
    assert isinstance(event, Refused)
    assert event.description.startswith("a [31m  bccc")
    assert len(event.description) == 512


def test_aggregate_is_split() -> None:
    session = started("play")
    session.receive_data(
        chunk(
            22,
            wire("08 000003 000000 00 000000 af0121 0000000e 09 000002 000014 00 000000 2701"),
            timestamp=100,
        ),
        3,
    )
    (event,) = session.events()
    assert isinstance(event, MediaReceived)
    assert [(tag.kind, tag.timestamp) for tag in event.tags] == [(AUDIO, 100), (VIDEO, 120)]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request",
        GREETING + chunk(20, b"\xff"),
        GREETING + chunk(20, number(1)),
        GREETING + CONNECTED + answer("_result", 4, text("one")),
        GREETING + CONNECTED + answer("_result", 4, number(-1)),
        GREETING + CONNECTED + answer("_result", 4),
        GREETING + chunk(4, b"\0"),
        GREETING + wire("c9"),
    ],
)
def test_server_that_breaks_the_protocol(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        client().receive_data(data, 0)


def test_message_over_the_limit() -> None:
    with pytest.raises(LimitExceeded):
        client().receive_data(GREETING + wire("03 000000 100000 14 00000000"), 0)


# ---------------------------------------------------------------- time


def test_handshake_has_ten_seconds() -> None:
    session = client()
    assert session.deadline() == 10
    session.handle_timeout(9.9)
    with pytest.raises(ProtocolError, match="no complete handshake within 10 s"):
        session.handle_timeout(10)


def test_start_has_fifteen_seconds_from_the_handshake_on() -> None:
    session = client()
    session.receive_data(GREETING, 5)
    assert session.deadline() == 20
    with pytest.raises(ProtocolError, match="no answer to connect within 15 s"):
        session.handle_timeout(20)
    session.receive_data(CONNECTED, 19)
    with pytest.raises(ProtocolError, match="no answer to publish within 15 s"):
        session.handle_timeout(20)


def test_publisher_waits_for_nothing_once_it_started() -> None:
    session = started("publish")
    assert session.deadline() is None
    session.handle_timeout(1e9)


def test_server_that_is_played_is_pinged_and_then_given_up() -> None:
    session = started("play")
    assert session.deadline() == 32
    session.handle_timeout(32)
    assert sent(session) == wire("02 000000 000006 04 00000000 0006 00007918")  # 31 000 ms
    assert session.deadline() == 62
    with pytest.raises(ProtocolError, match="the server sent nothing for 60 s"):
        session.handle_timeout(62)


def test_done_session_waits_for_nothing() -> None:
    session = started("play")
    session.finish()
    assert session.deadline() is None


# ---------------------------------------------------------------- elsewhere


@pytest.mark.parametrize(
    ("more", "redirect"),
    [
        (b"\x05", ""),
        (information(redirect="rtmp://o/live"), "rtmp://o/live"),
        (information(redirect="rtmp://o/live", redirect2="rtmp://o/live/a"), "rtmp://o/live/a"),
    ],
)
def test_refusal_may_name_another_server(more: bytes, redirect: str) -> None:
    session = client("play")
    refusal = information(level="error", code="NetConnection.Connect.Rejected")[:-3]
    refusal += b"\x00\x02ex" + more + b"\x00\x00\x09"
    session.receive_data(GREETING + answer("_error", 1, refusal), 1)
    assert session.events() == [Refused("NetConnection.Connect.Rejected", "", redirect)]


MOVE = information(
    level="status", code="NetConnection.Connect.ReconnectRequest", tcUrl="rtmp://o/live"
)


def test_request_to_move_is_told_to_who_has_offered_it() -> None:
    url = parse_url("rtmp://h/live/cam1")
    session = ClientSession(ClientSettings(url, "play", is_enhanced=True), bytes(1528), 0)
    session.receive_data(GREETING + CONNECTED + CREATED + status("NetStream.Play.Start"), 1)
    session.events()
    session.receive_data(answer("onStatus", 0, MOVE), 2)
    assert session.events() == [MoveRequested("rtmp://o/live")]
    assert not session.is_done


def test_request_to_move_that_nobody_has_offered_is_ignored() -> None:
    session = started("publish")
    session.receive_data(answer("onStatus", 0, MOVE), 2)
    assert session.events() == []


def test_who_we_are_is_told_in_connect_and_shown_nowhere() -> None:
    settings = ClientSettings(parse_url("rtmp://h/live/cam1"), "publish", auth="user=u&response=s3")
    assert "s3" not in repr(settings)
    session = ClientSession(settings, bytes(1528), 0)
    session.receive_data(GREETING, 1)
    assert b"live?user=u&response=s3" in sent(session)


def test_relay_says_where_a_stream_came_through_and_learns_who_the_server_is() -> None:
    url = parse_url("rtmp://h/live/cam1")
    session = ClientSession(
        ClientSettings(url, "publish", hops=("0f3a9c1b22d4e587",)), bytes(1528), 0
    )
    assert not session.has_greeted
    session.receive_data(GREETING, 0)
    assert session.has_greeted
    assert b"FMLE/3.0 (compatible; Headend; via 0f3a9c1b22d4e587)" in sent(session)
    properties = information(headend="a1b2c3d4e5f60718")
    answered = text("_result") + number(1) + properties + information(code="x")
    session.receive_data(chunk(20, answered) + answer("_result", 4, number(7)), 0)
    assert session.server_id == "a1b2c3d4e5f60718"
    assert session.stream_id == 7


def test_codecs_that_a_server_announces_are_known() -> None:
    plain, listed, mapped = client(), client(), client()
    plain.receive_data(GREETING + CONNECTED, 0)
    assert plain.codecs is None
    codecs = b"\x00\x0afourCcList\x0a\x00\x00\x00\x02" + text("hvc1") + number(1)
    details = b"\x03" + codecs + b"\x00\x00\x09"
    listed.receive_data(GREETING + answer("_result", 1, details), 0)
    assert listed.codecs == frozenset({"hvc1"})
    codecs = b"\x00\x12videoFourCcInfoMap\x03\x00\x04av01" + number(4) + b"\x00\x00\x09"
    details = b"\x03" + codecs + b"\x00\x00\x09"
    mapped.receive_data(GREETING + answer("_result", 1, details), 0)
    assert mapped.codecs == frozenset({"av01"})
