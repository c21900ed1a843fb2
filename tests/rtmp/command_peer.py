"""The RTMP commands of one connection as a peer sends and sees them, for tests."""

import struct
from collections.abc import Mapping, Sequence

from headend.media.amf0 import Value, parse_values
from headend.rtmp.chunks import Message
from headend.rtmp.commands import Commands
from headend.rtmp.events import (
    ConnectCommand,
    Event,
    PlayCommand,
    PublishCommand,
)

Amf = str | float | bool | None | Mapping[str, object]

CONNECT = {"app": "live", "tcUrl": "rtmp://127.0.0.1/live"}


def amf(*values: object) -> bytes:
    """AMF0 as a peer writes it: numbers, booleans, null, strings and objects."""
    out = b""
    for value in values:
        if value is None:
            out += b"\x05"
        elif isinstance(value, bool):
            out += b"\x01\x01" if value else b"\x01\x00"
        elif isinstance(value, int | float):
            out += b"\x00" + struct.pack(">d", value)
        elif isinstance(value, str):
            out += b"\x02" + struct.pack(">H", len(value.encode())) + value.encode()
        else:
            assert isinstance(value, Mapping)
            members = b"".join(amf(name)[1:] + amf(member) for name, member in value.items())
            out += b"\x03" + members + b"\x00\x00\x09"
    return out


def shown(message: Message) -> str:
    """A message to a peer in one line: `_result 4 None 1.0` or `onStatus 0 error CODE @1`."""
    if message.type_id != 20:
        return f"type {message.type_id} {message.payload.hex()}"
    name, transaction_id, *rest = parse_values(message.payload)
    assert isinstance(name, str)
    assert isinstance(transaction_id, float)
    line = f"{name} {transaction_id:g}"
    information = rest[-1]
    if isinstance(information, dict) and "code" in information:
        line += f" {information['level']!s} {information['code']!s}"
    else:
        line += "".join(f" {value!s}" for value in rest)
    return f"{line} @{message.stream_id}" if message.stream_id else line


def description(message: Message) -> str:
    information = parse_values(message.payload)[-1]
    assert isinstance(information, dict)
    return str(information["description"])


class Peer:
    """One peer's commands, and what came of them."""

    def __init__(self, max_streams: int = 8) -> None:
        self.commands = Commands(max_streams)

    def call(self, name: str, transaction_id: float, *arguments: Amf, on: int = 0) -> list[str]:
        """Send a command on message stream `on`; give what is answered."""
        self.commands.handle(Message(20, 0, on, amf(name, transaction_id, *arguments)))
        return self.answers()

    def messages(self) -> Sequence[Message]:
        messages, self.commands.messages = self.commands.messages, []
        return messages

    def answers(self) -> list[str]:
        return [shown(message) for message in self.messages()]

    def events(self) -> list[Event]:
        events, self.commands.events = self.commands.events, []
        return events

    def publish_request(self) -> PublishCommand:
        (event,) = self.events()
        assert isinstance(event, PublishCommand)
        return event


def connected(max_streams: int = 8, properties: Mapping[str, Value] | None = None) -> Peer:
    peer = Peer(max_streams)
    peer.call("connect", 1, properties or CONNECT)
    (request,) = peer.events()
    assert isinstance(request, ConnectCommand)
    peer.commands.accept_connect(request, [])
    peer.messages()
    return peer


def created(max_streams: int = 8) -> Peer:
    peer = connected(max_streams)
    peer.call("createStream", 2, None)
    return peer


def publishing(name: str = "cam1") -> Peer:
    peer = created()
    peer.call("publish", 3, None, name, "live", on=1)
    peer.commands.accept(peer.publish_request())
    peer.messages()
    return peer


def playing() -> Peer:
    peer = created()
    peer.call("play", 3, None, "cam1", on=1)
    (request,) = peer.events()
    assert isinstance(request, PlayCommand)
    peer.commands.accept(request)
    peer.messages()
    return peer
