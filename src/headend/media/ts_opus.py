"""Opus in MPEG-TS: packets behind control headers, and the Opus head that a descriptor stands for.

    7F E0 (flags in its low bits) · size, FF for each 255 bytes · trims, extension · packet

Source: "Encapsulation of Opus packets within an MPEG-2 Transport Stream" (opus-codec.org); RFC
6716, 3.1 (TOC); RFC 7845, 5.1.
"""

from collections.abc import Iterator
from typing import Final

OPUS_RATE: Final = 48000  # of every decoder
REGISTRATION: Final = b"Opus"
EXTENSION: Final = 0x80  # tag of the extension descriptor with the channels

_PRE_SKIP: Final = 312  # samples, as libopus has it
_MOST_FRAMES: Final = 48
# Streams, those that are stereo, and the order of the channels (RFC 7845, 5.1.1.2).
_LAYOUTS: Final = {
    3: (2, 1, b"\0\2\1"),
    4: (2, 2, b"\0\1\2\3"),
    5: (3, 2, b"\0\4\1\2\3"),
    6: (4, 2, b"\0\4\1\2\3\5"),
    7: (4, 3, b"\0\4\1\2\3\5\6"),
    8: (5, 3, b"\0\6\1\2\3\4\5\7"),
}


def channels_of(code: int) -> int:
    """Return the channels that a descriptor names; 0: it has no layout that is known here."""
    if code == 0:  # two that belong not together
        return 2
    return code if code <= 8 else 0


def opus_head(channels: int) -> bytes:
    """Return the Opus head of so many channels, 1 to 8."""
    head = b"OpusHead\1" + bytes((channels,)) + _PRE_SKIP.to_bytes(2, "little")
    head += OPUS_RATE.to_bytes(4, "little") + b"\0\0"
    if channels <= 2:
        return head + b"\0"
    streams, coupled, order = _LAYOUTS[channels]
    return head + bytes((1, streams, coupled)) + order


def opus_descriptors(channels: int) -> bytes:
    """Return the descriptors that say in a PMT that private data is Opus."""
    return b"\x05\x04" + REGISTRATION + bytes((0x7F, 2, EXTENSION, channels))


def opus_packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the packets of a PES packet, each with its samples at 48 kHz; damage ends them."""
    at = 0
    while at + 3 <= len(data) and data[at] == 0x7F and data[at + 1] & 0xE0 == 0xE0:
        flags, at, size = data[at + 1], at + 2, 0
        while at < len(data) and data[at] == 0xFF:
            size, at = size + 255, at + 1
        if at >= len(data):
            return
        size, at = size + data[at], at + 1
        at += 2 * (flags >> 4 & 1) + 2 * (flags >> 3 & 1)
        if flags & 4:
            at += 1 + (data[at] if at < len(data) else 0)
        packet = data[at : at + size]
        samples = _samples(packet) if len(packet) == size else 0
        if not samples:
            return
        yield samples, packet
        at += size


def _samples(packet: bytes) -> int:
    """Return how many samples a packet has; 0: it is damaged."""
    if not packet:
        return 0
    kind, code = packet[0] >> 3, packet[0] & 3
    if kind < 12:
        frame = (480, 960, 1920, 2880)[kind & 3]
    elif kind < 16:
        frame = (480, 960)[kind & 1]
    else:
        frame = (120, 240, 480, 960)[kind & 3]
    if code < 3:
        return frame * (1 if code == 0 else 2)
    count = packet[1] & 63 if len(packet) > 1 else 0
    return frame * count if count <= _MOST_FRAMES else 0


def with_control_header(packet: bytes) -> bytes:
    """Return a packet as it stands in a PES packet."""
    whole, rest = divmod(len(packet), 255)
    return b"\x7f\xe0" + b"\xff" * whole + bytes((rest,)) + packet
