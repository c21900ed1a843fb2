"""Spoilt bytes for RTMP: it gives values or a ProtocolError, in bounded memory."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.defaults import chunk_limits, chunk_reader, session_settings
from tests.rtmp.command_peer import connected, created, playing, publishing
from tests.rtmp.good_chunks import GOOD
from tests.rtmp.good_data import MESSAGES
from tests.rtmp.good_messages import AGGREGATES, COMMANDS
from tests.rtmp.peers import C0_C1, C2, SCRIPTS

from headend.errors import MediaError, ProtocolError
from headend.media.tag import SCRIPT
from headend.rtmp import messages as m
from headend.rtmp.chunks import ChunkLimits, ChunkReader, Message
from headend.rtmp.commands import Commands
from headend.rtmp.data import data_tag
from headend.rtmp.events import (
    ConnectCommand,
    MediaReceived,
    PlayCommand,
    PublishCommand,
)
from headend.rtmp.session import ServerSession

CHUNKS = [data for data, _ in GOOD.values()]
SESSIONS = [data for data, _, _ in SCRIPTS.values()]
PAYLOADS = [
    *(message.payload for message, _ in COMMANDS.values()),
    *(message.payload for message, _ in AGGREGATES.values()),
    *(payload for _, payload, _ in MESSAGES.values()),
]
LIMITS = ChunkLimits(message_bytes=4000, command_bytes=1000, partial_bytes=5000, chunk_streams=4)


@st.composite
def spoilt(draw: st.DrawFn, table: list[bytes]) -> bytes:
    """Good bytes, some of them changed, left out, doubled or cut off."""
    data = bytearray(draw(st.sampled_from(table)))
    for _ in range(draw(st.integers(0, 6))):
        position = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.integers(0, 4)):
            case 0:
                data[position : position + 1] = draw(st.binary(max_size=4))
            case 1:
                del data[position : position + draw(st.integers(1, 20))]
            case 2:
                data[position:position] = data[position : position + draw(st.integers(1, 40))]
            case 3:
                del data[position:]
            case _:
                data[position:position] = draw(st.sampled_from(table))
    return bytes(data)


def pieces(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return (data[start:end] for start, end in pairwise(edges))


def held(reader: ChunkReader) -> int:
    """Bytes the reader keeps between two reads."""
    streams = reader._streams.values()
    return len(reader._header) + sum(len(piece) for s in streams for piece in s.pieces)


CUTS = st.lists(st.integers(0, 1000), max_size=6)


@given(spoilt(CHUNKS + SESSIONS), CUTS)
def test_chunks_are_messages_within_the_limits_or_break_the_protocol(
    data: bytes, cuts: list[int]
) -> None:
    reader = ChunkReader(LIMITS)
    with suppress(ProtocolError):
        for piece in pieces(data, cuts):
            for message in reader.receive_data(piece):
                assert len(message.payload) <= LIMITS.message_bytes
                assert 2 < message.type_id < 256
                assert 0 <= message.timestamp < 2**32
                assert 0 <= message.stream_id < 2**32
            assert held(reader) <= LIMITS.partial_bytes + 18
            assert len(reader._streams) <= LIMITS.chunk_streams
            assert reader._partial == sum(s.received for s in reader._streams.values())


@given(spoilt(CHUNKS), CUTS)
def test_how_bytes_are_cut_changes_nothing(data: bytes, cuts: list[int]) -> None:
    def outcome(parts: Iterable[bytes]) -> tuple[list[Message], str | None]:
        reader = chunk_reader()
        messages: list[Message] = []
        try:
            for part in parts:
                messages += reader.receive_data(part)
        except ProtocolError as error:
            return [], str(error)
        return messages, None

    assert outcome([data]) == outcome(pieces(data, cuts))


@pytest.mark.parametrize("chunk_streams", [1, 60])
@pytest.mark.parametrize("step", [7, 128, 4096])
def test_messages_that_are_never_finished_are_held_up_to_the_limit(
    chunk_streams: int, step: int
) -> None:
    limits = chunk_limits(message_bytes=1 << 24, partial_bytes=10_000)
    reader = ChunkReader(limits)
    data = b"".join(
        bytes([3 + number]) + bytes(3) + b"\xff\xff\xff\x09\x01\x00\x00\x00" + bytes(128)
        for number in range(chunk_streams)
    )
    data += b"".join(bytes([0xC3 + number]) + bytes(128) for number in range(chunk_streams)) * 100
    most: list[int] = []

    def receive_all() -> None:
        for start in range(0, len(data), step):
            reader.receive_data(data[start : start + step])
            most.append(held(reader))

    with pytest.raises(ProtocolError, match=r"limits\.partial_bytes"):
        receive_all()
    assert max(most, default=0) <= 10_000 + 18
    assert all(len(stream.pieces) <= 256 + 128 for stream in reader._streams.values())


@given(spoilt(PAYLOADS), st.sampled_from([17, 20]))
def test_commands_are_a_name_a_number_and_arguments_or_wrong(data: bytes, type_id: int) -> None:
    with suppress(ProtocolError, MediaError):
        name, transaction_id, arguments = m.parse_command(Message(type_id, 0, 1, data))
        assert isinstance(name, str)
        assert isinstance(transaction_id, float)
        assert len(arguments) < 512


@given(spoilt(PAYLOADS), st.integers(0, 2**32 - 1))
def test_aggregates_are_media_or_break_the_protocol(data: bytes, time: int) -> None:
    with suppress(ProtocolError):
        for message in m.split_aggregate(Message(22, time, 1, data)):
            assert message.type_id in (8, 9, 15, 18)
            assert 0 <= message.timestamp < 2**32


@given(spoilt(PAYLOADS), st.sampled_from([15, 18]))
def test_data_messages_are_script_tags_or_nothing(data: bytes, type_id: int) -> None:
    tag = data_tag(type_id, 5, data)
    assert tag is None or (tag.kind is SCRIPT and not tag.is_keyframe)


@given(st.binary(max_size=12))
def test_controls_are_numbers_or_break_the_protocol(data: bytes) -> None:
    for parse in (m.parse_u32, m.parse_user_control):
        with suppress(ProtocolError):
            parse(data)


def answer(commands: Commands) -> None:
    """Grant every other request, refuse the rest."""
    events, commands.events = commands.events, []
    for event in events:
        match event:
            case ConnectCommand():
                commands.accept_connect(event, [])
            case PublishCommand() | PlayCommand() if len(commands.messages) % 2:
                commands.reject(event, "NetStream.Publish.Denied", "no")
            case PublishCommand() | PlayCommand():
                commands.accept(event)
            case _:
                pass


@given(
    st.sampled_from([connected, created, publishing, playing]),
    st.lists(st.tuples(spoilt(PAYLOADS), st.sampled_from([17, 20]), st.integers(0, 3)), max_size=4),
)
def test_any_commands_are_answered_or_break_the_protocol(
    state: type, calls: list[tuple[bytes, int, int]]
) -> None:
    commands: Commands = state().commands
    with suppress(ProtocolError):
        for payload, type_id, stream_id in calls:
            commands.handle(Message(type_id, 0, stream_id, payload))
            answer(commands)
            if commands.is_closing:
                break


@given(spoilt(SESSIONS), CUTS)
def test_session_breaks_with_a_protocol_error_or_not_at_all(data: bytes, cuts: list[int]) -> None:
    session = ServerSession(session_settings(chunk_limits=LIMITS), bytes(3032), 0)
    session.receive_data(C0_C1 + C2, 0)
    with suppress(ProtocolError):
        for piece in pieces(data, cuts):
            session.receive_data(piece, 1)
            while events := session.events():
                for event in events:
                    if isinstance(event, ConnectCommand | PublishCommand | PlayCommand):
                        session.accept(event)
                    elif isinstance(event, MediaReceived):
                        assert event.tags
            session.data_to_send()
            session.deadline()
