"""This module opens the database: SQLite in the data folder, or PostgreSQL by URL.

Media never waits for it: the server opens it beside its work, and what asks it has a time limit.
"""

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final
from weakref import WeakSet

import aiosqlite
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from headend.errors import DatabaseError, SettingsError

log = logging.getLogger(__name__)

FILE_NAME: Final = "headend.db"
TIMEOUT_S: Final = 2.0  # of one question; a person who publishes waits no longer
CLOSE_S: Final = 3.0  # for questions that were cancelled, until their threads have ended
# SQLite: how long a writer waits for another, such as a command beside us. Less than TIMEOUT_S, as
# a question that is cancelled holds who asked it up for as long.
BUSY_MS: Final = 1500
OPEN_S: Final = 5.0  # how long it is tried to open it while another has it
OPEN_PAUSE_S: Final = 0.1
POOL_SIZE: Final = 8
MIGRATING_LOOK_S: Final = 0.02

_DRIVERS: Final = {
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}
# Of PostgreSQL, for all who migrate; any number that others are unlikely to use.
_MIGRATION_LOCK: Final = 0x4845_4144
_MIGRATIONS: Final = Path(__file__).with_name("migrations")


class Database:
    """See the module's head; `open` and `close` once each."""

    def __init__(self, url: str, data: Path) -> None:
        """Prepare, without connecting.

        Args:
            url: `postgresql://user:password@host/name` or `sqlite:///path`; empty: SQLite in the
                data folder.
            data: The data folder.

        Raises:
            SettingsError: The URL is none of these; the line shows no password.
        """
        self._url = _url(url, data)
        self._engine: AsyncEngine | None = None
        self._lines: Final[WeakSet[aiosqlite.Connection]] = WeakSet()
        self._threads: Final[WeakSet[Thread]] = WeakSet()  # of these, and of those that are gone
        self._ready = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    async def open(self) -> None:
        """Connect and bring the tables up to date.

        Raises:
            DatabaseError: It can't be done now; may be tried again.
        """
        if self._engine is None:
            _make_private(self._url)
            self._engine = self._new_engine()
        # SQLite does not wait, but fails, while another makes the file a new one (WAL mode).
        end = time.monotonic() + OPEN_S
        while True:
            try:
                async with _alone(), self._engine.connect() as connection:
                    await connection.run_sync(_migrate)
                    await connection.commit()
                break
            except (SQLAlchemyError, OSError, sqlite3.Error) as error:
                if time.monotonic() > end or "is locked" not in _first_line(error):
                    raise DatabaseError(f"database: {_first_line(error)}") from error
                await asyncio.sleep(OPEN_PAUSE_S)
        self._ready.set()

    async def close(self) -> None:
        """Close all connections."""
        self._ready.clear()
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None
        # SQLite is asked in threads. One whose question was cancelled has its answer later, for
        # our loop, which must not be closed before.
        for line in self._lines:
            line.stop()
        if threads := [thread for thread in self._threads if thread.is_alive()]:
            await asyncio.to_thread(_join, threads)

    @asynccontextmanager
    async def begin(self, timeout_s: float = TIMEOUT_S) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a transaction, which ends with the block.

        Args:
            timeout_s: For the whole block, waiting for `open` included.

        Raises:
            DatabaseError: It took longer, or something failed; nothing was written.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
                assert self._engine is not None
                async with self._engine.begin() as connection:
                    yield connection
        except TimeoutError as error:
            raise DatabaseError(f"database: no answer within {timeout_s:g} s") from error
        except (SQLAlchemyError, OSError, sqlite3.Error) as error:
            raise DatabaseError(f"database: {_first_line(error)}") from error

    def _new_engine(self) -> AsyncEngine:
        if self._url.get_backend_name() != "sqlite":
            return create_async_engine(self._url, pool_size=POOL_SIZE, pool_pre_ping=True)

        def connect(*arguments: Any, **options: Any) -> aiosqlite.Connection:
            line = aiosqlite.connect(*arguments, **options)
            line._thread.daemon = True  # as SQLAlchemy does: no question keeps a process running
            self._lines.add(line)
            self._threads.add(line._thread)
            return line

        def prepare(dialect: object, record: object, arguments: list[Any], options: Any) -> None:
            options["async_creator_fn"] = connect

        engine = create_async_engine(self._url)
        sa.event.listen(engine.sync_engine, "do_connect", prepare)
        sa.event.listen(engine.sync_engine, "connect", _tune_sqlite)
        return engine


def _url(text: str, data: Path) -> sa.URL:
    if not text:
        return sa.URL.create(_DRIVERS["sqlite"], database=str(data / FILE_NAME))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError("auth.database is no URL of a database") from None
    driver = _DRIVERS.get(url.get_backend_name())
    if driver is None:
        raise SettingsError("auth.database: write postgresql://… or sqlite:///…")
    return url.set(drivername=driver)


def _make_private(url: sa.URL) -> None:
    """Make the file of SQLite readable for its owner only; its companions have the same mode.

    Raises:
        DatabaseError: It can't be made.
    """
    name = url.database
    if url.get_backend_name() == "sqlite" and name and not name.startswith((":", "file:")):
        try:
            os.close(os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise DatabaseError(f"database: {name}: {error.strerror}") from error


def _join(threads: Sequence[Thread]) -> None:
    """Wait until they have ended, or it takes too long."""
    end = time.monotonic() + CLOSE_S
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def _tune_sqlite(connection: sqlite3.Connection, record: object) -> None:
    """Let readers go on beside a writer; a power cut may lose the last commits, never the file."""
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


_migrating: list[None] = []


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """Wait until no other server of this process migrates: Alembic can do one at a time only."""
    while _migrating:  # noqa: ASYNC110  # servers may run in several loops
        await asyncio.sleep(MIGRATING_LOOK_S)
    _migrating.append(None)
    try:
        yield
    finally:
        _migrating.pop()


def _migrate(connection: Connection) -> None:
    """Bring the tables up to date; of several who start at once one does it, the others wait."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _first_line(error: BaseException) -> str:
    """What went wrong, without SQL and its values: keys and addresses are among them."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200]
