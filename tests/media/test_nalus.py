"""Tests of headend.media.nalus."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import wire

from headend.errors import MediaError
from headend.media.headers import Codec
from headend.media.nalus import (
    HAS_TAIL,
    IS_ANNEX_B,
    IS_EMPTY,
    Picture,
    RandomAccess,
    access_of,
    from_annex_b,
    length_size,
    mended,
    picture_of,
)


@pytest.mark.parametrize(
    ("payload", "length_size", "good", "fault"),
    [
        ("00000002 6588", 4, "00000002 6588", None),
        ("02 6588 01 41", 1, "02 6588 01 41", None),
        # drones: units without a byte in front, between and behind
        ("00000000 00000002 6588", 4, "00000002 6588", IS_EMPTY),
        ("00000002 6588 00000000 00000001 41", 4, "00000002 6588 00000001 41", IS_EMPTY),
        ("0002 6588 0000", 2, "0002 6588", IS_EMPTY),
        ("00000000", 4, "", IS_EMPTY),
        # bytes behind the last one
        ("00000002 6588 00", 4, "00000002 6588", HAS_TAIL),
        ("00000002 6588 000000", 4, "00000002 6588", HAS_TAIL),
        ("00000002 6588 ff01", 4, "00000002 6588", HAS_TAIL),
        ("0002 6588 80", 2, "0002 6588", HAS_TAIL),
        ("00000002 6588 00000000 00", 4, "00000002 6588", HAS_TAIL),
        ("0000", 4, "", HAS_TAIL),
        # start codes
        ("00000001 6588 00000001 4101", 4, "00000002 6588 00000002 4101", IS_ANNEX_B),
        ("000001 6588 000001 41", 4, "00000002 6588 00000001 41", IS_ANNEX_B),
        ("00000001 09f0 000001 67 0000 000001 6588", 2, "0002 09f0 0001 67 0002 6588", IS_ANNEX_B),
        ("00000001 6588", 4, "00000002 6588", IS_ANNEX_B),
        # 256 bytes, and one behind them
        ("00000100" + "65" * 256 + "00", 4, "00000100" + "65" * 256, HAS_TAIL),
        # what looks like a start code may be a length
        ("00000001 65", 4, "00000001 65", None),
    ],
)
def test_frame_is_made_of_whole_units_with_lengths(
    payload: str, length_size: int, good: str, fault: str | None
) -> None:
    assert mended(wire(payload), length_size) == (wire(good), fault)


@pytest.mark.parametrize(
    ("payload", "length_size"),
    [
        ("00000009 65", 4),
        ("00000002 6588 00000003 41", 4),
        ("00000002 6588 ffffffff", 4),
        ("02 65", 1),
    ],
)
def test_lengths_that_do_not_fit_are_refused(payload: str, length_size: int) -> None:
    with pytest.raises(MediaError, match="do not fit"):
        mended(wire(payload), length_size)


def test_unit_that_is_longer_than_a_length_can_say_is_refused() -> None:
    with pytest.raises(MediaError, match="do not fit"):
        mended(wire("00000001 65") + b"\xaa" * 70_000, 1)


@pytest.mark.parametrize(
    "payload",
    [wire("00000001 65") * 16_385, bytes(1 << 20), wire("000001 65") * 16_385],
    ids=["lengths", "empty units", "start codes"],
)
def test_frame_has_so_many_units_at_most(payload: bytes) -> None:
    with pytest.raises(MediaError, match="more than 16384"):
        mended(payload, 4)


def test_as_many_units_as_are_allowed_pass() -> None:
    most = wire("00000001 65") * 16_384
    assert mended(most, 4) == (most, None)
    assert len(from_annex_b(wire("000001 65") * 16_384)) == 16_384


@pytest.mark.parametrize(
    ("codec", "payload", "has"),
    [
        (Codec.H264, "00000002 6588", Picture.BEGINS),
        (Codec.H264, "00000002 09f0 00000001 67 00000003 068005 00000002 419a", Picture.BEGINS),
        (Codec.H264, "00000002 6504", Picture.GOES_ON),
        (Codec.H264, "00000002 4101", Picture.GOES_ON),
        (Codec.H264, "00000001 41", Picture.GOES_ON),
        (Codec.H264, "00000001 67 00000001 68", Picture.NONE),
        (Codec.H264, "00000002 0cff", Picture.NONE),
        (Codec.HEVC, "00000003 260180", Picture.BEGINS),
        (Codec.HEVC, "00000002 4001 00000003 0201d0", Picture.BEGINS),
        (Codec.HEVC, "00000003 020140", Picture.GOES_ON),
        (Codec.HEVC, "00000002 0201", Picture.GOES_ON),
        (Codec.HEVC, "00000002 4001 00000002 4e01", Picture.NONE),
    ],
)
def test_first_slice_says_whether_a_picture_begins(
    codec: Codec, payload: str, has: Picture
) -> None:
    assert picture_of(codec, wire(payload), 4) is has


X264_OPTIONS = b"\x06\x05\xff\xff\x90" + bytes([0xDC]) * 654 + b"\x80"


@pytest.mark.parametrize(
    ("codec", "units", "access"),
    [
        (Codec.H264, ["6588"], RandomAccess.EXACT),
        (Codec.H264, ["09f0", "67", "68", "06 01 01 80 80", "6588"], RandomAccess.EXACT),
        # recovery_frame_cnt 0, and 59 as x264 writes it with intra refresh
        (Codec.H264, ["06 06 01 c4 80", "419a"], RandomAccess.EXACT),
        (Codec.H264, ["06 06 03 03c440 80", "419a"], RandomAccess.GRADUAL),
        (Codec.H264, ["06 0501aa 0602 0f10 80", "419a"], RandomAccess.GRADUAL),
        (Codec.H264, ["419a"], RandomAccess.UNKNOWN),
        (
            Codec.H264,
            ["06 0605 80", "06 06 80", "06", "06 ff", "06 05ffff", "419a"],
            RandomAccess.UNKNOWN,
        ),
        (Codec.HEVC, ["2601 80"], RandomAccess.EXACT),
        (Codec.HEVC, ["2a01 80"], RandomAccess.EXACT),
        (Codec.HEVC, ["4001", "4e01 0601 c0 80", "0201 80"], RandomAccess.EXACT),
        (Codec.HEVC, ["4e01 0602 0480 80", "0201 80"], RandomAccess.GRADUAL),
        (Codec.HEVC, ["0201 80"], RandomAccess.UNKNOWN),
    ],
)
def test_access_is_exact_gradual_or_unknown(
    codec: Codec, units: list[str], access: RandomAccess
) -> None:
    payload = b"".join(len(wire(u)).to_bytes(4, "big") + wire(u) for u in units)
    assert access_of(codec, payload, 4) is access


def test_recovery_point_behind_long_information_is_found() -> None:
    sei = X264_OPTIONS[:-1] + wire("06 02 0f10 80")
    payload = len(sei).to_bytes(4, "big") + sei + wire("00000002 419a")
    assert access_of(Codec.H264, payload, 4) is RandomAccess.GRADUAL


def test_so_much_information_is_looked_through_at_most() -> None:
    sei = wire("06") + wire("0501aa") * 32 + wire("0602 0f10 80")
    payload = len(sei).to_bytes(4, "big") + sei
    assert access_of(Codec.H264, payload, 4) is RandomAccess.UNKNOWN
    units = wire("00000002 0680") * 64 + wire("00000002 6588")
    assert access_of(Codec.H264, units, 4) is RandomAccess.UNKNOWN
    assert access_of(Codec.H264, units[6:], 4) is RandomAccess.EXACT


@given(st.binary(max_size=40), st.sampled_from([1, 2, 4]))
def test_any_bytes_give_units_that_can_be_asked_or_an_error(payload: bytes, size: int) -> None:
    try:
        good, fault = mended(payload, size)
    except MediaError:
        return
    if good:
        assert mended(good, size) == (good, None)
    else:
        assert fault or not payload
    for codec in (Codec.H264, Codec.HEVC):
        assert picture_of(codec, good, size) in Picture
        assert access_of(codec, good, size) in RandomAccess


def test_record_says_how_long_lengths_are() -> None:
    assert length_size(Codec.H264, wire("01 42c01e fd e1")) == 2
    assert length_size(Codec.HEVC, bytes(21) + wire("0f 00")) == 4
    assert length_size(Codec.AV1, wire("81 04 0c 00")) == 0
    for codec in (Codec.H264, Codec.HEVC):
        with pytest.raises(MediaError, match="cut short"):
            length_size(codec, wire("01 42c01e"))
