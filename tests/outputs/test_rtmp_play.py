"""Tests of headend.outputs.rtmp_play."""

import pytest
from tests.wire import wire

from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.outputs.rtmp_play import Format, RtmpEncoder

KEY = Tag(VIDEO, 40, wire("17 01 000000 aabb"), True, False)
SOUND = Tag(AUDIO, 41, wire("af 01 de"), False, False)
TEXT = Tag(SCRIPT, 42, b"\x02\x00\x0aonTextData\x05", False, False)


def encode(encoder: RtmpEncoder, *tags: Tag, at: int = 1000) -> bytes:
    pieces: list[bytes] = []
    for tag in tags:
        encoder.append(pieces, tag, at)
    return b"".join(pieces)


def test_tag_becomes_a_type_0_chunk_on_the_chunk_stream_of_its_kind() -> None:
    encoder = RtmpEncoder(Format(1), 128)
    assert encode(encoder, KEY) == wire("06 0003e8 000007 09 01000000 1701000000aabb")
    assert encode(encoder, SOUND) == wire("04 0003e8 000003 08 01000000 af01de")
    assert encode(encoder, TEXT) == wire("07 0003e8 00000e 12 01000000") + TEXT.body


def test_chunk_and_message_stream_are_the_ones_of_the_player() -> None:
    assert encode(RtmpEncoder(Format(3), 4), KEY) == wire(
        "06 0003e8 000007 09 03000000 17010000 c6 00aabb"
    )


def test_extended_time_is_on_every_chunk() -> None:
    assert encode(RtmpEncoder(Format(1), 4), KEY, at=0x01020304) == wire(
        "06 ffffff 000007 09 01000000 01020304 17010000 c6 01020304 00aabb"
    )


def test_metadata_has_time_0() -> None:
    # FFmpeg takes metadata of any other time for a text track.
    metadata = Tag(
        SCRIPT, 42, b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00\x00\x00\x09", False, False
    )
    assert encode(RtmpEncoder(Format(1), 128), metadata)[:12] == wire(
        "07 000000 000015 12 01000000"
    )


@pytest.mark.parametrize(
    ("format", "chunk_streams"),
    [
        (Format(1), [6, 4, 7]),
        (Format(1, audio=False), [6, 7]),
        (Format(1, video=False), [4, 7]),
        (Format(1, audio=False, video=False), [7]),
    ],
)
def test_medium_that_is_switched_off_has_no_bytes(format: Format, chunk_streams: list[int]) -> None:
    pieces: list[bytes] = []
    for tag in (KEY, SOUND, TEXT):
        RtmpEncoder(format, 128).append(pieces, tag, 0)
    assert [piece[0] for piece in pieces[::2]] == chunk_streams


def test_body_is_the_tag_s_own() -> None:
    pieces: list[bytes] = []
    RtmpEncoder(Format(1), 65_536).append(pieces, KEY, 0)
    assert pieces[1] is KEY.body


def test_silence_is_stream_dry() -> None:
    assert RtmpEncoder(Format(1), 128).interrupted() == wire(
        "02 000000 000006 04 00000000 0002 00000001"
    )


def test_return_of_the_publisher_is_stream_begin_and_publish_notify() -> None:
    data = RtmpEncoder(Format(2), 65_536).resumed()
    assert data.startswith(wire("02 000000 000006 04 00000000 0000 00000002  05 000000"))
    assert data[18 + 7 : 18 + 12] == wire("14 02000000")
    assert b"\x02\x00\x06status\x00\x04code\x02\x00\x1cNetStream.Play.PublishNotify" in data


def test_end_is_stream_eof_unpublish_notify_and_stop() -> None:
    data = RtmpEncoder(Format(1), 65_536).ended()
    assert data.startswith(wire("02 000000 000006 04 00000000 0001 00000001  05 000000"))
    notify = data.index(b"\x00\x04code\x02\x00\x1eNetStream.Play.UnpublishNotify")
    assert data.index(b"\x00\x04code\x02\x00\x13NetStream.Play.Stop") > notify


def test_end_of_a_recording_is_complete_stream_eof_and_stop() -> None:
    data = RtmpEncoder(Format(1), 65_536).played_to_end(12.5, 1000)
    assert data[:1] == wire("07")
    assert data[7:12] == wire("12 01000000")
    assert data[12:].startswith(b"\x02\x00\x0conPlayStatus")
    complete = data.index(b"\x00\x04code\x02\x00\x17NetStream.Play.Complete")
    duration = data.index(b"\x00\x08duration\x00\x40\x29\x00\x00\x00\x00\x00\x00")
    end = data.index(wire("02 000000 000006 04 00000000 0001 00000001"))
    stop = data.index(b"\x00\x04code\x02\x00\x13NetStream.Play.Stop")
    assert complete < duration < end < stop


def test_status_keeps_to_the_chunk_size() -> None:
    data = RtmpEncoder(Format(1), 64).resumed()
    assert data[18 + 12 + 64] == 0xC5


def test_player_that_does_not_know_tracks_gets_the_first_one_as_a_plain_message() -> None:
    first = Tag(AUDIO, 41, wire("95 01 6d703461 00 de"), False, False)
    second = Tag(AUDIO, 41, wire("95 01 6d703461 01 ad"), False, False)
    plain = RtmpEncoder(Format(1), 128)
    assert encode(plain, first) == wire("04 0003e8 000006 08 01000000 91 6d703461 de")
    assert encode(plain, second) == b""
    knowing = RtmpEncoder(Format(1, has_tracks=True), 128)
    assert encode(knowing, first)[12:] == first.body
    assert encode(knowing, second)[12:] == second.body
