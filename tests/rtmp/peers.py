"""The bytes that real publishers and players send, for the tests of a session."""

from tests.rtmp.command_peer import amf
from tests.wire import wire

C0_C1 = b"\x03" + bytes(1536)
C2 = bytes(1536)
AVC_HEADER = wire("17 00 000000 01 f4000a ffe1 0004 67f4000a 01 0002 68ce")
AAC_HEADER = wire("af 00 1208 56e500")
KEY = wire("17 01 000000 00000001 65")
INTER = wire("27 01 000000 00000001 41")
SOUND = wire("af 01 de")
META = b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00\x00\x05width\x00\x40\x50" + bytes(6)
META += b"\x00\x00\x09"

NO_RESULT = "None Undefined.UNDEFINED"
CONNECTED = [
    "type 5 002625a0",
    "type 6 002625a002",
    "type 1 00010000",
    "_result 1 status NetConnection.Connect.Success",
]
PUBLISHED = ["type 4 000000000001", "onStatus 0 status NetStream.Publish.Start @1"]
PLAYED = [
    "type 4 000000000001",
    "onStatus 0 status NetStream.Play.Reset @1",
    "onStatus 0 status NetStream.Play.Start @1",
]
UNPUBLISHED = "onStatus 0 status NetStream.Unpublish.Success @1"


def message(
    chunk_stream: int, type_id: int, stream_id: int, payload: bytes, time: int = 0
) -> bytes:
    """A message of a peer whose chunk size is 128, as a type 0 chunk and what follows it."""
    head = time.to_bytes(3, "big") + len(payload).to_bytes(3, "big") + bytes([type_id])
    out = bytes([chunk_stream]) + head + stream_id.to_bytes(4, "little") + payload[:128]
    for start in range(128, len(payload), 128):
        out += bytes([0xC0 | chunk_stream]) + payload[start : start + 128]
    return out


def command(name: str, transaction_id: float, *arguments: object, on: int = 0) -> bytes:
    return message(3, 20, on, amf(name, transaction_id, *arguments))


# Captures: ffmpeg 5.1.9, GStreamer 1.22 and rtmpdump 2.4 on Debian 12, against this session; the
# port in tcUrl and the media are shortened. The others as docs/protocol.md describes them.

