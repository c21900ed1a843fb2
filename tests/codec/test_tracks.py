"""Tests of headend.codec.tracks."""

import math
import struct

import pytest
from tests.hls.media import AVCC_2, audio_header, video_header
from tests.wire import wire

from headend.codec.tracks import Tracks
from headend.errors import MediaError
from headend.media.codecs import audio_tag, video_tag
from headend.media.headers import Codec
from headend.media.tag import AUDIO, VIDEO, Tag

VP9 = video_tag(0, wire("90 76703039 01000000 01 15 87 020202 0000"))
AV1 = video_tag(0, wire("90 61763031 81010c00 0a0c0200000d6627fb3805f00080"))
MP3 = audio_tag(0, wire("2f fffb50c4 00"))
FRAME = audio_tag(0, wire("af 01 2110045f"))


class Learned(Tracks):
    """Tracks that know some headers, and what they have said."""

    def __init__(self, *headers: Tag, container: str = "fmp4") -> None:
        self.said: list[str] = []
        super().__init__(container, self.said.append)  # type: ignore[arg-type]
        for header in headers:
            self.learn(header)


def test_headers_make_tracks_and_a_repeated_one_changes_nothing() -> None:
    tracks = Learned(video_header(), audio_header(), video_header())
    assert {kind: each.config.codec for kind, each in tracks.known.items()} == {
        VIDEO: Codec.H264,
        AUDIO: Codec.AAC,
    }
    assert (tracks.version, tracks.length_size) == (2, 4)
    tracks.learn(video_header(AVCC_2))
    tracks.learn(audio_tag(0, wire("90 4f707573")))  # empty: another one follows
    assert tracks.version == 3
    tracks.clear()
    tracks.clear()
    assert (tracks.known, tracks.version) == ({}, 4)


# colorInfo with transfer characteristics 16 and 18, and one that takes them back.
PQ, HLG, RESET = (
    video_tag(
        0,
        wire(
            "d4 61766331 02 0009 636f6c6f72496e666f 03 000b 636f6c6f72436f6e666967 03"
            "0017 7472616e7366657243686172616374657269737469637300" + number + "000009 000009"
        )
        if number
        else wire("d4 61766331 02 0009 636f6c6f72496e666f 06"),
    )
    for number in ("4030000000000000", "4032000000000000", "")
)


def range_of(tracks: Tracks) -> str | None:
    color = tracks.known[VIDEO].config.color
    return None if color is None else color.video_range


def test_colours_of_the_picture_are_of_its_track_until_others_come() -> None:
    tracks = Learned(video_header(), PQ)
    assert (range_of(tracks), tracks.version) == ("PQ", 2)
    tracks.learn(PQ)
    assert tracks.version == 2
    tracks.learn(video_header(AVCC_2))  # another size, and the same colours
    assert range_of(tracks) == "PQ"
    tracks.learn(HLG)
    assert range_of(tracks) == "HLG"
    tracks.learn(video_tag(0, HLG.body[:-9]))  # cut short
    tracks.learn(video_tag(0, HLG.body[:20]))
    assert range_of(tracks) == "HLG"
    tracks.learn(RESET)
    assert range_of(tracks) is None
    assert tracks.said == []


def test_colours_of_no_track_of_another_codec_and_of_a_second_track_say_nothing() -> None:
    tracks = Learned(PQ, video_header())
    assert range_of(tracks) is None
    tracks.learn(video_tag(0, PQ.body.replace(b"avc1", b"hvc1")))
    tracks.learn(video_tag(0, wire("d6 04 61766331 01") + PQ.body[5:]))
    assert range_of(tracks) is None
    tracks.learn(video_tag(0, wire("d6 04 61766331 00") + PQ.body[5:]))
    assert range_of(tracks) == "PQ"


def test_colours_are_dropped_with_the_codec() -> None:
    tracks = Learned(video_header(), PQ, AV1)
    assert range_of(tracks) is None


def test_channel_layout_of_the_sound_changes_nothing() -> None:
    tracks = Learned(audio_header())
    tracks.learn(audio_tag(0, wire("94 6d703461 01 02 00000003")))
    assert tracks.version == 1


def metadata(width: bytes) -> bytes:
    pairs = b"\x00\x05width" + width + b"\x00\x06height" + b"\x00" + struct.pack(">d", 90)
    return wire("02 000a 6f6e4d65746144617461 03") + pairs + wire("000009")


