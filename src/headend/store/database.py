"""The database: SQLite in the data folder, or PostgreSQL by URL.

Media never waits for it: the server opens it beside its work, and what asks it has a time limit.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any, Final, TypeGuard
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from headend import files
from headend.errors import DatabaseError, SettingsError
from headend.settings.extras import require
from headend.store.connection import DatabaseConnection, begun, connected
from headend.store.data_folder import DATABASE
from headend.store.lines import Line, SqliteLine, postgres_line
from headend.store.tables import REVISION

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 2.0  # of one question; a person who publishes waits no longer
CONNECT_S: Final = 10.0  # until a server lets us in
CLOSE_S: Final = 1.0  # for threads of SQLite to end when it is closed; those that hang are left
LEFT: Final = 8  # threads that hang in SQLite; while there are so many it is not asked
# SQLite: how long a writer waits for another, such as a command beside us. Less than TIMEOUT_S, as
# a question that is cancelled holds its asker up for as long.
BUSY_MS: Final = 1500
OPEN_S: Final = 5.0  # how long it is tried to open it while another has it
OPEN_PAUSE_S: Final = 0.1
POOL_SIZE: Final = 8

_DRIVERS: Final = {
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}
_MADE_BY: Final = sa.text("SELECT version_num FROM alembic_version")
_CHANGE_NOTHING: Final = sa.text("UPDATE alembic_version SET version_num = version_num")
_FAILURES: Final = (SQLAlchemyError, OSError, sqlite3.Error)  # of a database


class Database:
    """The database of one server; `open` and `close` once each.

    Attributes:
        is_suspect: A question has failed since it was last seen to take what is written.
    """

    def __init__(self, url: str, data: Path) -> None:
        """Prepare, without connecting.

        Args:
            url: `postgresql://user:password@host/name` or `sqlite:///path`; empty: SQLite in the
                data folder.
            data: The data folder.

        Raises:
            SettingsError: The URL is none of these, or its driver is not installed; the line
                shows no password.
        """
        self._url = _url(url, data)
        self._engine: sa.Engine | None = None
        self._lines: Final[WeakSet[Line]] = WeakSet()
        self._ready = asyncio.Event()
        self.is_suspect = False

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    async def open(self) -> None:
        """Connect and bring the tables up to date.

        Raises:
            DatabaseError: It can't be done now; may be tried again.
            SettingsError: A newer version of Headend has made the tables.
        """
        if self._engine is None:
            _make_private(self._url)
            self._engine = self._new_engine()
        # SQLite does not wait, but fails, while another makes the file a new one (WAL mode).
        end = time.monotonic() + OPEN_S
        while True:
            try:
                await self._bring_up_to_date(self._engine)
                break
            except _FAILURES as error:
                if time.monotonic() > end or "is locked" not in _first_line(error):
                    raise DatabaseError(f"database: {_first_line(error)}") from error
                await asyncio.sleep(OPEN_PAUSE_S)
        self._ready.set()

    async def _bring_up_to_date(self, engine: sa.Engine) -> None:
        async with _staying_cancelled(), connected(engine) as connection:
            if await connection.run_sync(_is_current):
                return
            await connection.rollback()
            # Alembic takes 9 MiB, and is loaded by a server with old tables or none.
            migrating = await asyncio.to_thread(import_module, "headend.store.migrating")
            await migrating.migrate(connection)

    async def close(self) -> None:
        """Close all connections; one whose database does not answer is left behind."""
        self._ready.clear()
        if self._engine is not None:
            self._engine.dispose(close=False)  # would wait for each in turn
            self._engine = None
        lines = list(self._lines)
        await asyncio.gather(*(line.close() for line in lines))
        # Whoever removes the files next wants nobody to use them.
        if threads := [line.thread for line in lines if _is_left(line)]:
            await asyncio.to_thread(_join, threads)

    @asynccontextmanager
    async def begin(self, timeout_s: float | None = None) -> AsyncIterator[DatabaseConnection]:
        """Give a connection in a transaction, which ends with the block.

        Args:
            timeout_s: For the whole block, waiting for `open` included; None: `TIMEOUT_S`.

        Raises:
            DatabaseError: Something failed, and nothing was written; or it took longer, and what
                was on its way to the disk may be written yet.
        """
        timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(timeout_s), _staying_cancelled():
                await self._ready.wait()
                assert self._engine is not None
                async with begun(self._engine) as connection:
                    yield connection
        except TimeoutError as error:
            self.is_suspect = True
            raise DatabaseError(f"database: no answer within {timeout_s:g} s") from error
        except _FAILURES as error:
            self.is_suspect = True
            raise DatabaseError(f"database: {_first_line(error)}") from error

    async def check_writing(self) -> None:
        """Write something that changes nothing.

        Raises:
            DatabaseError: That is not possible: a disk that is full, a database that only reads.
        """
        async with self.begin() as connection:
            await connection.execute(_CHANGE_NOTHING)
        self.is_suspect = False

    def _new_engine(self) -> sa.Engine:
        if self._url.get_backend_name() == "sqlite":
            engine = sa.create_engine(self._url)
            sa.event.listen(engine, "do_connect", self._use_own_line)
            sa.event.listen(engine, "connect", _tune_sqlite)
            return engine
        options = {"connection_class": postgres_line(), "timeout": CONNECT_S}
        engine = sa.create_engine(
            self._url, pool_size=POOL_SIZE, pool_pre_ping=True, connect_args=options
        )
        sa.event.listen(engine, "connect", self._note_line)
        return engine

    def _use_own_line(
        self, dialect: object, record: object, arguments: list[Any], options: dict[str, Any]
    ) -> None:
        options["async_creator_fn"] = self._connect_sqlite

    def _connect_sqlite(self, path: str, **options: Any) -> SqliteLine:
        if sum(map(_is_left, self._lines)) >= LEFT:
            raise sqlite3.OperationalError("the disk does not answer")
        line = SqliteLine(path, **options)
        self._lines.add(line)
        return line

    def _note_line(self, connection: Any, record: object) -> None:
        self._lines.add(connection.driver_connection)


def _url(text: str, data: Path) -> sa.URL:
    if not text:
        return sa.URL.create(_DRIVERS["sqlite"], database=str(data / DATABASE))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError("auth.database is no URL of a database") from None
    driver = _DRIVERS.get(url.get_backend_name())
    if driver is None:
        raise SettingsError("auth.database: write postgresql://… or sqlite:///…")
    if driver == _DRIVERS["postgresql"]:
        require("asyncpg", "auth.database")
    return url.set(drivername=driver)


def _make_private(url: sa.URL) -> None:
    """Make the file of SQLite readable for its owner only; its companions have the same mode.

    Raises:
        DatabaseError: It can't be made.
    """
    name = url.database
    if url.get_backend_name() == "sqlite" and name and not name.startswith((":", "file:")):
        try:
            files.touch(Path(name))
        except OSError as error:
            raise DatabaseError(f"database: {name}: {error.strerror}") from error


def _is_left(line: Line) -> TypeGuard[SqliteLine]:
    return isinstance(line, SqliteLine) and line.is_left


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


@asynccontextmanager
async def _staying_cancelled() -> AsyncIterator[None]:
    """Have a block that is cancelled end as cancelled, whatever fails on its way out.

    A connection whose question was cancelled refuses the rollback that follows. If its error took
    the place of the cancellation, a task that tries again would go on, and who stops it would wait
    for ever.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        yield
    except Exception as error:
        if task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise


def _is_current(connection: sa.Connection) -> bool:
    """Say whether the tables are those of this version; there may be none yet."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return False
    return list(connection.scalars(_MADE_BY)) == [REVISION]


def _first_line(error: BaseException) -> str:
    """What went wrong, without SQL and its values: keys and addresses are among them."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, TimeoutError) and not str(cause):
        return "it does not answer"
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200]
