"""Migrations of the database: its tables are brought up to date, by one server at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from headend.errors import SettingsError
from headend.store.connection import DatabaseConnection
from headend.store.tables import REVISION

LOOK_S: Final = 0.02
# Of PostgreSQL, for all who migrate; any number that others are unlikely to use.
_LOCK: Final = 0x4845_4144
_MIGRATIONS: Final = Path(__file__).with_name("migrations")

_running: list[None] = []


async def migrate(connection: DatabaseConnection) -> None:
    """Bring the tables up to date, and commit.

    Raises:
        SettingsError: A newer version of Headend has made the tables.
    """
    async with _alone():
        await connection.run_sync(_migrate)
        await connection.commit()


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """Wait until no other server of this process migrates: Alembic can do one at a time only."""
    while _running:  # noqa: ASYNC110  # servers may run in several loops
        await asyncio.sleep(LOOK_S)
    _running.append(None)
    try:
        yield
    finally:
        _running.pop()


def _migrate(connection: Connection) -> None:
    """Bring the tables up to date; of several who start at once one does it, the others wait."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    config = _config()
    config.attributes["connection"] = connection
    made_by = MigrationContext.configure(connection).get_current_heads()
    if unknown := set(made_by) - known_revisions():
        raise newer(", ".join(unknown))
    command.upgrade(config, "head")


def known_revisions() -> set[str]:
    """Return the revisions of tables that this version knows."""
    return {each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()}


def newer(revision: str, what: str = "database") -> SettingsError:
    """Return the error that says that a newer Headend has made the tables."""
    return SettingsError(
        f"{what}: it was made by a newer Headend (tables {revision}; this one knows {REVISION}): "
        "install that version again, or restore a backup that this one has made"
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
