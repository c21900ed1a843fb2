"""Connections to the database that can be left: a question that nobody waits for holds nobody up.

The drivers wait for a database that does not answer: for the rest of a question that was cancelled,
and for the goodbye when a connection is closed. A disk or a server that hangs would so hold up
whoever asked, and a process that stops. These connections are dropped instead.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any, Final, Protocol

import aiosqlite

GOODBYE_S: Final = 0.5  # for the database to hear that a connection is closed
ROWS: Final = 64  # that SQLite's thread brings at once


class Line(Protocol):
    """A connection of either kind."""

    async def close(self) -> None: ...


class SqliteLine(aiosqlite.Connection):
    """A connection to SQLite, whose calls run in a thread of its own.

    Once a call was cancelled the connection takes no others. When that call is over, its thread
    gives the transaction up, closes the file and ends.
    """

    def __init__(self, path: str, **options: Any) -> None:
        """Prepare; awaiting it connects.

        Args:
            path: The file.
            options: Of `sqlite3.connect`.
        """
        super().__init__(lambda: sqlite3.connect(path, **options), ROWS)
        answer = self._thread.run
        # A daemon: no question keeps a process running.
        self._thread = Thread(target=_until_loop_ends, args=(answer,), name="sqlite", daemon=True)

    @property
    def thread(self) -> Thread:
        return self._thread

    @property
    def is_left(self) -> bool:
        """Say whether its thread is busy with what nobody waits for."""
        return not self._running and self._thread.is_alive()

    def stop(self) -> "asyncio.Future[Any] | None":
        """Have the thread end after what it does; a second time it may not hear of it."""
        if not self._running:
            return None
        # While someone still holds a statement, closing alone would leave the file locked.
        self._tx.put_nowait((None, self._give_up))
        return super().stop()

    async def close(self) -> None:
        """Close it, or leave it if that takes longer than GOODBYE_S."""
        if self._running:
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await super().close()

    def _give_up(self) -> None:
        if self._connection is not None:
            self._connection.rollback()

    async def _execute(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        except asyncio.CancelledError:
            self.stop()
            raise


def _until_loop_ends(answer: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop is closed: there is nobody to tell the answer
        answer()


def postgres_line() -> type[Any]:
    """Return the class of connections to PostgreSQL; its driver is loaded where it is used only."""
    import asyncpg  # type: ignore[import-untyped]

    class PostgresLine(asyncpg.Connection):  # type: ignore[misc]
        """A connection that is dropped if the server does not take its goodbye in time."""

        async def close(self, *, timeout: float = GOODBYE_S) -> None:  # noqa: ASYNC109
            with suppress(TimeoutError):
                await super().close(timeout=min(timeout, GOODBYE_S))

    return PostgresLine
