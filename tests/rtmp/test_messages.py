"""Tests of headend.rtmp.messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rtmp.good_messages import AGGREGATES, COMMANDS
from tests.wire import wire

from headend.errors import LimitExceeded, MediaError, ProtocolError
from headend.rtmp import messages as m
from headend.rtmp.chunks import Message


@pytest.mark.parametrize(
    ("message", "type_id", "payload"),
    [
        (m.set_chunk_size(4096), 1, "00001000"),
        (m.acknowledgement(10179), 3, "000027c3"),
        (m.acknowledgement(2**32 + 5), 3, "00000005"),
        (m.window_acknowledgement_size(2_500_000), 5, "002625a0"),
        (m.set_peer_bandwidth(2_500_000), 6, "002625a0 02"),
        (m.set_peer_bandwidth(2_500_000, 0), 6, "002625a0 00"),
        (m.user_control(0, 1), 4, "0000 00000001"),
        (m.user_control(6, 2**32 + 7), 4, "0006 00000007"),
    ],
)
def test_control_messages_go_on_message_stream_0(
    message: Message, type_id: int, payload: str
) -> None:
    assert message == Message(type_id, 0, 0, bytes.fromhex(payload))


def test_number_of_a_control_message_may_be_followed_by_more() -> None:
    assert m.parse_u32(wire("002625a0")) == 2_500_000
    assert m.parse_u32(wire("002625a0 02 ff")) == 2_500_000


def test_number_of_a_control_message_cut_short_is_refused() -> None:
    with pytest.raises(ProtocolError, match="3 bytes: expected at least 4"):
        m.parse_u32(b"\x00\x00\x00")


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        ("0006 0000002a", (6, 42)),
        ("0003 00000001 00000bb8", (3, 1)),
        ("001a", (26, 0)),
    ],
)
def test_user_control_is_an_event_and_its_first_number(
    payload: str, event: tuple[int, int]
) -> None:
    assert m.parse_user_control(wire(payload)) == event


@pytest.mark.parametrize("payload", [b"", b"\x00"])
def test_user_control_without_an_event_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError, match="expected at least 2"):
        m.parse_user_control(payload)


@given(st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1))
def test_user_control_is_read_back(event: int, value: int) -> None:
    assert m.parse_user_control(m.user_control(event, value).payload) == (event, value)


def test_command_is_written_as_amf0() -> None:
    assert m.command("_result", 4, None, 1.0) == Message(
        20, 0, 0, wire("02 0007 5f726573756c74  00 4010000000000000  05  00 3ff0000000000000")
    )


def test_on_status_has_level_code_and_description_in_this_order_on_its_message_stream() -> None:
    assert m.on_status(1, "status", "NetStream.Publish.Start", "Start publishing") == Message(
        20,
        0,
        1,
        wire("0200086f6e537461747573 00 0000000000000000 05 03 00056c6576656c 020006737461747573")
        + wire("0004636f6465 0200174e657453747265616d2e5075626c6973682e5374617274")
        + wire("000b6465736372697074696f6e 0200105374617274207075626c697368696e67 000009"),
    )


def test_on_status_takes_details_behind_the_description() -> None:
    message = m.on_status(1, "error", "c", "d", clientid="x")
    assert message.payload.endswith(b"\x00\x08clientid\x02\x00\x01x\x00\x00\x09")


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_name_transaction_id_and_arguments(name: str) -> None:
    message, expected = COMMANDS[name]
    assert m.parse_command(message) == expected


@pytest.mark.parametrize("payload", [b"", b"\x05", b"\x00" + bytes(8)])
def test_command_without_a_name_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError, match="without a name"):
        m.parse_command(Message(20, 0, 0, payload))


@pytest.mark.parametrize("value", [b"\x01\x01", b"\x02\x00\x011", b"\x03\x00\x00\x09"])
def test_command_with_a_transaction_id_that_is_no_number_is_refused(value: bytes) -> None:
    with pytest.raises(ProtocolError, match="no number"):
        m.parse_command(Message(20, 0, 0, b"\x02\x00\x01a" + value))


def test_command_of_wrong_amf_raises_a_media_error() -> None:
    with pytest.raises(MediaError):
        m.parse_command(Message(20, 0, 0, b"\x02\x00\x09short"))


def test_command_of_too_many_values_is_refused() -> None:
    assert len(m.parse_command(Message(20, 0, 0, b"\x02\x00\x01a" + b"\x05" * 511))[2]) == 510
    with pytest.raises(MediaError, match="too many values"):
        m.parse_command(Message(20, 0, 0, b"\x02\x00\x01a" + b"\x05" * 512))


@given(
    st.text(max_size=20),
    st.floats(allow_nan=False),
    st.lists(st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=9))),
)
def test_command_is_read_back(name: str, transaction_id: float, arguments: list[object]) -> None:
    message = m.command(name, transaction_id, *arguments)  # type: ignore[arg-type]
    assert m.parse_command(message) == (name, transaction_id, arguments)


@pytest.mark.parametrize("name", AGGREGATES)
def test_aggregate_is_split_into_its_messages(name: str) -> None:
    aggregate, messages = AGGREGATES[name]
    assert m.split_aggregate(aggregate) == messages


def test_aggregate_of_more_than_1024_messages_is_refused() -> None:
    inner = wire("08 000000 000000 00 000000 0000000b")
    assert len(m.split_aggregate(Message(22, 0, 1, inner * 1024))) == 1024
    with pytest.raises(LimitExceeded, match="messages in an aggregate: 1025 is over"):
        m.split_aggregate(Message(22, 0, 1, inner * 1025))


def test_aggregate_with_a_size_beyond_its_end_is_refused() -> None:
    with pytest.raises(ProtocolError, match="3 bytes that passes its end"):
        m.split_aggregate(Message(22, 0, 1, wire("08 000003 000000 00 000000 af01")))


@pytest.mark.parametrize("type_id", ["16", "14", "00", "01"])
def test_aggregate_of_anything_but_media_is_refused(type_id: str) -> None:
    with pytest.raises(ProtocolError, match="expected media"):
        m.split_aggregate(Message(22, 0, 1, wire(f"{type_id} 000000 000000 00 000000 0000000b")))


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("rtmp://h/live/a?key=s", b"rtmp://h/live"),
        ("rtmp://h/live", b"rtmp://h/live"),
    ],
)
def test_who_is_sent_elsewhere_is_told_the_app_and_the_whole(url: str, target: bytes) -> None:
    message = m.on_status(1, "error", "c", "d", **m.elsewhere(url))
    assert message.payload.endswith(
        wire("0002 6578 03 0004 636f6465 00 4072e00000000000 0008 7265646972656374 02")
        + len(target).to_bytes(2, "big")
        + target
        + wire("0009 726564697265637432 02")
        + len(url).to_bytes(2, "big")
        + url.encode()
        + wire("000009 000009")
    )


@pytest.mark.parametrize(
    ("received", "told"),
    [(5_000, [5_000]), (5_001, [5_000, 5_001]), (12_000, [5_000, 10_000, 12_000])],
)
def test_acknowledgements_are_no_further_apart_than_the_window(
    received: int, told: list[int]
) -> None:
    found = m.acknowledgements(0, received, 5_000)
    assert [int.from_bytes(message.payload, "big") for message in found] == told


def test_acknowledgements_count_on_across_the_wrap() -> None:
    found = m.acknowledgements(2**32 - 10, 2**32 + 10, 5_000)
    assert [message.payload for message in found] == [bytes.fromhex("0000000a")]
