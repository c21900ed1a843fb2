"""Tests of headend.media.boxes."""

import pytest
from tests.wire import wire

from headend.errors import MediaError
from headend.media import boxes as boxes_module
from headend.media.boxes import box, box_head, boxes, child

TWO = wire("0000000a 66726565 0102 00000008 736b6970")


def test_boxes_follow_each_other_each_with_its_content() -> None:
    assert list(boxes(TWO)) == [(b"free", b"\x01\x02"), (b"skip", b"")]


def test_box_of_more_than_four_gigabytes_has_its_size_behind_its_type() -> None:
    assert box_head(wire("00000001 6d646174 0000000100000000")) == (b"mdat", 16, 2**32)
    assert list(boxes(wire("00000001 66726565 0000000000000011 ff"))) == [(b"free", b"\xff")]


@pytest.mark.parametrize(
    "data",
    [
        "0000000a 66726565 01",
        "00000007 66726565",
        "00000000 66726565",
        "00000001 66726565 00000000000000",
        "00000001 66726565 000000000000000f",
        "000000",
    ],
)
def test_box_that_is_cut_short_or_smaller_than_its_head_is_refused(data: str) -> None:
    with pytest.raises(MediaError):
        list(boxes(wire(data)))


def test_only_so_many_boxes_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes_module, "MOST_BOXES", 2)
    with pytest.raises(MediaError, match="more than 2 boxes"):
        list(boxes(TWO + TWO))


def test_child_is_found_by_its_path_and_empty_where_it_is_not() -> None:
    data = box(b"moov", box(b"free"), box(b"trak", box(b"tkhd", b"\x05", b"\x06")))
    assert data[:8] == wire("00000022 6d6f6f76")
    assert child(data, b"moov", b"trak", b"tkhd") == b"\x05\x06"
    assert child(data, b"moov", b"mdia", b"tkhd") == b""
