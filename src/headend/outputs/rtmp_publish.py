"""A stream as relays publish it to other servers: one encoding for all of them.

That holds because all of them announce the same chunk size, and media goes out on chunk streams
that no client session writes on itself. Nearly every server gives message stream 1; destinations
that give another one share an encoding of their own.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from headend.hub.headers import METADATA
from headend.media.tag import SCRIPT, Tag
from headend.outputs.rtmp_play import CHUNK_STREAMS
from headend.rtmp.chunks import Message, append_chunks
from headend.rtmp.client_requests import SET_DATA_FRAME

_NOTHING: Final = b""


class PublishFormat(NamedTuple):
    """What distinguishes one encoding from another; the key of its fan-out in a stream.

    Attributes:
        stream_id: Message stream that the destination gave.
        kind: Tells this format from that of players.
    """

    stream_id: int
    kind: str = "publish"


class PublishEncoder:
    """Encodes tags as a publisher sends them.

    What is said between tags is for the session of each destination to say: nothing is shared.
    """

    def __init__(self, format: PublishFormat, chunk_size: int) -> None:
        self._stream_id = format.stream_id
        self._chunk_size = chunk_size

    def learn(self, headers: Sequence[Tag]) -> None:
        """Nothing: destinations are sent them as they are."""

    def append(self, pieces: list[bytes], tag: Tag, timestamp: int) -> None:
        kind, _, body = tag[:3]
        if kind is SCRIPT and body.startswith(METADATA):
            body = SET_DATA_FRAME + body  # servers keep it for players to come
            timestamp = 0
        message = Message(kind, timestamp, self._stream_id, body)
        append_chunks(pieces, message, CHUNK_STREAMS[kind], self._chunk_size)

    def interrupted(self) -> bytes:
        return _NOTHING

    def resumed(self) -> bytes:
        return _NOTHING

    def ended(self) -> bytes:
        return _NOTHING
