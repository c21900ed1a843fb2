"""Good data messages, for tests and for fuzzing."""

from tests.wire import wire

WIDTH = b"\x00\x05width\x00\x40\x94\x00\x00\x00\x00\x00\x00\x00\x00\x09"

ARRAY = b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00" + WIDTH

# Name: message type, payload, and the body of the script tag (None: no tag).
MESSAGES: dict[str, tuple[int, bytes, bytes | None]] = {
    "metadata without an instruction passes": (18, ARRAY, ARRAY),
    "@setDataFrame is left out": (18, b"\x02\x00\x0d@setDataFrame" + ARRAY, ARRAY),
    "@clearDataFrame is nothing to relay": (
        18,
        b"\x02\x00\x0f@clearDataFrame\x02\x00\x0aonMetaData",
        None,
    ),
    # AWS MediaLive sends an object, FFmpeg's player wants an array.
    "metadata in an object becomes an array": (
        18,
        b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData\x03" + WIDTH,
        ARRAY,
    ),
    "other data in an object stays one": (
        18,
        b"\x02\x00\x0aonTextData\x03" + WIDTH,
        b"\x02\x00\x0aonTextData\x03" + WIDTH,
    ),
    # FFmpeg with -map 0 sends a time code track so.
    "bytes that are no AMF pass": (18, wire("00 01 02 03"), wire("00 01 02 03")),
    "nothing is nothing": (18, b"", None),
    "@setDataFrame of nothing is nothing": (18, b"\x02\x00\x0d@setDataFrame", None),
    "AMF3 with its format byte becomes AMF0": (
        15,
        b"\x00\x02\x00\x0aonMetaData\x11\x0a\x0b\x01\x0bwidth\x04\x8a\x00\x01",
        ARRAY,
    ),
    "AMF3 behind @setDataFrame and without a format byte": (
        15,
        b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData\x11\x0a\x0b\x01\x0bwidth\x04\x8a\x00\x01",
        ARRAY,
    ),
    "AMF3 in a message of AMF0 becomes AMF0": (
        18,
        b"\x02\x00\x0aonMetaData\x11\x0a\x0b\x01\x0bwidth\x04\x8a\x00\x01",
        ARRAY,
    ),
    "AMF3 behind @setDataFrame in a message of AMF0 becomes AMF0": (
        18,
        b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData\x11\x0a\x0b\x01\x0bwidth\x04\x8a\x00\x01",
        ARRAY,
    ),
    "AMF3 in a member becomes AMF0": (
        18,
        b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x01\x00\x05width\x11\x04\x8a\x00\x00\x00\x09",
        ARRAY.replace(b"\x08\x00\x00\x00\x00", b"\x08\x00\x00\x00\x01"),
    ),
    "AMF3 of other data in a message of AMF0 becomes AMF0": (
        18,
        b"\x02\x00\x0aonTextData\x11\x0a\x0b\x01\x0bwidth\x04\x8a\x00\x01",
        b"\x02\x00\x0aonTextData\x03" + WIDTH,
    ),
    "a byte that only looks like AMF3 changes nothing": (
        18,
        b"\x02\x00\x03a\x11b\x0b\x40\x94\x00\x00\x00\x00\x00\x11\x00\x3c",
        b"\x02\x00\x03a\x11b\x0b\x40\x94\x00\x00\x00\x00\x00\x11\x00\x3c",
    ),
    "AMF3 that is wrong passes in a message of AMF0": (18, wire("11 ff 00"), wire("11 ff 00")),
    "AMF0 in a message of AMF3 passes": (15, b"\x00" + ARRAY, ARRAY),
    "AMF3 that is wrong is dropped": (15, wire("00 11 ff 00"), None),
    "AMF3 of nothing is nothing": (15, b"\x00", None),
}
