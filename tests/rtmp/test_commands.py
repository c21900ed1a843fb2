"""Tests of headend.rtmp.commands."""

from collections.abc import Sequence

import pytest
from tests.rtmp.command_peer import (
    CONNECT,
    Amf,
    Peer,
    amf,
    connected,
    created,
    description,
    playing,
    publishing,
    shown,
)

from headend.errors import ProtocolError, UsageError
from headend.rtmp.chunks import Message
from headend.rtmp.events import (
    BufferChanged,
    CommandRefused,
    ConnectCommand,
    PlayChanged,
    PlayCommand,
    PlayEnded,
    PlaySought,
    PublishCommand,
    PublishEnded,
    RequestCancelled,
)
from headend.rtmp.net_streams import StreamUse

# ---------------------------------------------------------------------- connect


def test_connect_is_a_request_and_unanswered_until_it_is_accepted() -> None:
    peer = Peer()
    assert peer.call("connect", 1, {**CONNECT, "flashVer": "FMLE/3.0"}) == []
    assert peer.commands.is_waiting
    (request,) = peer.events()
    assert request == ConnectCommand(
        "live", "rtmp://127.0.0.1/live", {**CONNECT, "flashVer": "FMLE/3.0"}, 1.0
    )
    assert isinstance(request, ConnectCommand)
    peer.commands.accept_connect(request, [Message(5, 0, 0, b"\x00\x26\x25\xa0")])
    assert peer.answers() == ["type 5 002625a0", "_result 1 status NetConnection.Connect.Success"]
    assert peer.commands.is_connected
    assert not peer.commands.is_waiting


def test_connect_may_spell_tc_url_in_small_letters() -> None:
    peer = Peer()
    peer.call("connect", 1, {"app": "live", "tcurl": "'rtmp://h/live'"})
    (request,) = peer.events()
    assert isinstance(request, ConnectCommand)
    assert request.tc_url == "'rtmp://h/live'"


@pytest.mark.parametrize("properties", [{}, {"app": 1.0, "tcUrl": None}, None])
def test_connect_without_an_app_is_a_request_too(properties: Amf) -> None:
    # OpenIPC cameras send an empty one.
    peer = Peer()
    peer.call("connect", 1, properties)
    (request,) = peer.events()
    assert isinstance(request, ConnectCommand)
    assert (request.app, request.tc_url) == ("", "")


def test_connect_to_a_wrong_app_is_refused_with_the_reason() -> None:
    peer = Peer()
    peer.commands.handle(Message(20, 0, 0, amf("connect", 1, {"app": "li:ve"})))
    (refusal,) = peer.messages()
    assert shown(refusal) == "_error 1 error NetConnection.Connect.InvalidApp"
    reason = "segment 1 of the stream's path holds :, which is not allowed"
    assert description(refusal) == reason
    assert peer.events() == [CommandRefused("connect", "NetConnection.Connect.InvalidApp", reason)]
    assert peer.commands.is_closing
    assert not peer.commands.is_waiting


def test_connect_with_very_long_texts_is_refused_and_not_kept() -> None:
    peer = Peer()
    answers = peer.call("connect", 1, {"app": "a" * 60_000, "tcUrl": "b" * 5000})
    assert answers == ["_error 1 error NetConnection.Connect.InvalidApp"]


def test_rejected_connect_closes() -> None:
    peer = Peer()
    peer.call("connect", 1, CONNECT)
    (request,) = peer.events()
    assert isinstance(request, ConnectCommand)
    peer.commands.reject(request, "NetConnection.Connect.Rejected", "full")
    assert peer.answers() == ["_error 1 error NetConnection.Connect.Rejected"]
    assert peer.commands.is_closing


def test_second_connect_breaks_the_protocol() -> None:
    with pytest.raises(ProtocolError, match="second connect"):
        connected().call("connect", 2, CONNECT)


@pytest.mark.parametrize("name", ["publish", "createStream", "FCPublish", "whatever"])
def test_command_before_connect_breaks_the_protocol(name: str) -> None:
    with pytest.raises(ProtocolError, match=f"command '{name}' before connect"):
        Peer().call(name, 1, None)


