"""Tests of headend.rtmp.chunks."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.defaults import chunk_limits, chunk_reader
from tests.rtmp.good_chunks import GOOD, V307
from tests.wire import wire

from headend.errors import LimitExceeded, ProtocolError
from headend.rtmp.chunks import ChunkLimits, ChunkReader, Message, append_chunks, serialize

WRAP = 2**32


def read(data: bytes, cuts: Iterable[int] = (), limits: ChunkLimits | None = None) -> list[Message]:
    reader = ChunkReader(limits or chunk_limits())
    messages = []
    for start, end in pairwise([0, *sorted(cuts), len(data)]):
        messages += reader.receive_data(data[start:end])
    return messages


@pytest.mark.parametrize("name", GOOD)
def test_reads_it_whole(name: str) -> None:
    data, messages = GOOD[name]
    assert read(data) == messages


@pytest.mark.parametrize("name", GOOD)
def test_reads_it_byte_by_byte(name: str) -> None:
    data, messages = GOOD[name]
    assert read(data, range(len(data))) == messages


@pytest.mark.parametrize("name", GOOD)
def test_a_tail_changes_nothing_of_what_stands_before(name: str) -> None:
    data, messages = GOOD[name]
    assert read(data + wire("03 000000 000002 14 00000000 02")) == messages


@given(st.sampled_from(sorted(GOOD)), st.lists(st.integers(0, 400), max_size=8))
def test_reads_it_in_random_pieces(name: str, cuts: list[int]) -> None:
    data, messages = GOOD[name]
    assert read(data, [min(cut, len(data)) for cut in cuts]) == messages


def test_a_message_comes_with_its_last_byte_and_no_sooner() -> None:
    reader = chunk_reader()
    assert reader.receive_data(wire("04 000000 000002 08 01000000 af")) == []
    assert reader.receive_data(b"\x00") == [Message(8, 0, 1, b"\xaf\x00")]


def test_both_kinds_of_repetition_are_told_apart_once_for_a_connection() -> None:
    # The second message holds its own time where a repetition would stand.
    data = (
        wire("04 ffffff 000081 09 01000000 01020304")
        + V307[:128]
        + wire("c4 aa  04 ffffff 000084 09 01000000 01020305")
        + V307[:128]
        + wire("c4 01020305")
    )
    assert read(data + wire("04 000000 000000 08 01000000")) == [
        Message(9, 0x01020304, 1, V307[:128] + b"\xaa"),
        Message(9, 0x01020305, 1, V307[:128] + wire("01020305")),
        Message(8, 0, 1, b""),
    ]


def test_once_seen_the_repetition_is_taken_whatever_it_says() -> None:
    data = wire("04 ffffff 000001 08 01000000 01000000 aa  c4 01000000 bb  c4 00000000 cc")
    assert [message.payload for message in read(data)] == [b"\xaa", b"\xbb", b"\xcc"]


def test_type_2_first_on_a_chunk_stream_is_refused() -> None:
    # seen from a camera on chunk stream 33
    with pytest.raises(ProtocolError, match="chunk stream 33 starts with a type 2 header"):
        read(wire("a1 000021"))


def test_type_3_first_on_a_chunk_stream_is_refused() -> None:
    with pytest.raises(ProtocolError, match="chunk stream 5 starts with a type 3 header"):
        read(wire("c5"))


@pytest.mark.parametrize(
    "header", ["04 000001 000081 08 01000000", "44 000001 000081 08", "84 000001"]
)
def test_another_header_than_type_3_inside_a_message_is_refused(header: str) -> None:
    data = wire("04 000000 000081 08 01000000") + bytes(128) + wire(header)
    with pytest.raises(ProtocolError, match=r"128 of 129 bytes\): only type 3 continues one"):
        read(data)


@pytest.mark.parametrize("size", ["00000000", "80000000", "ffffffff"])
def test_chunk_size_of_zero_or_with_the_top_bit_is_refused(size: str) -> None:
    with pytest.raises(ProtocolError, match="chunk size 0x"):
        read(wire("02 000000 000004 01 00000000") + bytes.fromhex(size))


@pytest.mark.parametrize("head", ["000003 01", "000000 02", "000004 00"])
def test_control_message_too_short_or_of_no_type_is_refused(head: str) -> None:
    with pytest.raises(ProtocolError, match="control message of type"):
        read(wire(f"02 000000 {head} 00000000 000000ff"))


def test_control_message_may_be_longer_than_it_need_be() -> None:
    reader = chunk_reader()
    assert reader.receive_data(wire("02 000000 000006 01 00000000 00001000 ffff")) == []
    assert reader.chunk_size == 4096


@pytest.mark.parametrize("size", [128, 1000])
def test_chunk_size_cut_in_two_reads_takes_effect(size: int) -> None:
    reader = chunk_reader()
    data = wire("02 000000 000004 01 00000000") + size.to_bytes(4, "big")
    reader.receive_data(data[:-2])
    reader.receive_data(data[-2:])
    assert reader.chunk_size == size


def test_chunk_sizes_above_the_longest_message_are_the_same() -> None:
    reader = chunk_reader()
    reader.receive_data(wire("02 000000 000004 01 00000000 7fffffff"))
    assert reader.chunk_size == 16_777_215


LIMITS = ChunkLimits(message_bytes=1000, command_bytes=200, partial_bytes=500, chunk_streams=3)


@pytest.mark.parametrize("type_id", ["08", "09", "0f", "12", "16"])
def test_media_up_to_its_limit_is_taken_and_beyond_it_refused_at_its_header(type_id: str) -> None:
    assert read(wire(f"04 000000 0003e8 {type_id} 01000000"), limits=LIMITS) == []
    with pytest.raises(LimitExceeded, match=r"limits\.message_bytes: 1001 .* 1000"):
        read(wire(f"04 000000 0003e9 {type_id} 01000000"), limits=LIMITS)


@pytest.mark.parametrize("type_id", ["01", "02", "03", "04", "05", "06", "07", "11", "14", "ff"])
def test_other_messages_have_a_limit_of_their_own(type_id: str) -> None:
    assert read(wire(f"04 000000 0000c8 {type_id} 01000000"), limits=LIMITS) == []
    with pytest.raises(LimitExceeded, match=r"limits\.command_bytes: 201 .* 200"):
        read(wire(f"04 000000 0000c9 {type_id} 01000000"), limits=LIMITS)


def test_limits_hold_for_a_chunk_stream_that_is_known_too() -> None:
    known = wire("04 000000 000001 08 01000000 aa")
    with pytest.raises(LimitExceeded, match=r"limits\.message_bytes: 1001 "):
        read(known + wire("44 000001 0003e9 08 0000000000000000"), limits=LIMITS)


def test_command_may_be_longer_than_media_where_that_is_the_limit() -> None:
    limits = chunk_limits(message_bytes=10, command_bytes=20)
    data = wire("03 000000 000014 14 00000000") + bytes(20)
    assert read(data, limits=limits) == [Message(20, 0, 0, bytes(20))]


def test_unfinished_messages_of_all_chunk_streams_together_are_limited() -> None:
    reader = ChunkReader(LIMITS)
    reader.receive_data(wire("02 000000 000004 01 00000000 000003e8"))
    reader.receive_data(wire("04 000000 0003e8 08 01000000") + bytes(300))
    with pytest.raises(LimitExceeded, match=r"limits\.partial_bytes: 501 .* 500"):
        reader.receive_data(bytes(201))


def test_finished_and_aborted_messages_count_no_more() -> None:
    reader = ChunkReader(LIMITS)
    for _ in range(3):
        reader.receive_data(wire("04 000000 000190 08 01000000") + bytes(128))
        reader.receive_data(b"\xc4" + bytes(128))
        reader.receive_data(b"\xc4" + bytes(128))
        assert len(reader.receive_data(b"\xc4" + bytes(16))) == 1
        reader.receive_data(wire("05 000000 000190 08 01000000") + bytes(128))
        reader.receive_data(wire("02 000000 000004 02 00000000 00000005"))


def test_partial_limit_can_be_raised_later() -> None:
    reader = ChunkReader(LIMITS)
    reader.partial_bytes = 10
    reader.receive_data(wire("04 000000 000020 08 01000000") + bytes(10))
    reader.partial_bytes = 32
    assert reader.receive_data(bytes(22)) == [Message(8, 0, 1, bytes(32))]


def test_too_many_chunk_streams_are_refused() -> None:
    data = b"".join(wire(f"{i:02x} 000000 000000 08 01000000") for i in (2, 3, 4))
    assert len(read(data, limits=LIMITS)) == 3
    with pytest.raises(LimitExceeded, match=r"limits\.chunk_streams: 4 .* 3"):
        read(data + wire("05 000000 000000 08 01000000"), limits=LIMITS)


def test_many_tiny_pieces_are_put_together() -> None:
    payload = bytes(i % 253 for i in range(2000))
    reader = chunk_reader()
    reader.receive_data(wire("02 000000 000004 01 00000000 00000800"))
    reader.receive_data(wire("04 000000 0007d0 09 01000000"))
    messages: list[Message] = []
    most = 0
    for byte in payload:
        messages += reader.receive_data(bytes([byte]))
        most = max(most, sum(len(stream.pieces) for stream in reader._streams.values()))
    assert messages == [Message(9, 0, 1, payload)]
    assert most <= 256 + 2000 // 256


def test_serialize_writes_one_type_0_chunk_when_it_fits() -> None:
    assert serialize(Message(8, 1000, 1, b"\xaf\x01\xaa"), 4, 128) == wire(
        "04 0003e8 000003 08 01000000 af01aa"
    )


def test_serialize_continues_with_type_3_chunks() -> None:
    assert serialize(Message(9, 1000, 12346, V307), 4, 128) == (
        wire("04 0003e8 000133 09 3a300000")
        + V307[:128]
        + b"\xc4"
        + V307[128:256]
        + b"\xc4"
        + V307[256:]
    )


def test_serialize_repeats_the_extended_time_on_every_chunk() -> None:
    assert serialize(Message(9, 0x01020304, 1, bytes(5)), 6, 2) == wire(
        "06 ffffff 000005 09 01000000 01020304 0000 c6 01020304 0000 c6 01020304 00"
    )


def test_serialize_extends_a_time_of_24_ones() -> None:
    assert serialize(Message(8, 0xFFFFFF, 1, b""), 4, 128) == wire(
        "04 ffffff 000000 08 01000000 00ffffff"
    )
    assert serialize(Message(8, 0xFFFFFE, 1, b""), 4, 128) == wire("04 fffffe 000000 08 01000000")


def test_payload_that_fits_a_chunk_is_appended_itself() -> None:
    payload = bytes(128)
    pieces: list[bytes] = []
    append_chunks(pieces, Message(8, 0, 1, payload), 4, 128)
    assert pieces[1] is payload


TIMES = st.one_of(
    st.integers(0, WRAP - 1),
    st.sampled_from([0, 0xFFFFFE, 0xFFFFFF, 0x01000000, 0x7FFFFFFF, 0x80000000, WRAP - 1]),
)
MESSAGES = st.builds(
    Message, st.integers(3, 255), TIMES, st.integers(0, 0xFFFFFFFF), st.binary(max_size=700)
)


@given(MESSAGES, st.integers(2, 63), st.integers(1, 800), st.integers(1, 100))
def test_what_is_serialized_is_read_back(
    message: Message, chunk_stream_id: int, chunk_size: int, step: int
) -> None:
    reader = chunk_reader()
    reader.receive_data(wire("02 000000 000004 01 00000000") + chunk_size.to_bytes(4, "big"))
    data = serialize(message, chunk_stream_id, chunk_size)
    messages = []
    for start in range(0, len(data), step):
        messages += reader.receive_data(data[start : start + step])
    assert messages == [message]


@given(
    st.lists(MESSAGES, min_size=1, max_size=5),
    st.integers(32, 300),
    st.data(),
)
def test_messages_of_many_chunk_streams_interleave_in_any_way(
    messages: list[Message], chunk_size: int, data: st.DataObject
) -> None:
    queues: dict[Message, list[bytes]] = {}
    for index, message in enumerate(dict.fromkeys(messages)):
        pieces: list[bytes] = []
        append_chunks(pieces, message, 3 + index, chunk_size)
        queues[message] = [a + b for a, b in zip(pieces[::2], pieces[1::2], strict=True)]
    reader = chunk_reader()
    reader.receive_data(wire("02 000000 000004 01 00000000") + chunk_size.to_bytes(4, "big"))
    expected, got = [], []
    while queues:
        message = data.draw(st.sampled_from(list(queues)))
        got += reader.receive_data(queues[message].pop(0))
        if not queues[message]:
            del queues[message]
            expected.append(message)
    assert got == expected


def peer_chunks(steps: list[tuple[int, int, bytes]], *, repeats: bool) -> bytes:
    """Bytes of a sender on chunk stream 4: steps of header type, time or delta, and payload.

    Args:
        repeats: The extended field is repeated on type 3 chunks.
    """
    out = bytearray()
    extended = b""
    for header_type, time, payload in steps:
        extended = time.to_bytes(4, "big") if time >= 0xFFFFFF else b""
        head = min(time, 0xFFFFFF).to_bytes(3, "big")
        if header_type < 2:
            head += len(payload).to_bytes(3, "big") + b"\x09"
        if header_type == 0:
            head += wire("01000000")
        out += bytes([header_type << 6 | 4]) + head + extended + payload[:128]
        for start in range(128, len(payload), 128):
            out += b"\xc4" + (extended if repeats else b"") + payload[start : start + 128]
    return bytes(out)


@given(
    st.lists(st.tuples(st.integers(0, 1), TIMES, st.integers(0, 400)), min_size=1, max_size=6),
    st.booleans(),
    st.integers(1, 300),
)
def test_absolute_times_and_deltas_add_up_in_both_conventions(
    steps: list[tuple[int, int, int]], repeats: bool, step: int
) -> None:
    # 0xc9 as payload is never what a repeated time could look like here
    sent = [(kind, time, b"\xc9" * size) for kind, time, size in steps]
    expected, clock = [], 0
    for kind, time, payload in sent:
        clock = time if kind == 0 else (clock + time) % WRAP
        expected.append((clock, payload))
    data = peer_chunks(sent, repeats=repeats) + wire("05 000000 000004 08 01000000 aaaaaaaa")
    got = read(data, range(0, len(data), step))
    assert [(message.timestamp, message.payload) for message in got[:-1]] == expected
