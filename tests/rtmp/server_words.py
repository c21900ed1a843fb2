"""What a server says to a client of RTMP, in bytes."""

import struct

from tests.wire import wire


def text(value: str) -> bytes:
    data = value.encode()
    return b"\x02" + len(data).to_bytes(2, "big") + data


def number(value: float) -> bytes:
    return b"\x00" + struct.pack(">d", value)


def information(**values: str) -> bytes:
    pairs = b"".join(
        len(key).to_bytes(2, "big") + key.encode() + text(value) for key, value in values.items()
    )
    return b"\x03" + pairs + b"\x00\x00\x09"


def chunk(type_id: int, payload: bytes, *, stream_id: int = 0, timestamp: int = 0) -> bytes:
    header = bytes([3]) + timestamp.to_bytes(3, "big") + len(payload).to_bytes(3, "big")
    return header + bytes([type_id]) + stream_id.to_bytes(4, "little") + payload


def status(code: str, level: str = "status", description: str = "") -> bytes:
    details = information(level=level, code=code, description=description)
    return chunk(20, text("onStatus") + number(0) + b"\x05" + details, stream_id=1)


def answer(name: str, transaction_id: float, *values: bytes) -> bytes:
    return chunk(20, text(name) + number(transaction_id) + b"\x05" + b"".join(values))


GREETING = bytes([3]) + bytes(2 * 1536) + wire("02 000000 000004 01 00000000 00100000")

CONNECTED = answer("_result", 1, information(code="NetConnection.Connect.Success"))

CREATED = answer("_result", 4, number(1))
