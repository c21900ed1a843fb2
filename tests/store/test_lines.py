"""Tests of headend.store.lines, with databases that hang: a disk, and a server."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.access.hanging import PLACES, Disk, Place
from tests.access.postgres import Postgres, create_database, postgres_server
from tests.harness import run

from headend.errors import DatabaseError
from headend.store import database
from headend.store.database import LEFT, Database

CHANGE = sa.text("DELETE FROM audit")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk().use(monkeypatch)
    yield disk
    disk.answer()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


async def change(asked: Database, timeout_s: float = 0.05, *, fails: bool = False) -> None:
    async with asked.begin(timeout_s) as connection:
        await connection.execute(CHANGE)
        if fails:
            raise OSError("the body fails")


@pytest.mark.parametrize("place", PLACES)
async def test_question_that_hangs_is_over_in_time_and_so_is_closing(
    place: Place, tmp_path: Path, disk: Disk
) -> None:
    opened = Database("", tmp_path)
    await opened.open()
    disk.hangs_at = place
    if place in ("execute", "commit", "rollback"):
        with pytest.raises(DatabaseError, match="no answer within"):
            await change(opened, fails=place == "rollback")
    await opened.close()
    disk.answer()
    await opened.open()
    await change(opened, 5)
    await opened.close()


async def test_cancelled_question_ends_at_once_although_its_thread_hangs(
    tmp_path: Path, disk: Disk
) -> None:
    opened = Database("", tmp_path)
    await opened.open()
    disk.hangs_at = "commit"
    asking = asyncio.create_task(change(opened, 60))
    await asyncio.wait([asking], timeout=0.05)
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    disk.answer()
    await opened.close()


async def test_connecting_that_hangs_is_over_in_time(tmp_path: Path, disk: Disk) -> None:
    opened = Database("", tmp_path)
    disk.hangs_at = "connect"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await opened.open()
    await opened.close()


async def test_threads_that_hang_are_bounded(tmp_path: Path, disk: Disk) -> None:
    opened = Database("", tmp_path)
    await opened.open()
    before = threading.active_count()
    disk.hangs_at = "execute"
    for _ in range(LEFT):
        with pytest.raises(DatabaseError, match="no answer within"):
            await change(opened)
    for _ in range(3):
        with pytest.raises(DatabaseError, match="the disk does not answer"):
            await change(opened)
    assert threading.active_count() < before + LEFT
    disk.answer()
    await opened.close()


async def test_server_that_is_frozen_holds_up_neither_a_question_nor_closing(
    server: Postgres,
) -> None:
    url = await asyncio.to_thread(create_database, server.url, "frozen")

    opened = Database(url, Path("/nowhere"))
    await opened.open()
    await asyncio.gather(*(change(opened, 5) for _ in range(4)))  # connections that idle
    with server.frozen():
        with pytest.raises(DatabaseError, match="no answer within"):
            await change(opened)
        await opened.close()
    await opened.open()
    await change(opened, 5)
    await opened.close()


async def test_server_that_is_frozen_when_it_is_opened_is_told_as_such(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await asyncio.to_thread(create_database, server.url, "frozen_at_first")
    monkeypatch.setattr(database, "CONNECT_S", 0.05)

    opened = Database(url, Path("/nowhere"))
    with server.frozen(), pytest.raises(DatabaseError, match="it does not answer"):
        await opened.open()
    await opened.close()


def test_closed_loop_that_a_thread_would_tell_its_answer_is_no_error(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[object] = []
    monkeypatch.setattr(threading, "excepthook", errors.append)

    async def main() -> None:
        opened = Database("", tmp_path)
        await opened.open()
        disk.hangs_at = "commit"
        with pytest.raises(DatabaseError, match="no answer within"):
            await change(opened)
        await opened.close()

    run(main())
    hanging = [each for each in threading.enumerate() if each.name == "sqlite"]
    assert hanging
    disk.answer()
    for thread in hanging:
        thread.join(10)
        assert not thread.is_alive()
    assert errors == []