def test_command_of_wrong_amf_breaks_the_protocol() -> None:
    with pytest.raises(ProtocolError, match="command: AMF is cut short"):
        connected().commands.handle(Message(20, 0, 0, b"\x02\x00\x09short"))


def test_answering_a_connect_that_does_not_wait_is_a_bug() -> None:
    request = ConnectCommand("live", "", {}, 1.0)
    with pytest.raises(UsageError):
        Peer().commands.accept_connect(request, [])
    with pytest.raises(UsageError):
        connected().commands.accept_connect(request, [])
    with pytest.raises(UsageError):
        Peer().commands.reject(request, "NetConnection.Connect.Rejected", "no")
    with pytest.raises(UsageError):
        connected().commands.reject(request, "NetConnection.Connect.Rejected", "no")


# ---------------------------------------------------------------------- message streams


def test_create_stream_gives_1_first() -> None:
    peer = connected()
    assert peer.call("createStream", 4, None) == ["_result 4 None 1.0"]
    assert peer.call("createStream", 5, None) == ["_result 5 None 2.0"]
    assert peer.commands.streams.uses() == {StreamUse.IDLE}


def test_create_stream_beyond_the_limit_is_an_error_and_the_session_goes_on() -> None:
    peer = connected(max_streams=2)
    peer.call("createStream", 4, None)
    peer.call("createStream", 5, None)
    peer.commands.handle(Message(20, 0, 0, amf("createStream", 6, None)))
    (refusal,) = peer.messages()
    assert shown(refusal) == "_error 6 error NetConnection.Call.Failed"
    assert description(refusal) == "limits.streams_per_connection: at most 2"
    peer.call("deleteStream", 7, None, 1)
    assert peer.call("createStream", 8, None) == ["_result 8 None 3.0"]


def test_create_stream_of_transaction_0_is_not_answered_even_beyond_the_limit() -> None:
    peer = connected(max_streams=1)
    assert peer.call("createStream", 0, None) == []
    assert peer.call("createStream", 0, None) == []


# ---------------------------------------------------------------------- publish


def test_publish_is_a_request_for_what_connect_and_it_name() -> None:
    peer = created()
    assert peer.call("publish", 5, None, "cam1?key=hk_1", "live", on=1) == []
    request = peer.publish_request()
    assert request.stream_id == 1
    assert request.target.path == "live/cam1"
    assert request.target.key == "hk_1"
    assert peer.commands.is_waiting
    assert peer.commands.streams.uses() == {StreamUse.WAITING}
    assert peer.commands.streams.publishing(1) is None

    peer.commands.accept(request)
    assert peer.answers() == [
        "type 4 000000000001",
        "onStatus 0 status NetStream.Publish.Start @1",
    ]
    assert not peer.commands.is_waiting
    assert peer.commands.streams.uses() == {StreamUse.PUBLISHING}
    assert peer.commands.streams.publishing(1) == 1


NOTHING = [(), ("",), (" / ",), ("''",), (False,), (True,), (None,), (0,), ({"a": "b"},)]


@pytest.mark.parametrize("name", NOTHING)
def test_publish_without_a_name_is_refused_where_nothing_is_published(name: Sequence[Amf]) -> None:
    peer = created()
    peer.commands.handle(Message(20, 0, 1, amf("publish", 5, None, *name)))
    (refusal,) = peer.messages()
    assert shown(refusal) == "onStatus 0 error NetStream.Publish.BadName @1"
    reason = "no stream name is given: publish to rtmp://HOST/APP/NAME"
    assert description(refusal) == reason
    assert peer.events() == [CommandRefused("publish", "NetStream.Publish.BadName", reason)]
    assert peer.commands.is_closing


@pytest.mark.parametrize("name", NOTHING)
def test_publish_without_a_name_ends_what_is_published(name: Sequence[Amf]) -> None:
    peer = publishing()
    answers = peer.call("publish", 6, None, *name, on=1)
    assert answers == ["onStatus 0 status NetStream.Unpublish.Success @1"]
    assert peer.events() == [PublishEnded(1)]
    assert not peer.commands.is_closing
    assert peer.call("publish", 7, None, "cam1", on=1) == []
    assert peer.publish_request().target.path == "live/cam1"


