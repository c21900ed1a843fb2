"""SQLite on a disk that does not answer, or that is full."""

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Literal, Self

import pytest

from headend.store import database

Place = Literal["connect", "execute", "commit", "rollback", "close"]
PLACES: tuple[Place, ...] = ("connect", "execute", "commit", "rollback", "close")
WRITES = ("INSERT", "UPDATE", "DELETE")


class Disk:
    """A disk that answers until a place is set, and again after `answer`.

    Attributes:
        hangs_at: Calls of this kind hang from now on; None: none does.
        is_full: Whatever writes fails.
    """

    def __init__(self) -> None:
        self.hangs_at: Place | None = None
        self.is_full = False
        self._answers = threading.Event()

    def answer(self) -> None:
        self.hangs_at = None
        self._answers.set()

    def pass_by(self, place: Place) -> None:
        if self.hangs_at == place:
            self._answers.wait()

    def write(self, statement: str) -> None:
        """Fail if there is no room for what a statement changes."""
        if self.is_full and statement.lstrip().split(maxsplit=1)[0] in WRITES:
            raise sqlite3.OperationalError("database or disk is full")

    def use(self, monkeypatch: pytest.MonkeyPatch) -> Self:
        """Have every connection of this process lie on this disk, which is waited for as ever."""
        monkeypatch.setattr(database, "TIMEOUT_S", 2.0)
        connect: Callable[..., Any] = sqlite3.connect
        disk = self

        class Cursor(sqlite3.Cursor):
            def execute(self, *arguments: Any) -> Any:
                disk.pass_by("execute")
                disk.write(arguments[0])
                return super().execute(*arguments)

            def executemany(self, *arguments: Any) -> Any:
                disk.write(arguments[0])
                return super().executemany(*arguments)

        class Connection(sqlite3.Connection):
            def cursor(self, *arguments: Any) -> Any:
                return super().cursor(Cursor)

            def commit(self) -> None:
                disk.pass_by("commit")
                super().commit()

            def rollback(self) -> None:
                disk.pass_by("rollback")
                super().rollback()

            def close(self) -> None:
                disk.pass_by("close")
                super().close()

        def on_disk(*arguments: Any, **options: Any) -> Any:
            disk.pass_by("connect")
            return connect(*arguments, **options, factory=Connection)

        monkeypatch.setattr(sqlite3, "connect", on_disk)
        return self
