"""FLV, read and written: the form of recordings, HTTP-FLV and WebSocket-FLV.

    file   "FLV" 01 flags, data offset u32 = 9, then units of:
    unit   PreviousTagSize u32 | type u8, size u24, timestamp u24, timestamp bits 31 to 24 u8,
           stream id u24 = 0 | body;  a last PreviousTagSize ends the file

Source: Adobe FLV 10.1, annex E.2 to E.4.1.
"""

import struct
from typing import Final

from headend.errors import MediaError
from headend.media.codecs import audio_tag, script_tag, video_tag
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag

# Bytes of a body: its size is a u24.
MAX_TAG_SIZE: Final = 0xFF_FFFF

# Where the first PreviousTagSize may stand. The specification says 9; more is for a header to come.
MAX_DATA_OFFSET: Final = 4096

_FILE_HEADER_SIZE: Final = 9
UNIT_HEADER_SIZE: Final = 15  # PreviousTagSize of the tag before, and the tag header
TAG_HEADER_SIZE: Final = 11
PREVIOUS_TAG_SIZE: Final = 4
_HAS_AUDIO: Final = 0x04
_HAS_VIDEO: Final = 0x01
_TYPE_MASK: Final = 0x1F
_IS_ENCRYPTED: Final = 0x20
_TAG_HEADER: Final = struct.Struct(">II3x")

_TAG_MAKERS: Final = {int(AUDIO): audio_tag, int(VIDEO): video_tag, int(SCRIPT): script_tag}


def serialize_header(*, has_audio: bool, has_video: bool) -> bytes:
    """Write what an FLV file starts with: 9 bytes and the PreviousTagSize before the first tag."""
    flags = has_audio * _HAS_AUDIO | has_video * _HAS_VIDEO
    return b"FLV\x01" + bytes((flags,)) + b"\x00\x00\x00\x09" + b"\x00\x00\x00\x00"


def tag_header(tag: Tag) -> bytes:
    """Write the 11 bytes that stand before a tag's body.

    Raises:
        MediaError: The body is larger than a size of 24 bits can say.
    """
    size = len(tag.body)
    if size > MAX_TAG_SIZE:
        raise MediaError(f"FLV tag of {size} bytes")
    timestamp = tag.timestamp
    return _TAG_HEADER.pack(tag.kind << 24 | size, (timestamp & 0xFF_FFFF) << 8 | timestamp >> 24)


def serialize_tag(tag: Tag) -> bytes:
    """Write a whole tag: header, body, PreviousTagSize.

    Raises:
        MediaError: The body is larger than a size of 24 bits can say.
    """
    previous_tag_size = len(tag.body) + TAG_HEADER_SIZE
    return b"".join((tag_header(tag), tag.body, previous_tag_size.to_bytes(4, "big")))


class Reader:
    """Reads an FLV file or live stream in pieces of any size.

    PreviousTagSize is not looked at, as many writers get it wrong. Tags that are encrypted or of
    another type than audio, video and script are left out.

    Args:
        max_tag_size: Bytes of the largest body; what the reader holds back is no more than one.
    """

    def __init__(self, max_tag_size: int = MAX_TAG_SIZE) -> None:
        self._max_tag_size = max_tag_size
        self._buffer = bytearray()
        self._has_header = False
        self._tags: list[Tag] = []

    def receive_data(self, data: bytes) -> None:
        """Take the next bytes; fetch what they complete with `tags`.

        Raises:
            MediaError: The data is not FLV, or a tag is over the limit. The reader is finished.
        """
        self._buffer += data
        if not self._has_header:
            self._has_header = self._read_file_header()
        if self._has_header:
            self._read_units()

    def tags(self) -> list[Tag]:
        """Give the tags completed since the last call."""
        tags, self._tags = self._tags, []
        return tags

    @property
    def is_cut(self) -> bool:
        """Whether the data would be cut short if it ended here."""
        # Behind the last tag stands its size, and some writers leave that out.
        return not self._has_header or len(self._buffer) > PREVIOUS_TAG_SIZE

    def _read_file_header(self) -> bool:
        buffer = self._buffer
        if buffer[:3] != b"FLV"[: len(buffer)]:
            raise MediaError("data is not FLV: it does not start with 'FLV'")
        if len(buffer) < _FILE_HEADER_SIZE:
            return False
        data_offset = int.from_bytes(buffer[5:9], "big")
        if not _FILE_HEADER_SIZE <= data_offset <= MAX_DATA_OFFSET:
            raise MediaError(f"FLV data offset is {data_offset}")
        if len(buffer) < data_offset:
            return False
        del buffer[:data_offset]
        return True

    def _read_units(self) -> None:
        buffer = self._buffer
        start = 0
        with memoryview(buffer) as view:
            while start + UNIT_HEADER_SIZE <= len(view):
                body_start = start + UNIT_HEADER_SIZE
                size = int.from_bytes(view[start + 5 : start + 8], "big")
                if size > self._max_tag_size:
                    raise MediaError(f"FLV tag of {size} bytes, {self._max_tag_size} are allowed")
                end = body_start + size
                if end > len(view):
                    break
                self._add(bytes(view[start + 4 : body_start]), bytes(view[body_start:end]))
                start = end
        del buffer[:start]

    def _add(self, header: bytes, body: bytes) -> None:
        make = _TAG_MAKERS.get(header[0] & _TYPE_MASK)
        if make is None or header[0] & _IS_ENCRYPTED:
            return
        timestamp = header[7] << 24 | int.from_bytes(header[4:7], "big")
        self._tags.append(make(timestamp, body))