def test_publish_without_a_name_cancels_one_that_waits_for_its_answer() -> None:
    peer = created()
    peer.call("publish", 5, None, "cam1", on=1)
    peer.commands.defer(peer.publish_request())
    assert peer.call("publish", 6, None, False, on=1) == []
    assert peer.events() == [RequestCancelled(1)]
    assert not peer.commands.is_closing


@pytest.mark.parametrize("name", NOTHING)
def test_publish_without_a_name_is_refused_where_a_stream_is_played(name: Sequence[Amf]) -> None:
    peer = playing()
    answers = peer.call("publish", 6, None, *name, on=1)
    assert answers == ["onStatus 0 error NetStream.Publish.BadName @1"]
    assert peer.events()[0] == PlayEnded(1)


@pytest.mark.parametrize("name", NOTHING)
def test_play_without_a_name_ends_what_is_played(name: Sequence[Amf]) -> None:
    peer = playing()
    assert peer.call("play", 6, None, *name, on=1) == []
    assert peer.events() == [PlayEnded(1)]
    assert not peer.commands.is_closing


def test_name_may_be_in_the_app_with_the_key_alone_in_publish() -> None:
    peer = created()
    peer.call("publish", 5, None, "?key=hk_1", on=1)
    assert peer.publish_request().target.path == "live"


def test_rejected_publish_tells_why_and_closes() -> None:
    peer = created()
    peer.call("publish", 5, None, "cam1", on=1)
    peer.commands.reject(peer.publish_request(), "NetStream.Publish.Denied", "a key, please")
    (refusal,) = peer.messages()
    assert shown(refusal) == "onStatus 0 error NetStream.Publish.Denied @1"
    assert description(refusal) == "a key, please"
    assert peer.commands.is_closing
    assert not peer.commands.is_waiting


def test_rejected_publish_may_be_sent_elsewhere() -> None:
    peer = created()
    peer.call("publish", 5, None, "cam1", on=1)
    peer.commands.reject(peer.publish_request(), "NetStream.Publish.Denied", "x", "rtmp://o/l/a")
    (refusal,) = peer.messages()
    assert b"redirect2\x02\x00\x0crtmp://o/l/a" in refusal.payload


def test_rejected_publish_leaves_other_message_streams_alone() -> None:
    peer = publishing()
    peer.call("createStream", 6, None)
    peer.call("publish", 7, None, "cam2", on=2)
    peer.commands.reject(peer.publish_request(), "NetStream.Publish.BadName", "taken")
    assert peer.answers() == ["onStatus 0 error NetStream.Publish.BadName @2"]
    assert not peer.commands.is_closing
    assert peer.commands.streams.publishing(1) == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [("publish", "NetStream.Publish.BadName"), ("play", "NetStream.Play.StreamNotFound")],
)
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../x", "segment 2 of the stream's path is .., which is not allowed"),
        ("a:b", "segment 2 of the stream's path holds :, which is not allowed"),
        ("a\tb", "segment 2 of the stream's path holds U+0009, which cannot be printed"),
        ("a" * 256, "bytes of segment 2 of the stream's path: 256 is over the limit of 255"),
    ],
)
def test_wrong_name_is_refused_with_the_reason(
    command: str, code: str, name: str, reason: str
) -> None:
    peer = created()
    peer.commands.handle(Message(20, 0, 1, amf(command, 5, None, name)))
    (refusal,) = peer.messages()
    assert shown(refusal) == f"onStatus 0 error {code} @1"
    assert description(refusal) == reason
    assert peer.events() == [CommandRefused(command, code, reason)]
    assert peer.commands.is_closing


def test_publish_again_under_the_same_name_is_answered_and_changes_nothing() -> None:
    # Wirecast does so before it unpublishes.
    peer = publishing()
    assert peer.call("publish", 6, None, "cam1", "live", on=1) == [
        "type 4 000000000001",
        "onStatus 0 status NetStream.Publish.Start @1",
    ]
    assert peer.events() == []
    assert peer.commands.streams.publishing(1) == 1


