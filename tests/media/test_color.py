"""Tests of headend.media.color."""

import struct
from collections.abc import Mapping

import pytest
from tests.wire import wire

from headend.errors import MediaError
from headend.media.amf0 import UNDEFINED, Value, serialize_values
from headend.media.color import Color, parse_color, with_color

CONFIG: dict[str, Value] = {
    "bitDepth": 10.0,
    "colorPrimaries": 9.0,
    "transferCharacteristics": 16.0,
    "matrixCoefficients": 9.0,
}
DISPLAY: dict[str, Value] = {
    "redX": 0.68,
    "redY": 0.32,
    "greenX": 0.265,
    "greenY": 0.69,
    "blueX": 0.15,
    "blueY": 0.06,
    "whitePointX": 0.3127,
    "whitePointY": 0.329,
    "maxLuminance": 1000.0,
    "minLuminance": 0.005,
}
MDCV = wire("33c2 86c4 1d4c 0bb8 84d0 3e80 3d13 4042 00989680 00000032")


def metadata(info: Mapping[str, Value]) -> bytes:
    return serialize_values("colorInfo", dict(info))


def test_colours_are_read_with_the_mastering_display_and_the_light() -> None:
    levels: dict[str, Value] = {"maxCLL": 1000.0, "maxFall": 400.0}
    info = {"colorConfig": CONFIG, "hdrMdcv": DISPLAY, "hdrCll": levels}
    color = parse_color(metadata(info))
    assert color == Color(9, 16, 9, MDCV, wire("03e8 0190"))
    assert color.video_range == "PQ"
    assert color.boxes == {
        b"colr": wire("00000013 636f6c72 6e636c78 0009 0010 0009 00"),
        b"mdcv": wire("00000020 6d646376") + MDCV,
        b"clli": wire("0000000c 636c6c69 03e8 0190"),
    }


def test_captured_metadata_of_ffmpeg_is_read() -> None:
    captured = wire(
        "020009 636f6c6f72496e666f 03 000b 636f6c6f72436f6e666967 03"
        "0017 7472616e7366657243686172616374657269737469637300 4032000000000000"
        "000e 636f6c6f725072696d6172696573 00 4022000000000000 000009 000009"
    )
    assert parse_color(captured) == Color(9, 18)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG"), (1, ""), (2, "")])
def test_range_is_told_by_the_transfer_characteristics(transfer: int, name: str) -> None:
    assert Color(transfer=transfer).video_range == name


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("colorInfo",),
        ("colorInfo", {}),
        ("colorInfo", UNDEFINED),
        ("colorInfo", None),
        ("colorInfo", 5.0),
        ("other", {"colorConfig": CONFIG}),
    ],
)
def test_metadata_that_tells_nothing_takes_colours_back(values: tuple[Value, ...]) -> None:
    assert parse_color(serialize_values(*values)) is None


@pytest.mark.parametrize("value", ["9", True, None, -1.0, 256.0, float("nan"), float("inf"), {}])
def test_values_that_make_no_sense_are_not_told(value: Value) -> None:
    config = CONFIG | {"colorPrimaries": value}
    info: dict[str, Value] = {
        "colorConfig": config,
        "hdrMdcv": DISPLAY | {"redX": {"9": 9.0} if value == 256.0 else value},
        "hdrCll": {"maxCLL": 400.0},
    }
    assert parse_color(metadata(info)) == Color(2, 16, 9)
    luminance = DISPLAY | {"maxLuminance": float("nan")}
    assert parse_color(metadata({"hdrMdcv": luminance, "colorConfig": value})) == Color()
    assert Color().boxes == {}


def test_what_is_no_amf_is_refused() -> None:
    with pytest.raises(MediaError):
        parse_color(b"\xff")


# ---------------------------------------------------------------------- MP4


def box(name: bytes, *content: bytes) -> bytes:
    inner = b"".join(content)
    return struct.pack(">I", 8 + len(inner)) + name + inner


def track(entry: bytes) -> bytes:
    stsd = box(b"stsd", bytes(7) + b"\x01", entry)
    return box(b"trak", box(b"tkhd"), box(b"mdia", box(b"hdlr"), box(b"minf", box(b"stbl", stsd))))


SOUND = track(box(b"mp4a", b"sound"))
HLG = Color(transfer=18)
COLR = box(b"colr", wire("6e636c78 0002 0012 0002 00"))


@pytest.mark.parametrize("entry", [b"avc1", b"hev1", b"hvc1", b"av01", b"vp09"])
def test_colours_go_behind_what_the_sample_entry_of_the_picture_holds(entry: bytes) -> None:
    init = box(b"ftyp", b"iso5") + box(b"moov", SOUND, track(box(entry, b"head", b"conf")))
    expected = box(b"ftyp", b"iso5") + box(
        b"moov", SOUND, track(box(entry, b"head", b"conf", COLR))
    )
    assert with_color(init, HLG) == expected
    assert with_color(expected, HLG) == expected


@pytest.mark.parametrize(
    "init",
    [
        b"",
        box(b"moov", SOUND),
        box(b"moov", track(b"")),
        box(b"moov", track(box(b"hvc1", b"x"))[:-4]),
        wire("00000000 6d6f6f76"),
        wire("000000ff 6d6f6f76"),
        box(b"moov", track(wire("00000040 68766331"))),
    ],
)
def test_init_segment_without_a_picture_or_damaged_stays_as_it_is(init: bytes) -> None:
    assert with_color(init, HLG) == init


def test_nothing_is_put_in_where_nothing_is_told() -> None:
    init = box(b"moov", track(box(b"hvc1")))
    assert with_color(init, None) == with_color(init, Color()) == init
