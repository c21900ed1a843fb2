"""Chunks, turned into messages, and messages, turned into chunks.

`ChunkReader` is the ingest hot path: one pass over the bytes of a read, one copy of a payload that
came in one chunk, two of one that came in several. Payload is taken as it arrives, never allocated
from a declared length; only an unfinished header (at most 18 bytes) is parsed again.

    basic header   fmt 2 bits | chunk stream id 6 bits      0: one more byte, 1: two more bytes
    fmt 0          timestamp 24 | length 24 | type 8 | message stream id 32, little-endian
    fmt 1          delta 24 | length 24 | type 8
    fmt 2          delta 24
    fmt 3          nothing: continues a message, or starts one like the last
    extended       32 bits more where the 24-bit time is ff ff ff

Source: RTMP 1.0, 5.3.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from headend.errors import LimitExceeded, ProtocolError

DEFAULT_CHUNK_SIZE: Final = 128  # bytes, each direction, until Set Chunk Size (RTMP 1.0, 5.4.1)
MAX_CHUNK_SIZE: Final = 0xFFFFFF  # bytes; a message is never longer, so larger sizes mean the same
EXTENDED: Final = 0xFFFFFF  # 24-bit time that says: the time is in the extended field
# Pieces put together at once: a byte object costs 50 bytes, so a message dripped byte by byte must
# not stay a list of them.
MERGE_PIECES: Final = 256
FAR_JUMP: Final = 10_000  # ms; see `_ChunkStream.repeated_delta`

TYPE_SET_CHUNK_SIZE: Final = 1
TYPE_ABORT: Final = 2
MEDIA_TYPES: Final = frozenset({8, 9, 15, 18, 22})  # audio, video, data AMF3, data AMF0, aggregate


class Message(NamedTuple):
    """One RTMP message.

    Attributes:
        type_id: Message type, 0 to 255.
        timestamp: ms, 0 to 2**32 - 1, wraps.
        stream_id: Message stream ID; 0 is control.
        payload: Whole payload.
    """

    type_id: int
    timestamp: int
    stream_id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """What one connection may make the reader hold.

    Attributes:
        message_bytes: Longest audio, video, data or aggregate message.
        command_bytes: Longest message of any other type.
        partial_bytes: Most bytes of unfinished messages, all chunk streams together.
        chunk_streams: Most chunk streams. nginx-rtmp allows 32; real peers use 2 to 8.
    """

    message_bytes: int
    command_bytes: int
    partial_bytes: int
    chunk_streams: int


class _ChunkStream:
    """What one chunk stream remembers from header to header, and its unfinished message."""

    __slots__ = (
        "delta",
        "extended",
        "is_absolute",
        "length",
        "marker",
        "merged",
        "pieces",
        "received",
        "stream_id",
        "timestamp",
        "type_id",
    )

    def __init__(self, chunk_stream_id: int) -> None:
        # The byte that a type 3 chunk starts with; empty where it takes more than one.
        self.marker = bytes((0xC0 | chunk_stream_id,)) if chunk_stream_id < 64 else b""
        self.timestamp = 0
        self.delta = 0
        self.is_absolute = False  # the last full header was fmt 0, so `delta` is a time
        self.extended = -1  # value of the extended field, -1 while the header has none
        self.length = 0
        self.type_id = 0
        self.stream_id = 0
        self.received = 0  # bytes of the unfinished message, in `pieces`
        self.merged = 0  # so many of the pieces are already put together
        self.pieces: list[bytes] = []

    def repeated_delta(self) -> int:
        """Return what a type 3 chunk that starts a message adds to the timestamp.

        After fmt 1 or 2 it is the last delta. After fmt 0 the specification, FFmpeg and GStreamer
        say the absolute time counts as the delta; librtmp and OBS before 30.2 send such a chunk for
        an equal timestamp. A step of more than ten seconds gives the second kind away.
        """
        return 0 if self.is_absolute and self.delta > FAR_JUMP else self.delta


class ChunkReader:
    """Reads the messages of one direction of a connection.

    Set Chunk Size and Abort take effect here, at once, and are not returned. After an exception the
    reader must not be used again.

    Attributes:
        chunk_size: Largest chunk payload the peer sends now, bytes.
        partial_bytes: Most bytes of unfinished messages; may be changed at any time.
    """

    def __init__(self, limits: ChunkLimits) -> None:
        self.chunk_size = DEFAULT_CHUNK_SIZE
        self._limits = limits
        self.partial_bytes = self._limits.partial_bytes
        self._surely_allowed = min(self._limits.message_bytes, self._limits.command_bytes)
        self._streams: dict[int, _ChunkStream] = {}
        self._header = b""  # bytes of a header that the last read cut short
        self._open: _ChunkStream | None = None  # its chunk was cut short …
        self._missing = 0  # … by so many bytes
        self._partial = 0  # bytes in the pieces of all chunk streams
        # Whether the peer repeats the extended field on type 3 chunks; None: not seen yet.
        self._repeats_extended: bool | None = None

    def receive_data(self, data: bytes) -> list[Message]:
        """Take bytes from the peer; return the messages they complete, in order.

        Raises:
            ProtocolError: The bytes are no chunk stream.
            LimitExceeded: A message or the sum of unfinished ones is over `limits`.
        """
        messages: list[Message] = []
        from_bytes = int.from_bytes
        position = 0
        if self._open is not None:
            position = self._continue_chunk(data, messages)
        elif self._header:
            data = self._header + data
            self._header = b""
        end = len(data)
        streams = self._streams
        while position < end:
            # The commonest headers are read right here: one-byte basic header, a chunk stream that
            # is known, no extended time. Ids 0 and 1 (long forms) are never keys.
            first = data[position]
            stream = streams.get(first & 0x3F)
            if stream is None or position + 12 > end:
                header_end, stream = self._parse_header(data, position)
                if stream is None:
                    self._header = data[position:]
                    break
                position = header_end
            elif first >= 0xC0 and stream.received and stream.extended < 0:
                position += 1
            elif (
                0x40 <= first < 0x80
                and not stream.received
                and (head := from_bytes(data[position + 1 : position + 8], "big")) < EXTENDED << 32
            ):
                delta = head >> 32
                stream.delta = delta
                stream.timestamp = (stream.timestamp + delta) & 0xFFFFFFFF
                stream.length = head >> 8 & 0xFFFFFF
                stream.type_id = head & 0xFF
                stream.extended = -1
                stream.is_absolute = False
                if stream.length > self._surely_allowed:
                    self._check_length(stream)
                position += 8
            else:
                header_end, stream = self._parse_header(data, position)
                if stream is None:
                    self._header = data[position:]
                    break
                position = header_end
            received = stream.received
            size = stream.length - received
            chunk_size = self.chunk_size
            if size > chunk_size:
                if not received and stream.marker and stream.extended < 0:
                    # All chunks of the message may be here, one behind the other.
                    count = (size - 1) // chunk_size
                    message_end = position + size + count
                    step = chunk_size + 1
                    if message_end <= end and (
                        data[position + chunk_size : message_end : step] == stream.marker * count
                    ):
                        last = message_end - (size - count * chunk_size)
                        pieces = [data[i : i + chunk_size] for i in range(position, last, step)]
                        pieces.append(data[last:message_end])
                        position = message_end
                        self._finish(stream, b"".join(pieces), messages)
                        continue
                size = chunk_size
            chunk_end = position + size
            if chunk_end > end:
                self._open = stream
                self._missing = chunk_end - end
                self._keep(stream, data[position:])
                break
            if size == stream.length:
                payload = data[position:chunk_end]
            else:
                self._keep(stream, data[position:chunk_end])
                position = chunk_end
                if stream.received < stream.length:
                    continue
                payload = self._take(stream)
            position = chunk_end
            self._finish(stream, payload, messages)
        return messages

    def _finish(self, stream: _ChunkStream, payload: bytes, messages: list[Message]) -> None:
        """Return a whole message, or act on one that is meant for this reader."""
        type_id = stream.type_id
        if type_id > TYPE_ABORT:
            messages.append(
                tuple.__new__(Message, (type_id, stream.timestamp, stream.stream_id, payload))
            )
        else:
            self._control(type_id, payload)

    def _continue_chunk(self, data: bytes, messages: list[Message]) -> int:
        """Take the rest of a chunk that the last read cut short; return where the next starts."""
        stream = self._open
        assert stream is not None
        taken = data[: self._missing]
        self._keep(stream, taken)
        self._missing -= len(taken)
        if not self._missing:
            self._open = None
            if stream.received == stream.length:
                self._finish(stream, self._take(stream), messages)
        return len(taken)

    def _parse_header(self, data: bytes, position: int) -> tuple[int, _ChunkStream | None]:
        """Parse one chunk header; return where its payload starts, or -1 if bytes are missing."""
        end = len(data)
        first = data[position]
        chunk_stream_id = first & 0x3F
        position += 1
        if chunk_stream_id < 2:
            if position + chunk_stream_id >= end:
                return -1, None
            if chunk_stream_id:  # three bytes, the last two little-endian
                chunk_stream_id = 64 + data[position] + 256 * data[position + 1]
                position += 2
            else:
                chunk_stream_id = 64 + data[position]
                position += 1
        header_type = first >> 6
        stream = self._streams.get(chunk_stream_id)
        if header_type == 3:
            if stream is None:
                raise ProtocolError(
                    f"chunk stream {chunk_stream_id} starts with a type 3 header: nothing to repeat"
                )
            return self._repeat_header(data, position, stream)
        if position + 11 - 4 * header_type > end:
            return -1, None
        if stream is None:
            stream = self._new_stream(chunk_stream_id, header_type)
        elif stream.received:
            raise ProtocolError(
                f"type {header_type} header on chunk stream {chunk_stream_id} inside a message "
                f"({stream.received} of {stream.length} bytes): only type 3 continues one"
            )
        return self._full_header(data, position, stream, header_type)

    def _full_header(
        self, data: bytes, position: int, stream: _ChunkStream, header_type: int
    ) -> tuple[int, _ChunkStream | None]:
        """Parse the fields of a type 0, 1 or 2 header; nothing changes if bytes are missing."""
        time = int.from_bytes(data[position : position + 3], "big")
        after = position + 11 - 4 * header_type
        extended = -1
        if time == EXTENDED:
            if after + 4 > len(data):
                return -1, None
            extended = time = int.from_bytes(data[after : after + 4], "big")
            after += 4
        if header_type < 2:
            stream.length = int.from_bytes(data[position + 3 : position + 6], "big")
            stream.type_id = data[position + 6]
            if header_type == 0:
                stream.stream_id = int.from_bytes(data[position + 7 : position + 11], "little")
        stream.extended = extended
        stream.delta = time
        stream.is_absolute = header_type == 0
        # On fmt 1 and 2 the extended field is a delta too.
        stream.timestamp = time if header_type == 0 else (stream.timestamp + time) & 0xFFFFFFFF
        if stream.length > self._surely_allowed:
            self._check_length(stream)
        return after, stream

    def _repeat_header(
        self, data: bytes, position: int, stream: _ChunkStream
    ) -> tuple[int, _ChunkStream | None]:
        """Parse a type 3 header, with or without a repeated extended field."""
        if stream.extended >= 0 and self._repeats_extended is not False:
            if position + 4 > len(data):
                return -1, None
            if self._repeats_extended is None:
                # FFmpeg, GStreamer and OBS from 30.1 repeat the field, librtmp and many cameras do
                # not. Some repeat only 31 bits of it.
                value = int.from_bytes(data[position : position + 4], "big")
                self._repeats_extended = value in (stream.extended, stream.extended & 0x7FFFFFFF)
            if self._repeats_extended:
                position += 4
        if not stream.received:
            stream.timestamp = (stream.timestamp + stream.repeated_delta()) & 0xFFFFFFFF
        return position, stream

    def _new_stream(self, chunk_stream_id: int, header_type: int) -> _ChunkStream:
        # fmt 1 first is what librtmp, GStreamer and FFmpeg send for controls on chunk stream 2.
        # 83 00 00 15 (fmt 2 first) was seen from a camera: length and type are unknowable.
        if header_type == 2:
            raise ProtocolError(
                f"chunk stream {chunk_stream_id} starts with a type 2 header: no message length"
            )
        if len(self._streams) >= self._limits.chunk_streams:
            raise LimitExceeded(
                "limits.chunk_streams", len(self._streams) + 1, self._limits.chunk_streams
            )
        stream = self._streams[chunk_stream_id] = _ChunkStream(chunk_stream_id)
        return stream

    def _check_length(self, stream: _ChunkStream) -> None:
        limits = self._limits
        if stream.type_id in MEDIA_TYPES:
            if stream.length > limits.message_bytes:
                raise LimitExceeded("limits.message_bytes", stream.length, limits.message_bytes)
        elif stream.length > limits.command_bytes:
            raise LimitExceeded("limits.command_bytes", stream.length, limits.command_bytes)

    def _keep(self, stream: _ChunkStream, piece: bytes) -> None:
        pieces = stream.pieces
        pieces.append(piece)
        if len(pieces) - stream.merged >= MERGE_PIECES:
            pieces[stream.merged :] = [b"".join(pieces[stream.merged :])]
            stream.merged += 1
        stream.received += len(piece)
        self._partial += len(piece)
        if self._partial > self.partial_bytes:
            raise LimitExceeded("limits.partial_bytes", self._partial, self.partial_bytes)

    def _take(self, stream: _ChunkStream) -> bytes:
        payload = b"".join(stream.pieces)
        self._drop(stream)
        return payload

    def _drop(self, stream: _ChunkStream) -> None:
        self._partial -= stream.received
        stream.received = 0
        stream.merged = 0
        stream.pieces.clear()

    def _control(self, type_id: int, payload: bytes) -> None:
        if len(payload) < 4 or not type_id:
            raise ProtocolError(f"control message of type {type_id} with {len(payload)} bytes")
        value = int.from_bytes(payload[:4], "big")
        if type_id == TYPE_SET_CHUNK_SIZE:
            if not 0 < value < 0x80000000:
                raise ProtocolError(f"chunk size {value:#x}: expected 1 to 0x7fffffff bytes")
            self.chunk_size = min(value, MAX_CHUNK_SIZE)
        else:
            stream = self._streams.get(value)
            if stream is not None:
                self._drop(stream)


def serialize(message: Message, chunk_stream_id: int, chunk_size: int) -> bytes:
    """Serialize a message as one type 0 chunk and the type 3 chunks it needs.

    Args:
        message: Payload of up to 0xFFFFFF bytes.
        chunk_stream_id: 2 to 63.
        chunk_size: What was announced to the peer, bytes.

    Source: RTMP 1.0, 5.3.1; the extended time is repeated on every type 3 chunk (5.3.1.3).
    """
    pieces: list[bytes] = []
    append_chunks(pieces, message, chunk_stream_id, chunk_size)
    return b"".join(pieces)


def append_chunks(
    pieces: list[bytes], message: Message, chunk_stream_id: int, chunk_size: int
) -> None:
    """Append the chunks of `message` to `pieces`: header, payload, header, payload …

    The payload itself is appended, not a copy, when it fits one chunk.
    """
    type_id, timestamp, stream_id, payload = message
    length = len(payload)
    repeated = b""
    time = timestamp
    if timestamp >= EXTENDED:
        repeated = timestamp.to_bytes(4, "big")
        time = EXTENDED
    head = (chunk_stream_id << 56 | time << 32 | length << 8 | type_id).to_bytes(8, "big")
    pieces.append(head + stream_id.to_bytes(4, "little") + repeated)
    if length <= chunk_size:
        pieces.append(payload)
        return
    continuation = bytes((0xC0 | chunk_stream_id,)) + repeated
    pieces.append(payload[:chunk_size])
    for start in range(chunk_size, length, chunk_size):
        pieces.append(continuation)
        pieces.append(payload[start : start + chunk_size])
