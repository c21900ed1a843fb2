"""Tests of headend.media.av1 on records of SVT-AV1, libaom and libvpx, and bit by bit."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.bitstring import bits
from tests.wire import wire

from headend.errors import MediaError
from headend.media.av1 import parse_av1_config, parse_vp9_config
from headend.media.picture import PictureConfig

SVT = wire("81010c00 0a0c0200000d6627fb3805f00080")
AOM = wire("81210000 0a0d2000000cc4ff6936be48086801")


def test_record_of_an_encoder_says_profile_and_size() -> None:
    assert parse_av1_config(SVT) == PictureConfig("av01.0.01M.08", 640, 360, None, "Main", "2.1")
    config = parse_av1_config(AOM)
    assert (config.codecs, config.width, config.height) == ("av01.1.01M.08", 640, 362)


def test_depth_tier_and_unknown_profile() -> None:
    assert parse_av1_config(wire("81 e4 c0 00")) == PictureConfig("av01.7.04H.10", level="3.0")
    assert parse_av1_config(wire("81 04 60 00")).codecs == "av01.0.04M.12"


def av1c(sequence: str, header: str = "0a") -> bytes:
    body = bits(sequence)
    size = bytes([len(body)]) if header != "08" else b""
    return wire("81 04 00 00") + wire(header) + size + body


SIZE = "0011 0011 1111 1001"  # 4 bits each: 16 × 10


@pytest.mark.parametrize(
    "sequence",
    [
        f"000 0 1 00000 {SIZE}",  # a still picture
        f"000 0 0 0 0 00000 {'0' * 12} 01000 0 {SIZE}",
        # timing with equal intervals, decoder model; two points with all there is
        f"000 0 0 1 {'0' * 64} 1 1 1 00000 {'0' * 42} 1 00001"
        f"{'0' * 12} 00000 1 000 1 0000 {'0' * 12} 00000 0 0 {SIZE}",
        f"000 0 0 1 {'0' * 64} 0 0 0 00000 {'0' * 12} 00000 {SIZE}",
    ],
)
def test_size_stands_behind_what_is_optional(sequence: str) -> None:
    config = parse_av1_config(av1c(sequence))
    assert (config.width, config.height) == (16, 10)


def test_obus_before_the_sequence_header_are_passed_over() -> None:
    still = f"000 0 1 00000 {SIZE}"
    other = av1c(still)
    padded = other[:4] + wire("12 00 7e 00 82 00 00 00") + other[4:]
    with pytest.raises(MediaError):
        parse_av1_config(other[:4] + wire("7a ff ff ff ff ff ff ff ff ff"))
    assert parse_av1_config(padded).width in (0, 16)
    assert parse_av1_config(av1c(still, "08")).width == 16  # without a size: to the end
    assert parse_av1_config(wire("81 04 00 00 12 00")).width == 0


@pytest.mark.parametrize(
    "record", ["", "81 04 00", "80 04 00 00", "81 04 00 00 0a", "81040000 0a0100"]
)
def test_damaged_record_is_refused(record: str) -> None:
    with pytest.raises(MediaError):
        parse_av1_config(wire(record))


def test_vp9_says_profile_level_and_depth() -> None:
    assert parse_vp9_config(wire("01000000 01 15 87 020202 0000")) == PictureConfig(
        "vp09.01.21.08", profile="1", level="2.1"
    )
    assert parse_vp9_config(wire("01000000 00 00 82 020202 0000")).codecs == "vp09.00.10.08"
    with pytest.raises(MediaError):
        parse_vp9_config(wire("01000000 01 15"))


@given(st.binary(max_size=60), st.integers(0, 16))
def test_any_bytes_give_a_config_or_an_error(tail: bytes, kept: int) -> None:
    for data in (tail, SVT[:kept] + tail):
        for parse in (parse_av1_config, parse_vp9_config):
            with suppress(MediaError):
                assert parse(data).codecs