def test_publish_again_under_another_name_ends_the_first() -> None:
    peer = publishing()
    answers = peer.call("publish", 6, None, "cam2", "live", on=1)
    assert answers == ["onStatus 0 status NetStream.Unpublish.Success @1"]
    ended, request = peer.events()
    assert ended == PublishEnded(1)
    assert isinstance(request, PublishCommand)
    assert request.target.path == "live/cam2"


def test_publish_again_under_a_wrong_name_ends_the_first_and_closes() -> None:
    peer = publishing()
    assert peer.call("publish", 6, None, "..", on=1) == [
        "onStatus 0 status NetStream.Unpublish.Success @1",
        "onStatus 0 error NetStream.Publish.BadName @1",
    ]
    ended, refused = peer.events()
    assert ended == PublishEnded(1)
    assert isinstance(refused, CommandRefused)
    assert peer.commands.is_closing


@pytest.mark.parametrize("name", ["publish", "play"])
@pytest.mark.parametrize("stream_id", [0, 2])
def test_publish_or_play_where_no_stream_was_created_breaks_the_protocol(
    name: str, stream_id: int
) -> None:
    with pytest.raises(ProtocolError, match=f"{name} on message stream {stream_id}, which"):
        created().call(name, 5, None, "cam1", on=stream_id)


def test_media_of_message_stream_0_belongs_to_the_only_one_that_publishes() -> None:
    peer = publishing()
    assert peer.commands.streams.publishing(0) == 1
    assert peer.commands.streams.publishing(2) is None
    peer.call("createStream", 6, None)
    assert peer.commands.streams.publishing(2) is None
    peer.call("publish", 7, None, "cam2", on=2)
    peer.commands.accept(peer.publish_request())
    assert peer.commands.streams.publishing(2) == 2
    assert peer.commands.streams.publishing(0) is None


def test_answering_a_publish_that_does_not_wait_is_a_bug() -> None:
    peer = created()
    peer.call("publish", 5, None, "cam1", on=1)
    request = peer.publish_request()
    peer.commands.accept(request)
    with pytest.raises(UsageError, match="message stream 1 waits for no answer"):
        peer.commands.accept(request)
    with pytest.raises(UsageError):
        peer.commands.reject(request, "NetStream.Publish.Denied", "no")
    with pytest.raises(UsageError):
        connected().commands.accept(request)


# ---------------------------------------------------------------------- unpublish


def test_fc_publish_gets_its_result_and_then_a_notice() -> None:
    assert connected().call("FCPublish", 3, None, "cam1") == [
        "_result 3 None Undefined.UNDEFINED",
        "onFCPublish 0 status NetStream.Publish.Start",
    ]


def test_fc_publish_of_transaction_0_gets_the_notice_only() -> None:
    assert connected().call("FCPublish", 0, None, "cam1") == [
        "onFCPublish 0 status NetStream.Publish.Start"
    ]


def test_fc_unpublish_ends_the_publish() -> None:
    peer = publishing()
    assert peer.call("FCUnpublish", 6, None, "cam1") == [
        "onStatus 0 status NetStream.Unpublish.Success @1",
        "onFCUnpublish 0 status NetStream.Unpublish.Success",
        "_result 6 None Undefined.UNDEFINED",
    ]
    assert peer.events() == [PublishEnded(1)]
    assert peer.commands.streams.publishing(1) is None


@pytest.mark.parametrize("name", ["cam2", "..", ""])
def test_fc_unpublish_of_another_name_ends_the_only_publish(name: str) -> None:
    peer = publishing()
    peer.call("FCUnpublish", 6, None, name)
    assert peer.events() == [PublishEnded(1)]


def test_fc_unpublish_ends_the_one_it_names_of_two() -> None:
    peer = publishing()
    peer.call("createStream", 6, None)
    peer.call("publish", 7, None, "cam2", on=2)
    peer.commands.accept(peer.publish_request())
    peer.call("FCUnpublish", 8, None, "cam2")
    assert peer.events() == [PublishEnded(2)]
    assert peer.commands.streams.publishing(1) == 1


def test_fc_unpublish_without_a_publish_is_answered() -> None:
    peer = connected()
    assert peer.call("FCUnpublish", 0, None, "cam1") == [
        "onFCUnpublish 0 status NetStream.Unpublish.Success"
    ]
    assert peer.events() == []


