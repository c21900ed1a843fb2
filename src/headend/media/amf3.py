"""AMF3, read and written: RTMP knows it as single values inside AMF0.

    marker  Python                          marker  Python
    00      UNDEFINED                       08      Date
    01      None                            09      list, or EcmaArray if it has keys
    02 03   bool                            0a      dict, or TypedObject if its class has a name
    04 05   float                           0c      bytes
    06      str                             0d-10   list
    07 0b   XmlDocument                     11      dict, its keys strings or numbers

Writing needs no reference and no sealed class, so it uses none. Source: AMF 3 specification.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from headend.errors import MediaError
from headend.media.amf import (
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

_UNDEFINED: Final = 0x00
_NULL: Final = 0x01
_FALSE: Final = 0x02
_TRUE: Final = 0x03
_INTEGER: Final = 0x04
_DOUBLE: Final = 0x05
_STRING: Final = 0x06
_XML_DOCUMENT: Final = 0x07
_DATE: Final = 0x08
_ARRAY: Final = 0x09
_OBJECT: Final = 0x0A
_BYTE_ARRAY: Final = 0x0C

# Integers have 29 bits with the sign; larger ones are sent as doubles.
MIN_INTEGER: Final = -(1 << 28)
MAX_INTEGER: Final = (1 << 28) - 1

# Bytes of a string and items of an array: the lowest of 29 bits says "not a reference".
MAX_LENGTH: Final = (1 << 28) - 1


def parse_value(
    data: bytes, offset: int = 0, *, budget: Budget | None = None, depth: int = 0
) -> tuple[Value, int]:
    """Parse one AMF3 value, with reference tables of its own.

    Args:
        data: Bytes that hold the value; what follows it is not looked at.
        offset: Where the value's marker is.
        budget: What the message around it may still hold; the default limits if there is none.
        depth: Containers around the value.

    Returns:
        The value and the offset of the byte after it.

    Raises:
        MediaError: The bytes are cut short, hold an unknown marker or an externalizable object,
            pass a limit, or refer to an object that is not complete.

    Source: AMF 3 specification, 3.
    """
    reader = _Amf3Reader(data, offset, budget or Budget())
    return reader.value(depth), reader.offset


def serialize_value(value: Value) -> bytes:
    """Write one AMF3 value; integers that are `int` in Python are written as integers.

    An empty EcmaArray is the same bytes as an empty list. Values must not contain themselves.

    Raises:
        MediaError: A key is empty, which AMF3 cannot say, a number is no double, text is no Unicode
            or longer than 2**28 - 1 bytes.

    Source: AMF 3 specification, 3.
    """
    out = bytearray()
    _write(out, value)
    return bytes(out)


@dataclass(frozen=True, slots=True)
class _Traits:
    class_name: str
    names: tuple[str, ...]
    is_dynamic: bool


class _Amf3Reader(ByteReader):
    __slots__ = ("_objects", "_strings", "_traits")

    def __init__(self, data: bytes, offset: int, budget: Budget) -> None:
        super().__init__(data, offset, budget)
        self._strings: list[str] = []
        self._traits: list[_Traits] = []
        # In the order they begin, which is how references count them; None while one is read.
        self._objects: list[Value] = []

    def value(self, depth: int) -> Value:
        self.budget.spend()
        marker = self.unsigned(1)
        if marker >= len(_READERS):
            raise MediaError(f"AMF3 marker {marker:#04x} at byte {self.offset - 1} is not a value")
        return _READERS[marker](self, depth)

    def undefined(self, _depth: int) -> Value:
        return UNDEFINED

    def null(self, _depth: int) -> Value:
        return None

    def false(self, _depth: int) -> Value:
        return False

    def true(self, _depth: int) -> Value:
        return True

    def integer(self, _depth: int) -> Value:
        number = self._u29()
        return float(number if number <= MAX_INTEGER else number - (1 << 29))

    def number(self, _depth: int) -> Value:
        return self.double()

    def string(self, _depth: int) -> Value:
        return self._text()

    def xml_document(self, depth: int) -> Value:
        return self._leaf(depth, lambda size: XmlDocument(self.text(size)))

    def date(self, depth: int) -> Value:
        return self._leaf(depth, lambda _: Date(self.double()))

    def byte_array(self, depth: int) -> Value:
        return self._leaf(depth, self.take)

    def array(self, depth: int) -> Value:
        head = self._u29()
        if not head & 1:
            return self._reference(head, depth)
        index = self._begin(depth)
        members = EcmaArray()
        self._dynamic_members(members, depth + 1)
        values = self._values(head >> 1, depth + 1)
        if members:
            members.update((str(number), value) for number, value in enumerate(values))
        self._objects[index] = members or values
        return members or values

    def object(self, depth: int) -> Value:
        head = self._u29()
        if not head & 1:
            return self._reference(head, depth)
        traits = self._object_traits(head)
        index = self._begin(depth)
        members = TypedObject(traits.class_name) if traits.class_name else dict[str, Value]()
        for name in traits.names:
            self.budget.repeat_text(name)
            members[name] = self.value(depth + 1)
        if traits.is_dynamic:
            self._dynamic_members(members, depth + 1)
        self._objects[index] = members
        return members

    def vector_int(self, depth: int) -> Value:
        return self._number_vector("i", 4, depth)

    def vector_uint(self, depth: int) -> Value:
        return self._number_vector("I", 4, depth)

    def vector_double(self, depth: int) -> Value:
        return self._number_vector("d", 8, depth)

    def vector_object(self, depth: int) -> Value:
        head = self._u29()
        if not head & 1:
            return self._reference(head, depth)
        index = self._begin(depth)
        self.take(1)  # whether its length is fixed
        self._text()  # class of the items; each says its own
        values = self._values(head >> 1, depth + 1)
        self._objects[index] = values
        return values

    def dictionary(self, depth: int) -> Value:
        head = self._u29()
        if not head & 1:
            return self._reference(head, depth)
        index = self._begin(depth)
        self.take(1)  # whether its keys are weak
        members: dict[str, Value] = {}
        for _ in range(self._count(head >> 1, 2)):
            key = _dictionary_key(self.value(depth + 1))
            members[key] = self.value(depth + 1)
        self._objects[index] = members
        return members

    def _u29(self) -> int:
        number = 0
        for _ in range(3):
            byte = self.unsigned(1)
            if byte < 0x80:
                return number << 7 | byte
            number = number << 7 | byte & 0x7F
        return number << 8 | self.unsigned(1)

    def _text(self) -> str:
        head = self._u29()
        if not head & 1:
            if head >> 1 >= len(self._strings):
                raise MediaError(f"AMF3 reference to string {head >> 1}, which was not sent")
            text = self._strings[head >> 1]
            self.budget.repeat_text(text)
            return text
        text = self.text(head >> 1)
        if text:
            self._strings.append(text)
        return text

    def _begin(self, depth: int) -> int:
        self.budget.enter(depth + 1)
        self._objects.append(None)
        return len(self._objects) - 1

    def _reference(self, head: int, depth: int) -> Value:
        index = head >> 1
        target = self._objects[index] if index < len(self._objects) else None
        if target is None:
            raise MediaError(f"AMF3 reference to object {index}, which is not complete")
        self.budget.refer(target, depth)
        return target

    def _leaf(self, depth: int, read: Callable[[int], Value]) -> Value:
        head = self._u29()
        if not head & 1:
            return self._reference(head, depth)
        value = read(head >> 1)
        self._objects.append(value)
        return value

    def _count(self, count: int, item_size: int) -> int:
        if count * item_size > self.remaining():
            raise MediaError(f"AMF3 list of {count} items in {self.remaining()} bytes")
        return count

    def _values(self, count: int, depth: int) -> list[Value]:
        return [self.value(depth) for _ in range(self._count(count, 1))]

    def _dynamic_members(self, members: dict[str, Value], depth: int) -> None:
        while key := self._text():
            members[key] = self.value(depth)

    def _object_traits(self, head: int) -> _Traits:
        if not head & 2:
            if head >> 2 >= len(self._traits):
                raise MediaError(f"AMF3 reference to class {head >> 2}, which was not sent")
            traits = self._traits[head >> 2]
            self.budget.repeat_text(traits.class_name)
            return traits
        if head & 4:
            # The body's layout is known to the class only, and we load none.
            raise MediaError("AMF3 object is externalizable")
        class_name = self._text()
        count = self._count(head >> 4, 1)
        self.budget.spend(count)
        traits = _Traits(class_name, tuple(self._text() for _ in range(count)), bool(head & 8))
        self._traits.append(traits)
        return traits

    def _number_vector(self, code: str, item_size: int, depth: int) -> Value:
        head = self._u29()
        if not head & 1:
            return self._reference(head, depth)
        index = self._begin(depth)
        self.take(1)  # whether its length is fixed
        count = self._count(head >> 1, item_size)
        self.budget.spend(count)
        numbers = struct.unpack(f">{count}{code}", self.take(count * item_size))
        values: list[Value] = [float(number) for number in numbers]
        self._objects[index] = values
        return values


# By marker.
_READERS: Final[tuple[Callable[[_Amf3Reader, int], Value], ...]] = (
    _Amf3Reader.undefined,
    _Amf3Reader.null,
    _Amf3Reader.false,
    _Amf3Reader.true,
    _Amf3Reader.integer,
    _Amf3Reader.number,
    _Amf3Reader.string,
    _Amf3Reader.xml_document,
    _Amf3Reader.date,
    _Amf3Reader.array,
    _Amf3Reader.object,
    _Amf3Reader.xml_document,
    _Amf3Reader.byte_array,
    _Amf3Reader.vector_int,
    _Amf3Reader.vector_uint,
    _Amf3Reader.vector_double,
    _Amf3Reader.vector_object,
    _Amf3Reader.dictionary,
)


def _dictionary_key(key: Value) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, float) and key.is_integer():
        return str(int(key))
    raise MediaError("AMF3 dictionary has a key that is neither a string nor an integer")


def _write(out: bytearray, value: Value) -> None:
    match value:
        case None:
            out.append(_NULL)
        case Undefined():
            out.append(_UNDEFINED)
        case bool():
            out.append(_TRUE if value else _FALSE)
        case int() if MIN_INTEGER <= value <= MAX_INTEGER:
            out.append(_INTEGER)
            out += _serialize_u29(value & 0x1FFF_FFFF)
        case int() | float():
            out.append(_DOUBLE)
            out += serialize_double(value)
        case str():
            out.append(_XML_DOCUMENT if isinstance(value, XmlDocument) else _STRING)
            out += _counted(serialize_text(value))
        case bytes():
            out.append(_BYTE_ARRAY)
            out += _counted(value)
        case Date():
            out += bytes((_DATE, 0x01))
            out += serialize_double(value.ms)
        case dict():
            _write_members(out, value)
        case list():
            out.append(_ARRAY)
            out += _serialize_u29(len(value) << 1 | 1)
            out += b"\x01"
            for item in value:
                _write(out, item)
        case _:
            assert_never(value)


def _write_members(out: bytearray, members: dict[str, Value]) -> None:
    if isinstance(members, EcmaArray):
        out += bytes((_ARRAY, 0x01))
    else:
        class_name = members.class_name if isinstance(members, TypedObject) else ""
        out += bytes((_OBJECT, 0x0B))  # a class sent here, dynamic, with no sealed members
        out += _counted(serialize_text(class_name))
    for key, value in members.items():
        if not key:
            raise MediaError("AMF3 has no empty keys")
        out += _counted(serialize_text(key))
        _write(out, value)
    out += b"\x01"


def _counted(content: bytes) -> bytes:
    if len(content) > MAX_LENGTH:
        raise MediaError(f"AMF3 text of {len(content)} bytes")
    return _serialize_u29(len(content) << 1 | 1) + content


def _serialize_u29(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    if number < 0x4000:
        return bytes((number >> 7 | 0x80, number & 0x7F))
    if number < 0x20_0000:
        return bytes((number >> 14 | 0x80, number >> 7 & 0x7F | 0x80, number & 0x7F))
    return bytes(
        (number >> 22 | 0x80, number >> 15 & 0x7F | 0x80, number >> 8 & 0x7F | 0x80, number & 0xFF)
    )
