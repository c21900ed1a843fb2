"""Tests of headend.store.database, headend.store.tables and the migrations."""

import asyncio
import os
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection
from tests.harness import until

from headend.errors import DatabaseError, SettingsError
from headend.store.database import TIMEOUT_S, Database
from headend.store.tables import METADATA, REVISION


async def test_tables_are_made_and_are_what_the_migrations_make(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    database = Database(database_url, Path("/nowhere"))
    assert not database.is_ready
    await database.open()
    assert database.is_ready
    async with database.begin() as connection:
        assert await connection.run_sync(differences) == []
        made_by = await connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    assert made_by == REVISION  # by which a server knows that it needs no migration
    await database.close()
    await database.open()  # once more: there is nothing left to do
    await database.close()


async def test_several_that_start_at_once_migrate_once(database_url: str) -> None:
    databases = [Database(database_url, Path("/nowhere")) for _ in range(3)]
    await asyncio.gather(*(database.open() for database in databases))
    for database in databases:
        async with database.begin() as connection:
            assert (await connection.execute(sa.text("SELECT 1"))).scalar_one() == 1
        await database.close()


async def test_tables_of_a_newer_version_are_told_as_such_and_left_alone(database_url: str) -> None:
    newer = sa.text("UPDATE alembic_version SET version_num = '9999_newer'")
    version = sa.text("SELECT version_num FROM alembic_version")

    opened = Database(database_url, Path("/nowhere"))
    await opened.open()
    await _ask(opened, newer)
    with pytest.raises(SettingsError, match=r"made by a newer Headend \(tables 9999_newer"):
        await opened.open()
    async with opened.begin() as connection:
        assert (await connection.execute(version)).scalar_one() == "9999_newer"
    await opened.close()


async def test_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    database = Database("", tmp_path)
    await database.open()
    modes = {file.name: file.stat().st_mode & 0o777 for file in os.scandir(tmp_path)}
    await database.close()
    assert modes.keys() == {"headend.db", "headend.db-shm", "headend.db-wal"}
    assert set(modes.values()) == {0o600}


async def test_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"nowhere/headend\.db: No such file"):
        await Database("", tmp_path / "nowhere").open()


async def test_sqlite_gives_up_before_who_asked_it_does(tmp_path: Path) -> None:
    database = Database("", tmp_path)
    await database.open()
    other = sqlite3.connect(tmp_path / "headend.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError, match="database is locked"):
        await _ask(database, sa.text("DELETE FROM audit"), timeout_s=60)
    async with database.begin() as connection:
        waits_ms = (await connection.execute(sa.text("PRAGMA busy_timeout"))).scalar_one()
    assert waits_ms < TIMEOUT_S * 1000
    other.close()
    await database.close()


async def test_question_that_was_cancelled_is_over_when_it_is_closed(tmp_path: Path) -> None:
    """Its thread would tell its answer to a loop that is closed."""

    before = set(threading.enumerate())
    database = Database("", tmp_path)
    await database.open()
    other = sqlite3.connect(tmp_path / "headend.db")
    other.execute("BEGIN IMMEDIATE")
    waits = sa.text("DELETE FROM audit")
    asking = [asyncio.create_task(_ask(database, waits, timeout_s=60)) for _ in range(3)]
    await until(lambda: len(set(threading.enumerate()) - before) >= 3)
    while not all(task.done() for task in asking):  # the first time they wait for SQLite
        for task in asking:
            task.cancel()
        await asyncio.sleep(0.01)
    other.close()
    await database.close()
    left = set(threading.enumerate()) - before
    assert [each for each in left if each.name == "sqlite"] == []


async def test_failed_block_writes_nothing(database_url: str) -> None:
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


async def test_database_lies_in_the_data_folder_by_default(tmp_path: Path) -> None:
    database = Database("", tmp_path)
    await database.open()
    await database.close()
    tables = sqlite3.connect(tmp_path / "headend.db").execute("SELECT name FROM sqlite_master")
    assert "publish_keys" in {name for (name,) in tables}


async def test_question_has_a_time_limit_and_waits_for_the_opening(tmp_path: Path) -> None:
    database = Database("", tmp_path)
    with pytest.raises(DatabaseError, match=r"no answer within 0\.01 s"):
        await _ask(database, timeout_s=0.01)
    waiting = asyncio.create_task(_ask(database, sa.text("SELECT 1"), timeout_s=60))
    await database.open()
    await waiting
    await database.close()
    await database.close()  # a second time is no error


async def _ask(database: Database, *questions: sa.TextClause, timeout_s: float = 2) -> None:
    async with database.begin(timeout_s) as connection:
        for question in questions:
            await connection.execute(question)


async def test_database_that_cannot_be_opened_says_so_in_a_line(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/no/folder.db", "postgresql://u:secret@127.0.0.1:1/a"):
        database = Database(url, tmp_path)
        with pytest.raises(DatabaseError, match=r"^database: .") as raised:
            await database.open()
        assert "secret" not in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/a", "nonsense", "http://h/secret"])
def test_other_urls_are_refused_without_showing_them(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"auth\.database") as raised:
        Database(url, tmp_path)
    assert "secret" not in str(raised.value)
