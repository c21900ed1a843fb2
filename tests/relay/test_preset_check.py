"""Tests of headend.relay.preset_check and the presets themselves."""

import pytest

from headend.media.codecs import Codec
from headend.media.tag import AUDIO, VIDEO
from headend.media.track_config import TrackConfig
from headend.relay.preset_check import check_codecs, check_preset, check_url, needs_enhanced
from headend.rtmp.url import parse_url
from headend.settings.relay_presets import PRESETS, Preset

H264 = TrackConfig(VIDEO, Codec.H264)
HEVC = TrackConfig(VIDEO, Codec.HEVC)
AAC = TrackConfig(AUDIO, Codec.AAC)
OPUS = TrackConfig(AUDIO, Codec.OPUS)

PRESET = Preset("Somewhere", "", (".example",), frozenset({"h264", "aac"}), 6_000_000, 2)


def test_stream_that_fits_has_no_warning() -> None:
    assert check_preset(PRESET, [H264, AAC], 6_500_000, 2.05) == []
    assert check_preset(PRESET, [], 0, None) == []


def test_what_a_platform_does_not_take_is_said_in_words() -> None:
    assert check_preset(PRESET, [HEVC, AAC], 9_000_000, 10.0) == [
        "the stream has hevc; Somewhere takes aac, h264",
        "9.0 Mbit/s; Somewhere takes 6.0",
        "a keyframe every 10.0 s; Somewhere wants one every 2 s",
    ]


def test_platform_without_a_known_limit_takes_any_bit_rate() -> None:
    assert check_preset(PRESETS["cloudflare"], [H264], 90_000_000, 4.0) == []


def test_only_codecs_of_enhanced_rtmp_need_it() -> None:
    assert not needs_enhanced([H264, AAC])
    assert needs_enhanced([H264, OPUS])


@pytest.mark.parametrize(
    ("codecs", "warnings"),
    [
        (None, ["the stream has hevc; the destination announces nothing of Enhanced RTMP"]),
        (
            frozenset({"av01", "Opus"}),
            ["the stream has hevc; the destination announces Opus, av01"],
        ),
        (frozenset({"*"}), []),
        (frozenset({"hvc1"}), []),
    ],
)
def test_destination_that_does_not_announce_a_codec_is_named(
    codecs: frozenset[str] | None, warnings: list[str]
) -> None:
    assert check_codecs([HEVC, AAC], codecs) == warnings


def test_url_that_is_not_the_platforms_is_told() -> None:
    assert check_url(PRESET, "in.Example", is_tls=True) == []
    assert check_url(PRESET, "example", is_tls=True) == []
    assert check_url(PRESET, "badexample", is_tls=False) == [
        "badexample is no host of Somewhere",
        "rtmp:// shows the stream key to everybody between; use rtmps://",
    ]
    anywhere = Preset("Anywhere", "", (), frozenset(), 0, 4)
    assert check_url(anywhere, "h", is_tls=True) == []


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.url])
def test_address_of_a_preset_takes_the_key_over_tls(name: str) -> None:
    preset = PRESETS[name]
    url = parse_url(preset.url, "live_1?bandwidthtest=true")
    assert url.is_tls
    assert url.app
    assert url.stream_name == "live_1?bandwidthtest=true"
    assert check_url(preset, url.host, is_tls=url.is_tls) == []