FFMPEG_PUBLISH = (
    # connect in chunks of 128
    b"\x03\x00\x00\x00\x00\x00\x8c\x14\x00\x00\x00\x00\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00"
    b"\x00\x00\x00\x03\x00\x03app\x02\x00\x04live\x00\x04type\x02\x00\x0anonprivate\x00\x08flashVer"
    b"\x02\x00$FMLE/3.0 (compatible; Lavf59.27.100)\x00\x05tcUrl\x02\x00\x1brtmp://127.0.0.1:4"
    b"\xc30091/live\x00\x00\x09"
    # Set Chunk Size, which repeats ours
    b"\x02\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x01\x00\x00"
    b"C\x00\x00\x00\x00\x00*\x14\x02\x00\x0dreleaseStream\x00@\x00\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x0dcam1?key=hk_1"
    b"C\x00\x00\x00\x00\x00&\x14\x02\x00\x09FCPublish\x00@\x08\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x0dcam1?key=hk_1"
    b"C\x00\x00\x00\x00\x00\x19\x14\x02\x00\x0ccreateStream\x00@\x10\x00\x00\x00\x00\x00\x00\x05"
    b"\x08\x00\x00\x00\x00\x00+\x14\x01\x00\x00\x00\x02\x00\x07publish\x00@\x14\x00\x00\x00\x00\x00"
    b"\x00\x05\x02\x00\x0dcam1?key=hk_1\x02\x00\x04live"
    # metadata, both headers, a picture and sound
    b"\x04\x00\x00\x00\x00\x005\x12\x01\x00\x00\x00\x02\x00\x0d@setDataFrame"
    + META
    + wire("06 000000 000016 09 01000000")
    + AVC_HEADER
    + wire("04 000000 000007 08 01000000")
    + AAC_HEADER
    + wire("44 000017 000003 08")
    + SOUND
    + wire("46 000021 00000a 09")
    + KEY
    + b"C\x00\x00\x00\x00\x00(\x14\x02\x00\x0bFCUnpublish\x00@\x18\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x0dcam1?key=hk_1"
    b'C\x00\x00\x00\x00\x00"\x14\x02\x00\x0cdeleteStream\x00@\x1c\x00\x00\x00\x00\x00\x00\x05'
    b"\x00?\xf0\x00\x00\x00\x00\x00\x00"
)
GSTREAMER_PUBLISH = (
    b"\x03\x00\x00\x00\x00\x00v\x14\x00\x00\x00\x00\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00\x00"
    b"\x00\x00\x03\x00\x03app\x02\x00\x04live\x00\x04type\x02\x00\x0anonprivate\x00\x08flashVer"
    b"\x02\x00\x0eLNX 10,0,32,18\x00\x05tcUrl\x02\x00\x1brtmp://127.0.0.1:32897/live\x00\x00\x09"
    b"\x02\x00\x00\x00\x00\x00\x04\x05\x00\x00\x00\x00\x00&%\xa0"
    # transaction ID 0
    b"C\x00\x00\x00\x00\x00!\x14\x02\x00\x0dreleaseStream\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x04cam1"
    b"C\x00\x00\x00\x00\x00\x1d\x14\x02\x00\x09FCPublish\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x04cam1"
    b"C\x00\x00\x00\x00\x00\x19\x14\x02\x00\x0ccreateStream\x00@\x00\x00\x00\x00\x00\x00\x00\x05"
    b'\x03\x00\x00\x00\x00\x00"\x14\x01\x00\x00\x00\x02\x00\x07publish\x00\x00\x00\x00\x00\x00\x00'
    b"\x00\x00\x05\x02\x00\x04cam1\x02\x00\x04live"
    b"B\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x80"
    b"\x04\x00\x00\x00\x00\x005\x12\x01\x00\x00\x00\x02\x00\x0d@setDataFrame"
    + META
    + wire("06 000000 000016 09 01000000")
    + AVC_HEADER
    + wire("46 0000c8 00000a 09")
    + KEY
    # type 3 starts a message
    + wire("c6")
    + INTER
    + b"\x03\x00\x00\x00\x00\x00\x1f\x14\x00\x00\x00\x00\x02\x00\x0bFCUnpublish\x00\x00\x00\x00\x00"
    b"\x00\x00\x00\x00\x05\x02\x00\x04cam1"
    # a name instead of the number
    b"C\x00\x00\x00\x00\x00 \x14\x02\x00\x0cdeleteStream\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x04cam1"
)
LIBRTMP_PUBLISH = (
    b"\x03\x00\x00\x00\x00\x00[\x14\x00\x00\x00\x00\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00\x00"
    b"\x00\x00\x03\x00\x03app\x02\x00\x04live\x00\x04type\x02\x00\x0anonprivate"
    b"\x00\x05tcUrl\x02\x00\x1brtmp://127.0.0.1:43893/live\x00\x00\x09"
    b"C\x00\x00\x00\x00\x00!\x14\x02\x00\x0dreleaseStream\x00@\x00\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x04cam1"
    b"C\x00\x00\x00\x00\x00\x1d\x14\x02\x00\x09FCPublish\x00@\x08\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x04cam1"
    b"C\x00\x00\x00\x00\x00\x19\x14\x02\x00\x0ccreateStream\x00@\x10\x00\x00\x00\x00\x00\x00\x05"
    b'\x04\x00\x00\x00\x00\x00"\x14\x01\x00\x00\x00\x02\x00\x07publish\x00@\x14\x00\x00\x00\x00\x00'
    b"\x00\x05\x02\x00\x04cam1\x02\x00\x04live"
    # all media on chunk stream 4
    b"\x04\x00\x00\x00\x00\x005\x12\x01\x00\x00\x00\x02\x00\x0d@setDataFrame"
    + META
    + wire("04 000000 000016 09 01000000")
    + AVC_HEADER
    + wire("44 0000c8 00000a 09")
    + KEY
    + b"C\x00\x00\x00\x00\x00\x1f\x14\x02\x00\x0bFCUnpublish\x00@\x18\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x04cam1"
    b'C\x00\x00\x00\x00\x00"\x14\x02\x00\x0cdeleteStream\x00@\x1c\x00\x00\x00\x00\x00\x00\x05'
    b"\x00?\xf0\x00\x00\x00\x00\x00\x00"
)
FFMPEG_PLAY = (
    b"\x03\x00\x00\x00\x00\x00\xc5\x14\x00\x00\x00\x00\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00"
    b"\x00\x00\x00\x03\x00\x03app\x02\x00\x04live\x00\x08flashVer\x02\x00\x0dLNX 9,0,124,2"
    b"\x00\x05tcUrl\x02\x00\x1brtmp://127.0.0.1:34961/live\x00\x04fpad\x01\x00\x00\x0ccapabilities"
    b"\x00@.\x00\x00\x00\x00\x00\x00\x00\x0b\xc3audioCodecs\x00@\xaf\xce\x00\x00\x00\x00\x00\x00\x0b"
    b"videoCodecs\x00@o\x80\x00\x00\x00\x00\x00\x00\x0dvideoFunction\x00\x3f\xf0\x00\x00\x00\x00"
    b"\x00\x00\x00\x00\x09"
    b"\x02\x00\x00\x00\x00\x00\x04\x05\x00\x00\x00\x00\x00&%\xa0"
    b"C\x00\x00\x00\x00\x00\x19\x14\x02\x00\x0ccreateStream\x00@\x00\x00\x00\x00\x00\x00\x00\x05"
    b"\x08\x00\x00\x00\x00\x00#\x14\x00\x00\x00\x00\x02\x00\x0fgetStreamLength\x00@\x08\x00\x00\x00"
    b"\x00\x00\x00\x05\x02\x00\x04cam1"
    b"\x08\x00\x00\x00\x00\x00!\x14\x01\x00\x00\x00\x02\x00\x04play\x00@\x10\x00\x00\x00\x00\x00\x00"
    b"\x05\x02\x00\x04cam1\x00\xc0\x9f@\x00\x00\x00\x00\x00"
    b"B\x00\x00\x01\x00\x00\x0a\x04\x00\x03\x00\x00\x00\x01\x00\x00\x0b\xb8"
)
RTMPDUMP_PLAY = (
    b"\x03\x00\x00\x00\x00\x00\xc6\x14\x00\x00\x00\x00\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00"
    b"\x00\x00\x00\x03\x00\x03app\x02\x00\x04live\x00\x08flashVer\x02\x00\x0eLNX 10,0,32,18"
    b"\x00\x05tcUrl\x02\x00\x1brtmp://127.0.0.1:44331/live\x00\x04fpad\x01\x00\x00\x0ccapabilities"
    b"\x00@.\x00\x00\x00\x00\x00\x00\x00\xc3\x0baudioCodecs\x00@\xa8\xee\x00\x00\x00\x00\x00\x00\x0b"
    b"videoCodecs\x00@o\x80\x00\x00\x00\x00\x00\x00\x0dvideoFunction\x00\x3f\xf0\x00\x00\x00\x00"
    b"\x00\x00\x00\x00\x09"
    b"\x02\x00\x00\x00\x00\x00\x04\x05\x00\x00\x00\x00\x00&%\xa0"
    b"B\x00\x00\x00\x00\x00\x0a\x04\x00\x03\x00\x00\x00\x00\x00\x00\x01,"
    b"C\x00\x00\x00\x00\x00\x19\x14\x02\x00\x0ccreateStream\x00@\x00\x00\x00\x00\x00\x00\x00\x05"
    b"C\x00\x00\x00\x00\x00\x1f\x14\x02\x00\x0bFCSubscribe\x00@\x08\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x04cam1"
    b"\x08\x00\x00\x00\x00\x00!\x14\x01\x00\x00\x00\x02\x00\x04play\x00@\x10\x00\x00\x00\x00\x00\x00"
    b"\x05\x02\x00\x04cam1\x00\xc0\x8f@\x00\x00\x00\x00\x00"
    # type 3 starts a message: SetBufferLength once more
    b"\xc2\x00\x03\x00\x00\x00\x01\x02%Q\x00"
)
OBS_PUBLISH = (
    wire("02 000000 000004 01 00000000 00001000")
    + b"\x03\x00\x00\x00\x00\x00\x9d\x14\x00\x00\x00\x00\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00"
    b"\x00\x00\x00\x03\x00\x03app\x02\x00\x04live\x00\x04type\x02\x00\x0anonprivate\x00\x08flashVer"
    b"\x02\x00\x1fFMLE/3.0 (compatible; FMSc/1.0)\x00\x06swfUrl\x02\x00\x13rtmp://h.tld:1/live"
    b"\x00\x05tcUrl\x02\x00\x13rtmp://h.tld:1/live\x00\x00\x09"
    b"C\x00\x00\x00\x00\x00!\x14\x02\x00\x0dreleaseStream\x00@\x00\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x04cam1"
    b"C\x00\x00\x00\x00\x00\x1d\x14\x02\x00\x09FCPublish\x00@\x08\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x04cam1"
    b"C\x00\x00\x00\x00\x00\x19\x14\x02\x00\x0ccreateStream\x00@\x10\x00\x00\x00\x00\x00\x00\x05"
    b'\x04\x00\x00\x00\x00\x00"\x14\x01\x00\x00\x00\x02\x00\x07publish\x00@\x14\x00\x00\x00\x00\x00'
    b"\x00\x05\x02\x00\x04cam1\x02\x00\x04live"
    + b"\x04\x00\x00\x00\x00\x005\x12\x01\x00\x00\x00\x02\x00\x0d@setDataFrame"
    + META
    + wire("04 000000 000007 08 01000000")
    + AAC_HEADER
    + wire("04 000000 000016 09 01000000")
    + AVC_HEADER
    + wire("44 000010 00000a 09")
    + KEY
    + wire("44 000000 000003 08")
    + SOUND
    + b"C\x00\x00\x00\x00\x00\x1f\x14\x02\x00\x0bFCUnpublish\x00@\x18\x00\x00\x00\x00\x00\x00\x05"
    b"\x02\x00\x04cam1"
    b'C\x00\x00\x00\x00\x00"\x14\x02\x00\x0cdeleteStream\x00@\x1c\x00\x00\x00\x00\x00\x00\x05'
    b"\x00?\xf0\x00\x00\x00\x00\x00\x00"
)
HAIVISION_PUBLISH = (
    command("connect", 1, {"app": "live", "tcUrl": "rtmp://h/live"})
    + command("_checkbw", 2, None)
    + command("createStream", 3, None)
    + command("FCPublish", 4, None, "cam1")
    + command("publish", 5, None, "cam1", "live", on=1)
    + message(4, 9, 1, KEY)
)
# Blackmagic devices ping the server.
BLACKMAGIC_PUBLISH = (
    wire("02 000000 000006 04 00000000 0006 00000005")
    + command("connect", 1, {"app": "live", "tcUrl": "rtmp://h/live"})
    + wire("02 000000 000006 04 00000000 0006 0000002a")
    + command("releaseStream", 2, None, "cam1")
    + command("createStream", 3, None)
    + command("publish", 4, None, "cam1", "live", on=1)
    + message(4, 9, 1, KEY)
)