def test_delete_stream_ends_what_it_did_and_its_number_is_gone() -> None:
    peer = publishing()
    assert peer.call("deleteStream", 7, None, 1) == [
        "onStatus 0 status NetStream.Unpublish.Success @1"
    ]
    assert peer.events() == [PublishEnded(1)]
    assert peer.commands.streams.uses() == set()
    with pytest.raises(ProtocolError):
        peer.call("publish", 8, None, "cam1", on=1)


def test_delete_stream_with_a_name_deletes_all() -> None:
    # GStreamer sends it so.
    peer = publishing()
    assert peer.call("deleteStream", 0, None, "cam1") == [
        "onStatus 0 status NetStream.Unpublish.Success @1"
    ]
    assert peer.events() == [PublishEnded(1)]


@pytest.mark.parametrize("number", [2, -1, 1e300])
def test_delete_stream_of_an_unknown_number_does_nothing(number: float) -> None:
    peer = publishing()
    assert peer.call("deleteStream", 0, None, number) == []
    assert peer.events() == []


def test_close_stream_ends_what_it_did_and_the_number_stays() -> None:
    peer = publishing()
    peer.call("closeStream", 0, None, on=1)
    assert peer.events() == [PublishEnded(1)]
    peer.call("publish", 8, None, "cam1", on=1)
    assert peer.publish_request().stream_id == 1


def test_close_stream_of_an_idle_or_unknown_stream_does_nothing() -> None:
    peer = created()
    assert peer.call("closeStream", 0, None, on=1) == []
    assert peer.call("closeStream", 0, None, on=9) == []
    assert peer.events() == []


# ---------------------------------------------------------------------- play


@pytest.mark.parametrize("rest", [(), (-2000,), (-2,), (-1, -1, True), (0, 0, 3)])
def test_play_is_a_request_whatever_its_start_and_length(rest: tuple[Amf, ...]) -> None:
    peer = created()
    assert peer.call("play", 4, None, "cam1?token=t", *rest, on=1) == []
    (request,) = peer.events()
    assert isinstance(request, PlayCommand)
    assert request.stream_id == 1
    assert request.target.path == "live/cam1"
    assert request.target.token == "t"
    peer.commands.accept(request)
    assert peer.answers() == [
        "type 4 000000000001",
        "onStatus 0 status NetStream.Play.Reset @1",
        "onStatus 0 status NetStream.Play.Start @1",
    ]
    assert peer.commands.streams.uses() == {StreamUse.PLAYING}


def test_rejected_play_tells_why_and_closes() -> None:
    peer = created()
    peer.call("play", 4, None, "cam1", on=1)
    (request,) = peer.events()
    assert isinstance(request, PlayCommand)
    peer.commands.reject(request, "NetStream.Play.StreamNotFound", "nobody publishes it")
    assert peer.answers() == ["onStatus 0 error NetStream.Play.StreamNotFound @1"]
    assert peer.commands.is_closing


def test_play_again_ends_the_first() -> None:
    peer = playing()
    assert peer.call("play", 5, None, "cam2", on=1) == []
    ended, request = peer.events()
    assert ended == PlayEnded(1)
    assert isinstance(request, PlayCommand)


def test_delete_stream_ends_a_play_without_a_word() -> None:
    peer = playing()
    assert peer.call("deleteStream", 0, None, 1) == []
    assert peer.events() == [PlayEnded(1)]


def test_play2_is_refused_and_the_play_goes_on() -> None:
    peer = playing()
    assert peer.call("play2", 0, None, {"streamName": "x"}, on=1) == [
        "onStatus 0 error NetStream.Play.Failed @1"
    ]
    assert peer.commands.streams.uses() == {StreamUse.PLAYING}


@pytest.mark.parametrize("name", ["pause", "pauseRaw"])
def test_pause_and_resume_are_answered_and_reported(name: str) -> None:
    peer = playing()
    assert peer.call(name, 0, None, True, 1000, on=1) == [
        "onStatus 0 status NetStream.Pause.Notify @1",
        "type 4 000100000001",
    ]
    assert peer.call(name, 0, None, False, 1000, on=1) == [
        "type 4 000000000001",
        "onStatus 0 status NetStream.Unpause.Notify @1",
    ]
    assert peer.events() == [
        PlayChanged(1, is_paused=True, audio=True, video=True),
        PlayChanged(1, is_paused=False, audio=True, video=True),
    ]


