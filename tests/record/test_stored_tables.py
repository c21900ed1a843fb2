"""Tests of headend.record.stored_tables, on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.record.made import begun, file, recording, segment

from headend.record.stored_tables import DeletedObject, StoredTables
from headend.record.tables import RecordingTables
from headend.store.database import Database

STORE = "s3://rec/p"


@asynccontextmanager
async def queues(url: str) -> AsyncIterator[tuple[StoredTables, StoredTables, RecordingTables]]:
    """Give the queues of two servers, and the tables of the first one."""
    database = Database(url, Path("/nowhere"))
    await database.open()
    try:
        yield (
            StoredTables(database, "here"),
            StoredTables(database, "there"),
            RecordingTables(database, "here"),
        )
    finally:
        await database.close()


async def test_finished_files_wait_and_those_of_another_server_do_not(database_url: str) -> None:
    async with queues(database_url) as (here, there, kept):
        later = recording("r2", started=200.0)
        await kept.write({recording(): False, later: False}, [file(0, "r2"), file(0)], [], [])
        assert await here.waiting(10) == [file(0), file(0, "r2")]
        assert await here.waiting(1) == [file(0)]
        assert (await here.count(), await there.count()) == (2, 0)


async def test_file_of_a_running_recording_waits_once_the_next_one_has_media(
    database_url: str,
) -> None:
    async with queues(database_url) as (here, _, kept):
        first = [("r1", segment(0))]
        await kept.write({begun(): False}, [file(0), file(1)], first, [])
        assert await here.waiting(10) == []
        await kept.write({}, [], [("r1", segment(0, file=1))], [])
        assert await here.waiting(10) == [file(0)]


async def test_file_that_is_stored_waits_no_more_and_its_recording_counts_it(
    database_url: str,
) -> None:
    async with queues(database_url) as (here, _, kept):
        whole = recording(files=2)
        await kept.write({whole: False}, [file(0), file(1)], [], [])
        assert await here.stored(file(0), STORE, 7) == replace(whole, stored=1)
        assert await here.waiting(10) == [file(1)]
        assert await here.stored(file(1), STORE, 8) == replace(whole, stored=2)
        there = [replace(file(n), store=STORE, size=7 + n) for n in range(2)]
        assert await kept.files("r1") == there
        await kept.write({whole: False}, [], [], [])  # what is written later knows nothing of it
        assert await kept.get("r1") == replace(whole, stored=2)
        assert await here.twice(10) == there
        await here.gone(there[0])
        assert await here.twice(10) == there[1:]


async def test_what_is_deleted_is_deleted_in_the_store_once(database_url: str) -> None:
    async with queues(database_url) as (here, there, kept):
        await kept.write({recording(files=2): False}, [file(0), file(1)], [], [])
        await here.stored(file(0), STORE, 7)
        await kept.delete("r1")
        first = DeletedObject(STORE, "live/a/r1-0.r1.mp4")
        assert await here.deleted(10) == [first]
        # This one was being uploaded.
        assert await here.stored(file(1), STORE, 8) is None
        second = DeletedObject(STORE, "live/a/r1-1.r1.mp4")
        assert set(await here.deleted(10)) == {first, second}
        assert (await here.deleted_count(), await there.deleted_count()) == (2, 0)
        await here.forget([first])
        assert await here.deleted(10) == [second]


async def test_file_that_was_lost_waits_no_more(database_url: str) -> None:
    async with queues(database_url) as (here, _, kept):
        await kept.write({recording(): False}, [file(0)], [], [])
        await here.gone(file(0))
        assert await here.waiting(10) == []
