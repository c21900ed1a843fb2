"""A stream as viewers over HTTP get it: FLV, or FLV in WebSocket frames.

    HTTP         FLV header, PreviousTagSize 0 | tag, PreviousTagSize | …
    WebSocket    the same in binary frames: one for the header, one for each tag

The header is each viewer's own; all that follows is the same bytes for everyone. A server's frames
are not masked, so that holds for WebSocket too.

Source: Adobe FLV 10.1, annex E; RFC 6455, 5.2.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from headend.hub.headers import METADATA
from headend.media import flv
from headend.media.multitrack import first_of
from headend.media.tag import SCRIPT, Tag

_FINAL_BINARY: Final = 0x82
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127


class FlvFormat(NamedTuple):
    """What distinguishes one form from the other; the key of its fan-out in a stream.

    Attributes:
        is_framed: In WebSocket frames.
        has_tracks: With all tracks of a kind; players know the first one.
    """

    is_framed: bool
    has_tracks: bool = False


class FlvEncoder:
    """Encodes tags as FLV. A tag that is too large for FLV is left out: see MAX_TAG_SIZE."""

    def __init__(self, format: FlvFormat) -> None:
        self._is_framed = format.is_framed
        self._has_tracks = format.has_tracks

    def learn(self, headers: Sequence[Tag]) -> None:
        """Nothing: viewers are sent them as they are."""

    def append(self, pieces: list[bytes], tag: Tag, timestamp: int) -> None:
        if not self._has_tracks:
            first = first_of(tag)
            if first is None:
                return
            tag = first
        size = len(tag.body)
        if size > flv.MAX_TAG_SIZE:
            return
        if tag.kind is SCRIPT and tag.body.startswith(METADATA):
            timestamp = 0  # FFmpeg takes metadata of any other time for a text track
        if timestamp != tag.timestamp:
            tag = tag._replace(timestamp=timestamp)
        if self._is_framed:
            pieces.append(frame_header(size + flv.UNIT_HEADER_SIZE))
        pieces += (
            flv.tag_header(tag),
            tag.body,
            (size + flv.TAG_HEADER_SIZE).to_bytes(4, "big"),
        )

    def interrupted(self) -> bytes:
        """Nothing: FLV has no words for it, and viewers wait."""
        return b""

    def resumed(self) -> bytes:
        return b""

    def ended(self) -> bytes:
        """Nothing: the connection's end is the end."""
        return b""


def start(format: FlvFormat, *, has_audio: bool, has_video: bool) -> bytes:
    """Return what a viewer gets first.

    Args:
        format: Its form.
        has_audio: There is an audio track, or will be. Players wait for what is announced.
        has_video: There is a video track, or will be.
    """
    header = flv.serialize_header(has_audio=has_audio, has_video=has_video)
    return frame_header(len(header)) + header if format.is_framed else header


def frame_header(size: int) -> bytes:
    """Return the header of a WebSocket frame with a whole binary message of `size` bytes."""
    if size < _LENGTH_16:
        return bytes((_FINAL_BINARY, size))
    if size < 0x10000:
        return bytes((_FINAL_BINARY, _LENGTH_16)) + size.to_bytes(2, "big")
    return bytes((_FINAL_BINARY, _LENGTH_64)) + size.to_bytes(8, "big")
