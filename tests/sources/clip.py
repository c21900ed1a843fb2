"""A short FLV file."""

from pathlib import Path

from tests.wire import wire


def write_clip(folder: Path) -> Path:
    """Write an FLV file of 3 s: metadata, headers, 30 pictures, each with audio."""
    path = folder / "clip.flv"
    data = wire("464c56 01 05 00000009 00000000")
    data += tag(18, 0, wire("02 000a 6f6e4d65746144617461 08 00000000 000009"))
    data += tag(9, 0, wire("17 00 000000 0142c01fffe100046742c01f01000368ce3c"))
    data += tag(8, 0, wire("af 00 1190"))
    for number in range(30):
        head = (
            wire("17 01 000000 00000005 65")
            if number % 10 == 0
            else wire("27 01 000000 00000005 41")
        )
        data += tag(9, number * 100, head + number.to_bytes(4, "big"))
        data += tag(8, number * 100 + 3, wire("af 01 21") + number.to_bytes(4, "big"))
    path.write_bytes(data)
    return path


def tag(kind: int, timestamp: int, body: bytes) -> bytes:
    head = bytes([kind]) + len(body).to_bytes(3, "big")
    time = (timestamp & 0xFFFFFF).to_bytes(3, "big") + bytes([timestamp >> 24])
    return head + time + bytes(3) + body + (len(body) + 11).to_bytes(4, "big")
