"""The server's side of a WebSocket whose client only listens: the handshake, and its frames.

    request with a key ─► accept ─► 101, the key's answer ─► frames of the fan-out ─► close
                                                         ◄── ping, pong, close: nothing else

It does no I/O. The frames with media are made by `outputs/flv.py`, once for all viewers.

Source: RFC 6455.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from hashlib import sha1
from typing import Final

from headend.errors import ProtocolError
from headend.http.problems import Problem

VERSION: Final = "13"
KEY_BYTES: Final = 16
GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # 1.3
MOST_PAYLOAD: Final = 125  # bytes of a control frame (5.5)
MASK_BYTES: Final = 4
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110, 5.6.2; bounded

CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

# Codes of a close (7.4.1).
NORMAL: Final = 1000
PROTOCOL_FAULT: Final = 1002
NOT_TAKEN: Final = 1003

_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_LEAST_CONTROL: Final = 8


class FrameFault(ProtocolError):
    """A fault of a client that ends its connection.

    Attributes:
        code: Code for the close frame.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code: Final = code


def is_upgrade(headers: Mapping[str, str]) -> bool:
    """Say whether a request asks for a WebSocket."""
    return "websocket" in _tokens(headers.get("Upgrade", "").lower())


def accept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that accept a WebSocket (4.2.2).

    A subprotocol has no meaning here: the first one offered is repeated, for browsers give up
    without an answer to what they offer.

    Args:
        headers: Headers of the request.

    Raises:
        Problem: 426 for another version, 400 for a handshake that is not valid.
    """
    if headers.get("Sec-WebSocket-Version", "").strip() != VERSION:
        raise Problem(
            426,
            f"WebSocket version {VERSION} is spoken here (RFC 6455).",
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": VERSION,
            },
        )
    if "upgrade" not in _tokens(headers.get("Connection", "").lower()):
        raise Problem(400, "A WebSocket needs the header Connection: Upgrade.")
    key = headers.get("Sec-WebSocket-Key", "").strip()
    if not _is_key(key):
        raise Problem(400, "Sec-WebSocket-Key must be 16 bytes as base64.")
    answers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": b64encode(sha1(key.encode() + GUID).digest()).decode(),
    }
    offered = _tokens(headers.get("Sec-WebSocket-Protocol", ""))
    if offered and TOKEN.fullmatch(offered[0]):
        answers["Sec-WebSocket-Protocol"] = offered[0]
    return answers


def _tokens(text: str) -> list[str]:
    return [each.strip() for each in text.split(",")]


def _is_key(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) == KEY_BYTES
    except (Base64Error, ValueError):  # ValueError: it is not ASCII
        return False


def control_frame(opcode: int, payload: bytes = b"") -> bytes:
    """Return a control frame; a payload that is too long is cut."""
    payload = payload[:MOST_PAYLOAD]
    return bytes((_FINAL | opcode, len(payload))) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return the frame that ends our side, with a reason for people."""
    text = reason.encode()[: MOST_PAYLOAD - 2].decode(errors="ignore").encode()
    return control_frame(CLOSE, code.to_bytes(2, "big") + text)


class ClientFrames:
    """The reader of a client's frames, which are control frames only; holds less than one."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = b""

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take bytes; return the frames that are whole now: opcode and payload, unmasked.

        Raises:
            FrameFault: The client sent something else; do not read on.
        """
        data = self._data + data
        frames = []
        while len(data) >= 2:
            size = _check_head(data[0], data[1])
            end = 2 + MASK_BYTES + size
            if len(data) < end:
                break
            mask, payload = data[2 : 2 + MASK_BYTES], data[2 + MASK_BYTES : end]
            frames.append((data[0] & 0x0F, _unmask(payload, mask)))
            data = data[end:]
        self._data = data
        return frames


def _check_head(first: int, second: int) -> int:
    """Return the size of a frame's payload, if it is one that a viewer may send (5.2, 5.5)."""
    opcode, size = first & 0x0F, second & 0x7F
    if first & _RESERVED or opcode not in (0, 1, 2, CLOSE, PING, PONG):
        raise FrameFault(PROTOCOL_FAULT, "this frame is of no known kind")
    if not second & _MASKED:
        raise FrameFault(PROTOCOL_FAULT, "frames of a client must be masked")
    if opcode < _LEAST_CONTROL:
        raise FrameFault(NOT_TAKEN, "a viewer sends nothing")
    if not first & _FINAL or size > MOST_PAYLOAD:
        raise FrameFault(PROTOCOL_FAULT, "a control frame is whole, and 125 bytes at most")
    return size


def _unmask(payload: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[index % MASK_BYTES] for index, byte in enumerate(payload))
