"""Tests of headend.rtmp.replies."""

import math

import pytest
from tests.wire import wire

from headend.media.amf0 import Value, parse_values
from headend.rtmp import replies
from headend.rtmp.chunks import Message
from headend.rtmp.events import ConnectCommand


def text(message: Message) -> tuple[int, int, list[Value]]:
    return message.type_id, message.stream_id, parse_values(message.payload)


def status(stream_id: int, code: str, description: str) -> tuple[int, int, list[Value]]:
    information: dict[str, Value] = {"level": "status", "code": code, "description": description}
    return 20, stream_id, ["onStatus", 0.0, None, information]


def test_connect_is_answered_byte_for_byte_on_message_stream_0() -> None:
    assert replies.connected(ConnectCommand("live", "", {}, 1.0)) == Message(
        20,
        0,
        0,
        wire("0200075f726573756c74 003ff0000000000000")
        + wire("03 0006666d73566572 02000d464d532f332c302c312c313233")
        + wire("   000c6361706162696c6974696573 00403f000000000000")
        + wire("   00046d6f6465 003ff0000000000000 000009")
        + wire("03 00056c6576656c 020006737461747573")
        + wire("   0004636f6465 02001d4e6574436f6e6e656374696f6e2e436f6e6e6563742e53756363657373")
        + wire("   000b6465736372697074696f6e 020015436f6e6e656374696f6e207375636365656465642e")
        + wire("   000e6f626a656374456e636f64696e67 000000000000000000 000009"),
    )


@pytest.mark.parametrize(("asked", "answered"), [(3.0, 3.0), (0.0, 0.0), (1.0, 0.0), ("3", 0.0)])
def test_amf3_is_answered_only_to_who_asked_for_it(asked: Value, answered: float) -> None:
    message = replies.connected(ConnectCommand("live", "", {"objectEncoding": asked}, 1.0))
    information = parse_values(message.payload)[3]
    assert isinstance(information, dict)
    assert information["objectEncoding"] == answered


@pytest.mark.parametrize(
    "property", ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"]
)
def test_enhanced_rtmp_is_answered_to_who_offers_it(property: str) -> None:
    message = replies.connected(ConnectCommand("live", "", {property: None}, 1.0))
    information = parse_values(message.payload)[3]
    assert isinstance(information, dict)
    assert list(information) == [
        "level",
        "code",
        "description",
        "objectEncoding",
        "capsEx",
        "fourCcList",
        "videoFourCcInfoMap",
        "audioFourCcInfoMap",
    ]
    assert information["capsEx"] == 15.0  # reconnect 1, multitrack 2, ModEx 4, nano offset 8
    assert information["fourCcList"] == ["*"]
    assert information["videoFourCcInfoMap"] == {"*": 4.0}
    assert information["audioFourCcInfoMap"] == {"*": 4.0}


def test_peer_is_asked_to_move_by_a_status_of_the_connection() -> None:
    message = replies.asked_to_move("rtmp://b:1935/live", "Go there.")
    assert (message.type_id, message.stream_id) == (20, 0)
    assert parse_values(message.payload) == [
        "onStatus",
        0.0,
        None,
        {
            "level": "status",
            "code": "NetConnection.Connect.ReconnectRequest",
            "description": "Go there.",
            "tcUrl": "rtmp://b:1935/live",
        },
    ]


def test_rejected_connect_is_an_error_with_code_and_description() -> None:
    message = replies.connect_rejected(1.0, "NetConnection.Connect.Rejected", "no")
    assert message == Message(
        20,
        0,
        0,
        b"\x02\x00\x06_error\x00\x3f\xf0\x00\x00\x00\x00\x00\x00\x05"
        b"\x03\x00\x05level\x02\x00\x05error\x00\x04code\x02\x00\x1eNetConnection.Connect.Rejected"
        b"\x00\x0bdescription\x02\x00\x02no\x00\x00\x09",
    )


def test_result_without_values_holds_undefined() -> None:
    assert replies.result(2.0).payload == b"\x02\x00\x07_result\x00\x40" + bytes(7) + b"\x05\x06"


def test_result_of_create_stream_holds_the_number() -> None:
    assert replies.result(4.0, 1.0).payload == wire(
        "0200075f726573756c74 00 4010000000000000 05 003ff0000000000000"
    )


def test_unknown_method_is_an_error_that_names_it_shortened() -> None:
    kind, stream_id, values = text(replies.unknown(7.0, "x" * 100))
    assert (kind, stream_id) == (20, 0)
    assert values == [
        "_error",
        7.0,
        None,
        {
            "level": "error",
            "code": "NetConnection.Call.Failed",
            "description": "unknown method '" + "x" * 64 + "'",
        },
    ]


def test_publish_starts_with_stream_begin_and_a_status_on_its_message_stream() -> None:
    begin, started = replies.publish_started(3, "live/cam1")
    assert begin == Message(4, 0, 0, wire("0000 00000003"))
    assert text(started) == status(3, "NetStream.Publish.Start", "live/cam1 is now published.")


def test_unpublish_is_a_status() -> None:
    assert text(replies.unpublished(1)) == status(
        1, "NetStream.Unpublish.Success", "Stream unpublished."
    )


