"""AMF0, read and written: the values in RTMP commands and in FLV script tags.

    marker  Python                            marker  Python
    00      float (int too when writing)      08      EcmaArray, a dict
    01      bool                              0a      list
    02 0c   str                               0b      Date
    03      dict                              0f      XmlDocument, a str
    05 0d   None                              10      TypedObject, a dict
    06      UNDEFINED                         11      one AMF3 value, as the same types
    07      the value it refers to                    (and bytes when writing)

Source: AMF 0 specification; limits and leniency in `headend.media.amf`.
"""

from collections.abc import Callable, Mapping
from typing import Final, assert_never

from headend.errors import MediaError
from headend.media import amf3
from headend.media.amf import (
    MAX_DEPTH,
    MAX_ITEMS,
    UNDEFINED,
    Budget,
    ByteReader,
    Date,
    EcmaArray,
    TypedObject,
    Undefined,
    Value,
    XmlDocument,
    serialize_double,
    serialize_text,
)

__all__ = [
    "UNDEFINED",
    "Date",
    "EcmaArray",
    "TypedObject",
    "Undefined",
    "Value",
    "XmlDocument",
    "parse_values",
    "serialize_values",
]

_NUMBER: Final = 0x00
_BOOLEAN: Final = 0x01
_STRING: Final = 0x02
_OBJECT: Final = 0x03
_NULL: Final = 0x05
_UNDEFINED: Final = 0x06
_REFERENCE: Final = 0x07
_ECMA_ARRAY: Final = 0x08
_OBJECT_END: Final = 0x09
_STRICT_ARRAY: Final = 0x0A
_DATE: Final = 0x0B
_LONG_STRING: Final = 0x0C
_UNSUPPORTED: Final = 0x0D
_XML_DOCUMENT: Final = 0x0F
_TYPED_OBJECT: Final = 0x10
_AMF3: Final = 0x11

# Bytes that a key, a class name or a short string can have: their length is a u16.
MAX_SHORT_TEXT: Final = 0xFFFF


def parse_values(
    data: bytes, *, max_depth: int = MAX_DEPTH, max_items: int = MAX_ITEMS
) -> list[Value]:
    """Parse all values of a message body.

    An object that is not ended is accepted when it is the last and outermost one: some encoders
    omit the `00 00 09` at the end of a message.

    Args:
        data: AMF0 values one after the other, such as a command or a script tag body.
        max_depth: Containers that may lie inside each other; at most a few dozen, each takes Python
            stack.
        max_items: Values in the message, counted with those inside others.

    Returns:
        The values, in order. Objects that the message refers to twice are the same Python object.

    Raises:
        MediaError: The bytes are cut short, hold a marker without a meaning, pass a limit, or refer
            to an object that is not complete.

    Source: AMF 0 specification, 2.
    """
    reader = _Amf0Reader(data, 0, Budget(max_depth, max_items))
    values = []
    while reader.offset < len(data):
        values.append(reader.value(0))
    return values


def without_amf3(data: bytes) -> bytes:
    """Write values that are AMF3 as AMF0, which more players read.

    Returns:
        The values; the same bytes if none is AMF3.

    Raises:
        MediaError: As `parse_values`.
    """
    if _AMF3 not in data:
        return data
    reader = _Amf0Reader(data, 0, Budget(MAX_DEPTH, MAX_ITEMS))
    values = []
    while reader.offset < len(data):
        values.append(reader.value(0))
    return serialize_values(*values) if reader.has_amf3 else data


def serialize_values(*values: Value) -> bytes:
    """Write values one after the other, keys in the order of the dict.

    Text over 65535 bytes becomes a long string; `bytes`, which AMF0 does not know, an AMF3
    ByteArray. Values must not contain themselves.

    Raises:
        MediaError: A key or class name is over 65535 bytes, a number is no double, or text is no
            Unicode.

    Source: AMF 0 specification, 2.
    """
    out = bytearray()
    for value in values:
        _write(out, value)
    return bytes(out)


