"""Tests of headend.codec.still."""

import pytest
from tests.wire import wire

from headend.codec.still import Still, still
from headend.errors import MediaError
from headend.media.codecs import audio_tag, video_tag
from headend.media.headers import Codec

AVC = video_tag(0, wire("17 00 000000 01640028"))
AVC_PICTURE = video_tag(0, wire("17 01 000000 00000002 6588"))
SOUND = audio_tag(0, wire("af 00 1208"))


def test_picture_of_h264_comes_with_its_record() -> None:
    wanted = Still(Codec.H264, wire("01640028"), wire("00000002 6588"))
    assert still((SOUND, AVC), AVC_PICTURE) == wanted


def test_newest_record_counts_and_damaged_headers_do_not() -> None:
    newer = video_tag(0, wire("17 00 000000 0164001f"))
    cut_short = video_tag(0, wire("90 61"))
    assert still((AVC, newer, cut_short), AVC_PICTURE).record == wire("0164001f")


@pytest.mark.parametrize("head", ["91 68766331 000000", "93 68766331"])
def test_enhanced_picture_starts_behind_its_header(head: str) -> None:
    header = video_tag(0, wire("90 68766331 0101"))
    assert still((header,), video_tag(0, wire(f"{head} 0000 0002 2601"))) == Still(
        Codec.HEVC, wire("0101"), wire("00000002 2601")
    )


def test_picture_is_that_of_track_0() -> None:
    header = video_tag(0, wire("96 10 61763031 01 000002 8101 00 000002 8104"))
    other = video_tag(0, wire("96 00 61763031 02 8102"))
    picture = video_tag(0, wire("96 13 61763031 01 000002 bbbb 00 000002 aaaa"))
    assert still((header, other), picture) == Still(Codec.AV1, wire("8104"), wire("aaaa"))


def test_vp9_needs_no_record_and_h264_does() -> None:
    assert still((), video_tag(0, wire("91 76703039 8249"))).picture == wire("8249")
    with pytest.raises(MediaError, match="no sequence header of h264"):
        still((), AVC_PICTURE)


@pytest.mark.parametrize(
    "header",
    ["91 61766331 000000 01640028", "90 68766331 0101", "96 00 61766331 01 0164"],
    ids=["a picture", "another codec", "another track"],
)
def test_what_is_no_header_of_the_codec_is_passed_over(header: str) -> None:
    with pytest.raises(MediaError, match="no sequence header"):
        still((video_tag(0, wire(header)),), AVC_PICTURE)


@pytest.mark.parametrize(
    "body",
    ["17 01 000000", "17 02 000000", "96 03 61766331 01 000002", "", "91 61"],
    ids=["no bytes", "an end", "another track", "empty", "cut short"],
)
def test_keyframe_without_a_picture_is_an_error(body: str) -> None:
    with pytest.raises(MediaError):
        still((AVC,), AVC_PICTURE._replace(body=wire(body)))
