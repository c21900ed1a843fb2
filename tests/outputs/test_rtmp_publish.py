"""Tests of headend.outputs.rtmp_publish."""

from tests.wire import wire

from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.outputs.rtmp_play import Format
from headend.outputs.rtmp_publish import PublishEncoder, PublishFormat

KEY = Tag(VIDEO, 40, wire("17 01 000000 aabb"), True, False)
SOUND = Tag(AUDIO, 41, wire("af 01 de"), False, False)
TEXT = Tag(SCRIPT, 42, b"\x02\x00\x0aonTextData\x05", False, False)
METADATA = Tag(SCRIPT, 42, b"\x02\x00\x0aonMetaData\x05", False, False)


def encode(encoder: PublishEncoder, tag: Tag) -> bytes:
    pieces: list[bytes] = []
    encoder.append(pieces, tag, 1000)
    return b"".join(pieces)


def test_tag_becomes_a_type_0_chunk_on_a_chunk_stream_of_its_kind() -> None:
    encoder = PublishEncoder(PublishFormat(1), 128)
    assert encode(encoder, KEY) == wire("06 0003e8 000007 09 01000000 1701000000aabb")
    assert encode(encoder, SOUND) == wire("04 0003e8 000003 08 01000000 af01de")
    assert encode(encoder, TEXT) == wire("07 0003e8 00000e 12 01000000") + TEXT.body


def test_chunk_size_and_message_stream_are_those_of_the_destination() -> None:
    assert encode(PublishEncoder(PublishFormat(5), 4), KEY) == wire(
        "06 0003e8 000007 09 05000000 17010000 c6 00aabb"
    )


def test_metadata_is_kept_by_the_server_and_has_time_0() -> None:
    assert encode(PublishEncoder(PublishFormat(1), 128), METADATA) == (
        wire("07 000000 00001e 12 01000000 02 000d") + b"@setDataFrame" + METADATA.body
    )


def test_nothing_is_said_between_tags() -> None:
    encoder = PublishEncoder(PublishFormat(1), 128)
    assert encoder.interrupted() == encoder.resumed() == encoder.ended() == b""


def test_format_is_not_that_of_players() -> None:
    assert len({PublishFormat(1), Format(1), PublishFormat(2)}) == 3
