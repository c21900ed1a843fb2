"""What AMF0 and AMF3 share: the Python types of their values and the limits.

AMF arrives from strangers, so a message is read under one `Budget`, whichever of the two formats
its parts are in. Nothing is allocated from a declared count before its bytes are known to be there.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from headend.errors import MediaError

# Containers inside containers. Real commands stay under 4, metadata under 8; what we guard is the
# Python stack (flvmeta#29: 70 000 nested objects).
MAX_DEPTH: Final = 16

# Values in one message, keys not counted. OBS and FFmpeg send about 25.
MAX_ITEMS: Final = 4096

# References to objects in one message. No encoder in the field sends any.
MAX_REFERENCES: Final = 256

# Characters or bytes that count as one more item when a reference repeats them.
CHARACTERS_PER_ITEM: Final = 64

_DOUBLE: Final = struct.Struct(">d")


class Undefined(Enum):
    """Type of `UNDEFINED`."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED


@dataclass(frozen=True, slots=True)
class Date:
    """A point in time.

    Attributes:
        ms: Milliseconds since 1970-01-01 UTC. Any double, NaN included: the peer's word.
    """

    ms: float


class XmlDocument(str):
    """Text that the peer calls XML. Never parsed here."""

    __slots__ = ()


class EcmaArray(dict[str, "Value"]):
    """An array with string keys; on the wire it differs from an object by its marker only."""

    __slots__ = ()


class TypedObject(dict[str, "Value"]):
    """An object with the name of a class, which is data here: nothing is instantiated by it."""

    __slots__ = ("class_name",)

    def __init__(self, class_name: str, members: "Mapping[str, Value] | None" = None) -> None:
        super().__init__(members or {})
        self.class_name: Final = class_name

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TypedObject) and self.class_name != other.class_name:
            return False
        return dict.__eq__(self, other)

    def __ne__(self, other: object) -> bool:  # dict has one of its own, which looks at members only
        return not self == other

    __hash__ = None  # as for every dict

    def __repr__(self) -> str:
        return f"TypedObject({self.class_name!r}, {dict.__repr__(self)})"


Value: TypeAlias = (
    "Undefined | bool | float | str | bytes | Date | dict[str, Value] | list[Value] | None"
)


class Budget:
    """Counts what one message may still hold; every reader of the message takes from the same one.

    Args:
        max_depth: Containers that may lie inside each other.
        max_items: Values in the message.
    """

    __slots__ = ("_items", "_max_depth", "_references")

    def __init__(self, max_depth: int = MAX_DEPTH, max_items: int = MAX_ITEMS) -> None:
        self._max_depth = max_depth
        self._items = max_items
        self._references = MAX_REFERENCES

    def spend(self, items: int = 1) -> None:
        """Take items from the budget.

        Raises:
            MediaError: The message holds more values than allowed.
        """
        self._items -= items
        if self._items < 0:
            raise MediaError("AMF message holds too many values")

    def enter(self, depth: int) -> None:
        """Check that a container may lie at this depth; 1 is the outermost.

        Raises:
            MediaError: It lies too deep.
        """
        if depth > self._max_depth:
            raise MediaError(f"AMF values are nested deeper than {self._max_depth} levels")

    def refer(self, value: Value, depth: int) -> None:
        """Pay for a reference as if its target had been sent again.

        Without this a few bytes grow without bound once the value is written out: each object may
        hold several references to the one before.

        Args:
            value: The complete target.
            depth: Containers around the reference.

        Raises:
            MediaError: The copy would not fit the budget, or there are too many references.
        """
        self._references -= 1
        if self._references < 0:
            raise MediaError(f"AMF message holds more than {MAX_REFERENCES} references")
        self._repeat(value, depth)

    def repeat_text(self, text: str | bytes) -> None:
        """Pay for text that a reference repeats.

        Raises:
            MediaError: It does not fit the budget.
        """
        self.spend(len(text) // CHARACTERS_PER_ITEM)

    def _repeat(self, value: Value, depth: int) -> None:
        self.spend()
        if isinstance(value, str | bytes):
            self.repeat_text(value)
        elif isinstance(value, dict):
            self.enter(depth + 1)
            for key, member in value.items():
                self.repeat_text(key)
                self._repeat(member, depth + 1)
        elif isinstance(value, list):
            self.enter(depth + 1)
            for member in value:
                self._repeat(member, depth + 1)


class ByteReader:
    """Reads bytes from the front of a message, checking that they are there.

    Attributes:
        data: The whole message.
        offset: Where the next byte is read.
        budget: What the message may still hold.
    """

    __slots__ = ("budget", "data", "offset")

    def __init__(self, data: bytes, offset: int, budget: Budget) -> None:
        self.data = data
        self.offset = offset
        self.budget = budget

    def remaining(self) -> int:
        """Bytes not yet read."""
        return len(self.data) - self.offset

    def take(self, size: int) -> bytes:
        """Read `size` bytes; raises MediaError if they are not there."""
        start, end = self.offset, self.offset + size
        if end > len(self.data):
            left = len(self.data) - start
            raise MediaError(
                f"AMF is cut short: {size} bytes expected at byte {start}, {left} left"
            )
        self.offset = end
        return self.data[start:end]

    def unsigned(self, size: int) -> int:
        """Read a big-endian unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def double(self) -> float:
        """Read a big-endian IEEE 754 double, NaN and infinities included."""
        number: float = _DOUBLE.unpack(self.take(8))[0]
        return number

    def text(self, size: int) -> str:
        """Read `size` bytes as UTF-8.

        Bytes that are not UTF-8 become lone surrogates, so that writing gives the same bytes again.
        """
        return self.take(size).decode("utf-8", "surrogateescape")


def serialize_double(number: float) -> bytes:
    """Write a big-endian IEEE 754 double.

    Raises:
        MediaError: The number is an integer beyond the range of a double.
    """
    try:
        return _DOUBLE.pack(float(number))
    except OverflowError:
        raise MediaError("integer is too large for an AMF number") from None


def serialize_text(text: str) -> bytes:
    """Write text as UTF-8, the inverse of `ByteReader.text`.

    Raises:
        MediaError: The text holds a surrogate that no byte has made.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise MediaError("text holds a lone surrogate and cannot be written as UTF-8") from None
