"""The types of RTMP messages and the bytes of their payloads.

Source: RTMP 1.0, 5.4, 6 and 7.1.
"""

from collections.abc import Iterator
from typing import Final

from headend.errors import LimitExceeded, ProtocolError
from headend.media import amf0
from headend.rtmp.chunks import Message

SET_CHUNK_SIZE: Final = 1
ABORT: Final = 2
ACKNOWLEDGEMENT: Final = 3
USER_CONTROL: Final = 4
WINDOW_ACKNOWLEDGEMENT_SIZE: Final = 5
SET_PEER_BANDWIDTH: Final = 6
AUDIO: Final = 8
VIDEO: Final = 9
DATA_AMF3: Final = 15
COMMAND_AMF3: Final = 17
DATA_AMF0: Final = 18
COMMAND_AMF0: Final = 20
AGGREGATE: Final = 22

MEDIA: Final = (AUDIO, VIDEO, DATA_AMF3, DATA_AMF0)

STREAM_BEGIN: Final = 0
STREAM_EOF: Final = 1
STREAM_DRY: Final = 2
SET_BUFFER_LENGTH: Final = 3
STREAM_IS_RECORDED: Final = 4
PING_REQUEST: Final = 6
PING_RESPONSE: Final = 7

LIMIT_DYNAMIC: Final = 2

# Chunk streams of what a session writes itself. Media goes out on others (outputs/rtmp_play), so
# that bytes encoded once for all players never meet a header chain of one player's own.
CONTROL_CHUNK_STREAM: Final = 2
COMMAND_CHUNK_STREAM: Final = 3
STATUS_CHUNK_STREAM: Final = 5

# Bytes. A smaller window of the peer counts as this one: half a window is acknowledged, and nearly
# every read would be.
MIN_WINDOW: Final = 1024

MAX_COMMAND_ITEMS: Final = 512  # AMF values in one command; connect objects of real peers hold 20


# Messages in one aggregate; Flash-era servers pack a second or two. An empty one takes 15 bytes on
# the wire and 200 in memory.
MAX_AGGREGATED: Final = 1024


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def set_chunk_size(size: int) -> Message:
    return Message(SET_CHUNK_SIZE, 0, 0, u32(size))


def acknowledgement(received: int) -> Message:
    """Acknowledge `received` bytes in all; the counter wraps at 2**32."""
    return Message(ACKNOWLEDGEMENT, 0, 0, u32(received & 0xFFFFFFFF))


def acknowledgements(acknowledged: int, received: int, window: int) -> Iterator[Message]:
    """Acknowledge all that was received since the last time, in steps within the peer's window.

    One read may hold several windows, of which a peer wants to see each acknowledged.
    """
    while received - acknowledged > window:
        acknowledged += window
        yield acknowledgement(acknowledged)
    yield acknowledgement(received)


def window_acknowledgement_size(size: int) -> Message:
    return Message(WINDOW_ACKNOWLEDGEMENT_SIZE, 0, 0, u32(size))


def set_peer_bandwidth(size: int, limit: int = LIMIT_DYNAMIC) -> Message:
    return Message(SET_PEER_BANDWIDTH, 0, 0, u32(size) + bytes((limit,)))


def user_control(event: int, value: int) -> Message:
    """Build a user control event that carries one number: a message stream ID or a ping's time."""
    return Message(USER_CONTROL, 0, 0, event.to_bytes(2, "big") + u32(value & 0xFFFFFFFF))


def parse_u32(payload: bytes) -> int:
    """Parse the number a control message starts with; peers may append more.

    Raises:
        ProtocolError: Fewer than 4 bytes.
    """
    if len(payload) < 4:
        raise ProtocolError(f"control message of {len(payload)} bytes: expected at least 4")
    return int.from_bytes(payload[:4], "big")


