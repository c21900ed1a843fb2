"""Connections of SQLAlchemy that are awaited.

SQLAlchemy has such connections in `sqlalchemy.ext.asyncio`, which loads its object-relational
mapper too: 6 MiB and 50 modules that a server does not use. These do the same with its plain
engine: a call runs in a greenlet, which the task leaves while it waits for the driver.

Source: SQLAlchemy, `sqlalchemy.util.greenlet_spawn`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.util import greenlet_spawn

T = TypeVar("T")
Rows: TypeAlias = sa.CursorResult[*tuple[Any, ...]]
Parameters: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class DatabaseConnection:
    """A connection, given by `connected` or `begun`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection: Final = connection

    @property
    def dialect(self) -> sa.Dialect:
        return self._connection.dialect

    async def execute(self, statement: sa.Executable, parameters: Parameters | None = None) -> Rows:
        """Execute a statement, once or with each of several sets of parameters."""
        return await greenlet_spawn(self._connection.execute, statement, parameters)

    async def scalar(self, statement: sa.Executable) -> Any:
        """Return the first value of the first row, or None."""
        return await greenlet_spawn(self._connection.scalar, statement)

    async def scalars(self, statement: sa.Executable) -> sa.ScalarResult[Any]:
        """Return the first value of each row."""
        return await greenlet_spawn(self._connection.scalars, statement)

    async def commit(self) -> None:
        await greenlet_spawn(self._connection.commit)

    async def rollback(self) -> None:
        await greenlet_spawn(self._connection.rollback)

    async def run_sync(self, call: Callable[[sa.Connection], T]) -> T:
        """Call what is written for a connection that is not awaited."""
        return await greenlet_spawn(call, self._connection)


@asynccontextmanager
async def connected(engine: sa.Engine) -> AsyncIterator[DatabaseConnection]:
    """Give a connection for the length of the block; what it did not commit is given up."""
    connection = await greenlet_spawn(engine.connect)
    try:
        yield DatabaseConnection(connection)
    finally:
        await _to_its_end(greenlet_spawn(connection.close))


@asynccontextmanager
async def begun(engine: sa.Engine) -> AsyncIterator[DatabaseConnection]:
    """Give a connection in a transaction, which ends with the block."""
    async with connected(engine) as given:
        transaction = await given.run_sync(sa.Connection.begin)
        try:
            yield given
        except BaseException as error:
            await greenlet_spawn(transaction.__exit__, type(error), error, error.__traceback__)
            raise
        await greenlet_spawn(transaction.__exit__, None, None, None)


async def _to_its_end(closing: Coroutine[Any, Any, None]) -> None:
    """Wait until a connection is back in its pool, also when the task is cancelled meanwhile."""
    task = asyncio.create_task(closing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            await asyncio.wait((task,))
        raise