class _Amf0Reader(ByteReader):
    __slots__ = ("_complexes", "has_amf3")

    def __init__(self, data: bytes, offset: int, budget: Budget) -> None:
        super().__init__(data, offset, budget)
        self.has_amf3 = False
        # Objects in the order they begin, as references count them; None while one is read.
        self._complexes: list[Value] = []

    def value(self, depth: int) -> Value:
        self.budget.spend()
        marker = self.unsigned(1)
        read = _READERS.get(marker)
        if read is None:
            raise MediaError(f"AMF0 marker {marker:#04x} at byte {self.offset - 1} is not a value")
        return read(self, depth)

    def null(self, _depth: int) -> Value:
        return None

    def undefined(self, _depth: int) -> Value:
        return UNDEFINED

    def number(self, _depth: int) -> Value:
        return self.double()

    def boolean(self, _depth: int) -> Value:
        return self.unsigned(1) != 0

    def string(self, _depth: int) -> Value:
        return self.text(self.unsigned(2))

    def long_string(self, _depth: int) -> Value:
        return self.text(self.unsigned(4))

    def xml_document(self, _depth: int) -> Value:
        return XmlDocument(self.text(self.unsigned(4)))

    def date(self, _depth: int) -> Value:
        ms = self.double()
        self.take(2)  # time zone: "should be 0" and not to be used, says the specification
        return Date(ms)

    def object(self, depth: int) -> Value:
        return self._members({}, depth + 1)

    def ecma_array(self, depth: int) -> Value:
        self.take(4)  # the count is often wrong or 0; the end marker is what counts
        return self._members(EcmaArray(), depth + 1)

    def typed_object(self, depth: int) -> Value:
        return self._members(TypedObject(self.text(self.unsigned(2))), depth + 1)

    def strict_array(self, depth: int) -> Value:
        count = self.unsigned(4)
        if count > self.remaining():
            raise MediaError(f"AMF0 array of {count} values in {self.remaining()} bytes")
        self.budget.enter(depth + 1)
        index = self._begin()
        values = [self.value(depth + 1) for _ in range(count)]
        self._complexes[index] = values
        return values

    def reference(self, depth: int) -> Value:
        index = self.unsigned(2)
        target = self._complexes[index] if index < len(self._complexes) else None
        if target is None:
            raise MediaError(f"AMF0 reference to object {index}, which is not complete")
        self.budget.refer(target, depth)
        return target

    def amf3(self, depth: int) -> Value:
        self.has_amf3 = True
        value, self.offset = amf3.parse_value(
            self.data, self.offset, budget=self.budget, depth=depth
        )
        return value

    def _begin(self) -> int:
        self._complexes.append(None)
        return len(self._complexes) - 1

    def _members(self, members: dict[str, Value], depth: int) -> Value:
        self.budget.enter(depth)
        index = self._begin()
        while depth > 1 or self.remaining():
            key = self.text(self.unsigned(2))
            # An empty key alone is a key: it ends the object only before the end marker.
            if not key and self.data[self.offset : self.offset + 1] == b"\x09":
                self.offset += 1
                break
            members[key] = self.value(depth)
        self._complexes[index] = members
        return members


# MovieClip 04 and RecordSet 0e are reserved and never sent; 09 is no value.
_READERS: Final[Mapping[int, Callable[[_Amf0Reader, int], Value]]] = {
    _NUMBER: _Amf0Reader.number,
    _BOOLEAN: _Amf0Reader.boolean,
    _STRING: _Amf0Reader.string,
    _OBJECT: _Amf0Reader.object,
    _NULL: _Amf0Reader.null,
    _UNDEFINED: _Amf0Reader.undefined,
    _REFERENCE: _Amf0Reader.reference,
    _ECMA_ARRAY: _Amf0Reader.ecma_array,
    _STRICT_ARRAY: _Amf0Reader.strict_array,
    _DATE: _Amf0Reader.date,
    _LONG_STRING: _Amf0Reader.long_string,
    _UNSUPPORTED: _Amf0Reader.null,
    _XML_DOCUMENT: _Amf0Reader.xml_document,
    _TYPED_OBJECT: _Amf0Reader.typed_object,
    _AMF3: _Amf0Reader.amf3,
}


def _write(out: bytearray, value: Value) -> None:
    match value:
        case None:
            out.append(_NULL)
        case Undefined():
            out.append(_UNDEFINED)
        case bool():
            out += bytes((_BOOLEAN, value))
        case int() | float():
            out.append(_NUMBER)
            out += serialize_double(value)
        case XmlDocument():
            encoded = serialize_text(value)
            out.append(_XML_DOCUMENT)
            out += len(encoded).to_bytes(4, "big") + encoded
        case str():
            _write_string(out, value)
        case bytes():
            out.append(_AMF3)
            out += amf3.serialize_value(value)
        case Date():
            out.append(_DATE)
            out += serialize_double(value.ms) + b"\x00\x00"
        case dict():
            _write_members(out, value)
        case list():
            out.append(_STRICT_ARRAY)
            out += len(value).to_bytes(4, "big")
            for item in value:
                _write(out, item)
        case _:
            assert_never(value)


def _write_string(out: bytearray, text: str) -> None:
    encoded = serialize_text(text)
    if len(encoded) > MAX_SHORT_TEXT:
        out.append(_LONG_STRING)
        out += len(encoded).to_bytes(4, "big")
    else:
        out.append(_STRING)
        out += len(encoded).to_bytes(2, "big")
    out += encoded


def _write_members(out: bytearray, members: dict[str, Value]) -> None:
    if isinstance(members, EcmaArray):
        out.append(_ECMA_ARRAY)
        out += len(members).to_bytes(4, "big")
    elif isinstance(members, TypedObject):
        out.append(_TYPED_OBJECT)
        out += _short_text(members.class_name)
    else:
        out.append(_OBJECT)
    for key, value in members.items():
        out += _short_text(key)
        _write(out, value)
    out += bytes((0, 0, _OBJECT_END))


def _short_text(text: str) -> bytes:
    encoded = serialize_text(text)
    if len(encoded) > MAX_SHORT_TEXT:
        raise MediaError(f"AMF0 key or class name of {len(encoded)} bytes")
    return len(encoded).to_bytes(2, "big") + encoded