def test_medium_is_switched_off_without_a_word_and_on_with_two() -> None:
    peer = playing()
    assert peer.call("receiveVideo", 0, None, False, on=1) == []
    assert peer.call("receiveAudio", 0, None, False, on=1) == []
    on = [
        "onStatus 0 status NetStream.Seek.Notify @1",
        "onStatus 0 status NetStream.Play.Start @1",
    ]
    assert peer.call("receiveVideo", 0, None, True, on=1) == on
    assert peer.call("receiveAudio", 0, None, 1, on=1) == on
    assert peer.events() == [
        PlayChanged(1, is_paused=False, audio=True, video=False),
        PlayChanged(1, is_paused=False, audio=False, video=False),
        PlayChanged(1, is_paused=False, audio=False, video=True),
        PlayChanged(1, is_paused=False, audio=True, video=True),
    ]


def test_pause_keeps_what_was_switched_off() -> None:
    peer = playing()
    peer.call("receiveVideo", 0, None, False, on=1)
    peer.call("pause", 0, None, True, 0, on=1)
    assert peer.events()[-1] == PlayChanged(1, is_paused=True, audio=True, video=False)


@pytest.mark.parametrize("name", ["pause", "receiveAudio", "receiveVideo"])
def test_pause_or_switch_of_what_does_not_play_does_nothing(name: str) -> None:
    peer = publishing()
    assert peer.call(name, 0, None, True, on=1) == []
    assert peer.call(name, 0, None, True, on=9) == []
    assert peer.events() == []


def test_seek_in_a_live_stream_is_refused_and_the_play_goes_on() -> None:
    peer = playing()
    assert peer.call("seek", 0, None, 1000, on=1) == ["onStatus 0 error NetStream.Seek.Failed @1"]
    assert peer.call("seek", 0, None, 1000, on=9) == []
    assert peer.commands.streams.uses() == {StreamUse.PLAYING}


RECORDED = [
    "type 4 000400000001",
    "type 4 000000000001",
    "onStatus 0 status NetStream.Play.Reset @1",
    "onStatus 0 status NetStream.Play.Start @1",
]


def plays(*arguments: float) -> PlayCommand:
    """Return the request of a play with these arguments behind its name."""
    peer = created()
    peer.call("play", 3, None, "cam1", *arguments, on=1)
    (request,) = peer.events()
    assert isinstance(request, PlayCommand)
    return request


def test_start_and_length_of_a_play_are_milliseconds_and_below_zero_they_say_nothing() -> None:
    for start in (-2, -1, -1000, -2000, float("nan")):
        assert (plays(start).start_ms, plays(start, -1).length_ms) == (None, None)
    assert (plays().start_ms, plays().length_ms) == (None, None)
    assert (plays(0).start_ms, plays(0).length_ms) == (0, None)
    assert (plays(1500.5, 3000).start_ms, plays(1500, 3000).length_ms) == (1500, 3000)
    assert plays(1e300, 0).start_ms == 0xFFFF_FFFF
    assert plays(0, 0).length_ms == 0


def test_start_zero_of_a_peer_that_tells_its_buffer_on_stream_zero_says_nothing() -> None:
    for start, expected in ((0, None), (1, 1), (-2000, None)):
        peer = created()
        peer.commands.buffer_changed(0, 300)
        peer.call("play", 3, None, "cam1", start, on=1)
        (request,) = peer.events()
        assert isinstance(request, PlayCommand)
        assert request.start_ms == expected


def recorded(*, buffer_ms: int = 0) -> Peer:
    """A peer that plays a recording."""
    peer = created()
    if buffer_ms:
        peer.commands.buffer_changed(1, buffer_ms)
    peer.call("play", 3, None, "cam1", 0, on=1)
    (request,) = peer.events()
    assert isinstance(request, PlayCommand)
    peer.commands.accept(request, is_recorded=True)
    return peer


def test_player_of_a_recording_is_told_that_it_is_one() -> None:
    assert recorded().answers() == RECORDED


