"""A server's database, opened for a command beside the server or without it."""

import asyncio
import os
import pwd
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from headend.errors import DatabaseError
from headend.store.records import AuditEntry

if TYPE_CHECKING:
    from headend.settings import Settings
    from headend.store.database import Database

T = TypeVar("T")

OPEN_S: Final = 30.0  # others may bring its tables up to date meanwhile


def ask(settings: "Settings", question: "Callable[[Database], Awaitable[T]]") -> T:
    """Ask the database of a server.

    Raises:
        DatabaseError: It can't be used.
        SettingsError: The data folder can't be used.
    """
    from headend.store.database import Database

    async def answer() -> T:
        database = Database(settings.auth.database.get_secret_value(), settings.data)
        try:
            await _open(database)
            return await question(database)
        finally:
            await database.close()

    return asyncio.run(answer())


async def _open(database: "Database") -> None:
    try:
        async with asyncio.timeout(OPEN_S):
            await database.open()
    except TimeoutError:
        raise DatabaseError(f"database: not open within {OPEN_S:g} s") from None


async def note(database: "Database", action: str, target: str, detail: str = "") -> None:
    """Note in the audit trail what a command has done.

    Raises:
        DatabaseError: It is not noted.
    """
    from headend.store.audit import AuditTrail

    actor = f"command line ({user_name()})"
    entry = AuditEntry(time.time(), actor, action, target, None, "done", detail)
    await AuditTrail(database).append([entry])


def user_name() -> str:
    """Return the name of the user who runs this process, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user without a name, as in some containers
        return str(os.getuid())
