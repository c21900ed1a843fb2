"""Good chunks, for tests and for fuzzing."""

from tests.wire import wire

from headend.rtmp.chunks import Message

A32 = bytes(range(32))

V307 = bytes(i % 251 for i in range(307))

# Name: bytes of a peer, and the messages they hold. tests/fuzz spoils these too.
GOOD: dict[str, tuple[bytes, list[Message]]] = {
    # RTMP 1.0, 5.3.2.1
    "example 1 of the specification: fmt 0, 2, 3, 3": (
        wire("03 0003e8 000020 08 39300000")
        + A32
        + wire("83 000014")
        + A32
        + wire("c3")
        + A32
        + wire("c3")
        + A32,
        [
            Message(8, 1000, 12345, A32),
            Message(8, 1020, 12345, A32),
            Message(8, 1040, 12345, A32),
            Message(8, 1060, 12345, A32),
        ],
    ),
    # RTMP 1.0, 5.3.2.2
    "example 2 of the specification: 307 bytes in chunks of 128": (
        wire("04 0003e8 000133 09 3a300000")
        + V307[:128]
        + b"\xc4"
        + V307[128:256]
        + b"\xc4"
        + V307[256:],
        [Message(9, 1000, 12346, V307)],
    ),
    "fmt 1 keeps the message stream": (
        wire("06 000064 000001 09 01000000 aa  46 000021 000002 08 bbcc  86 000017 ddee"),
        [
            Message(9, 100, 1, b"\xaa"),
            Message(8, 133, 1, b"\xbb\xcc"),
            Message(8, 156, 1, b"\xdd\xee"),
        ],
    ),
    "two-byte basic headers: 64, 65 and 319": (
        wire("00 00 000001 000001 08 01000000 a1  00 01 000002 000001 08 01000000 a2")
        + wire("00 ff 000003 000001 08 01000000 a3  c0 00 b1  c0 ff b3"),
        [
            Message(8, 1, 1, b"\xa1"),
            Message(8, 2, 1, b"\xa2"),
            Message(8, 3, 1, b"\xa3"),
            Message(8, 2, 1, b"\xb1"),
            Message(8, 6, 1, b"\xb3"),
        ],
    ),
    "three-byte basic headers are little-endian: 320 and 65599": (
        wire("01 00 01 000001 000001 08 01000000 a1  01 ff ff 000002 000001 08 01000000 a2")
        + wire("c1 00 01 b1  41 ff ff 000001 000001 09 b2"),
        [
            Message(8, 1, 1, b"\xa1"),
            Message(8, 2, 1, b"\xa2"),
            Message(8, 2, 1, b"\xb1"),
            Message(9, 3, 1, b"\xb2"),
        ],
    ),
    "chunk stream 64 in two and in three bytes is the same": (
        wire("00 00 000005 000001 08 01000000 a1  81 00 00 000003 a2"),
        [Message(8, 5, 1, b"\xa1"), Message(8, 8, 1, b"\xa2")],
    ),
    "messages of two chunk streams interleaved": (
        wire("06 00000a 0000c8 09 01000000")
        + V307[:128]
        + wire("04 00000b 000003 08 01000000 af01aa")
        + wire("05 00000c 000082 08 01000000")
        + V307[:128]
        + b"\xc6"
        + V307[128:200]
        + b"\xc5"
        + V307[128:130],
        [
            Message(8, 11, 1, b"\xaf\x01\xaa"),
            Message(9, 10, 1, V307[:200]),
            Message(8, 12, 1, V307[:130]),
        ],
    ),
    "chunks of one message, one of them with a chunk of another between": (
        wire("06 00000a 000133 09 01000000 ")
        + V307[:128]
        + b"\xc6"
        + V307[128:256]
        + wire("05 00000a 000001 08 01000000 aa")
        + b"\xc6"
        + V307[256:]
        + wire("46 000021 000133 09")
        + V307[:128]
        + b"\xc6"
        + V307[128:256]
        + b"\xc6"
        + V307[256:]
        + wire("45 000000 000000 08  c5"),
        [
            Message(8, 10, 1, b"\xaa"),
            Message(9, 10, 1, V307),
            Message(9, 43, 1, V307),
            Message(8, 10, 1, b""),
            Message(8, 10, 1, b""),
        ],
    ),
    "payload that looks like the chunk headers that are to come": (
        wire("06 00000a 000101 09 01000000")
        + bytes([0xC6]) * 128
        + wire("05 00000a 000001 08 01000000 c6  c6")
        + bytes([0xC6]) * 128
        + wire("c6 c6  c6")
        + bytes([0xC6]) * 128
        + b"\xc6"
        + bytes([0xC6]) * 128
        + wire("c6 c6"),
        [
            Message(8, 10, 1, b"\xc6"),
            Message(9, 10, 1, bytes([0xC6]) * 257),
            Message(9, 20, 1, bytes([0xC6]) * 257),
        ],
    ),
    "length 0": (
        wire("04 000064 000000 08 01000000  84 000017  c4  04 000200 000001 08 01000000 aa"),
        [
            Message(8, 100, 1, b""),
            Message(8, 123, 1, b""),
            Message(8, 146, 1, b""),
            Message(8, 512, 1, b"\xaa"),
        ],
    ),
    # librtmp, GStreamer and FFmpeg begin chunk stream 2 so.
    "fmt 1 first on a chunk stream": (
        wire("42 000000 000004 05 002625a0"),
        [Message(5, 0, 0, wire("002625a0"))],
    ),
    # rtmpdump: SetBufferLength twice, the second time with one byte of header
    "fmt 3 starts a message after fmt 1": (
        wire("02 000000 000004 05 00000000 002625a0")
        + wire("42 000000 00000a 04 0003 00000000 0000012c  c2 0003 00000001 02255100"),
        [
            Message(5, 0, 0, wire("002625a0")),
            Message(4, 0, 0, wire("0003 00000000 0000012c")),
            Message(4, 0, 0, wire("0003 00000001 02255100")),
        ],
    ),
    # FFmpeg and GStreamer: the absolute time counts as the delta
    "fmt 3 that starts a message after fmt 0 adds its time": (
        wire("04 000017 000001 08 01000000 aa  c4 bb  c4 cc"),
        [Message(8, 23, 1, b"\xaa"), Message(8, 46, 1, b"\xbb"), Message(8, 69, 1, b"\xcc")],
    ),
    # librtmp and OBS before 30.2: the timestamps are equal
    "fmt 3 that starts a message after fmt 0 keeps a time of over 10 s": (
        wire("04 002711 000001 08 01000000 aa  c4 bb  44 000005 000001 08 cc  c4 dd"),
        [
            Message(8, 10001, 1, b"\xaa"),
            Message(8, 10001, 1, b"\xbb"),
            Message(8, 10006, 1, b"\xcc"),
            Message(8, 10011, 1, b"\xdd"),
        ],
    ),
    "fmt 3 that starts a message after fmt 1 repeats even a large delta": (
        wire("04 000000 000001 08 01000000 aa  44 010000 000001 08 bb  c4 cc"),
        [Message(8, 0, 1, b"\xaa"), Message(8, 65536, 1, b"\xbb"), Message(8, 131072, 1, b"\xcc")],
    ),
    "the largest time of 24 bits is not extended": (
        wire("04 fffffe 000001 08 01000000 aa  84 000001 bb"),
        [Message(8, 16777214, 1, b"\xaa"), Message(8, 16777215, 1, b"\xbb")],
    ),
    "extended time on fmt 0, and ff ff ff exactly": (
        wire("04 ffffff 000001 08 01000000 00ffffff aa  04 ffffff 000001 08 01000000 01000000 bb"),
        [Message(8, 16777215, 1, b"\xaa"), Message(8, 16777216, 1, b"\xbb")],
    ),
    # FFmpeg, GStreamer, OBS from 30.1
    "extended time repeated on the chunks that follow": (
        wire("04 ffffff 000133 09 01000000 01020304")
        + V307[:128]
        + wire("c4 01020304")
        + V307[128:256]
        + wire("c4 01020304")
        + V307[256:],
        [Message(9, 0x01020304, 1, V307)],
    ),
    # OBS before 30.1, librtmp, DJI
    "extended time not repeated on the chunks that follow": (
        wire("04 ffffff 000133 09 01000000 01020304")
        + V307[:128]
        + b"\xc4"
        + V307[128:256]
        + b"\xc4"
        + V307[256:]
        + wire("04 ffffff 000082 09 01000000 01020325")
        + V307[:128]
        + b"\xc4"
        + V307[128:130],
        [Message(9, 0x01020304, 1, V307), Message(9, 0x01020325, 1, V307[:130])],
    ),
    "extended time of 32 bits repeated with 31": (
        wire("04 ffffff 000081 09 01000000 80000010")
        + V307[:128]
        + wire("c4 00000010")
        + V307[128:129],
        [Message(9, 0x80000010, 1, V307[:129])],
    ),
    "extended delta on fmt 1": (
        wire("04 000010 000001 08 01000000 aa  44 ffffff 000001 09 01000000 bb"),
        [Message(8, 16, 1, b"\xaa"), Message(9, 0x01000010, 1, b"\xbb")],
    ),
    "extended delta on fmt 2, repeated on the fmt 3 that starts a message": (
        wire("04 000010 000001 08 01000000 aa  84 ffffff 01000000 bb  c4 01000000 cc"),
        [
            Message(8, 16, 1, b"\xaa"),
            Message(8, 0x01000010, 1, b"\xbb"),
            Message(8, 0x02000010, 1, b"\xcc"),
        ],
    ),
    "extended time not repeated on the fmt 3 that starts a message": (
        wire("04 ffffff 000004 08 01000000 01000000 aaaaaaaa  c4 bbbbbbbb  c4 01000000"),
        [
            Message(8, 0x01000000, 1, wire("aaaaaaaa")),
            Message(8, 0x01000000, 1, wire("bbbbbbbb")),
            Message(8, 0x01000000, 1, wire("01000000")),
        ],
    ),
    "a header without the field ends the repetition": (
        wire("04 ffffff 000001 08 01000000 01000000 aa  c4 01000000 bb  84 000001 cc  c4 dd"),
        [
            Message(8, 0x01000000, 1, b"\xaa"),
            Message(8, 0x01000000, 1, b"\xbb"),
            Message(8, 0x01000001, 1, b"\xcc"),
            Message(8, 0x01000002, 1, b"\xdd"),
        ],
    ),
    "the clock wraps at 32 bits": (
        wire("04 ffffff 000001 08 01000000 fffffff0 aa  84 000021 bb"),
        [Message(8, 0xFFFFFFF0, 1, b"\xaa"), Message(8, 0x11, 1, b"\xbb")],
    ),
    "Set Chunk Size takes effect at the next chunk": (
        wire("02 000000 000004 01 00000000 00000200  04 000000 000133 09 01000000") + V307,
        [Message(9, 0, 1, V307)],
    ),
    "Set Chunk Size in the middle of another message": (
        wire("04 000000 000133 09 01000000")
        + V307[:128]
        + wire("02 000000 000004 01 00000000 00000064  c4")
        + V307[128:228]
        + wire("02 000000 000004 01 00000000 00001000  c4")
        + V307[228:],
        [Message(9, 0, 1, V307)],
    ),
    "Set Chunk Size of the most that 31 bits hold": (
        wire("02 000000 000004 01 00000000 7fffffff  04 000000 000133 09 01000000") + V307,
        [Message(9, 0, 1, V307)],
    ),
    "Abort drops the unfinished message and keeps its header": (
        wire("04 000010 000082 09 01000000")
        + V307[:128]
        + wire("02 000000 000004 02 00000000 00000004  c4")
        + V307[:128]
        + b"\xc4"
        + V307[128:130],
        [Message(9, 32, 1, V307[:130])],
    ),
    "Abort of an idle and of an unknown chunk stream does nothing": (
        wire("04 000010 000001 08 01000000 aa  02 000000 000004 02 00000000 00000004")
        + wire("42 000000 000004 02 00000009  44 000001 000001 08 bb"),
        [Message(8, 16, 1, b"\xaa"), Message(8, 17, 1, b"\xbb")],
    ),
}
