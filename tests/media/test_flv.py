"""Tests of how FLV files are read and written, bytes as in FLV 10.1, annex E."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import wire

from headend.errors import MediaError
from headend.media.flv import Reader, serialize_header, serialize_tag, tag_header
from headend.media.tag import Tag, TagKind

HEADER = "464c56 01 05 00000009 00000000"
VIDEO = "09 000005 000028 00 000000 2701000000 00000010"
AUDIO = "08 000003 ffffff 7f 000000 af0121 0000000e"
SCRIPT = "12 000001 000000 00 000000 05 0000000c"
TAGS = [
    Tag(TagKind.VIDEO, 40, wire("2701000000"), False, False),
    Tag(TagKind.AUDIO, 0x7FFFFFFF, wire("af0121"), False, False),
    Tag(TagKind.SCRIPT, 0, wire("05"), False, False),
]
FILE = wire(HEADER + VIDEO + AUDIO + SCRIPT)


def read(*pieces: bytes) -> list[Tag]:
    reader = Reader()
    tags = []
    for piece in pieces:
        reader.receive_data(piece)
        tags += reader.tags()
    return tags


@pytest.mark.parametrize(
    ("has_audio", "has_video", "flags"),
    [(True, True, "05"), (True, False, "04"), (False, True, "01"), (False, False, "00")],
)
def test_header_tells_which_kinds_there_are(has_audio: bool, has_video: bool, flags: str) -> None:
    header = serialize_header(has_audio=has_audio, has_video=has_video)
    assert header == wire(f"464c56 01 {flags} 00000009 00000000")


@pytest.mark.parametrize(("tag", "encoded"), list(zip(TAGS, (VIDEO, AUDIO, SCRIPT), strict=True)))
def test_tag_is_written_with_the_size_behind_it(tag: Tag, encoded: str) -> None:
    assert serialize_tag(tag) == wire(encoded)
    assert tag_header(tag) == wire(encoded)[:11]


@pytest.mark.parametrize(
    ("timestamp", "encoded"),
    [(0x01020304, "020304 01"), (0xFFFFFFFF, "ffffff ff"), (0x00FFFFFF, "ffffff 00")],
)
def test_timestamp_has_its_upper_8_bits_last(timestamp: int, encoded: str) -> None:
    tag = Tag(TagKind.AUDIO, timestamp, b"", False, False)
    assert tag_header(tag) == wire(f"08 000000 {encoded} 000000")
    assert read(wire(HEADER) + serialize_tag(tag)) == [tag]


def test_body_over_24_bits_of_size_cannot_be_written() -> None:
    body = bytes(0x1000000)
    tag = Tag(TagKind.VIDEO, 0, body[:-1], False, False)
    assert tag_header(tag)[:4] == wire("09 ffffff")
    with pytest.raises(MediaError, match="16777216 bytes"):
        serialize_tag(tag._replace(body=body))


def test_file_is_read_whole() -> None:
    assert read(FILE) == TAGS


def test_file_is_read_byte_by_byte() -> None:
    assert read(*(FILE[index : index + 1] for index in range(len(FILE)))) == TAGS


@pytest.mark.parametrize("size", [2, 7, 13, 20, 33])
def test_file_is_read_in_pieces(size: int) -> None:
    assert read(*(FILE[index : index + size] for index in range(0, len(FILE), size))) == TAGS


def test_tag_is_given_with_its_last_byte_and_only_once() -> None:
    reader = Reader()
    reader.receive_data(wire(HEADER + VIDEO)[:-5])
    assert reader.tags() == []
    reader.receive_data(b"\x00")
    assert reader.tags() == TAGS[:1]
    assert reader.tags() == []


def test_trailing_bytes_are_kept_for_the_next_tag() -> None:
    assert read(FILE + wire("09 0000ff 0000")) == TAGS


def test_flags_of_tags_are_read() -> None:
    keyframe = "09 000006 000000 00 000000 170100000065 00000011"
    header = "08 000004 000000 00 000000 af001190 0000000f"
    tags = read(wire(HEADER + keyframe + header))
    assert [tag[3:] for tag in tags] == [(True, False), (False, True)]


def test_wrong_previous_tag_size_does_no_harm() -> None:
    data = wire("464c56 01 05 00000009 ffffffff" + VIDEO[:-8] + "00000000" + AUDIO)
    assert read(data) == TAGS[:2]


def test_header_may_be_longer_than_9_bytes() -> None:
    data = wire("464c56 01 05 0000000c aabbcc 00000000" + VIDEO)
    assert read(data) == TAGS[:1]
    assert read(data[:10], data[10:]) == TAGS[:1]


@pytest.mark.parametrize("kind", ["0f", "00", "29", "32", "1f"])
def test_tag_that_is_encrypted_or_of_another_type_is_left_out(kind: str) -> None:
    assert read(wire(f"{HEADER} {kind} 000002 000000 00 000000 ffff 0000000d" + VIDEO)) == TAGS[:1]


def test_reserved_bits_of_the_type_are_not_looked_at() -> None:
    assert read(wire(HEADER + "c9" + VIDEO[2:])) == TAGS[:1]


@pytest.mark.parametrize(
    "data",
    ["00", "46 4c 00", "000000 18 66747970", "464c56 01 05 00000008", "464c56 01 05 00001001"],
)
def test_what_is_not_flv_is_refused(data: str) -> None:
    with pytest.raises(MediaError):
        read(wire(data))


def test_no_data_is_not_yet_an_error() -> None:
    assert read(b"", b"F", b"L") == []


def test_tag_over_the_limit_is_refused_before_it_is_received() -> None:
    reader = Reader(max_tag_size=4)
    with pytest.raises(MediaError, match="5 bytes, 4 are allowed"):
        reader.receive_data(wire(HEADER + "09 000005 000000 00 000000"))
    Reader(max_tag_size=5).receive_data(wire(HEADER + "09 000005 000000 00 000000"))


# A script tag never starts with what a reader takes off.
BODIES = st.binary(max_size=40).filter(lambda body: b"@setDataFrame" not in body)
TIMESTAMPS = st.integers(0, 2**32 - 1)


@given(st.lists(st.tuples(st.sampled_from(TagKind), TIMESTAMPS, BODIES)), st.integers(1, 60))
def test_tags_written_and_read_are_the_same(
    parts: list[tuple[TagKind, int, bytes]], size: int
) -> None:
    tags = [Tag(kind, timestamp, body, False, False) for kind, timestamp, body in parts]
    data = wire(HEADER) + b"".join(serialize_tag(tag) for tag in tags)
    parsed = read(*(data[index : index + size] for index in range(0, len(data), size)))
    assert [tag[:3] for tag in parsed] == [tag[:3] for tag in tags]


def test_data_is_cut_short_inside_a_tag() -> None:
    data = serialize_header(has_audio=True, has_video=False)
    data += serialize_tag(Tag(TagKind.AUDIO, 0, b"\xaf\x01\x21", False, False))
    for size in range(len(data) + 1):
        reader = Reader()
        reader.receive_data(data[:size])
        is_whole = size in (9, 10, 11, 12, 13) or size >= len(data) - 4
        assert reader.is_cut is not is_whole, size
