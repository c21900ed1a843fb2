"""Tests of the AMF3 reader and writer, byte layouts from the AMF 3 specification."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import wire

from headend.errors import MediaError
from headend.media.amf import (
    UNDEFINED,
    Budget,
    Date,
    EcmaArray,
    TypedObject,
    Value,
    XmlDocument,
)
from headend.media.amf3 import parse_value, serialize_value

# Both ways the same.
PAIRS: list[tuple[str, Value]] = [
    ("00", UNDEFINED),
    ("01", None),
    ("02", False),
    ("03", True),
    ("04 00", 0),
    ("04 7f", 0x7F),
    ("04 8100", 0x80),
    ("04 ff7f", 0x3FFF),
    ("04 818000", 0x4000),
    ("04 ffff7f", 0x1F_FFFF),
    ("04 80c08000", 0x20_0000),
    ("04 bfffffff", 0xFFF_FFFF),
    ("04 ffffffff", -1),
    ("04 c0808000", -0x1000_0000),
    ("05 41b0000000000000", 0x1000_0000),
    ("05 4045000000000000", 42.0),
    ("06 01", ""),
    ("06 07 616263", "abc"),
    ("06 05 ffc3", "\udcff\udcc3"),
    ("07 09 3c612f3e", XmlDocument("<a/>")),
    ("08 01 4045000000000000", Date(42.0)),
    ("09 01 01", []),
    ("09 05 01 02 03", [False, True]),
    ("09 01 03 61 01 01", EcmaArray({"a": None})),
    ("0a 0b 01 01", {}),
    ("0a 0b 01 03 61 01 03 62 03 01", {"a": None, "b": True}),
    ("0a 0b 03 43 03 61 01 01", TypedObject("C", {"a": None})),
    ("0c 05 00ff", b"\x00\xff"),
]


def shape(value: Value) -> object:
    """Value with the type of each part, as dicts of different types are equal."""
    if isinstance(value, dict):
        return type(value), [(key, shape(member)) for key, member in value.items()]
    if isinstance(value, list):
        return [shape(member) for member in value]
    return (float, float(value)) if type(value) is int else (type(value), value)


@pytest.mark.parametrize(("encoded", "value"), PAIRS)
def test_value_is_read_as_its_python_type(encoded: str, value: Value) -> None:
    data = wire(encoded)
    parsed, end = parse_value(data)
    assert shape(parsed) == shape(value)
    assert end == len(data)


@pytest.mark.parametrize(("encoded", "value"), PAIRS)
def test_value_is_read_from_the_middle_of_other_bytes(encoded: str, value: Value) -> None:
    data = wire("ffff" + encoded + "ffff")
    parsed, end = parse_value(data, 2)
    assert shape(parsed) == shape(value)
    assert end == len(data) - 2


@pytest.mark.parametrize(("encoded", "value"), PAIRS)
def test_value_is_written_as_it_is_read(encoded: str, value: Value) -> None:
    assert serialize_value(value) == wire(encoded)


# What we read and do not write.
READ_ONLY: list[tuple[str, Value]] = [
    ("0b 09 3c612f3e", XmlDocument("<a/>")),
    ("09 03 03 61 01 01 02", EcmaArray({"a": None, "0": False})),
    ("0a 13 03 43 03 61 02", TypedObject("C", {"a": False})),  # one sealed member
    ("0a 1b 01 03 61 02 03 62 03 01", {"a": False, "b": True}),  # sealed and dynamic
    ("0d 05 00 00000001 ffffffff", [1.0, -1.0]),
    ("0e 05 01 00000001 ffffffff", [1.0, 4294967295.0]),
    ("0f 03 00 4045000000000000", [42.0]),
    ("10 05 00 03 43 01 02", [None, False]),
    ("11 07 00 06 03 61 01  04 05 02  05 4045000000000000 03", {"a": None, "5": False, "42": True}),
    # Strings refer to those before them; the empty one is not counted.
    ("09 09 01 06 01 06 03 61 06 00 06 03 62", ["", "a", "a", "b"]),
    ("0a 0b 01 03 61 06 00 01", {"a": "a"}),
    # Objects refer to those complete before them, the array around them being 0.
    ("09 05 01 08 01 4045000000000000 08 02", [Date(42.0), Date(42.0)]),
    ("09 05 01 07 03 61 07 02", [XmlDocument("a"), XmlDocument("a")]),
    ("09 05 01 0c 03 61 0c 02", [b"a", b"a"]),
    ("09 05 01 09 01 01 09 02", [[], []]),
    ("09 05 01 0a 0b 01 01 0a 02", [{}, {}]),
    ("09 05 01 0d 01 00 0d 02", [[], []]),
    ("09 05 01 10 01 00 01 10 02", [[], []]),
    ("09 05 01 11 01 00 11 02", [{}, {}]),
    # The second object has the class of the first.
    ("09 05 01 0a 13 03 43 03 61 02 0a 01 03",
     [TypedObject("C", {"a": False}), TypedObject("C", {"a": True})]),
]  # fmt: skip


@pytest.mark.parametrize(("encoded", "value"), READ_ONLY)
def test_what_others_write_differently_is_read(encoded: str, value: Value) -> None:
    parsed, _ = parse_value(wire(encoded + "ff"))
    assert shape(parsed) == shape(value)


@pytest.mark.parametrize("encoded", [encoded for encoded, _ in PAIRS + READ_ONLY])
def test_value_cut_short_at_any_byte_is_refused(encoded: str) -> None:
    data = wire(encoded)
    for size in range(len(data)):
        with pytest.raises(MediaError):
            parse_value(data[:size])


@pytest.mark.parametrize("marker", ["12", "ff"])
def test_marker_that_is_no_value_is_refused(marker: str) -> None:
    with pytest.raises(MediaError, match=f"0x{marker} at byte 0"):
        parse_value(wire(marker))


def test_externalizable_object_is_refused() -> None:
    with pytest.raises(MediaError, match="externalizable"):
        parse_value(wire("0a 07 03 43 01"))


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        ("06 00", "string 0, which was not sent"),
        ("09 03 01 06 02", "string 1, which was not sent"),
        ("0a 01", "class 0, which was not sent"),
        ("08 02", "object 1, which is not complete"),
        ("09 03 01 09 00", "object 0, which is not complete"),  # itself
        ("0a 0b 01 03 61 0a 00 01", "object 0, which is not complete"),
        ("11 03 00 06 03 61 11 00", "object 0, which is not complete"),
    ],
)
def test_reference_to_what_is_not_complete_is_refused(encoded: str, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        parse_value(wire(encoded))


@pytest.mark.parametrize("key", ["01", "05 3ff8000000000000", "05 7ff8000000000000", "09 01 01"])
def test_dictionary_key_that_is_neither_string_nor_integer_is_refused(key: str) -> None:
    with pytest.raises(MediaError, match="dictionary has a key"):
        parse_value(wire(f"11 03 00 {key} 01"))


@pytest.mark.parametrize(
    "encoded",
    [
        "09 ffffffff 01 01",
        "0a fffffff3 01 01",
        "0d ffffffff 00 01",
        "0f 05 00 4045000000000000",
        "10 ffffffff 00 01 01",
        "11 05 00 06 01 01",
    ],
)
def test_list_with_more_items_than_bytes_is_refused_before_it_is_read(encoded: str) -> None:
    with pytest.raises(MediaError, match="list of"):
        parse_value(wire(encoded))


@pytest.mark.parametrize(
    "encoded", ["09 03 01 01", "0a 13 01 03 61 01", "0d 03 00 00000000", "10 03 00 01 01"]
)
def test_containers_count_in_depth_and_items(encoded: str) -> None:
    data = wire(encoded)
    assert parse_value(data, budget=Budget(max_depth=3, max_items=3), depth=2)
    with pytest.raises(MediaError, match="deeper"):
        parse_value(data, budget=Budget(max_depth=3), depth=3)
    with pytest.raises(MediaError, match="too many values"):
        parse_value(data, budget=Budget(max_items=1))


# An array of a text of 6400 bytes and 20 references to it: as string, as name of a sealed member,
# as class name, as object. Each reference costs 100 items.
@pytest.mark.parametrize(
    ("start", "end", "reference"),
    [
        ("06 e401", "", "06 00"),
        ("0a 13 01 e401", "01", "0a 01 01"),
        ("0a 03 e401", "", "0a 01"),
        ("0c e401", "", "0c 02"),
    ],
)
def test_text_that_references_repeat_is_paid_for(start: str, end: str, reference: str) -> None:
    data = wire("09 2b 01" + start) + b"a" * 6400 + wire(end + reference * 20)
    parse_value(data, budget=Budget(max_items=2200))
    with pytest.raises(MediaError, match="too many values"):
        parse_value(data, budget=Budget(max_items=2000))


def test_empty_key_cannot_be_written() -> None:
    with pytest.raises(MediaError, match="no empty keys"):
        serialize_value({"": 1.0})


def test_text_over_28_bits_of_length_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headend.media.amf3.MAX_LENGTH", 3)
    assert serialize_value("abc") == wire("06 07 616263")
    with pytest.raises(MediaError, match="4 bytes"):
        serialize_value("abcd")


KEYS = st.text(min_size=1, max_size=8)
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none()
    | st.just(UNDEFINED)
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.binary(max_size=8)
    | st.builds(Date, st.floats(allow_nan=False))
    | st.builds(XmlDocument, st.text()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.builds(EcmaArray, st.dictionaries(KEYS, inner, min_size=1, max_size=4))
        | st.builds(TypedObject, KEYS, st.dictionaries(KEYS, inner, max_size=4))
    ),
    max_leaves=12,
)


@given(VALUES)
def test_value_written_and_read_is_the_same(value: Value) -> None:
    data = serialize_value(value)
    parsed, end = parse_value(data)
    assert parsed == value
    assert shape(parsed) == shape(value)
    assert end == len(data)
