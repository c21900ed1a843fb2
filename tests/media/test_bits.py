"""Tests of headend.media.bits."""

import pytest
from tests.wire import wire

from headend.errors import MediaError
from headend.media.bits import BitReader, unescaped


def test_fields_are_read_one_after_the_other() -> None:
    reader = BitReader(wire("a5 0f"))
    assert (reader.bits(1), reader.bits(3), reader.flag(), reader.bits(0)) == (1, 2, False, 0)
    reader.skip(3)
    assert reader.bits(8) == 15
    with pytest.raises(MediaError, match="cut short"):
        reader.bits(1)


@pytest.mark.parametrize(
    ("data", "unsigned", "signed"),
    [("80", 0, 0), ("40", 1, 1), ("60", 2, -1), ("20", 3, 2), ("28", 4, -2), ("0400", 31, 16)],
)
def test_exp_golomb_codes(data: str, unsigned: int, signed: int) -> None:
    assert BitReader(wire(data)).ue() == unsigned
    assert BitReader(wire(data)).se() == signed


def test_codes_are_read_up_to_the_last_bit() -> None:
    reader = BitReader(wire("00000000 ffffffff e0"))  # 32 zeros, 1, and 32 bits behind it
    assert reader.ue() == 0x1_FFFF_FFFE
    assert reader.bits(7) == 0x60
    for cut in ("00", "08", ""):  # zeros without end, or with too few bits behind the first 1
        with pytest.raises(MediaError, match="cut short"):
            BitReader(wire(cut)).ue()
    with pytest.raises(MediaError, match="cut short"):
        BitReader(b"a").skip(9)


def test_code_of_zeros_is_refused() -> None:
    with pytest.raises(MediaError, match="too long"):
        BitReader(bytes(9)).ue()


def test_emulation_prevention_is_taken_out() -> None:
    assert unescaped(wire("67 000003 000003 01 0003")) == wire("67 0000 0000 01 0003")
