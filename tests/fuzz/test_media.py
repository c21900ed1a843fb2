"""Spoilt bytes for the media parsers: they give a value or raise MediaError."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import wire

from headend.errors import MediaError
from headend.media.amf0 import parse_values, serialize_values
from headend.media.amf3 import parse_value
from headend.media.codecs import (
    audio_tag,
    parse_audio_header,
    parse_video_header,
    script_tag,
    track_ids,
    video_tag,
)
from headend.media.flv import Reader

AMF0 = [
    # onMetaData with width, an array of numbers, a date, a long string and a reference
    wire("""
        02 000a 6f6e4d65746144617461
        08 00000004 0005 7769647468 00 4094000000000000
           0001 61 0a 00000002 00 0000000000000000 03 000009
           0001 62 0b 0000000000000000 0000
           0001 63 0c 00000003 616263
           0001 64 07 0001
           000009
        10 0001 43 0001 61 0f 00000001 78 000009
        11 0a 13 03 43 03 61 09 03 03 62 06 00 01 04 8101
    """),
]
AMF3 = [
    wire(
        "09 0b 03 61 06 00 01 0a 13 03 43 03 61 02 0a 01 03 08 01 4045000000000000 08 06 0c 03 ff"
    ),
    wire("09 09 01 0d 03 00 00000001 0e 03 00 00000001 0f 03 00 4045000000000000 10 03 00 01 01"),
    wire("11 05 00 06 03 61 07 03 61 04 ffffffff 0a 0b 01 03 61 05 4045000000000000 01"),
]
BODIES = [
    wire("17 00 000000 01640028"),
    wire("96 11 61766331 00 000004 000000 65 01 000004 000000 65"),
    wire("96 20 61766331 00 000002 0164 61763031 01 000001 81"),
    wire("97 02 000005 17 ff 0000 aa 06 01 61766331 00 000000 65"),
    wire("d4 68766331 020009"),
    wire("af 00 1190"),
    wire("95 20 6d703461 00 000002 1190 4f707573 01 000001 00"),
]
FLV = [
    wire("464c56 01 05 00000009 00000000 09 000005 000028 00 000000 1701000000 00000010")
    + wire("08 000003 ffffff 7f 000000 af0121 0000000e 12 000001 000000 00 000000 05 0000000c"),
]


@st.composite
def spoilt(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """A sample with bytes overwritten, left out, put in, and the end cut off."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(start + 4, len(data))))
        data[start:end] = draw(st.binary(max_size=4) | st.sampled_from([b"\xff" * 4, b"\0" * 4]))
    return bytes(data)


@given(spoilt(AMF0) | st.binary(max_size=64))
def test_spoilt_amf0_gives_values_that_can_be_written_or_a_media_error(data: bytes) -> None:
    with suppress(MediaError):
        values = parse_values(data)
        written = serialize_values(*values)
        # Twice, as NaN is not equal to itself.
        assert serialize_values(*parse_values(written)) == written


@given(spoilt(AMF3) | st.binary(max_size=64))
def test_spoilt_amf3_gives_a_value_or_a_media_error(data: bytes) -> None:
    with suppress(MediaError):
        _, end = parse_value(data)
        assert 0 < end <= len(data)


@given(spoilt(BODIES) | st.binary(max_size=64))
def test_spoilt_bodies_give_headers_inside_the_body_or_a_media_error(body: bytes) -> None:
    for parse in (parse_video_header, parse_audio_header):
        with suppress(MediaError):
            for track in parse(body).tracks:
                assert 0 < track.start <= track.end <= len(body)


@given(spoilt(BODIES) | st.binary(max_size=64))
def test_spoilt_bodies_always_give_a_tag(body: bytes) -> None:
    for make in (video_tag, audio_tag, script_tag):
        assert track_ids(make(0, body))


@given(spoilt(FLV), st.integers(1, 30))
def test_spoilt_flv_gives_the_same_tags_in_pieces_of_any_size(data: bytes, size: int) -> None:
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    assert list(flv_events([data])) == list(flv_events(pieces))


def flv_events(pieces: Iterator[bytes] | list[bytes]) -> Iterator[object]:
    reader = Reader()
    for piece in pieces:
        try:
            reader.receive_data(piece)
        except MediaError:
            yield from reader.tags()
            yield MediaError
            return
        yield from reader.tags()


@pytest.mark.parametrize("sample", AMF0)
def test_amf0_sample_is_good(sample: bytes) -> None:
    assert parse_values(sample)


@pytest.mark.parametrize("sample", AMF3)
def test_amf3_sample_is_good(sample: bytes) -> None:
    assert parse_value(sample)[1] == len(sample)
