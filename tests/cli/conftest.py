"""This module sets up what the tests of commands share: a server, and a short FLV file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.program import Server
from tests.wire import wire


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that lets go of a name soon after its publisher is lost."""
    running = Server(tmp_path_factory.mktemp("server"), "--set", "live.wait_s=1")
    yield running
    assert running.interrupt() == 0


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """An FLV file of 3 s: metadata, headers, 30 pictures, each with audio."""
    path = tmp_path / "clip.flv"
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
