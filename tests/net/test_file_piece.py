"""Tests of headend.net.file_piece, with a transport and a pair of sockets."""

import asyncio
import os
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness import until

from headend.net import file_piece
from headend.net.asyncio_transport import AsyncioTransport
from headend.net.file_piece import CHUNK_BYTES, FilePiece, FileReads
from headend.net.poller import Poller
from headend.net.transport import Transport

SIZE = 5 * CHUNK_BYTES + 4321


class Owner:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def data_received(self, data: bytes) -> None:
        self.told.append("data")

    def write_stalled(self) -> None:
        self.told.append("stalled")

    def write_drained(self) -> None:
        self.told.append("drained")

    def connection_lost(self, error: OSError | None) -> None:
        self.told.append("lost" if error is None else f"lost: {error}")


class Fixture:
    """A transport and its peer in the running loop, and a file."""

    def __init__(self, folder: Path) -> None:
        self.body = random.Random(1).randbytes(SIZE)
        self.path = folder / "file"
        self.path.write_bytes(self.body)
        self.loop = asyncio.get_running_loop()
        self.poller = Poller(self.loop, 0.0, "adaptive")
        self.reads = FileReads(self.loop)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.peer = socket.create_connection(listening.getsockname())
            ours, _ = listening.accept()
        ours.setblocking(False)
        self.peer.setblocking(False)
        self.owner = Owner()
        self.transport = Transport(ours, self.poller, self.owner)
        self.opened: list[int] = []

    def piece(self, offset: int = 0, count: int = SIZE) -> FilePiece:
        self.opened.append(os.open(self.path, os.O_RDONLY))
        return FilePiece(self.reads, self.opened[-1], offset, count)

    async def received(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            data += await self.loop.sock_recv(self.peer, 65_536)
        return bytes(data)

    def is_closed(self) -> bool:
        """Say whether the files are closed."""
        return not any(
            Path(f"/proc/self/fd/{each}").exists()
            and Path(f"/proc/self/fd/{each}").readlink() == self.path
            for each in self.opened
        )

    def close(self) -> None:
        self.transport.abort()
        self.poller.close()
        self.peer.close()
        self.reads.close()


@pytest.fixture(params=["cache", "disk"])
def _of_files(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "disk":
        monkeypatch.setattr(file_piece, "_NOWAIT", None)


@pytest.fixture
def closing() -> Iterator[list[Fixture]]:
    made: list[Fixture] = []
    yield made
    assert all(each.is_closed() for each in made)


@pytest.mark.usefixtures("_of_files")
async def test_pieces_of_a_file_arrive_in_their_place_among_bytes(
    tmp_path: Path, closing: list[Fixture]
) -> None:
    f = Fixture(tmp_path)
    closing.append(f)
    f.transport.write(b"head")
    f.transport.write_file(f.piece(1000, SIZE - 2000))
    f.transport.write(b"between")
    f.transport.write_file(f.piece(0, 1))
    f.transport.write(b"tail")
    wanted = b"head" + f.body[1000:-1000] + b"between" + f.body[:1] + b"tail"
    assert await f.received(len(wanted)) == wanted
    await until(lambda: not f.transport.backlog)
    assert f.transport.bytes_out == len(wanted)
    assert f.owner.told.count("stalled") == f.owner.told.count("drained") > 0
    f.close()


@pytest.mark.usefixtures("_of_files")
async def test_file_that_is_shorter_than_was_said_ends_the_connection(
    tmp_path: Path, closing: list[Fixture]
) -> None:
    f = Fixture(tmp_path)
    closing.append(f)
    f.transport.write_file(f.piece(100, SIZE))
    assert await f.received(SIZE - 100) == f.body[100:]
    await until(lambda: f.transport.is_closed)
    assert f.owner.told[-1] == "lost: [Errno 5] the file is shorter than was said"
    f.close()


async def test_disk_that_fails_ends_the_connection(
    tmp_path: Path, closing: list[Fixture], monkeypatch: pytest.MonkeyPatch
) -> None:
    f = Fixture(tmp_path)
    closing.append(f)

    def fail(*_: object) -> int:
        raise OSError(5, "the disk is gone")

    monkeypatch.setattr(os, "preadv", fail)
    f.transport.write_file(f.piece())
    await until(lambda: f.transport.is_closed)
    assert f.owner.told == ["stalled", "lost: [Errno 5] the disk is gone"]
    f.close()


async def test_connection_that_is_lost_while_a_disk_hangs_closes_the_file_afterwards(
    tmp_path: Path, closing: list[Fixture], monkeypatch: pytest.MonkeyPatch
) -> None:
    f = Fixture(tmp_path)
    closing.append(f)
    asked, goes_on, read = threading.Event(), threading.Event(), os.preadv

    def hang(*arguments: object) -> int:
        asked.set()
        assert goes_on.wait(20)
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(file_piece, "_NOWAIT", None)
    monkeypatch.setattr(os, "preadv", hang)
    f.transport.write_file(f.piece())
    f.transport.write_file(f.piece())
    await until(asked.is_set)
    f.transport.write(b"more")  # waits its turn
    f.transport.abort()
    assert not f.is_closed()
    goes_on.set()
    await until(f.is_closed)
    assert f.owner.told == ["stalled", "lost"]
    f.close()


async def test_file_for_a_connection_that_is_gone_is_closed_at_once(
    tmp_path: Path, closing: list[Fixture]
) -> None:
    f = Fixture(tmp_path)
    closing.append(f)
    f.transport.abort()
    f.transport.write_file(f.piece())
    assert f.is_closed()
    f.close()


async def test_protocol_is_paused_by_a_file_and_writes_none_once_released(
    tmp_path: Path, closing: list[Fixture]
) -> None:
    told: list[str] = []

    class Speaker(asyncio.Protocol):
        def pause_writing(self) -> None:
            told.append("pause")

        def resume_writing(self) -> None:
            told.append("resume")

    f = Fixture(tmp_path)
    closing.append(f)
    speaker = AsyncioTransport(f.loop, f.transport, Speaker(), {})
    speaker.write_file(f.piece())
    assert told == ["pause"]
    assert await f.received(SIZE) == f.body
    await until(lambda: told == ["pause", "resume"])
    speaker._let_go()
    speaker.write_file(f.piece())
    assert f.is_closed()
    f.close()
