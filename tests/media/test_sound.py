"""Tests of headend.media.sound on what FFmpeg's encoders write."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.bitstring import bits
from tests.wire import wire

from headend.errors import MediaError
from headend.media.sound import (
    SoundConfig,
    parse_aac_config,
    parse_ac3_frame,
    parse_flac_config,
    parse_legacy_sound,
    parse_mp3_frame,
    parse_opus_config,
)

OPUS = wire("4f70757348656164 01 01 3801 80bb0000 0000 00")
FLAC = wire("0400 0400 000000 000815 0ac440f000000000") + bytes(16)


@pytest.mark.parametrize(
    ("record", "config"),
    [
        (wire("1208 56e500"), SoundConfig("mp4a.40.2", 44100, 1, "LC")),
        (wire("11b0 56e500"), SoundConfig("mp4a.40.2", 48000, 6, "LC")),
        (bits("00101 0110 0001 0011 00010"), SoundConfig("mp4a.40.5", 48000, 1, "HE")),
        (bits("11101 0110 0001 0011 00010"), SoundConfig("mp4a.40.29", 48000, 2, "HE v2")),
        (bits(f"00010 1111 {11025:024b} 0000"), SoundConfig("mp4a.40.2", 11025, 0, "LC")),
        (bits("11111 001010 0011 0010"), SoundConfig("mp4a.40.42", 48000, 2, "xHE")),
        (bits("00111 0011 0010"), SoundConfig("mp4a.40.7", 48000, 2)),
    ],
)
def test_aac(record: bytes, config: SoundConfig) -> None:
    assert parse_aac_config(record) == config


@pytest.mark.parametrize("record", [b"", wire("12"), bits("00010 1101 0001")])
def test_damaged_aac_is_refused(record: bytes) -> None:
    with pytest.raises(MediaError):
        parse_aac_config(record)


def test_opus() -> None:
    assert parse_opus_config(OPUS) == SoundConfig("Opus", 48000, 1)
    for record in (OPUS[:18], b"opusHead" + OPUS[8:]):
        with pytest.raises(MediaError):
            parse_opus_config(record)


def test_flac_alone_or_behind_its_mark() -> None:
    config = SoundConfig("fLaC", 44100, 1)
    assert parse_flac_config(FLAC) == config
    assert parse_flac_config(b"fLaC" + wire("80 000022") + FLAC) == config
    with pytest.raises(MediaError):
        parse_flac_config(FLAC[:17])


@pytest.mark.parametrize(
    ("frame", "rate", "channels"),
    [
        ("fffb50c4", 44100, 1),
        ("fffb5400", 48000, 2),
        ("fff35000", 22050, 2),
        ("ffe35000", 11025, 2),
    ],
)
def test_mp3(frame: str, rate: int, channels: int) -> None:
    assert parse_mp3_frame(wire(frame)) == SoundConfig("mp4a.40.34", rate, channels)


@pytest.mark.parametrize("frame", ["", "fffb50", "0ffb50c4", "ffeb50c4", "fffb5cc4"])
def test_damaged_mp3_is_refused(frame: str) -> None:
    with pytest.raises(MediaError):
        parse_mp3_frame(wire(frame))


@pytest.mark.parametrize(
    ("frame", "config"),
    [
        ("0b77aebd0c402f84", SoundConfig("ac-3", 48000, 1)),
        ("0b7746fa5e40ebf8", SoundConfig("ac-3", 44100, 6)),
        ("0b77f918144043e1", SoundConfig("ac-3", 48000, 2)),
        ("0b7701a07487c000", SoundConfig("ec-3", 44100, 2)),
        ("0b77037f3f87c000", SoundConfig("ec-3", 48000, 6)),
        ("0b77037fcf80c000", SoundConfig("ec-3", 24000, 6)),
    ],
)
def test_ac3_and_eac3(frame: str, config: SoundConfig) -> None:
    assert parse_ac3_frame(wire(frame)) == config


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "0b77",
        "0b78aebd0c402f84",
        "0b77aebdcc402f84",
        "0b77037fff80c000",
        "0b7700005248402f",
        "0b7700005254402f",
    ],
)
def test_damaged_ac3_is_refused(frame: str) -> None:
    with pytest.raises(MediaError):
        parse_ac3_frame(wire(frame))


@pytest.mark.parametrize(
    ("first", "rate", "channels"),
    [
        ("00", 5512, 1),  # PCM
        ("35", 11025, 2),
        ("1a", 22050, 1),  # ADPCM
        ("3f", 44100, 2),
        ("42", 16000, 1),  # Nellymoser
        ("52", 8000, 1),
        ("66", 11025, 1),
        ("7e", 8000, 1),  # G.711
        ("8e", 8000, 1),
        ("b6", 16000, 1),  # Speex, which says 11025 and means 16000
    ],
)
def test_legacy_sound_is_told_by_the_first_byte(first: str, rate: int, channels: int) -> None:
    assert parse_legacy_sound(wire(first)[0]) == (rate, channels)


@given(st.binary(max_size=40))
def test_any_bytes_give_a_config_or_an_error(data: bytes) -> None:
    for parse, head in (
        (parse_aac_config, b""),
        (parse_opus_config, b"OpusHead"),
        (parse_flac_config, b""),
        (parse_mp3_frame, b"\xff\xfb"),
        (parse_ac3_frame, b"\x0b\x77"),
    ):
        for text in (data, head + data):
            with suppress(MediaError):
                assert parse(text).codecs
