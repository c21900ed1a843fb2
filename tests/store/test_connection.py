"""Tests of headend.store.connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.util import greenlet_spawn
from tests.harness import until

from headend.store.connection import DatabaseConnection, begun, connected

NUMBERS = sa.Table("numbers", sa.MetaData(), sa.Column("number", sa.Integer))


@asynccontextmanager
async def table(folder: Path) -> AsyncIterator[sa.Engine]:
    """Make an engine whose database has one table, which is empty."""
    engine = sa.create_engine(f"sqlite+aiosqlite:///{folder / 'a.db'}")
    async with begun(engine) as connection:
        await connection.run_sync(NUMBERS.create)
    yield engine
    await greenlet_spawn(engine.dispose)


async def numbers(engine: sa.Engine) -> list[int]:
    async with connected(engine) as connection:
        return list(await connection.scalars(sa.select(NUMBERS.c.number)))


async def add(connection: DatabaseConnection, *numbers: int) -> None:
    await connection.execute(sa.insert(NUMBERS), [{"number": each} for each in numbers])


async def add_and_ask(engine: sa.Engine, number: int, question: str) -> None:
    async with begun(engine) as connection:
        await add(connection, number)
        await connection.execute(sa.text(question))


async def test_transaction_that_ends_is_written_and_one_that_fails_is_not(tmp_path: Path) -> None:
    async with table(tmp_path) as engine:
        await add_and_ask(engine, 1, "SELECT 1")
        with pytest.raises(sa.exc.OperationalError):
            await add_and_ask(engine, 2, "no SQL")
        assert await numbers(engine) == [1]


async def test_connection_gives_up_what_it_did_not_commit(tmp_path: Path) -> None:
    async with table(tmp_path) as engine:
        async with connected(engine) as connection:
            assert connection.dialect.name == "sqlite"
            await add(connection, 1)
            await connection.commit()
            await add(connection, 2)
            await connection.rollback()
            await add(connection, 3)
        async with connected(engine) as connection:
            assert await connection.scalar(sa.select(sa.func.max(NUMBERS.c.number))) == 1


async def test_task_that_is_cancelled_twice_has_given_its_connection_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, closing, may_close = sa.Connection.close, asyncio.Event(), asyncio.Event()

    def wait_and_close(connection: sa.Connection) -> None:
        closing.set()
        sa.util.await_only(may_close.wait())
        close(connection)

    async def ask(engine: sa.Engine) -> None:
        async with connected(engine) as connection:
            await add(connection, 1)
            await asyncio.Event().wait()

    async with table(tmp_path) as engine:
        pool = engine.pool
        assert isinstance(pool, sa.QueuePool)
        monkeypatch.setattr(sa.Connection, "close", wait_and_close)
        task = asyncio.create_task(ask(engine))
        await until(pool.checkedout)
        task.cancel()
        await closing.wait()
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        may_close.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool.checkedout() == 0
        assert await numbers(engine) == []
