"""The one value that travels from encoder to output: the Tag.

RTMP audio, video and data messages are FLV tag bodies, so one value serves the whole way. A tag is
a named tuple, not a frozen dataclass: one is built for every message, at a third of the cost
(docs/decisions/0002-tag-is-a-named-tuple.md).
"""

from enum import IntEnum
from typing import Final, NamedTuple


class TagKind(IntEnum):
    """Kind of a tag; the FLV tag type and the RTMP message type at once."""

    AUDIO = 8
    VIDEO = 9
    SCRIPT = 18


# Plain names: an attribute look-up on an enum class costs as much as the rest of building a tag.
AUDIO: Final = TagKind.AUDIO
VIDEO: Final = TagKind.VIDEO
SCRIPT: Final = TagKind.SCRIPT


class Tag(NamedTuple):
    """One audio, video or data message of a stream.

    Attributes:
        kind: AUDIO, VIDEO or SCRIPT.
        timestamp: Decoding time in ms, 0 to 2**32 - 1, wraps.
        body: FLV tag body, codec header included. Shared by all outputs, never modified. A SCRIPT
            body is AMF0 and never starts with `@setDataFrame`.
        is_keyframe: Video where decoding can start. Never true for audio, script or sequence
            headers.
        is_sequence_header: Configures a decoder (avcC, hvcC, AudioSpecificConfig, SequenceStart),
            or tells how its track is to be shown or heard: see `codecs.is_description`.
    """

    kind: TagKind
    timestamp: int
    body: bytes
    is_keyframe: bool
    is_sequence_header: bool