@pytest.mark.parametrize(
    "odd", [-math.inf, math.inf, math.nan, 1e308, -1e308, 0.0, 0.5, -160.0, 16_385.0]
)
def test_size_that_is_none_is_passed_over(odd: float) -> None:
    tracks = Learned()
    tracks.learn_size(metadata(b"\x00" + struct.pack(">d", odd)))
    tracks.learn(VP9)
    assert tracks.said == tracks.refusals == ["the size of vp9 is not known"]


@pytest.mark.parametrize(
    "value", ["02 0003 313630", "03 0001 61 00 4064000000000000 000009", "05", "01 01"]
)
def test_size_that_is_no_number_is_passed_over(value: str) -> None:
    tracks = Learned()
    for body in (metadata(wire(value)), wire("02 0001 61"), wire("00"), wire("ff")):
        tracks.learn_size(body)
    tracks.learn(VP9)
    assert tracks.said == tracks.refusals == ["the size of vp9 is not known"]


def test_metadata_says_the_size_where_the_record_does_not() -> None:
    tracks = Learned()
    tracks.learn_size(metadata(b"\x00" + struct.pack(">d", 160)))
    tracks.learn_size(wire("05"))  # says nothing, and changes nothing
    tracks.learn(VP9)
    config = tracks.known[VIDEO].config
    assert (config.width, config.height) == (160, 90)


def test_header_of_another_codec_ends_the_track_before_it_whatever_it_says() -> None:
    tracks = Learned(video_header())
    tracks.learn(video_tag(40, wire("90 61763031 81040000")))
    assert (tracks.known, tracks.said) == ({}, ["the size of av1 is not known"])
    tracks = Learned(video_header(), container="mpegts")
    tracks.learn(AV1)
    assert (tracks.known, tracks.said) == ({}, ["av1 does not go into mpegts"])
    assert not tracks.has(AV1, Codec.AV1, 0)


def test_programs_are_told_of_a_codec_that_nobody_knows() -> None:
    tracks = Learned(video_header(), video_tag(0, wire("90 21212121 01")), container="pyav")
    assert (tracks.known, tracks.said) == ({}, ["there is a codec that FFmpeg does not decode"])


def test_damaged_header_of_the_same_codec_changes_nothing() -> None:
    tracks = Learned(video_header())
    with pytest.raises(MediaError, match="no SPS"):
        tracks.learn(video_tag(40, wire("17 00 000000 01")))
    assert VIDEO in tracks.known


def test_frames_say_what_a_track_is_that_has_no_header() -> None:
    tracks = Learned()
    assert tracks.has(MP3, Codec.MP3, 0)
    assert tracks.known[AUDIO].config.codecs == "mp4a.40.34"
    with pytest.raises(MediaError, match="cut short"):
        Learned().has(audio_tag(0, wire("2f 00")), Codec.MP3, 0)
    assert not tracks.has(FRAME, Codec.AAC, 0)
    assert tracks.said == ["aac comes without a sequence header"]
    assert not tracks.has(audio_tag(0, wire("b2 00")), Codec.SPEEX, 0)
    assert not tracks.has(audio_tag(0, wire("b2 00")), Codec.SPEEX, 0)
    assert tracks.said[1:] == ["speex does not go into fmp4"]
    assert tracks.known == {}
    assert tracks.refusals == ["speex does not go into fmp4"]


def test_refused_track_is_passed_over_until_its_time_or_another_header_comes() -> None:
    tracks = Learned(audio_header())
    tracks.refuse(tracks.known[AUDIO], "no", 1000)
    assert not tracks.has(FRAME, Codec.AAC, 999)
    assert tracks.has(FRAME, Codec.AAC, 1000)
    assert AUDIO in tracks.known
    tracks.refuse(tracks.known[AUDIO], "no")
    assert not tracks.has(FRAME, Codec.AAC, 1 << 40)
    tracks.learn(audio_header())
    assert tracks.has(FRAME, Codec.AAC, 0)
    tracks.refuse(tracks.known[AUDIO], "no")
    assert tracks.has(MP3, Codec.MP3, 0)  # of another codec


def test_lengths_of_nal_units_are_those_of_the_codec() -> None:
    tracks = Learned(video_header(), container="pyav")
    assert tracks.has(video_tag(40, wire("22 ff")), Codec.H263, 0)
    assert tracks.length_size == 0