def test_play_starts_with_stream_begin_reset_and_start() -> None:
    begin, reset, started = replies.play_started(1, "live/cam1")
    assert begin == Message(4, 0, 0, wire("0000 00000001"))
    assert text(reset) == status(1, "NetStream.Play.Reset", "Playing and resetting live/cam1.")
    assert text(started) == status(1, "NetStream.Play.Start", "Started playing live/cam1.")


def test_pause_is_a_status_and_stream_eof() -> None:
    notice, control = replies.paused(1, is_paused=True)
    assert text(notice) == status(1, "NetStream.Pause.Notify", "Paused.")
    assert control == Message(4, 0, 0, wire("0001 00000001"))


def test_resume_is_stream_begin_and_a_status() -> None:
    control, notice = replies.paused(1, is_paused=False)
    assert control == Message(4, 0, 0, wire("0000 00000001"))
    assert text(notice) == status(1, "NetStream.Unpause.Notify", "Goes on.")


def test_medium_switched_on_is_seek_notify_and_play_start() -> None:
    seek, started = replies.medium_resumed(1)
    assert text(seek) == status(1, "NetStream.Seek.Notify", "Goes on.")
    assert text(started) == status(1, "NetStream.Play.Start", "Goes on.")


def test_player_is_told_that_a_publisher_is_there_again() -> None:
    told = status(5, "NetStream.Play.PublishNotify", "The stream is published.")
    assert text(replies.published_again(5)) == told


def test_player_is_told_that_its_stream_is_over_by_two_codes() -> None:
    assert [text(message) for message in replies.play_over(5)] == [
        status(5, "NetStream.Play.UnpublishNotify", "The stream is over."),
        status(5, "NetStream.Play.Stop", "The stream is over."),
    ]


def test_fc_notice_has_a_number_behind_the_method() -> None:
    # Livestream Studio fails without it.
    assert replies.fc_notice("onFCPublish", "NetStream.Publish.Start", "cam1") == Message(
        20,
        0,
        0,
        b"\x02\x00\x0bonFCPublish\x00" + bytes(8) + b"\x05\x03\x00\x05level\x02\x00\x06status"
        b"\x00\x04code\x02\x00\x17NetStream.Publish.Start"
        b"\x00\x0bdescription\x02\x00\x04cam1\x00\x00\x09",
    )


def test_fc_notice_shortens_the_name() -> None:
    payload = replies.fc_notice("onFCPublish", "NetStream.Publish.Start", "n" * 1000).payload
    assert payload.endswith(b"\x02\x01\x00" + b"n" * 256 + b"\x00\x00\x09")


def call(*arguments: Value) -> replies.Call:
    return replies.Call("name", 1.0, 1, arguments)


def test_arguments_of_the_expected_kind_are_returned() -> None:
    given = call({"app": "live"}, "cam1", 2.0, True, 0.0)
    assert given.object(0) == {"app": "live"}
    assert given.text(1) == "cam1"
    assert given.number(2) == 2.0
    assert given.boolean(3, default=False) is True
    assert given.boolean(4, default=True) is False


@pytest.mark.parametrize("value", [None, [1.0]])
def test_arguments_of_another_kind_count_as_none(value: Value) -> None:
    assert call(value).object(0) == {}
    assert call(value).text(0) == ""
    assert call(value).number(0) is None
    assert call(value).boolean(0, default=True) is True


def test_arguments_that_are_missing_count_as_none() -> None:
    assert call().object(0) == {}
    assert call().text(1) == ""
    assert call().number(2) is None
    assert call().boolean(3, default=False) is False


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True])
def test_number_is_finite_and_no_boolean(value: float) -> None:
    assert call(value).number(0) is None


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("FMLE/3.0 (compatible; Headend; via 0f3a9c1b22d4e587)", "a1b2c3d4e5f60718"),
        ("FMLE/3.0 (compatible; FMSc/1.0)", None),
    ],
)
def test_only_relays_are_told_who_we_are(version: str, told: str | None) -> None:
    request = ConnectCommand("live", "", {"flashVer": version}, 1.0)
    properties = parse_values(replies.connected(request, "a1b2c3d4e5f60718").payload)[2]
    assert isinstance(properties, dict)
    assert properties.get("headend") == told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cam1", "cam1"),
        ("cam1?key=s3cret&x=1", "cam1"),
        ("hk_s3cret", "hk_***"),
        ("mp4:cam1/hk_s3cret?token=s3cret", "mp4:cam1/hk_***"),
        (f"xhk_{'s3cr3tKey' * 3}", "***"),
        (f"hk%5F{'s3cr3tKey' * 3}", "hk_***"),
        ("c" * 300, "c" * 256),
    ],
)
def test_notice_tells_the_name_without_its_key(name: str, told: str) -> None:
    message = replies.fc_notice("onFCPublish", "NetStream.Publish.Start", name)
    information = {"level": "status", "code": "NetStream.Publish.Start", "description": told}
    assert text(message) == (20, 0, ["onFCPublish", 0.0, None, information])


def test_unknown_method_is_named_but_no_key() -> None:
    information = parse_values(replies.unknown(4.0, "hk_s3cret").payload)[3]
    assert isinstance(information, dict)
    assert information["description"] == "unknown method 'hk_***'"
