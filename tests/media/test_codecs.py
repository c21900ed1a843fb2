"""Tests of how tags are made of messages: what is a keyframe, what a sequence header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import wire

from headend.errors import MediaError
from headend.media.codecs import (
    AudioPacketType,
    FrameType,
    VideoPacketType,
    audio_tag,
    for_players,
    is_description,
    is_end,
    is_keyframe_of,
    parse_audio_header,
    parse_video_header,
    script_tag,
    track_ids,
    video_tag,
)
from headend.media.tag import Tag, TagKind

KEYFRAMES = [
    "17 01 000000 00000001 65",
    "1c 01 000000 00000001 26",  # HEVC as Larix and others send it
    "1d 01 000000 1200",  # AV1
    "12 00",  # H.263
    "13 00",
    "14 00",
    "18 00",  # an unknown codec
    "91 68766331 000050 00000001",  # captured from ffmpeg
    "93 68766331 00000001",
    "91 61763031 1200",
    "93 78797a7a 00",  # an unknown FourCC
    "97 02 000005 01 61766331 000000 65",  # behind a ModEx
    "97 02 000005 06 11 61766331 00 000004 000000 65",
    "96 01 61766331 00 000000 65",
    "96 13 61766331 01 000001 65 00 000001 65",  # track 0 need not be the first
    "96 21 61763031 00 000002 1200",
]

SEQUENCE_HEADERS = [
    "17 00 000000 01640028",
    "27 00 000000 01640028",  # the frame type of a sequence header is often wrong
    "1c 00 000000 01",
    "1d 00 000000 81",
    "90 68766331 0101",  # captured from ffmpeg
    "90 61763031",  # captured: av1C comes in a second one
    "90 76703039 01000000 010a870202000000",
    "a0 61766331 01",
    "95 61763031 80",  # MPEG2TSSequenceStart
    "96 00 61766331 01 0164",  # captured: a second track
    "96 05 61763031 00 80",
    "96 20 61766331 00 000002 0164",
    "97 02 000005 00 61766331 01",
]

PLAIN_VIDEO = [
    "",
    "17",
    "27 01 000000 00000001 41",
    "37 01 000000 00000001 01",
    "47 01 000000 00000001 41",  # generated keyframe: decoding cannot start at it
    "17 02 000000",
    "22 00",
    "42 00",
    "52 00",
    "57 01 000000 00",
    "57 00 000000 00",
    "1c 01 000000",  # no access unit
    "17 00 000000",  # no record: it would only displace a good one
    "a1 68766331 000028 0000",
    "a3 68766331 0000",
    "b1 61766331 000000 00",
    "c1 61766331 000000 00",
    "92 61766331",
    "d0 00",  # command
    "d6 01",
    "d7 00 ff 10 00",
    "a6 01 61766331 00 000000 41",
    "96 02 61766331 00",
    "96 01 61766331 01 000000 65",  # of another track than the default one
    "a7 02 000005 01 61766331 000000 41",
    # Garbled headers.
    "17 00",
    "17 01 0000",
    "90 617663",
    "91 61766331 0000",
    "93 61766331",
    "96 30 61766331 00",
    "96 11 61766331 00 000009 000000 65",
    "97 ff",
    "9f 61766331 00",
    "17 ff 000000 00",
]


@pytest.mark.parametrize("body", KEYFRAMES)
def test_keyframe(body: str) -> None:
    data = wire(body)
    assert video_tag(40, data) == Tag(TagKind.VIDEO, 40, data, True, False)


@pytest.mark.parametrize("body", SEQUENCE_HEADERS)
def test_video_sequence_header_is_no_keyframe(body: str) -> None:
    data = wire(body)
    assert video_tag(40, data) == Tag(TagKind.VIDEO, 40, data, False, True)


@pytest.mark.parametrize("body", PLAIN_VIDEO)
def test_other_video_has_neither_flag(body: str) -> None:
    data = wire(body)
    assert video_tag(4294967295, data) == Tag(TagKind.VIDEO, 4294967295, data, False, False)


@pytest.mark.parametrize(
    "body",
    [
        "af 00 1190",
        "ae 00 1210",
        "a0 00 1210",
        "90 4f707573 4f70757348656164",  # captured from ffmpeg
        "90 4f707573",  # an OpusHead may be left out
        "95 00 6d703461 01 1190",  # captured: a second track
        "95 20 6d703461 00 000002 1190",
        "97 02 000005 00 6d703461 1190",
    ],
)
def test_audio_sequence_header(body: str) -> None:
    data = wire(body)
    assert audio_tag(40, data) == Tag(TagKind.AUDIO, 40, data, False, True)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "af",
        "af 01 21",
        "af 02",
        "af 00",  # no AudioSpecificConfig
        "2f 00",
        "0e 00",
        "ff 00",
        "91 4f707573 fc",
        "92 4f707573",
        "95 01 6d703461 00 21",
        "97 02 000005 01 6d703461 21",
        "90 4f7075",
        "95 30 6d703461 00",
        "97 ff",
    ],
)
def test_other_audio_has_no_flag(body: str) -> None:
    data = wire(body)
    assert audio_tag(40, data) == Tag(TagKind.AUDIO, 40, data, False, False)


@pytest.mark.parametrize(
    "body",
    [
        "d4 68766331 020009 636f6c6f72496e666f 06",
        "d4 68766331",  # nothing: back to the colours of before
        "a6 04 68766331 01 020009 636f6c6f72496e666f 06",
        "d6 04 68766331 01 020009 636f6c6f72496e666f 06",  # and no command
        "97 02 000005 04 61766331 02",
    ],
)
def test_metadata_of_a_video_track_is_a_header_that_describes_it(body: str) -> None:
    data = wire(body)
    assert video_tag(40, data) == Tag(TagKind.VIDEO, 40, data, False, True)
    assert is_description(video_tag(40, data))


@pytest.mark.parametrize("first", ["84", "94", "a4", "d4", "f4"])
def test_metadata_is_given_to_players_as_all_of_them_know_it(first: str) -> None:
    rest = wire("68766331 020009 636f6c6f72496e666f 06")
    assert for_players(video_tag(40, wire(first) + rest)) == b"\xd4" + rest


@pytest.mark.parametrize("body", ["90 61763031 81", "17 00 000000 01", "a6 04 68766331 01 02"])
def test_other_headers_are_given_to_players_as_they_are(body: str) -> None:
    assert for_players(video_tag(40, wire(body))) == wire(body)
    sound = audio_tag(40, wire("94 4f707573 01 01 00000004"))
    assert for_players(sound) is sound.body


@pytest.mark.parametrize(
    "body",
    [
        "94 4f707573 01 01 00000004",  # captured
        "95 04 4f707573 01 01 06 0000003f",  # captured: of a second track
        "97 02 000005 04 6d703461 01 02 00000003",
    ],
)
def test_meaning_of_channels_is_a_header_that_describes_a_track(body: str) -> None:
    data = wire(body)
    assert audio_tag(40, data) == Tag(TagKind.AUDIO, 40, data, False, True)
    assert is_description(audio_tag(40, data))


@pytest.mark.parametrize("body", [*SEQUENCE_HEADERS, *KEYFRAMES, "97 ff", "d0 00"])
def test_other_video_describes_nothing(body: str) -> None:
    assert not is_description(video_tag(0, wire(body)))


@pytest.mark.parametrize("body", ["af 00 1190", "af 01 21", "97 ff", ""])
def test_other_audio_and_data_describe_nothing(body: str) -> None:
    assert not is_description(audio_tag(0, wire(body)))
    assert not is_description(script_tag(0, wire("02 0000")))


def test_tag_shares_the_body_of_its_message() -> None:
    body = wire("27 01 000000 00000001 41")
    assert video_tag(0, body).body is body
    assert audio_tag(0, body).body is body
    assert script_tag(0, body).body is body


def test_script_tag_leaves_out_set_data_frame() -> None:
    # "@setDataFrame", "onMetaData", empty ECMA array
    metadata = "02 000a 6f6e4d65746144617461 08 00000000 000009"
    expected = Tag(TagKind.SCRIPT, 7, wire(metadata), False, False)
    assert script_tag(7, wire("02 000d 40736574446174614672616d65" + metadata)) == expected
    assert script_tag(7, wire(metadata)) == expected


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ("", (0,)),
        ("17 00 000000 01640028", (0,)),
        ("90 68766331 0101", (0,)),
        ("96 00 61766331 01 0164", (1,)),
        ("96 10 61766331 02 000000 00 000000 02 000000", (0, 2)),
        ("97 00 aa 16 00 61766331 03", (3,)),
        ("d0 00", (0,)),
        ("96 10 61766331 02", (0,)),  # garbled
    ],
)
def test_track_ids_of_video(body: str, ids: tuple[int, ...]) -> None:
    assert track_ids(video_tag(0, wire(body))) == ids


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ("", (0,)),
        ("af 00 1190", (0,)),
        ("90 4f707573", (0,)),
        ("95 00 6d703461 01 1190", (1,)),
        ("95 20 6d703461 ff 000000 4f707573 01 000000", (1, 255)),
        ("95 20 6d7034", (0,)),  # garbled
    ],
)
def test_track_ids_of_audio(body: str, ids: tuple[int, ...]) -> None:
    assert track_ids(audio_tag(0, wire(body))) == ids


def test_script_tag_belongs_to_track_0() -> None:
    assert track_ids(script_tag(0, wire("96 00 61766331 01"))) == (0,)


# Two bytes decide whether a header is read in full; no keyframe, no sequence header may be missed.
SECOND_BYTES = [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x10, 0x13, 0x14, 0x20, 0x61, 0xFF]
TAILS = ["", "61766331 00 000004 000000 65", "000000 0164", "6d703461 01 1190"]


@pytest.mark.parametrize("tail", TAILS)
def test_quick_look_and_whole_header_agree_for_all_first_bytes_of_video(tail: str) -> None:
    wanted_types = (
        *(VideoPacketType.SEQUENCE_START, VideoPacketType.MPEG2TS_SEQUENCE_START),
        VideoPacketType.METADATA,
    )
    frame_types = (VideoPacketType.CODED_FRAMES, VideoPacketType.CODED_FRAMES_X)
    for first in range(256):
        for second in SECOND_BYTES:
            body = bytes((first, second)) + wire(tail)
            try:
                header = parse_video_header(body)
            except MediaError:
                assert video_tag(0, body)[3:] == (False, False)
                continue
            main = [track for track in header.tracks if not track.track_id and body[track.payload]]
            is_keyframe = (
                header.frame_type is FrameType.KEY and header.packet_type in frame_types
            ) and bool(main)
            is_header = header.packet_type in wanted_types and (
                first >= 0x80 or bool(body[header.tracks[0].payload])
            )
            assert video_tag(0, body)[3:] == (is_keyframe, is_header)


@pytest.mark.parametrize("tail", TAILS)
def test_quick_look_and_whole_header_agree_for_all_first_bytes_of_audio(tail: str) -> None:
    for first in range(256):
        for second in SECOND_BYTES:
            body = bytes((first, second)) + wire(tail)
            try:
                header = parse_audio_header(body)
            except MediaError:
                assert audio_tag(0, body)[3:] == (False, False)
                continue
            is_header = header.packet_type in (
                *(AudioPacketType.SEQUENCE_START, AudioPacketType.MULTICHANNEL_CONFIG),
            ) and (first >> 4 == 9 or bool(body[header.tracks[0].payload]))
            assert audio_tag(0, body)[3:] == (False, is_header)


@given(st.binary(max_size=32))
def test_any_bytes_give_a_tag(body: bytes) -> None:
    for tag in (video_tag(0, body), audio_tag(0, body), script_tag(0, body)):
        assert track_ids(tag)


@pytest.mark.parametrize(
    ("body", "track_id", "is_keyframe"),
    [
        ("96 01 61766331 01 000000 65", 1, True),
        ("96 01 61766331 01 000000 65", 0, False),
        ("96 01 61766331 01", 1, False),  # without a frame
        ("a6 01 61766331 01 000000 41", 1, False),
        ("96 00 61766331 01 01640028", 1, False),
        ("96 01 61", 1, False),
        ("", 1, False),
    ],
)
def test_keyframe_of_a_track_is_told(body: str, track_id: int, is_keyframe: bool) -> None:
    assert is_keyframe_of(wire(body), track_id) is is_keyframe


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        ("17 02 000000", True),
        ("92 68766331", True),
        ("17 01 000000", False),
        ("91 68766331", False),
        ("17 02", False),
    ],
)
def test_end_of_a_track_is_told_from_other_short_tags(body: str, is_one: bool) -> None:
    assert is_end(Tag(TagKind.VIDEO, 0, wire(body), False, False)) is is_one
    assert not is_end(Tag(TagKind.AUDIO, 0, wire(body), False, False))
