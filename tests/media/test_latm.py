"""AAC in LOAS and LATM."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.media.latm import LatmFrames, LatmReader

LC = "00010 0011 0010 000"  # AAC-LC, 48 kHz, two channels: 11 90
CONFIG = f"0 0 1 000000 0000 000 {LC} 000 11111111 0 0"
SAME, ANEW = "1", CONFIG


def loas(*parts: str) -> bytes:
    """Write an element, its bits given as text."""
    text = "".join(parts).replace(" ", "")
    text += "0" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big")
    return bytes((0x56, 0xE0 | len(data) >> 8, len(data) & 255)) + data


def payload(data: bytes) -> str:
    whole, rest = divmod(len(data), 255)
    return "".join(f"{each:08b}" for each in (*[255] * whole, rest, *data))


def test_an_element_has_its_configuration_and_its_frame() -> None:
    assert LatmReader().take(loas(ANEW, payload(b"abc"))) == [
        LatmFrames(b"\x11\x90", 48000, (b"abc",))
    ]


def test_an_element_may_have_the_configuration_of_the_one_before() -> None:
    reader = LatmReader()
    first = loas(ANEW, payload(b"a"))
    found = reader.take(first + loas(SAME, payload(b"b" * 300)))
    assert [each.frames for each in found] == [(b"a",), (b"b" * 300,)]
    assert reader.skipped == 0


def test_elements_may_go_on_in_the_next_pes_packet() -> None:
    data = b"noise\x56" + loas(ANEW, payload(b"a")) + loas(SAME, payload(b"b"))
    reader = LatmReader()
    found = [each for at in range(len(data)) for each in reader.take(data[at : at + 1])]
    assert [each.frames for each in found] == [(b"a",), (b"b",)]
    assert reader.skipped > 0


def test_what_comes_before_a_configuration_is_left_out() -> None:
    assert LatmReader().take(loas(SAME, payload(b"a"))) == []


def test_bytes_that_are_no_element_are_passed_over() -> None:
    reader = LatmReader()
    assert reader.take(bytes(100)) == []
    assert reader.skipped == 1


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (f"0 0 1 000001 0000 000 {LC} 000 00000000 0 0", (b"\x11\x90", 48000)),
        # other data, whose length has two bytes, and a checksum
        (f"0 0 1 000000 0000 000 {LC} 000 00000000 1 1 00000000 0 00001000 1 00000000",
         (b"\x11\x90", 48000)),
        # version 1: the size of the configuration is told
        (f"0 1 0 00 11111111 1 000000 0000 000 00 00010000 {LC} 000 00000000 1 00 00000000 0",
         (b"\x11\x90", 48000)),
        # SBR at 24 kHz, a core coder's delay and an extension flag
        ("0 0 1 000000 0000 000 00101 0110 0001 0011 00010 0 1 00000000000000 1 0"
         " 000 00000000 0 0", (b"\x2b\x09\x89\x00\x02", 24000)),
        # a rate in full
        ("0 0 1 000000 0000 000 00010 1111 000000000111110100000000 0001 000 000 00000000 0 0",
         (b"\x17\x80\x3e\x80\x08", 32000)),
    ],
    ids=["two frames", "other data", "version 1", "SBR", "rate"],
)  # fmt: skip
def test_configurations_of_all_kinds_are_read(config: str, found: tuple[bytes, int]) -> None:
    frames = 2 if "000001 0000" in config else 1
    (element,) = LatmReader().take(loas(config, *[payload(b"ab")] * frames))
    assert element == LatmFrames(*found, (b"ab",) * frames)


@pytest.mark.parametrize(
    "bits",
    [
        "0 1 1",
        f"0 0 0 000000 0000 000 {LC}",
        f"0 0 1 000000 0001 000 {LC}",
        f"0 0 1 000000 0000 001 {LC}",
        f"0 0 1 000000 0000 000 {LC} 001",
        "0 0 1 000000 0000 000 00010 1101 0010 000",
        "0 0 1 000000 0000 000 00010 0011 0000 000",
        "0 0 1 000000 0000 000 10111 0011 0001 000",
        f"{CONFIG} 00001000",
        f"{CONFIG} 11111111",
    ],
)
def test_what_is_damaged_or_of_another_kind_is_left_out(bits: str) -> None:
    reader = LatmReader()
    assert reader.take(loas(bits)) == []
    assert reader.skipped == 1


@given(st.lists(st.binary(max_size=40) | st.just(loas(ANEW, payload(b"a"))), max_size=6))
def test_whatever_comes_is_read_or_left_out(pieces: list[bytes]) -> None:
    reader = LatmReader()
    for piece in pieces:
        reader.take(piece)
