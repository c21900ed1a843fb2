"""Opus in MPEG-TS: control headers, durations and heads."""

import pytest

from headend.media.ts_opus import (
    channels_of,
    opus_descriptors,
    opus_head,
    opus_packets,
    with_control_header,
)

CELT = b"\xf8"  # full band, 20 ms, one frame


@pytest.mark.parametrize(
    ("data", "packets"),
    [
        (b"\x7f\xe0\x03\xf8ab", [(960, b"\xf8ab")]),
        (b"\x7f\xe0\x01\xf8\x7f\xe0\x01\xf9", [(960, b"\xf8"), (1920, b"\xf9")]),
        (b"\x7f\xe0\xff\x01" + CELT * 256, [(960, CELT * 256)]),
        (b"\x7f\xf8\x01\0\1\0\2\xf8", [(960, CELT)]),  # both trims
        (b"\x7f\xe4\x01\x02ab\xf8", [(960, CELT)]),  # an extension
        (b"\x7f\xe0\x02\xfb\x03", [(2880, b"\xfb\x03")]),
    ],
)
def test_packets_are_given_with_their_samples(
    data: bytes, packets: list[tuple[int, bytes]]
) -> None:
    assert list(opus_packets(data)) == packets


@pytest.mark.parametrize(
    ("toc", "samples"),
    [
        ("00", 480), ("08", 960), ("10", 1920), ("18", 2880), ("60", 480), ("68", 960),
        ("80", 120), ("88", 240), ("90", 480), ("98", 960), ("9a", 1920),
    ],
)  # fmt: skip
def test_the_first_byte_says_how_long_a_packet_is(toc: str, samples: int) -> None:
    (found,) = opus_packets(with_control_header(bytes.fromhex(toc)))
    assert found == (samples, bytes.fromhex(toc))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x7f\xe0",
        b"\x7f\x00\x01\xf8",  # another prefix
        b"\x7f\xe0\xff\xff",  # a size that does not end
        b"\x7f\xe0\x05\xf8",  # cut short
        b"\x7f\xe0\x00",  # nothing in it
        b"\x7f\xe4\x01",  # an extension that is missing
        b"\x7f\xe0\x01\xfb",  # frames without their number
        b"\x7f\xe0\x02\xfb\x31",  # 49 of them
    ],
)
def test_damage_ends_what_a_pes_packet_gives(data: bytes) -> None:
    assert list(opus_packets(data)) == []


def test_a_control_header_has_a_byte_for_each_255() -> None:
    assert with_control_header(b"a") == b"\x7f\xe0\x01a"
    assert with_control_header(b"a" * 510)[:5] == b"\x7f\xe0\xff\xff\x00"


def test_a_head_says_how_channels_are_coupled() -> None:
    assert opus_head(2) == b"OpusHead\1\2\x38\1\x80\xbb\0\0\0\0\0"
    assert opus_head(6).endswith(b"\1\4\2\0\4\1\2\3\5")
    assert [channels_of(code) for code in (0, 1, 8, 9, 0x81)] == [2, 1, 8, 0, 0]
    assert opus_descriptors(2) == b"\x05\x04Opus\x7f\x02\x80\x02"
