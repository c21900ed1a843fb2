"""This module tests headend.access.database, headend.access.tables and the migrations."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection
from tests.live import run

from headend.access.database import Database
from headend.access.tables import METADATA
from headend.errors import DatabaseError, SettingsError


def test_tables_are_made_and_are_what_the_migrations_make(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    async def main() -> None:
        database = Database(database_url, Path("/nowhere"))
        assert not database.is_ready
        await database.open()
        assert database.is_ready
        async with database.begin() as connection:
            assert await connection.run_sync(differences) == []
        await database.close()
        await database.open()  # once more: there is nothing left to do
        await database.close()

    run(main())


def test_several_that_start_at_once_migrate_once(database_url: str) -> None:
    async def main() -> None:
        databases = [Database(database_url, Path("/nowhere")) for _ in range(3)]
        await asyncio.gather(*(database.open() for database in databases))
        for database in databases:
            async with database.begin() as connection:
                assert (await connection.execute(sa.text("SELECT 1"))).scalar_one() == 1
            await database.close()

    run(main())


def test_failed_block_writes_nothing(database_url: str) -> None:
    async def main() -> None:
        database = Database(database_url, Path("/nowhere"))
        await database.open()
        insert = sa.text(
            "INSERT INTO audit (at, actor, action, target, outcome, detail) "
            "VALUES (1, 'a', 'b', 'c', 'd', 'secret')"
        )
        with pytest.raises(DatabaseError, match=r"^database: ") as raised:
            await _ask(database, insert, sa.text("INSERT INTO nothing VALUES ('secret')"))
        assert "secret" not in str(raised.value)
        async with database.begin() as connection:
            assert (await connection.execute(sa.text("SELECT * FROM audit"))).all() == []
        await database.close()

    run(main())


def test_database_lies_in_the_data_folder_by_default(tmp_path: Path) -> None:
    async def main() -> None:
        database = Database("", tmp_path)
        await database.open()
        await database.close()
        tables = sqlite3.connect(tmp_path / "headend.db").execute("SELECT name FROM sqlite_master")
        assert "publish_keys" in {name for (name,) in tables}

    run(main())


def test_question_has_a_time_limit_and_waits_for_the_opening(tmp_path: Path) -> None:
    async def main() -> None:
        database = Database("", tmp_path)
        with pytest.raises(DatabaseError, match=r"no answer within 0\.01 s"):
            await _ask(database, timeout_s=0.01)
        waiting = asyncio.create_task(_ask(database, sa.text("SELECT 1")))
        await database.open()
        await waiting
        await database.close()
        await database.close()  # a second time is no error

    run(main())


async def _ask(database: Database, *questions: sa.TextClause, timeout_s: float = 2) -> None:
    async with database.begin(timeout_s) as connection:
        for question in questions:
            await connection.execute(question)


def test_database_that_cannot_be_opened_says_so_in_a_line(tmp_path: Path) -> None:
    async def main() -> None:
        for url in (f"sqlite:///{tmp_path}/no/folder.db", "postgresql://u:secret@127.0.0.1:1/a"):
            database = Database(url, tmp_path)
            with pytest.raises(DatabaseError, match=r"^database: .") as raised:
                await database.open()
            assert "secret" not in str(raised.value)
            assert "\n" not in str(raised.value)

    run(main())


@pytest.mark.parametrize("url", ["mysql://u:secret@h/a", "nonsense", "http://h/secret"])
def test_other_urls_are_refused_without_showing_them(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"auth\.database") as raised:
        Database(url, tmp_path)
    assert "secret" not in str(raised.value)
