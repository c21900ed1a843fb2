"""Boxes of MP4: found in bytes, and written.

    box   size (4 bytes, itself included)  type (4 bytes)  content
    box   1                                type            size (8 bytes)  content

Source: ISO/IEC 14496-12, 4.2.
"""

from collections.abc import Iterator
from struct import pack
from typing import Final

from headend.errors import MediaError

MOST_BOXES: Final = 4096  # in one box
HEAD_BYTES: Final = 16  # most of what is before the content


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give type and content of the boxes in some bytes.

    Raises:
        MediaError: One is cut short, or there are more than MOST_BOXES.
    """
    at = 0
    for _ in range(MOST_BOXES):
        if at == len(data):
            return
        kind, head, size = box_head(data[at : at + HEAD_BYTES])
        if at + size > len(data):
            raise MediaError(f"MP4: box {_shown(kind)} is cut short")
        yield kind, data[at + head : at + size]
        at += size
    raise MediaError(f"MP4: more than {MOST_BOXES} boxes in one")


def box_head(data: bytes) -> tuple[bytes, int, int]:
    """Read the head of a box.

    Args:
        data: Its first HEAD_BYTES bytes, or all that there are.

    Returns:
        Its type, the size of its head, and its size as a whole.

    Raises:
        MediaError: It is cut short, or smaller than its head.
    """
    if len(data) < 8:
        raise MediaError("MP4: the head of a box is cut short")
    size, kind, head = int.from_bytes(data[:4], "big"), data[4:8], 8
    if size == 1:
        head = HEAD_BYTES
        if len(data) < head:
            raise MediaError("MP4: the head of a box is cut short")
        size = int.from_bytes(data[8:16], "big")
    if size < head:
        raise MediaError(f"MP4: box {_shown(kind)} has a size of {size} bytes")
    return kind, head, size


def child(data: bytes, *path: bytes) -> bytes:
    """Return the content of a box within boxes; empty: it is not there.

    Raises:
        MediaError: A box on the way is cut short.
    """
    for kind in path:
        data = next((content for found, content in boxes(data) if found == kind), b"")
    return data


def box(kind: bytes, *contents: bytes) -> bytes:
    """Write a box."""
    size = 8 + sum(map(len, contents))
    return b"".join((pack(">I4s", size, kind), *contents))


def _shown(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace")
