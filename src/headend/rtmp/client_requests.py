"""What a client says to a server, each message as servers of all kinds take it.

Source: RTMP 1.0, 7.2; Enhanced RTMP v2; docs/protocol.md.
"""

from collections.abc import Sequence
from typing import Final, Literal

from headend.media.amf0 import Value
from headend.media.tag import Tag
from headend.rtmp import messages as m
from headend.rtmp import replies
from headend.rtmp.chunks import Message
from headend.rtmp.hops import write_hops
from headend.rtmp.url import Url

Action = Literal["publish", "play"]

# Transaction IDs. releaseStream and FCPublish come first when publishing, as from FFmpeg.
CONNECT: Final = 1
RELEASE_STREAM: Final = 2
FC_PUBLISH: Final = 3
CREATE_STREAM: Final = 4
REQUEST: Final = 5  # publish or play
FC_UNPUBLISH: Final = 6
DELETE_STREAM: Final = 7

PUBLISHER_VERSION: Final = "FMLE/3.0 (compatible; Headend)"
PLAYER_VERSION: Final = "LNX 9,0,124,2"
# What a player says it can do. Adobe's server sends no audio or video to one that does not say.
PLAYER_PROPERTIES: Final[dict[str, Value]] = {
    "fpad": False,
    "capabilities": 15.0,
    "audioCodecs": 4071.0,
    "videoCodecs": 252.0,
    "videoFunction": 1.0,
}
ENHANCED_PROPERTIES: Final[dict[str, Value]] = {
    "fourCcList": ["*"],
    "videoFourCcInfoMap": {"*": float(replies.CODEC_CAN_FORWARD)},
    "audioFourCcInfoMap": {"*": float(replies.CODEC_CAN_FORWARD)},
    "capsEx": float(replies.CAPS),
}

LIVE_OR_RECORDED: Final = -2.0  # start of a play: live if there is one (RTMP 1.0, 7.2.2.1)
BUFFER_MS: Final = 3000  # FFmpeg's; live servers ignore it

ON_META_DATA: Final = b"\x02\x00\x0aonMetaData"
SET_DATA_FRAME: Final = b"\x02\x00\x0d@setDataFrame"  # asks a server to keep what follows


def connect(
    url: Url, action: Action, *, is_enhanced: bool, hops: Sequence[str] = (), auth: str = ""
) -> Message:
    """Build connect; a publisher says no more than it must, or Twitch closes the connection.

    Args:
        url: Where to.
        action: What we are going to ask for.
        is_enhanced: Say that we know Enhanced RTMP.
        hops: Servers that the stream has come through.
        auth: Parameters that tell who we are, in app and tcUrl as FFmpeg sends them.
    """
    if auth:
        auth = f"{'&' if '?' in url.connect_app else '?'}{auth}"
    properties: dict[str, Value] = {"app": url.connect_app + auth}
    if action == "publish":
        properties["type"] = "nonprivate"
        properties["flashVer"] = write_hops(PUBLISHER_VERSION, hops)
    else:
        properties["flashVer"] = write_hops(PLAYER_VERSION, hops)
    properties["tcUrl"] = url.tc_url + auth
    if action == "play":
        properties |= PLAYER_PROPERTIES
    if is_enhanced:
        properties |= ENHANCED_PROPERTIES
    return m.command("connect", CONNECT, properties)


def create_stream(action: Action, name: str) -> list[Message]:
    """Ask for a message stream, after what some servers want to hear first from a publisher.

    Only createStream's answer is to be waited for: Twitch gives none to the others.
    """
    create = m.command("createStream", CREATE_STREAM, None)
    if action == "play":
        return [create]
    return [
        m.command("releaseStream", RELEASE_STREAM, None, name),
        m.command("FCPublish", FC_PUBLISH, None, name),
        create,
    ]


def publish(stream_id: int, name: str) -> list[Message]:
    return [m.command("publish", REQUEST, None, name, "live", stream_id=stream_id)]


def play(stream_id: int, name: str) -> list[Message]:
    buffer = m.SET_BUFFER_LENGTH.to_bytes(2, "big") + m.u32(stream_id) + m.u32(BUFFER_MS)
    return [
        m.command("play", REQUEST, None, name, LIVE_OR_RECORDED, stream_id=stream_id),
        Message(m.USER_CONTROL, 0, 0, buffer),
    ]


def end(action: Action, stream_id: int, name: str) -> list[Message]:
    """Say that what was asked for is over."""
    delete = m.command("deleteStream", DELETE_STREAM, None, float(stream_id))
    if action == "play":
        return [delete]
    return [m.command("FCUnpublish", FC_UNPUBLISH, None, name), delete]


def media(stream_id: int, tag: Tag) -> Message:
    """Build the message of a tag; metadata with the instruction to keep it for players to come."""
    kind, timestamp, body = tag[:3]
    if body.startswith(ON_META_DATA):
        body = SET_DATA_FRAME + body
    return Message(kind, timestamp, stream_id, body)
