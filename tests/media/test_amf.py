"""Tests of the types and the limits that AMF0 and AMF3 share."""

import math

import pytest
from tests.wire import wire

from headend.errors import MediaError
from headend.media.amf import (
    Budget,
    ByteReader,
    Date,
    EcmaArray,
    TypedObject,
    Value,
    XmlDocument,
    serialize_double,
    serialize_text,
)


def test_wire_ignores_white_space_and_comments() -> None:
    assert wire("04 00001a  # a ping\n  ff\n# nothing") == b"\x04\x00\x00\x1a\xff"


def test_typed_objects_of_different_classes_differ() -> None:
    assert TypedObject("a", {"x": 1.0}) != TypedObject("b", {"x": 1.0})
    assert TypedObject("a", {"x": 1.0}) == TypedObject("a", {"x": 1.0})
    assert TypedObject("a", {"x": 1.0}) != TypedObject("a")
    assert TypedObject("a", {"x": 1.0}) == {"x": 1.0}


def test_typed_object_shows_its_class() -> None:
    assert repr(TypedObject("a", {"x": 1.0})) == "TypedObject('a', {'x': 1.0})"


def test_budget_ends_after_as_many_items_as_allowed() -> None:
    budget = Budget(max_items=3)
    budget.spend(2)
    budget.spend()
    with pytest.raises(MediaError, match="too many values"):
        budget.spend()


def test_budget_allows_depth_up_to_the_limit() -> None:
    budget = Budget(max_depth=2)
    budget.enter(2)
    with pytest.raises(MediaError, match="deeper than 2"):
        budget.enter(3)


def test_reference_costs_all_items_of_its_target() -> None:
    Budget(max_items=6).refer({"a": [1.0, 2.0], "b": Date(0.0), "c": None}, 0)
    with pytest.raises(MediaError, match="too many values"):
        Budget(max_items=5).refer({"a": [1.0, 2.0], "b": Date(0.0), "c": None}, 0)


@pytest.mark.parametrize(
    "target", [XmlDocument("x" * 640), b"x" * 640, {"x" * 576: True}, EcmaArray({"x" * 576: ""})]
)
def test_reference_to_text_costs_an_item_for_64_characters(target: Value) -> None:
    Budget(max_items=11).refer(target, 0)
    with pytest.raises(MediaError, match="too many values"):
        Budget(max_items=10).refer(target, 0)


@pytest.mark.parametrize("target", [{"a": {}}, [[]]])
def test_reference_may_not_add_up_to_a_nesting_over_the_limit(target: Value) -> None:
    Budget(max_depth=4).refer(target, 2)
    with pytest.raises(MediaError, match="deeper than 4"):
        Budget(max_depth=4).refer(target, 3)


def test_message_may_hold_256_references() -> None:
    budget = Budget()
    for _ in range(256):
        budget.refer([], 0)
    with pytest.raises(MediaError, match="256 references"):
        budget.refer([], 0)


def test_reader_reads_big_endian_values_up_to_the_end() -> None:
    reader = ByteReader(wire("00 0102 4045000000000000 616263"), 1, Budget())
    assert reader.unsigned(2) == 258
    assert reader.double() == 42.0
    assert reader.remaining() == 3
    assert reader.text(3) == "abc"
    assert reader.take(0) == b""


def test_reader_tells_where_bytes_are_missing() -> None:
    reader = ByteReader(b"abc", 1, Budget())
    with pytest.raises(MediaError, match="3 bytes expected at byte 1, 2 left"):
        reader.take(3)


def test_text_that_is_not_utf_8_is_written_as_it_was_read() -> None:
    reader = ByteReader(b"a\xff\xc3\xa9", 0, Budget())
    text = reader.text(4)
    assert text == "a\udcff\u00e9"
    assert serialize_text(text) == b"a\xff\xc3\xa9"


def test_surrogate_that_no_byte_has_made_cannot_be_written() -> None:
    with pytest.raises(MediaError, match="surrogate"):
        serialize_text("\ud800")


def test_double_is_written_big_endian() -> None:
    assert serialize_double(1) == wire("3ff0000000000000")
    assert serialize_double(-math.inf) == wire("fff0000000000000")


def test_integer_beyond_a_double_cannot_be_written() -> None:
    with pytest.raises(MediaError, match="too large"):
        serialize_double(10**400)
