"""Good messages, for tests and for fuzzing."""

from tests.wire import wire

from headend.rtmp.chunks import Message

COMMANDS: dict[str, tuple[Message, tuple[str, float, list[object]]]] = {
    "createStream of FFmpeg": (
        Message(20, 0, 0, b"\x02\x00\x0ccreateStream\x00\x40\x10\x00\x00\x00\x00\x00\x00\x05"),
        ("createStream", 4.0, [None]),
    ),
    "FCPublish of GStreamer, transaction ID 0": (
        Message(20, 0, 0, b"\x02\x00\x09FCPublish\x00" + bytes(8) + b"\x05\x02\x00\x04cam1"),
        ("FCPublish", 0.0, [None, "cam1"]),
    ),
    "type 17 with its format byte, as Ubiquiti cameras send it": (
        Message(17, 0, 1, b"\x00\x02\x00\x07publish\x00" + bytes(8) + b"\x05\x02\x00\x01a"),
        ("publish", 0.0, [None, "a"]),
    ),
    "type 17 without it": (
        Message(17, 0, 1, b"\x02\x00\x07publish\x00" + bytes(8)),
        ("publish", 0.0, []),
    ),
    "type 17 with an argument in AMF3": (
        Message(17, 0, 1, b"\x00\x02\x00\x04play\x00" + bytes(8) + b"\x05\x11\x06\x09cam1"),
        ("play", 0.0, [None, "cam1"]),
    ),
    "a name alone": (Message(20, 0, 0, b"\x02\x00\x01a"), ("a", 0.0, [])),
    "null for a transaction ID": (Message(20, 0, 0, b"\x02\x00\x01a\x05"), ("a", 0.0, [])),
}

AGGREGATES: dict[str, tuple[Message, list[Message]]] = {
    # RTMP 1.0, 7.1.6: the outer message stream counts, timestamps move by 1000 - 40
    "audio and video with back pointers": (
        Message(
            22,
            1000,
            1,
            wire("08 000002 000028 00 000000 af01 0000000d")
            + wire("09 000003 00003d 00 000007 270100 0000000e"),
        ),
        [Message(8, 1000, 1, b"\xaf\x01"), Message(9, 1021, 1, b"\x27\x01\x00")],
    ),
    "data, and no last back pointer": (
        Message(
            22, 0, 1, wire("12 000001 000000 00 000000 05 0000000c 0f 000001 000001 00 000000 05")
        ),
        [Message(18, 0, 1, b"\x05"), Message(15, 1, 1, b"\x05")],
    ),
    "time of 32 bits, wrapping": (
        Message(
            22,
            0xFFFFFFF0,
            1,
            wire("08 000000 fffff0 00 000000 0000000b 08 000000 000010 01 000000 0000000b"),
        ),
        [Message(8, 0xFFFFFFF0, 1, b""), Message(8, 0x10, 1, b"")],
    ),
    "nothing": (Message(22, 5, 1, b""), []),
    "less than a header at the end": (Message(22, 5, 1, bytes(10)), []),
}
