"""Tests of headend.media.track_config."""

import pytest
from tests.media.bitstring import bits
from tests.wire import wire

from headend.errors import MediaError
from headend.media.codecs import audio_tag, video_tag
from headend.media.headers import Codec
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.media.track_config import (
    TrackConfig,
    color_of,
    needs_header,
    says_nothing,
    track_config,
)

AVCC = "0142c00bffe1001b 6742c00bd9028dbff000400051000003000100000300320f142a48 01000568cb83cb20"


@pytest.mark.parametrize("head", ["17 00 000000", "90 61766331"])
def test_video_is_told_by_its_record(head: str) -> None:
    assert track_config(video_tag(0, wire(f"{head} {AVCC}"))) == TrackConfig(
        VIDEO,
        Codec.H264,
        "avc1.42c00b",
        wire(AVCC),
        160,
        96,
        25.0,
        "Constrained Baseline",
        "1.1",
    )


def test_of_several_tracks_it_is_the_first() -> None:
    many = wire("96 10 61763031 01 000004 81040000 00 000004 81010c00 ")
    assert track_config(video_tag(0, many)).codecs == "av01.0.01M.08"
    with pytest.raises(MediaError, match="no track 0"):
        track_config(video_tag(0, wire("96 00 61763031 01 81040000")))


@pytest.mark.parametrize(
    ("body", "codecs", "rate", "channels"),
    [
        ("af 00 1208 56e500", "mp4a.40.2", 44100, 1),
        ("90 4f707573 4f70757348656164 01 01 3801 80bb0000 0000 00", "Opus", 48000, 1),
        ("2e fffb50c4", "mp4a.40.34", 44100, 1),
        ("91 61632d33 0b77aebd0c402f84", "ac-3", 48000, 1),
        ("91 65632d33 0b7701a07487c000", "ec-3", 44100, 2),
    ],
)
def test_audio_is_told_by_its_record_or_by_a_frame(
    body: str, codecs: str, rate: int, channels: int
) -> None:
    config = track_config(audio_tag(0, wire(body)))
    assert config.kind is AUDIO
    assert (config.codecs, config.sample_rate, config.channels) == (codecs, rate, channels)


@pytest.mark.parametrize(
    "body",
    [
        wire("17 00 000000") + wire(AVCC) + bytes(16_384),
        wire("90 68766331 01") + wire("21 ffff") + wire("0002 2100") * 5000,
        wire("90 61763031 81040000") + wire("1200") * 8_388_600,
        wire("90 664c6143") + bytes(16_385),
    ],
    ids=["h264", "hevc", "av1", "flac"],
)
def test_record_over_the_limit_is_refused(body: bytes) -> None:
    make = audio_tag if b"fLaC" in body[:5] else video_tag
    with pytest.raises(MediaError, match="not 16384"):
        track_config(make(0, body))


@pytest.mark.parametrize(("blocks", "is_allowed"), [(1024, True), (1025, False), (1 << 31, False)])
def test_picture_over_the_limit_is_refused(blocks: int, is_allowed: bool) -> None:
    width = f"{blocks:b}"
    sps = wire("6742000a") + bits(f"1 1 1 1 1 0 {'0' * (len(width) - 1)}{width} 1 1 0 0 0")
    header = wire("17 00 000000 0142000affe1") + len(sps).to_bytes(2, "big") + sps
    if is_allowed:
        assert track_config(video_tag(0, header)).width == 16_384
    else:
        with pytest.raises(MediaError, match=f"pictures of {16 * blocks} × 16, more than 16384"):
            track_config(video_tag(0, header))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("91 61632d33 0b7700005284402f84", "eac3 comes under the name of ac3"),
        ("91 65632d33 0b77aebd0c402f84", "ac3 comes under the name of eac3"),
    ],
)
def test_sound_under_the_name_of_another_is_refused(body: str, fault: str) -> None:
    with pytest.raises(MediaError, match=fault):
        track_config(audio_tag(0, wire(body)))


def test_of_several_tracks_none_may_be_the_first() -> None:
    with pytest.raises(MediaError, match="no track 0"):
        track_config(video_tag(0, wire("96 10 61763031 01 000004 81040000 02 000004 81040000")))


def test_other_codecs_have_a_name_only() -> None:
    assert track_config(video_tag(0, wire("14 00"))) == TrackConfig(VIDEO, Codec.VP6)
    speex = TrackConfig(AUDIO, Codec.SPEEX, sample_rate=16000, channels=1)
    assert track_config(audio_tag(0, wire("b2 00"))) == speex
    unknown = TrackConfig(AUDIO, Codec.UNKNOWN)
    assert track_config(audio_tag(0, wire("91 21212121 00"))) == unknown
    assert needs_header(Codec.H264)
    assert needs_header(Codec.OPUS)
    assert not needs_header(Codec.MP3)


def test_colours_are_those_of_metadata_of_the_first_track() -> None:
    payload = "02 0009 636f6c6f72496e666f 06"
    assert color_of(video_tag(0, wire(f"d4 68766331 {payload}"))) is None
    with pytest.raises(MediaError, match="no track 0"):
        color_of(video_tag(0, wire(f"d6 04 68766331 01 {payload}")))
    with pytest.raises(MediaError, match="no metadata"):
        color_of(video_tag(0, wire("90 68766331 01")))


def test_header_that_says_nothing_is_known() -> None:
    assert says_nothing(audio_tag(0, wire("90 61632d33 00")))
    assert says_nothing(audio_tag(0, wire("90 4f707573")))
    assert not says_nothing(audio_tag(0, wire("af 00 1208")))
    assert says_nothing(video_tag(0, wire("90 61763031")))
    assert not says_nothing(video_tag(0, wire("90 61763031 81")))
    assert says_nothing(video_tag(0, wire("d4 68766331 020009 636f6c6f72496e666f 06")))
    assert says_nothing(audio_tag(0, wire("94 4f707573 01 06 0000003f")))


@pytest.mark.parametrize(
    "tag",
    [
        video_tag(0, wire("17 01 000000 65")),
        video_tag(0, wire("17 00 000000 01")),
        audio_tag(0, wire("af 01 21")),
        audio_tag(0, wire("94 61632d33 0102 00000003")),
        audio_tag(0, wire("90 61632d33")),
        audio_tag(0, b""),
        Tag(SCRIPT, 0, b"", False, False),
    ],
)
def test_what_tells_nothing_is_refused(tag: Tag) -> None:
    with pytest.raises(MediaError):
        track_config(tag)
