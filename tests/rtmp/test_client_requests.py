"""Tests of headend.rtmp.client_requests."""

import pytest
from tests.wire import wire

from headend.media.tag import AUDIO, SCRIPT, Tag
from headend.rtmp import client_requests
from headend.rtmp.chunks import Message
from headend.rtmp.url import parse_url

URL = parse_url("rtmp://h/live/cam1?key=s")

NAME = wire("02 000a 63616d313f6b65793d73")  # "cam1?key=s"


def test_publishers_connect_says_only_what_twitch_accepts() -> None:
    message = client_requests.connect(URL, "publish", is_enhanced=False)
    assert message == Message(
        20,
        0,
        0,
        wire("""
            02 0007 636f6e6e656374          # "connect"
            00 3ff0000000000000             # 1
            03
            0003 617070                     # app
            02 0004 6c697665
            0004 74797065                   # type
            02 000a 6e6f6e70726976617465    # nonprivate
            0008 666c617368566572           # flashVer
            02 001e 464d4c452f332e302028636f6d70617469626c653b2048656164656e6429
            0005 746355726c                 # tcUrl
            02 000d 72746d703a2f2f682f6c697665
            000009
        """),
    )


def test_players_connect_says_which_codecs_it_takes() -> None:
    payload = client_requests.connect(URL, "play", is_enhanced=False).payload
    assert wire("0004 74797065") not in payload
    assert wire("000b 617564696f436f646563 73 00 40afce0000000000") in payload  # audioCodecs 4071
    assert wire("000b 766964656f436f646563 73 00 406f800000000000") in payload  # videoCodecs 252
    assert wire("0006 636170734578") not in payload


def test_enhanced_rtmp_is_offered_when_asked_for() -> None:
    payload = client_requests.connect(URL, "publish", is_enhanced=True).payload
    assert wire("000a 666f75724363 4c697374 0a 00000001 02 0001 2a") in payload  # fourCcList ["*"]
    assert wire("0006 636170734578 00 402e000000000000") in payload  # capsEx 15
    assert wire("03 0001 2a 00 4010000000000000 000009") in payload  # {"*": 4}


@pytest.mark.parametrize(
    ("url", "app"),
    [("rtmp://h/live/cam1?key=s", "live?user=u"), ("rtmp://h/live?key=s", "live?key=s&user=u")],
)
def test_who_we_are_stands_in_app_and_tc_url(url: str, app: str) -> None:
    payload = client_requests.connect(
        parse_url(url), "publish", is_enhanced=False, auth="user=u"
    ).payload
    assert len(app).to_bytes(2, "big") + app.encode() in payload
    assert f"rtmp://h/{app}".encode() in payload


def test_publisher_announces_itself_before_it_creates_a_stream() -> None:
    assert [
        message.payload for message in client_requests.create_stream("publish", "cam1?key=s")
    ] == [
        wire("02 000d 72656c6561736553747265616d 00 4000000000000000 05") + NAME,
        wire("02 0009 46435075626c697368 00 4008000000000000 05") + NAME,
        wire("02 000c 63726561746553747265616d 00 4010000000000000 05"),
    ]


def test_player_only_creates_a_stream() -> None:
    assert client_requests.create_stream("play", "cam1") == [
        Message(20, 0, 0, wire("02 000c 63726561746553747265616d 00 4010000000000000 05"))
    ]


def test_publish_is_live() -> None:
    assert client_requests.publish(1, "cam1?key=s") == [
        Message(
            20,
            0,
            1,
            wire("02 0007 7075626c697368 00 4014000000000000 05") + NAME + wire("02 0004 6c697665"),
        )
    ]


def test_play_is_followed_by_the_length_of_the_buffer() -> None:
    assert client_requests.play(1, "cam1?key=s") == [
        Message(
            20,
            0,
            1,
            wire("02 0004 706c6179 00 4014000000000000 05") + NAME + wire("00 c000000000000000"),
        ),
        Message(4, 0, 0, wire("0003 00000001 00000bb8")),
    ]


def test_publish_ends_with_fcunpublish_and_deletestream() -> None:
    assert client_requests.end("publish", 1, "cam1?key=s") == [
        Message(
            20,
            0,
            0,
            wire("02 000b 4643556e7075626c697368 00 4018000000000000 05") + NAME,
        ),
        Message(
            20,
            0,
            0,
            wire("02 000c 64656c65746553747265616d 00 401c000000000000 05 00 3ff0000000000000"),
        ),
    ]


def test_play_ends_with_deletestream() -> None:
    messages = client_requests.end("play", 1, "cam1")
    assert [message.payload[3:15] for message in messages] == [b"deleteStream"]


def test_metadata_is_sent_with_setdataframe() -> None:
    metadata = wire("02 000a 6f6e4d65746144617461 08 00000000 000009")
    assert client_requests.media(1, Tag(SCRIPT, 7, metadata, False, False)) == Message(
        18, 7, 1, wire("02 000d 40736574446174614672616d65") + metadata
    )


def test_other_tags_are_sent_as_they_are() -> None:
    body = wire("02 000a 6f6e54657874446174 61")
    assert client_requests.media(2, Tag(SCRIPT, 0, body, False, False)) == Message(18, 0, 2, body)
    assert client_requests.media(2, Tag(AUDIO, 23, b"\xaf\x01\x21", False, False)) == Message(
        8, 23, 2, b"\xaf\x01\x21"
    )