def parse_user_control(payload: bytes) -> tuple[int, int]:
    """Parse a user control event into its type and its first number (0 where it has none).

    Raises:
        ProtocolError: Fewer than 2 bytes.
    """
    if len(payload) < 2:
        raise ProtocolError(f"user control message of {len(payload)} bytes: expected at least 2")
    return int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:6], "big")


def command(
    name: str, transaction_id: float, *arguments: amf0.Value, stream_id: int = 0
) -> Message:
    """Build an AMF0 command message."""
    payload = amf0.serialize_values(name, float(transaction_id), *arguments)
    return Message(COMMAND_AMF0, 0, stream_id, payload)


def on_status(
    stream_id: int, level: str, code: str, description: str, **details: amf0.Value
) -> Message:
    """Build an onStatus command; `level` must be "error" for FFmpeg to notice a refusal."""
    information: dict[str, amf0.Value] = {
        "level": level,
        "code": code,
        "description": description,
        **details,
    }
    return command("onStatus", 0, None, information, stream_id=stream_id)


def elsewhere(url: str) -> dict[str, amf0.Value]:
    """Build what sends a client on: Adobe's `ex`, with SRS's `redirect2` for the whole URL."""
    path = url.partition("?")[0]
    # A tcUrl has no name of a stream.
    target = path.rpartition("/")[0] if path.count("/") > 3 else path
    return {"ex": {"code": 302.0, "redirect": target, "redirect2": url}}


def parse_command(message: Message) -> tuple[str, float, list[amf0.Value]]:
    """Parse a command message of either type into its name, transaction ID and arguments.

    The command object, if any, is the first argument. A missing transaction ID counts as 0.

    Raises:
        ProtocolError: No command name, or a transaction ID that is no number.
        MediaError: The AMF is wrong.
    """
    payload = message.payload
    # 17 carries a format byte before AMF0 values. Ubiquiti cameras send it without being asked.
    if message.type_id == COMMAND_AMF3 and payload[:1] == b"\0":
        payload = payload[1:]
    values = amf0.parse_values(payload, max_items=MAX_COMMAND_ITEMS)
    if not values or not isinstance(values[0], str):
        raise ProtocolError("command without a name: expected a string first")
    transaction_id = values[1] if len(values) > 1 else 0.0
    if transaction_id is None:
        transaction_id = 0.0
    if isinstance(transaction_id, bool) or not isinstance(transaction_id, int | float):
        raise ProtocolError("command with a transaction ID that is no number")
    return values[0], float(transaction_id), values[2:]


def split_aggregate(message: Message) -> list[Message]:
    """Split an aggregate message into the messages it holds.

    The outer message stream ID counts; inner timestamps are moved so that the first equals the
    outer. A missing last back pointer is accepted.

    Raises:
        ProtocolError: A size passes the end, or what it holds is neither audio, video nor data.
        LimitExceeded: It holds too many messages.

    Source: RTMP 1.0, 7.1.6.
    """
    payload = message.payload
    messages: list[Message] = []
    position = 0
    offset: int | None = None
    while position + 11 <= len(payload):
        type_id = payload[position]
        size = int.from_bytes(payload[position + 1 : position + 4], "big")
        timestamp = (
            int.from_bytes(payload[position + 4 : position + 7], "big")
            | payload[position + 7] << 24
        )
        position += 11
        if len(messages) >= MAX_AGGREGATED:
            raise LimitExceeded("messages in an aggregate", len(messages) + 1, MAX_AGGREGATED)
        if position + size > len(payload):
            raise ProtocolError(f"aggregate holds a message of {size} bytes that passes its end")
        if type_id not in (AUDIO, VIDEO, DATA_AMF0, DATA_AMF3):
            raise ProtocolError(f"aggregate holds a message of type {type_id}: expected media")
        if offset is None:
            offset = message.timestamp - timestamp
        body = payload[position : position + size]
        inner = Message(type_id, (timestamp + offset) & 0xFFFFFFFF, message.stream_id, body)
        messages.append(inner)
        position += size + 4
    return messages
