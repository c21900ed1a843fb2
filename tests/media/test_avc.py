"""Tests of headend.media.avc on records of x264 and on SPS written bit by bit."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.bitstring import bits
from tests.wire import wire

from headend.errors import MediaError
from headend.media.avc import avcc_of_record, parameter_sets, parse_avc_config
from headend.media.picture import PictureConfig

HIGH_1080 = wire(
    "01640028ffe1001f 67640028acd940780227e5ffc000c00104000003000400000300c83c60c658"
    "01000668ebe3cb22c0fdf8f800"
)


@pytest.mark.parametrize(
    ("record", "config"),
    [
        (HIGH_1080, PictureConfig("avc1.640028", 1920, 1080, 25.0, "High", "4.0", 2)),
        (
            wire(
                "0142c00bffe1001b 6742c00bd9028dbff000400051000003000100000300320f142a48"
                "01000568cb83cb20"
            ),
            PictureConfig("avc1.42c00b", 160, 96, 25.0, "Constrained Baseline", "1.1", 0),
        ),
        (  # 4:4:4, cropped by single samples
            wire(
                "01f4000dffe1001d 67f4000d919b282a33c7c5ffe0068008a2000007d20001d4c01e28532c"
                "01000668ebe3c44844fff8f800"
            ),
            PictureConfig("avc1.f4000d", 322, 182, 29.97, "High 4:4:4 Predictive", "1.3", 2),
        ),
        (  # fields
            wire(
                "01f40028ffe1001e 67f40028919b280f0089f97ff00030004100000303e90000ea601f162d96"
                "01000668fba3c44844fff8f800"
            ),
            PictureConfig("avc1.f40028", 1920, 1080, 29.97, "High 4:4:4 Predictive", "4.0", 2),
        ),
        (
            wire(
                "016e000dffe1001d 676e000da6cd941419f9fff00030004100000303e90000ea600f142996"
                "01000668ebe3cb22c0fdfafa00"
            ),
            PictureConfig("avc1.6e000d", 320, 180, 29.97, "High 10", "1.3", 2),
        ),
    ],
)
def test_record_of_an_encoder_says_profile_size_and_rate(
    record: bytes, config: PictureConfig
) -> None:
    assert parse_avc_config(record) == config


def avcc(profile: str, sps: str) -> bytes:
    nalu = wire(f"67 {profile}") + bits(sps)
    return wire(f"01 {profile} ff e1") + len(nalu).to_bytes(2, "big") + nalu + b"\x00"


# frame number, order count of type 2, reference frames, gaps; then 20 × 15 macroblocks.
SIZE = "00101 1 1"  # ue 4 is 00101: width 5 × 16; ue 0: height 16; frames only; direct 8x8
REST = "1 011 010 0"


def test_baseline_without_vui_has_no_rate() -> None:
    config = parse_avc_config(avcc("42000a", f"1 {REST} {SIZE} 1 0 0"))
    assert config == PictureConfig("avc1.42000a", 80, 16, None, "Baseline", "1.0")


def test_order_counts_and_scaling_lists_are_passed_over() -> None:
    # id 0, log2_max_frame_num 0, order count type 1 with two offsets
    sps = f"1 1 010 0 1 1 011 1 1 010 0 {SIZE} 1 0 0"
    assert parse_avc_config(avcc("4d000a", sps)).width == 80
    # chroma 3, separate planes, depths, no bypass, lists: the first of 16 ends at once, the 7th
    # has 64 values of which the first differs
    lists = f"1 000010001 {'0' * 5} 1 {'1' * 64} {'0' * 5}"
    high = f"1 00100 1 1 1 0 1 {lists} {REST} {SIZE}"
    config = parse_avc_config(avcc("64000a", f"{high} 1 1 1 1 1 1 0"))
    assert (config.width, config.height) == (80, 16)


def test_order_count_that_never_ends_is_refused() -> None:
    assert parse_avc_config(
        avcc("4d000a", f"1 1 010 0 1 1 {256:017b} {'1' * 255} 1 0 {SIZE} 1 0 0")
    )
    for cycle in (f"{257:017b}", f"{'0' * 31}{1 << 31:032b}"):
        with pytest.raises(MediaError, match="cycle"):
            parse_avc_config(avcc("4d000a", f"1 1 010 0 1 1 {cycle} {'1' * 999}"))


@pytest.mark.parametrize(
    ("vui", "rate"),
    [
        ("0", None),
        ("1 0 0 0 0 0", None),
        (f"1 1 11111111 {'0' * 32} 1 0 1 0000 1 {'0' * 24} 1 1 1 1 {1:032b} {50:032b}", 25.0),
        (f"1 1 00000001 0 1 0000 0 0 1 {1001:032b} {60000:032b}", 29.97),
        (f"1 0 0 0 0 1 {0:032b} {50:032b}", None),
        (f"1 0 0 0 0 1 {1:032b}", None),  # cut short: the picture is known all the same
    ],
)
def test_rate_stands_in_the_vui(vui: str, rate: float | None) -> None:
    record = avcc("42000a", f"1 {REST} {SIZE} 1 0 {vui}")
    assert parse_avc_config(record).frame_rate == rate


BUFFERS = f"1 010 0000 0000 1 1 0 1 1 0 {'1' * 20}"  # two


@pytest.mark.parametrize(
    ("vui", "reordered"),
    [
        ("1 0 0 0 0 0 0 0 0 1 1 1 1 1 1 011 1", 2),
        (f"1 0 0 0 0 1 {1:032b} {50:032b} 1 0 0 0 1 1 1 1 1 1 1 1", 0),
        (f"1 0 0 0 0 0 {BUFFERS} {BUFFERS} 0 0 1 1 1 1 1 1 {17:09b} 1", 16),
        (f"1 0 0 0 0 0 0 {BUFFERS} 0 0 1 1 1 1 1 1 {18:09b} 1", None),  # more than there can be
        ("1 0 0 0 0 0 0 0 0 0", None),
        (f"1 0 0 0 0 0 1 {33:011b} {'1' * 999}", None),
        ("0", None),
        ("1 0 0 0 0 0 0 0 0 1 1 1 1 1 1", None),  # cut short
    ],
)
def test_vui_says_how_many_frames_are_held_back(vui: str, reordered: int | None) -> None:
    assert parse_avc_config(avcc("42000a", f"1 {REST} {SIZE} 1 0 {vui}")).reordered == reordered


@pytest.mark.parametrize(
    "record",
    [
        b"",
        wire("01 64 00 28 ff e0 0000 00"),
        wire("01 64 00 28 ff e1 0004 6764"),
        wire("01 64 00 28 ff e1 0004 68640028"),
        avcc("42000a", f"1 {REST} {SIZE} 1 1 00000101000 010 1 1 0"),  # crops everything
        avcc("42000a", "1"),
    ],
)
def test_damaged_record_is_refused(record: bytes) -> None:
    with pytest.raises(MediaError):
        parse_avc_config(record)


def test_parameter_sets_with_start_codes_become_avcc() -> None:
    sps, pps = HIGH_1080[8:39], HIGH_1080[42:]
    pps = pps[: len(pps) - 4]  # what High adds to avcC
    assert sps[0] == 0x67
    assert pps[0] == 0x68
    made = avcc_of_record(wire("00000001") + sps + wire("000001 06aa 000001") + pps)
    assert made == wire("01640028 ff e1 001f") + sps + wire("01 0006") + pps
    assert parse_avc_config(made) == parse_avc_config(HIGH_1080)
    assert avcc_of_record(HIGH_1080) is HIGH_1080
    for units in (sps, pps, b"", sps[:3] + b"\0\0\1" + pps):
        with pytest.raises(MediaError, match="no SPS and PPS"):
            avcc_of_record(wire("000001") + units)


def test_parameter_sets_of_a_record_are_its_nal_units() -> None:
    record = wire("01 42c01e ff e1 0004 6742c01e 01 0002 68ce")
    assert parameter_sets(record) == [wire("6742c01e"), wire("68ce")]
    assert parameter_sets(record[:-1]) == [wire("6742c01e")]
    assert parameter_sets(record[:12]) == [wire("6742c01e")]
    assert parameter_sets(wire("01")) == []


@given(st.binary(max_size=80), st.integers(0, 40))
def test_any_bytes_give_a_config_or_an_error(tail: bytes, kept: int) -> None:
    for data in (tail, HIGH_1080[:kept] + tail):
        with suppress(MediaError):
            assert parse_avc_config(data).width > 0
