"""What a server answers to commands; each answer as some client needs it.

Key order and the codes are part of the protocol here: old encoders crash when they change.

Source: RTMP 1.0, 7.2; Enhanced RTMP v2; docs/protocol.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headend.media import amf0
from headend.media.amf0 import UNDEFINED, Value
from headend.rtmp import messages as m
from headend.rtmp.chunks import Message
from headend.rtmp.events import (
    CAPS_MODEX,
    CAPS_MULTITRACK,
    CAPS_RECONNECT,
    CAPS_TIMESTAMP_NANO_OFFSET,
    ConnectCommand,
)
from headend.rtmp.hops import read_hops
from headend.rtmp.url import public_name

SERVER_VERSION: Final = "FMS/3,0,1,123"  # what Wirecast and old encoders expect to read
SERVER_CAPABILITIES: Final = 31.0
MOST_MS: Final = 0xFFFF_FFFF  # of a timestamp

# Enhanced RTMP: we forward every codec, understand multitrack and ModEx messages, and ask to move.
CAPS: Final = CAPS_RECONNECT | CAPS_MULTITRACK | CAPS_MODEX | CAPS_TIMESTAMP_NANO_OFFSET
CODEC_CAN_FORWARD: Final = 4
ENHANCED_PROPERTIES: Final = frozenset(
    {"fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"}
)


@dataclass(frozen=True, slots=True)
class Call:
    """One command from the peer.

    Attributes:
        name: Command name.
        transaction_id: 0 where no answer is wanted.
        stream_id: Message stream it came on.
        arguments: What followed the transaction ID, the command object first.
    """

    name: str
    transaction_id: float
    stream_id: int
    arguments: Sequence[Value]

    def _argument(self, index: int) -> Value:
        return self.arguments[index] if index < len(self.arguments) else None

    def object(self, index: int) -> Mapping[str, Value]:
        """Return argument `index` if it is an object, else an empty one."""
        value = self._argument(index)
        return value if isinstance(value, dict) else {}

    def text(self, index: int) -> str:
        """Return argument `index` if it is a string, else an empty one."""
        value = self._argument(index)
        return value if isinstance(value, str) else ""

    def names_nothing(self, index: int) -> bool:
        """Say whether argument `index` is no stream name: not a text, or one without a name."""
        return not self.text(index).strip(" /'\"")

    def number(self, index: int) -> float | None:
        """Return argument `index` if it is a finite number."""
        value = self._argument(index)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if math.isfinite(value) else None

    def milliseconds(self, index: int) -> int | None:
        """Return argument `index` if it is a time in a recording, which is not below 0."""
        number = self.number(index)
        return None if number is None or number < 0 else min(int(number), MOST_MS)

    def boolean(self, index: int, *, default: bool) -> bool:
        """Return argument `index` if it is a boolean or a number, else `default`."""
        value = self._argument(index)
        return bool(value) if isinstance(value, bool | int | float) else default


def result(transaction_id: float, *values: float) -> Message:
    """Answer a call with a null object and its values, or undefined where it has none."""
    return m.command("_result", transaction_id, None, *(values or (UNDEFINED,)))


def failed(transaction_id: float, description: str) -> Message:
    """Answer a call that cannot be done."""
    information: dict[str, Value] = {
        "level": "error",
        "code": "NetConnection.Call.Failed",
        "description": description,
    }
    return m.command("_error", transaction_id, None, information)


def unknown(transaction_id: float, name: str) -> Message:
    """Answer a call of a method we do not have."""
    return failed(transaction_id, f"unknown method {public_name(name)[:64]!r}")


def connected(request: ConnectCommand, server_id: str = "") -> Message:
    """Answer connect. GStreamer needs `code` in the second object, Blackmagic message stream 0.

    A relay is told who we are, so that it knows where a stream came from.
    """
    encoding = request.properties.get("objectEncoding")
    properties: dict[str, Value] = {
        "fmsVer": SERVER_VERSION,
        "capabilities": SERVER_CAPABILITIES,
        "mode": 1.0,
    }
    if server_id and read_hops(request.flash_version):
        properties["headend"] = server_id
    information: dict[str, Value] = {
        "level": "status",
        "code": "NetConnection.Connect.Success",
        "description": "Connection succeeded.",
        "objectEncoding": 3.0 if encoding == 3 else 0.0,
    }
    if not ENHANCED_PROPERTIES.isdisjoint(request.properties):
        information["capsEx"] = float(CAPS)
        information["fourCcList"] = ["*"]
        information["videoFourCcInfoMap"] = {"*": float(CODEC_CAN_FORWARD)}
        information["audioFourCcInfoMap"] = {"*": float(CODEC_CAN_FORWARD)}
    return m.command("_result", request.transaction_id, properties, information)


def asked_to_move(tc_url: str, description: str) -> Message:
    """Ask a peer to connect anew; it is served here until it has (Enhanced RTMP v2)."""
    code = "NetConnection.Connect.ReconnectRequest"
    return m.on_status(0, "status", code, description, tcUrl=tc_url)


def connect_rejected(transaction_id: float, code: str, description: str) -> Message:
    information: dict[str, Value] = {"level": "error", "code": code, "description": description}
    return m.command("_error", transaction_id, None, information)


def publish_started(stream_id: int, path: str) -> list[Message]:
    return [
        m.user_control(m.STREAM_BEGIN, stream_id),
        m.on_status(stream_id, "status", "NetStream.Publish.Start", f"{path} is now published."),
    ]


def unpublished(stream_id: int) -> Message:
    return m.on_status(stream_id, "status", "NetStream.Unpublish.Success", "Stream unpublished.")


def play_started(stream_id: int, path: str, *, is_recorded: bool = False) -> list[Message]:
    """Answer play. No NetStream.Data.Start: FFmpeg would make an empty data track of it."""
    recorded = [m.user_control(m.STREAM_IS_RECORDED, stream_id)] if is_recorded else []
    return [
        *recorded,
        m.user_control(m.STREAM_BEGIN, stream_id),
        m.on_status(stream_id, "status", "NetStream.Play.Reset", f"Playing and resetting {path}."),
        m.on_status(stream_id, "status", "NetStream.Play.Start", f"Started playing {path}."),
    ]


def published_again(stream_id: int) -> Message:
    """Tell a player that a publisher is there."""
    code = "NetStream.Play.PublishNotify"
    return m.on_status(stream_id, "status", code, "The stream is published.")


def play_over(stream_id: int) -> list[Message]:
    """Tell a player that its stream is over; FFmpeg and librtmp go by the first of these."""
    return [
        m.on_status(stream_id, "status", "NetStream.Play.UnpublishNotify", "The stream is over."),
        m.on_status(stream_id, "status", "NetStream.Play.Stop", "The stream is over."),
    ]


def played_to_end(stream_id: int, duration_s: float, size: int) -> list[Message]:
    """Tell a player that all it wanted of a recording was sent.

    librtmp goes by the first of these, GStreamer by the second, FFmpeg by the last.
    """
    information: dict[str, Value] = {
        "level": "status",
        "code": "NetStream.Play.Complete",
        "duration": duration_s,
        "bytes": float(size),
    }
    complete = amf0.serialize_values("onPlayStatus", information)
    return [
        Message(m.DATA_AMF0, 0, stream_id, complete),
        m.user_control(m.STREAM_EOF, stream_id),
        m.on_status(stream_id, "status", "NetStream.Play.Stop", "That was all."),
    ]


def sought(stream_id: int) -> list[Message]:
    """Answer seek in a recording; media from there follows."""
    return [
        m.on_status(stream_id, "status", "NetStream.Seek.Notify", "Goes on there."),
        m.on_status(stream_id, "status", "NetStream.Play.Start", "Goes on there."),
    ]


def paused(stream_id: int, *, is_paused: bool) -> list[Message]:
    if is_paused:
        return [
            m.on_status(stream_id, "status", "NetStream.Pause.Notify", "Paused."),
            m.user_control(m.STREAM_EOF, stream_id),
        ]
    return [
        m.user_control(m.STREAM_BEGIN, stream_id),
        m.on_status(stream_id, "status", "NetStream.Unpause.Notify", "Goes on."),
    ]


def medium_resumed(stream_id: int) -> list[Message]:
    """Answer receiveAudio or receiveVideo with true (RTMP 1.0, 7.2.2.4)."""
    return [
        m.on_status(stream_id, "status", "NetStream.Seek.Notify", "Goes on."),
        m.on_status(stream_id, "status", "NetStream.Play.Start", "Goes on."),
    ]


def fc_notice(method: str, code: str, name: str) -> Message:
    """Notify of FCPublish, FCUnpublish or FCSubscribe; the 0 after the method must be there.

    The name goes back without its key: programs write what they are told into their logs.
    """
    description = public_name(name)[:256]
    information: dict[str, Value] = {"level": "status", "code": code, "description": description}
    return m.command(method, 0, None, information)
