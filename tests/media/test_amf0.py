"""Tests of the AMF0 reader and writer against bytes of the specification and the field."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import wire

from headend.errors import MediaError
from headend.media.amf0 import (
    UNDEFINED,
    Date,
    EcmaArray,
    TypedObject,
    Value,
    XmlDocument,
    parse_values,
    serialize_values,
)

# Answer to connect, as nginx-rtmp and SRS lay it out.
CONNECT_RESULT = wire("""
    02 0007 5f726573756c74                                      # _result
    00 3ff0000000000000
    03 0006 666d73566572 02 000d 464d532f332c302c312c313233     # fmsVer: FMS/3,0,1,123
       000c 6361706162696c6974696573 00 403f000000000000        # capabilities: 31
       0000 09
    03 0005 6c6576656c 02 0006 737461747573                     # level: status
       0004 636f6465 02 001d 4e6574436f6e6e656374696f6e2e436f6e6e6563742e53756363657373
       000b 6465736372697074696f6e 02 0015 436f6e6e656374696f6e207375636365656465642e
       000e 6f626a656374456e636f64696e67 00 0000000000000000    # objectEncoding: 0
       0000 09
""")
CONNECT_RESULT_VALUES: list[Value] = [
    "_result",
    1.0,
    {"fmsVer": "FMS/3,0,1,123", "capabilities": 31.0},
    {
        "level": "status",
        "code": "NetConnection.Connect.Success",
        "description": "Connection succeeded.",
        "objectEncoding": 0.0,
    },
]

# Both ways the same.
PAIRS: list[tuple[str, Value]] = [
    ("00 4045000000000000", 42.0),
    ("00 fff0000000000000", -math.inf),
    ("01 00", False),
    ("01 01", True),
    ("02 0003 616263", "abc"),
    ("02 0000", ""),
    ("02 0003 61ffc3", "a\udcff\udcc3"),
    ("03 000009", {}),
    ("03 0001 61 05 0000 06 000009", {"a": None, "": UNDEFINED}),
    ("05", None),
    ("06", UNDEFINED),
    ("08 00000001 0001 61 01 01 000009", EcmaArray({"a": True})),
    ("0a 00000002 05 0a 00000000", [None, []]),
    ("0b 4045000000000000 0000", Date(42.0)),
    ("0f 00000004 3c612f3e", XmlDocument("<a/>")),
    ("10 0001 43 0001 61 05 000009", TypedObject("C", {"a": None})),
    ("11 0c 05 00ff", b"\x00\xff"),
]


def shape(value: Value) -> object:
    """Value with the type of each part, as dicts of different types are equal."""
    if isinstance(value, dict):
        return type(value), [(key, shape(member)) for key, member in value.items()]
    if isinstance(value, list):
        return [shape(member) for member in value]
    return type(value), value


def test_connect_result_is_read_and_written_with_keys_in_order() -> None:
    assert parse_values(CONNECT_RESULT) == CONNECT_RESULT_VALUES
    assert serialize_values(*CONNECT_RESULT_VALUES) == CONNECT_RESULT


@pytest.mark.parametrize(("encoded", "value"), PAIRS)
def test_value_is_read_as_its_python_type(encoded: str, value: Value) -> None:
    assert [shape(parsed) for parsed in parse_values(wire(encoded))] == [shape(value)]


@pytest.mark.parametrize(("encoded", "value"), PAIRS)
def test_value_is_read_with_another_behind_it(encoded: str, value: Value) -> None:
    values = parse_values(wire(encoded + "02 0001 7a"))
    assert [shape(parsed) for parsed in values] == [shape(value), (str, "z")]


@pytest.mark.parametrize(("encoded", "value"), PAIRS)
def test_value_is_written_as_it_is_read(encoded: str, value: Value) -> None:
    assert serialize_values(value) == wire(encoded)


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("01 07", True),
        ("0b 4045000000000000 fe98", Date(42.0)),  # with a time zone
        ("0c 00000003 616263", "abc"),
        ("0d", None),  # unsupported
        ("08 00000000 0001 61 05 000009", EcmaArray({"a": None})),  # count too small
        ("08 ffffffff 0001 61 05 000009", EcmaArray({"a": None})),  # count too large
        ("03 0001 61 05 0001 61 06 000009", {"a": UNDEFINED}),  # a key sent twice
        ("11 04 2a", 42.0),
    ],
)
def test_what_others_write_differently_is_read(encoded: str, value: Value) -> None:
    assert [shape(parsed) for parsed in parse_values(wire(encoded))] == [shape(value)]


def test_not_a_number_is_read_and_written() -> None:
    (value,) = parse_values(wire("00 7ff8000000000000"))
    assert isinstance(value, float)
    assert math.isnan(value)
    assert serialize_values(value) == wire("00 7ff8000000000000")


def test_message_of_no_bytes_has_no_values() -> None:
    assert parse_values(b"") == []
    assert serialize_values() == b""


def test_integers_are_written_as_numbers() -> None:
    assert serialize_values(42, True) == wire("00 4045000000000000 01 01")


def test_amf0_goes_on_after_an_amf3_value() -> None:
    values = parse_values(wire("11 0a 0b 01 03 61 04 01 01  02 0001 62"))
    assert values == [{"a": 1.0}, "b"]


def test_string_of_65535_bytes_is_short_and_the_next_one_long() -> None:
    assert serialize_values("x" * 65535)[:4] == wire("02 ffff 78")
    assert serialize_values("x" * 65536)[:6] == wire("0c 00010000 78")
    assert parse_values(serialize_values("x" * 65536)) == ["x" * 65536]


def test_key_over_65535_bytes_cannot_be_written() -> None:
    assert len(serialize_values({"x" * 65535: None})) == 65542
    with pytest.raises(MediaError, match="65536 bytes"):
        serialize_values({"x" * 65536: None})


def test_class_name_over_65535_bytes_cannot_be_written() -> None:
    with pytest.raises(MediaError, match="65536 bytes"):
        serialize_values(TypedObject("x" * 65536))


@pytest.mark.parametrize("start", ["03", "08 00000001", "10 0001 43"])
def test_outermost_object_may_end_with_the_message(start: str) -> None:
    assert parse_values(wire(start + "0001 61 05")) == [{"a": None}]
    assert parse_values(wire(start)) == [{}]


def test_inner_object_may_not_end_with_the_message() -> None:
    with pytest.raises(MediaError, match="cut short"):
        parse_values(wire("03 0001 61 03 0001 62 05"))


@pytest.mark.parametrize("encoded", [encoded for encoded, _ in PAIRS])
def test_value_cut_short_at_any_byte_is_refused(encoded: str) -> None:
    data = wire("0a 00000001" + encoded)
    assert len(parse_values(data)) == 1
    for size in range(1, len(data)):
        with pytest.raises(MediaError):
            parse_values(data[:size])


@pytest.mark.parametrize("marker", ["04", "09", "0e", "12", "ff"])
def test_marker_that_is_no_value_is_refused(marker: str) -> None:
    with pytest.raises(MediaError, match=f"0x{marker} at byte 1"):
        parse_values(wire("05" + marker))


def test_reference_counts_objects_of_the_whole_message_in_the_order_they_begin() -> None:
    values = parse_values(
        wire("""
            0a 00000001 03 0001 61 05 000009    # object 0 holds object 1
            10 0001 43 000009                   # object 2
            07 0001  07 0000  07 0002
        """)
    )
    assert values == [[{"a": None}], {}, {"a": None}, [{"a": None}], {}]
    assert values[4] is values[1]


@pytest.mark.parametrize(
    "encoded",
    [
        "07 0000",  # nothing was sent
        "03 000009 07 0001",  # not yet sent
        "0a 00000001 07 0000",  # itself
        "03 0001 61 07 0000 000009",
        "03 0001 61 08 00000001 0001 62 07 0000 000009 000009",  # what it lies in
    ],
)
def test_reference_to_an_object_that_is_not_complete_is_refused(encoded: str) -> None:
    with pytest.raises(MediaError, match="not complete"):
        parse_values(wire(encoded))


def test_references_cannot_multiply_what_a_message_holds() -> None:
    # Each array holds the one before 15 times: written out, 15**5 values.
    levels = "".join("0a 0000000f" + f"07 {level:04x}" * 15 for level in range(5))
    with pytest.raises(MediaError, match="too many values"):
        parse_values(wire("0a 00000000" + levels))


def test_array_with_more_items_than_bytes_is_refused_before_it_is_read() -> None:
    with pytest.raises(MediaError, match="4294967295 values in 2 bytes"):
        parse_values(wire("0a ffffffff 05 05"))


@pytest.mark.parametrize(("start", "end"), [("03 0001 61", "000009"), ("0a 00000001", "")])
def test_objects_may_lie_16_deep(start: str, end: str) -> None:
    assert parse_values(wire(start * 16 + "05" + end * 16))
    with pytest.raises(MediaError, match="deeper than 16"):
        parse_values(wire(start * 17 + "05" + end * 17))


def test_amf3_value_counts_the_depth_around_it() -> None:
    assert parse_values(wire("0a 00000001" * 15 + "11 09 03 01 01"))
    with pytest.raises(MediaError, match="deeper than 16"):
        parse_values(wire("0a 00000001" * 16 + "11 09 03 01 01"))


def test_limits_can_be_set() -> None:
    assert parse_values(wire("0a 00000001") * 20 + b"\x05", max_depth=20)
    assert len(parse_values(b"\x05" * 5, max_items=5)) == 5
    with pytest.raises(MediaError, match="too many values"):
        parse_values(b"\x05" * 6, max_items=5)


def test_70000_nested_objects_are_refused() -> None:
    with pytest.raises(MediaError, match="deeper"):
        parse_values(wire("03 0001 61") * 70000)


KEYS = st.text(max_size=8)
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none()
    | st.just(UNDEFINED)
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=8)
    | st.builds(Date, st.floats(allow_nan=False))
    | st.builds(XmlDocument, st.text()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.builds(EcmaArray, st.dictionaries(KEYS, inner, max_size=4))
        | st.builds(TypedObject, KEYS, st.dictionaries(KEYS, inner, max_size=4))
    ),
    max_leaves=12,
)


@given(st.lists(VALUES, max_size=4))
def test_values_written_and_read_are_the_same(values: list[Value]) -> None:
    parsed = parse_values(serialize_values(*values))
    assert parsed == values
    assert [shape(value) for value in parsed] == [shape(value) for value in values]