def test_seek_in_a_recording_is_told_and_answered() -> None:
    peer = recorded()
    peer.answers()
    assert peer.call("seek", 0, None, 2500.7, on=1) == [
        "onStatus 0 status NetStream.Seek.Notify @1",
        "onStatus 0 status NetStream.Play.Start @1",
    ]
    assert peer.events() == [PlaySought(1, 2500)]


def test_seek_to_no_place_or_after_the_recording_was_left_is_refused() -> None:
    peer = recorded()
    peer.answers()
    for place in (-1, "there", None):
        assert peer.call("seek", 0, None, place, on=1) == [
            "onStatus 0 error NetStream.Seek.Failed @1"
        ]
    peer.call("closeStream", 0, None, on=1)
    peer.events()
    assert peer.call("seek", 0, None, 1000, on=1) == ["onStatus 0 error NetStream.Seek.Failed @1"]
    assert peer.events() == []


def test_buffer_of_a_recording_s_player_is_told_whenever_it_says_so() -> None:
    assert recorded().events() == []
    peer = recorded(buffer_ms=300)
    assert peer.events() == [BufferChanged(1, 300)]
    peer.commands.buffer_changed(1, 36_000_000)
    assert peer.events() == [BufferChanged(1, 36_000_000)]
    peer.commands.buffer_changed(7, 300)  # a stream that is not there
    peer.call("closeStream", 0, None, on=1)
    assert peer.events() == [PlayEnded(1)]
    peer.commands.buffer_changed(1, 5000)
    assert peer.events() == []
    peer.call("play", 3, None, "cam1", 0, on=1)
    (request,) = peer.events()
    assert isinstance(request, PlayCommand)
    peer.commands.accept(request, is_recorded=True)
    assert peer.events() == [BufferChanged(1, 5000)]


def test_buffer_of_a_live_player_is_nobody_s_business() -> None:
    peer = playing()
    peer.commands.buffer_changed(1, 3000)
    assert peer.events() == []


def test_fc_subscribe_gets_its_result_and_a_notice() -> None:
    assert connected().call("FCSubscribe", 3, None, "cam1") == [
        "_result 3 None Undefined.UNDEFINED",
        "onFCSubscribe 0 status NetStream.Play.Start",
    ]


# ---------------------------------------------------------------------- the rest


def test_stream_length_of_a_live_stream_is_0() -> None:
    assert connected().call("getStreamLength", 3, None, "cam1") == ["_result 3 None 0.0"]


@pytest.mark.parametrize(
    "name",
    [
        "releaseStream",
        "FCUnsubscribe",
        "_checkbw",
        "checkBandwidth",
        "onClientLogin",
        "setChallenge",
        "getPageUrl",
        "set",
        "ping",
    ],
)
def test_command_that_needs_an_answer_gets_one_unless_its_transaction_is_0(name: str) -> None:
    assert connected().call(name, 9, None) == ["_result 9 None Undefined.UNDEFINED"]
    assert connected().call(name, 0, None) == []


def test_unknown_method_is_an_error_unless_its_transaction_is_0() -> None:
    assert connected().call("fly", 9, None) == ["_error 9 error NetConnection.Call.Failed"]
    assert connected().call("fly", 0, None) == []


@pytest.mark.parametrize("name", ["_result", "_error", "onStatus"])
def test_answers_of_a_peer_are_ignored(name: str) -> None:
    assert connected().call(name, 9, None) == []


def test_end_from_our_side_tells_why_and_closes_when_nothing_else_is_in_use() -> None:
    peer = publishing()
    peer.commands.end(1, "NetStream.Publish.BadName", "taken over")
    assert peer.answers() == ["onStatus 0 error NetStream.Publish.BadName @1"]
    assert peer.events() == []
    assert peer.commands.is_closing


def test_close_from_our_side_is_told_once_and_only_after_connect() -> None:
    peer = connected()
    peer.commands.close("The server is stopping.")
    assert peer.answers() == ["onStatus 0 status NetConnection.Connect.Closed"]
    peer.commands.close("The server is stopping.")
    assert peer.answers() == []
    stranger = Peer()
    stranger.commands.close("The server is stopping.")
    assert stranger.answers() == []
    assert stranger.commands.is_closing
