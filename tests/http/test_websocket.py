"""Tests of headend.http.websocket."""

import pytest

from headend.http.problems import Problem
from headend.http.websocket import (
    ClientFrames,
    FrameFault,
    accept,
    close_frame,
    control_frame,
    is_upgrade,
)

# RFC 6455, 1.3.
REQUEST = {
    "Host": "server.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
MASK = bytes.fromhex("37fa213d")  # 5.7


@pytest.mark.parametrize("name", ["websocket", "WebSocket", "h2c, websocket"])
def test_request_for_a_websocket_is_known(name: str) -> None:
    assert is_upgrade({"Upgrade": name})


@pytest.mark.parametrize("headers", [{}, {"Upgrade": "h2c"}, {"Upgrade": "websockets"}])
def test_request_for_something_else_is_not_taken_for_one(headers: dict[str, str]) -> None:
    assert not is_upgrade(headers)


@pytest.mark.parametrize("connection", ["Upgrade", "upgrade", "keep-alive, Upgrade"])
def test_handshake_is_answered_as_the_specification_shows(connection: str) -> None:
    assert accept({**REQUEST, "Connection": connection}) == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    }


@pytest.mark.parametrize("version", ["", "8", "12", "14", "13.0", "x"])
def test_other_version_is_told_which_one_is_spoken(version: str) -> None:
    with pytest.raises(Problem) as refused:
        accept({**REQUEST, "Sec-WebSocket-Version": version})
    assert refused.value.status == 426
    assert refused.value.headers["Sec-WebSocket-Version"] == "13"
    assert refused.value.headers["Upgrade"] == "websocket"


@pytest.mark.parametrize(
    "wrong",
    [
        {"Connection": "keep-alive"},
        {"Connection": ""},
        {"Sec-WebSocket-Key": ""},
        {"Sec-WebSocket-Key": "c2hvcnQ="},
        {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZSE="},
        {"Sec-WebSocket-Key": "no base64 at all!!"},
        {"Sec-WebSocket-Key": "\u00e4" * 24},
    ],
)
def test_handshake_that_is_none_is_a_bad_request(wrong: dict[str, str]) -> None:
    with pytest.raises(Problem) as refused:
        accept(REQUEST | wrong)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("offered", "taken"), [("flv", "flv"), ("flv, mpegts", "flv"), (" a.b ,c", "a.b")]
)
def test_first_subprotocol_that_is_offered_is_taken(offered: str, taken: str) -> None:
    assert accept({**REQUEST, "Sec-WebSocket-Protocol": offered})["Sec-WebSocket-Protocol"] == taken


@pytest.mark.parametrize("offered", ["", "a b", "x" * 101, "a\r\nSet-Cookie: b", "\u00e4"])
def test_subprotocol_that_is_no_token_is_not_repeated(offered: str) -> None:
    assert "Sec-WebSocket-Protocol" not in accept({**REQUEST, "Sec-WebSocket-Protocol": offered})


PING_HELLO = bytes.fromhex("8985 37fa213d 7f9f4d5158")  # 5.7, with the bit of a ping
CLOSE_1000 = bytes.fromhex("8882 37fa213d 3412")
PONG_EMPTY = bytes.fromhex("8a80 37fa213d")
FRAMES = [(9, b"Hello"), (10, b""), (8, b"\x03\xe8")]


def test_control_frames_are_read_whole() -> None:
    assert ClientFrames().receive(PING_HELLO + PONG_EMPTY + CLOSE_1000) == FRAMES


def test_control_frames_are_read_byte_by_byte() -> None:
    frames = ClientFrames()
    read = [frames.receive(bytes([b])) for b in PING_HELLO + PONG_EMPTY + CLOSE_1000]
    assert [frame for some in read for frame in some] == FRAMES


def test_what_is_not_whole_is_kept() -> None:
    frames = ClientFrames()
    assert frames.receive(PING_HELLO + CLOSE_1000[:5]) == FRAMES[:1]
    assert frames.receive(CLOSE_1000[5:]) == FRAMES[2:]


def test_longest_control_frame_is_read() -> None:
    payload = bytes(125)
    assert ClientFrames().receive(b"\x89\xfd" + bytes(4) + payload) == [(9, payload)]


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ("8905", 1002),  # a ping, not masked
        ("8105", 1002),  # a text, not masked
        ("8800", 1002),  # a close, not masked
        ("8185", 1003),  # a text
        ("82fe", 1003),  # binary, longer than 125 bytes
        ("0080", 1003),  # goes on with what was never begun
        ("0985", 1002),  # a ping in several pieces
        ("89fe", 1002),  # a ping longer than 125 bytes
        ("c985", 1002),  # bits that no extension has given a meaning
        ("8385", 1002),  # an opcode that means nothing
        ("8f80", 1002),
    ],
)
def test_anything_else_ends_the_connection(head: str, code: int) -> None:
    for before in (b"", PING_HELLO):
        with pytest.raises(FrameFault) as fault:
            ClientFrames().receive(before + bytes.fromhex(head))
        assert fault.value.code == code


def test_frames_of_ours_are_not_masked_and_bounded() -> None:
    assert control_frame(9) == b"\x89\x00"
    assert control_frame(10, b"Hello") == b"\x8a\x05Hello"
    assert close_frame(1000, "over") == b"\x88\x06\x03\xe8over"
    assert len(control_frame(10, bytes(200))) == 127


def test_reason_of_a_close_is_cut_between_characters() -> None:
    frame = close_frame(1000, "\u20ac" * 60)
    assert frame[:4] == b"\x88\x7d\x03\xe8"[:1] + bytes([len(frame) - 2]) + b"\x03\xe8"
    assert frame[4:].decode() == "\u20ac" * 41
