"""What a client session is to do."""

from dataclasses import dataclass, field
from typing import Final

from headend.rtmp.chunks import ChunkLimits
from headend.rtmp.client_requests import Action
from headend.rtmp.url import Url

# What a server may make a client hold.
LIMITS: Final = ChunkLimits(
    message_bytes=16 * 1024 * 1024,
    command_bytes=64 * 1024,
    partial_bytes=32 * 1024 * 1024,
    chunk_streams=64,
)


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a client session is to do; sizes in bytes, times in seconds.

    Attributes:
        url: Where, and which stream.
        action: Publish it or play it.
        is_enhanced: Say in connect that we know Enhanced RTMP, and move when the server asks for
            it. Not by default when publishing: Twitch closes on a connect object that holds more
            than it expects.
        auth: Parameters for connect that tell who we are (`headend.rtmp.auth_answer`); a secret.
        chunk_size: Largest chunk payload we send.
        chunk_limits: What the server may make us hold.
        handshake_s: From the start to the end of the handshake.
        start_s: From there until publish or play is granted.
        silence_s: Longest time a server that is played sends nothing; pinged after half.
        hops: Ids of the servers that relay the stream, see `headend.rtmp.hops`.
    """

    url: Url
    action: Action
    is_enhanced: bool = False
    auth: str = field(default="", repr=False)
    chunk_size: int = 65_536
    chunk_limits: ChunkLimits = LIMITS
    handshake_s: float = 10
    start_s: float = 15
    silence_s: float = 60
    hops: tuple[str, ...] = ()