# What comes back, and what the application is told, when it accepts everything.
SCRIPTS: dict[str, tuple[bytes, list[str], list[str]]] = {
    "ffmpeg publishes": (
        FFMPEG_PUBLISH,
        [
            *CONNECTED,
            f"_result 2 {NO_RESULT}",
            f"_result 3 {NO_RESULT}",
            "onFCPublish 0 status NetStream.Publish.Start",
            "_result 4 None 1.0",
            *PUBLISHED,
            UNPUBLISHED,
            "onFCUnpublish 0 status NetStream.Unpublish.Success",
            f"_result 6 {NO_RESULT}",
        ],
        [
            "connect live",
            "publish live/cam1 @1",
            "SCRIPT 0 @1",
            "VIDEO 0 header @1",
            "AUDIO 0 header @1",
            "AUDIO 23 @1",
            "VIDEO 33 keyframe @1",
            "publish ended @1",
        ],
    ),
    "GStreamer publishes": (
        GSTREAMER_PUBLISH,
        [
            *CONNECTED,
            "onFCPublish 0 status NetStream.Publish.Start",
            "_result 2 None 1.0",
            *PUBLISHED,
            UNPUBLISHED,
            "onFCUnpublish 0 status NetStream.Unpublish.Success",
        ],
        [
            "connect live",
            "publish live/cam1 @1",
            "SCRIPT 0 @1",
            "VIDEO 0 header @1",
            "VIDEO 200 keyframe @1",
            "VIDEO 400 @1",
            "publish ended @1",
        ],
    ),
    "librtmp publishes": (
        LIBRTMP_PUBLISH,
        [
            *CONNECTED,
            f"_result 2 {NO_RESULT}",
            f"_result 3 {NO_RESULT}",
            "onFCPublish 0 status NetStream.Publish.Start",
            "_result 4 None 1.0",
            *PUBLISHED,
            UNPUBLISHED,
            "onFCUnpublish 0 status NetStream.Unpublish.Success",
            f"_result 6 {NO_RESULT}",
        ],
        [
            "connect live",
            "publish live/cam1 @1",
            "SCRIPT 0 @1",
            "VIDEO 0 header @1",
            "VIDEO 200 keyframe @1",
            "publish ended @1",
        ],
    ),
    "OBS publishes": (
        OBS_PUBLISH,
        [
            *CONNECTED,
            f"_result 2 {NO_RESULT}",
            f"_result 3 {NO_RESULT}",
            "onFCPublish 0 status NetStream.Publish.Start",
            "_result 4 None 1.0",
            *PUBLISHED,
            UNPUBLISHED,
            "onFCUnpublish 0 status NetStream.Unpublish.Success",
            f"_result 6 {NO_RESULT}",
        ],
        [
            "connect live",
            "publish live/cam1 @1",
            "SCRIPT 0 @1",
            "AUDIO 0 header @1",
            "VIDEO 0 header @1",
            "VIDEO 16 keyframe @1",
            "AUDIO 16 @1",
            "publish ended @1",
        ],
    ),
    "Haivision publishes": (
        HAIVISION_PUBLISH,
        [
            *CONNECTED,
            f"_result 2 {NO_RESULT}",
            "_result 3 None 1.0",
            f"_result 4 {NO_RESULT}",
            "onFCPublish 0 status NetStream.Publish.Start",
            *PUBLISHED,
        ],
        ["connect live", "publish live/cam1 @1", "VIDEO 0 keyframe @1"],
    ),
    "Blackmagic publishes": (
        BLACKMAGIC_PUBLISH,
        [
            "type 4 000700000005",
            *CONNECTED,
            "type 4 00070000002a",
            f"_result 2 {NO_RESULT}",
            "_result 3 None 1.0",
            *PUBLISHED,
        ],
        ["connect live", "publish live/cam1 @1", "VIDEO 0 keyframe @1"],
    ),
    "ffmpeg plays": (
        FFMPEG_PLAY,
        [*CONNECTED, "_result 2 None 1.0", "_result 3 None 0.0", *PLAYED],
        ["connect live", "play live/cam1 @1"],
    ),
    "rtmpdump plays": (
        RTMPDUMP_PLAY,
        [
            *CONNECTED,
            "_result 2 None 1.0",
            f"_result 3 {NO_RESULT}",
            "onFCSubscribe 0 status NetStream.Play.Start",
            *PLAYED,
        ],
        ["connect live", "play live/cam1 @1"],
    ),
}
