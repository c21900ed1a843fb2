"""Tests of headend.media.hevc on records of x265 and on SPS written bit by bit."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.bitstring import bits
from tests.wire import wire

from headend.errors import MediaError
from headend.media.hevc import hvcc_of, hvcc_of_record, parameter_sets, parse_hevc_config
from headend.media.picture import PictureConfig

MAIN_10 = wire(
    "0102200000009000000000003cf000fcfdfafa00000f04"
    "200001001840010c01ffff02200000030090000003000003003c95980921"
    "0001002e42010102200000030090000003000003003ca00a080b9f6d96566924cafff0003000468080000003008000"
    "000c84 22000100074401c172b46240 270001092b4e0105ffffffffffffffff26"
)
HEAD = "01 01 60000000 b00000000000 5d f000fcfdf8f800000f 01"


def test_record_of_an_encoder_says_profile_and_size() -> None:
    assert parse_hevc_config(MAIN_10) == PictureConfig(
        "hvc1.2.4.L60.90", 320, 180, None, "Main 10", "2.0", 2
    )


def hvcc(sps: str, head: str = HEAD) -> bytes:
    nalu = wire("4201") + bits(sps)
    return wire(head) + wire("21 0001") + len(nalu).to_bytes(2, "big") + nalu


PROFILE = "0" * 96


def test_codec_string_is_that_of_the_standard() -> None:
    # The example of ISO/IEC 14496-15, E.3: hvc1.1.6.L93.B0; width 8 and height 16, not cropped.
    plain = f"0000 000 0 {PROFILE} 1 010 0001000 000010001 0"
    assert parse_hevc_config(hvcc(plain)) == PictureConfig(
        "hvc1.1.6.L93.B0", 7, 16, None, "Main", "3.1"
    )
    other = parse_hevc_config(hvcc(plain, HEAD.replace("01 01 60", "01 bf 60", 1)))
    assert other.codecs == "hvc1.B31.6.H93.B0"
    assert other.profile is None


def test_layers_separate_planes_and_cropping() -> None:
    # Three layers: the first with profile and level, the second with a level only.
    layers = f"0000 010 0 {PROFILE} 11 01 {'0' * 12} {'0' * 96} {'0' * 8}"
    size = "000010001 000010001"  # 16 × 16
    config = parse_hevc_config(hvcc(f"{layers} 1 00100 1 {size} 1 1 010 1 010"))
    assert (config.width, config.height) == (15, 15)
    config = parse_hevc_config(hvcc(f"0000 000 0 {PROFILE} 1 010 {size} 1 1 010 1 010"))
    assert (config.width, config.height) == (14, 14)


@pytest.mark.parametrize(
    ("layers", "rest", "reordered"),
    [
        (0, "1 1 1 0 1 011 1 1", 2),
        (2, "1 1 1 0 1 011 1 1", 2),  # said of the highest layer alone
        (1, "1 1 1 1 1 010 1 1 00100 1 1", 3),
        (0, "1 1 1 0 1 000010000 1 1", 15),
        (0, "1 1 1 0 1 000010001 1 1", None),  # more than there can be
        (0, "1 1", None),  # cut short
    ],
)
def test_highest_layer_says_how_many_pictures_are_held_back(
    layers: int, rest: str, reordered: int | None
) -> None:
    skipped = "00" * 8 if layers else ""
    head = f"0000 {layers:03b} 0 {PROFILE} {skipped} 1 010 0001000 000010001 0"
    assert parse_hevc_config(hvcc(f"{head} {rest}")).reordered == reordered


@pytest.mark.parametrize(
    "record",
    [
        b"",
        MAIN_10[:22],
        MAIN_10[:23],
        MAIN_10[:30],
        wire(HEAD.removesuffix("01") + "00"),
        wire(HEAD) + wire("21 0001 0002 42"),
        hvcc(f"0000 000 0 {PROFILE} 1 010 000010001 000010001 1 000010001 1 1 1"),
    ],
)
def test_damaged_record_is_refused(record: bytes) -> None:
    with pytest.raises(MediaError):
        parse_hevc_config(record)


@given(st.binary(max_size=80), st.integers(0, 80))
def test_any_bytes_give_a_config_or_an_error(tail: bytes, kept: int) -> None:
    for data in (tail, MAIN_10[:kept] + tail):
        with suppress(MediaError):
            assert parse_hevc_config(data).width > 0


UNITS = (
    wire("40010c01ffff016000000300900000030000030078959809"),
    wire(
        "420101016000000300900000030000030078a003c08010e5965966924caf016a0202020800000300080000"
        "0300f040"
    ),
    wire("4401c172b46240"),
)


def test_parameter_sets_become_a_record_that_says_the_same() -> None:
    record = hvcc_of(UNITS)
    assert parameter_sets(record) == list(UNITS)
    assert parameter_sets(record[:22]) == []
    config = parse_hevc_config(record)
    assert (config.codecs, config.width, config.height) == ("hvc1.1.6.L120.90", 1920, 1080)


def test_no_record_is_made_without_an_sps() -> None:
    with pytest.raises(MediaError, match="there is no SPS"):
        hvcc_of(UNITS[:1])


def test_start_codes_become_a_record() -> None:
    codes = b"".join(wire("00000001") + unit for unit in UNITS)
    assert hvcc_of_record(codes + wire("000001 4e01 0500")) == hvcc_of(UNITS)
    record = hvcc_of(UNITS)
    assert hvcc_of_record(record) is record


@pytest.mark.parametrize("kept", [(), (0,), (0, 1), (0, 2)])
def test_start_codes_without_parameter_sets_are_named(kept: tuple[int, ...]) -> None:
    codes = wire("000001") + b"".join(wire("000001") + UNITS[each] for each in kept)
    with pytest.raises(MediaError, match=r"start codes \(Annex B\), and no SPS and PPS"):
        hvcc_of_record(codes)
