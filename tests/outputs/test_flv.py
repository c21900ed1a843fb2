"""Tests of headend.outputs.flv."""

import pytest
from tests.wire import wire

from headend.media.flv import Reader
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.outputs.flv import FlvEncoder, FlvFormat, frame_header, start

HTTP = FlvFormat(is_framed=False)
WEBSOCKET = FlvFormat(is_framed=True)


def encoded(format: FlvFormat, tag: Tag, timestamp: int) -> bytes:
    pieces: list[bytes] = []
    FlvEncoder(format).append(pieces, tag, timestamp)
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("audio", "video", "flags"), [(True, True, 5), (True, False, 4), (False, True, 1)]
)
def test_viewer_first_gets_the_header_that_says_which_tracks_there_are(
    audio: bool, video: bool, flags: int
) -> None:
    header = wire("464c56 01") + bytes([flags]) + wire("00000009 00000000")
    assert start(HTTP, has_audio=audio, has_video=video) == header
    assert start(WEBSOCKET, has_audio=audio, has_video=video) == wire("82 0d") + header


@pytest.mark.parametrize(
    ("tag", "timestamp", "expected"),
    [
        (
            Tag(VIDEO, 40, wire("2701000000 41"), False, False),
            40,
            "09 000006 000028 00 000000 2701000000 41 00000011",
        ),
        (
            Tag(AUDIO, 1, wire("af01 21"), False, False),
            1,
            "08 000003 000001 00 000000 af0121 0000000e",
        ),
        (
            Tag(VIDEO, 0, wire("17"), False, True),
            0x12345678,
            "09 000001 345678 12 000000 17 0000000c",
        ),
    ],
)
def test_tag_is_encoded_at_the_time_it_is_sent(tag: Tag, timestamp: int, expected: str) -> None:
    assert encoded(HTTP, tag, timestamp) == wire(expected)
    size = bytes([len(wire(expected))])
    assert encoded(WEBSOCKET, tag, timestamp) == wire("82") + size + wire(expected)


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, "82 00"),
        (125, "82 7d"),
        (126, "82 7e 007e"),
        (0xFFFF, "82 7e ffff"),
        (0x10000, "82 7f 0000000000010000"),
    ],
)
def test_frame_header_has_the_shortest_length(size: int, header: str) -> None:
    assert frame_header(size) == wire(header)


def test_tag_too_large_for_flv_is_left_out() -> None:
    largest = Tag(VIDEO, 0, bytes(0xFF_FFFF), False, False)
    reader = Reader()
    reader.receive_data(start(HTTP, has_audio=False, has_video=True) + encoded(HTTP, largest, 0))
    assert [len(tag.body) for tag in reader.tags()] == [0xFF_FFFF]
    assert encoded(HTTP, Tag(VIDEO, 0, bytes(0x100_0000), False, False), 0) == b""


def test_flv_has_no_words_for_what_happens_in_between() -> None:
    encoder = FlvEncoder(HTTP)
    assert encoder.interrupted() == encoder.resumed() == encoder.ended() == b""


@pytest.mark.parametrize("timestamp", [0, 4000])
def test_metadata_has_time_0(timestamp: int) -> None:
    # FFmpeg takes metadata of any other time for a text track.
    metadata = Tag(SCRIPT, timestamp, b"\x02\x00\x0aonMetaData\x05", False, False)
    assert encoded(HTTP, metadata, timestamp)[:11] == wire("12 00000e 000000 00 000000")


def test_script_tag_is_read_back() -> None:
    tag = Tag(SCRIPT, 7, b"\x02\x00\x01a", False, False)
    reader = Reader()
    reader.receive_data(start(HTTP, has_audio=True, has_video=True) + encoded(HTTP, tag, 7))
    assert reader.tags() == [tag]


@pytest.mark.parametrize("is_framed", [False, True])
def test_viewer_gets_other_tracks_only_if_it_asks_for_them(is_framed: bool) -> None:
    first = Tag(VIDEO, 40, wire("96 03 61766331 00 aa"), True, False)
    second = Tag(VIDEO, 40, wire("96 03 61766331 01 bb"), False, False)
    plain = FlvFormat(is_framed)
    assert wire("93 61766331 aa") in encoded(plain, first, 40)
    assert encoded(plain, second, 40) == b""
    assert second.body in encoded(FlvFormat(is_framed, has_tracks=True), second, 40)
