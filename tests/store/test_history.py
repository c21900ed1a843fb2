"""Tests of headend.store.history, on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.store.kept_sessions import NONE, PLAY, PUBLISH, REFUSED

from headend.store.database import Database
from headend.store.history import KILLED, History
from headend.store.records import SessionFilter, StoredSession


@asynccontextmanager
async def history(url: str, *nodes: str) -> AsyncIterator[list[History]]:
    database = Database(url, Path("/nowhere"))
    await database.open()
    try:
        yield [History(database, node) for node in nodes or ("here",)]
    finally:
        await database.close()


async def found(kept: History, **wanted: object) -> list[StoredSession]:
    by = SessionFilter(**wanted)  # type: ignore[arg-type]
    records = await kept.page(by)
    assert await kept.count(by) == len(records)
    return records


async def test_records_are_found_again_by_what_they_tell(database_url: str) -> None:
    async with history(database_url) as (kept,):
        await kept.write([PUBLISH, PLAY, REFUSED], NONE)
        await kept.write([], NONE)
        assert await found(kept) == [REFUSED, PLAY, PUBLISH]
        assert await found(kept, kind="play") == [PLAY]
        assert await found(kept, protocol="rtmps", stream="live/a") == [PUBLISH]
        assert await found(kept, address="203.0.113.8") == [REFUSED]
        assert await found(kept, subject="customer 17") == [PLAY]
        assert await found(kept, is_refused=True) == [REFUSED]
        assert await found(kept, is_refused=False, is_open=False) == [PLAY]
        assert await found(kept, is_open=True) == [PUBLISH]
        assert await found(kept, since=11.0, until=12.0) == [PLAY]


async def test_row_is_written_when_it_starts_and_changed_when_it_ends(database_url: str) -> None:
    async with history(database_url) as (kept,):
        await kept.write([PUBLISH], NONE)
        ended = replace(PUBLISH, ended_at=20.0, bytes=3 * 10**9, reason="ended")
        await kept.write([ended, PLAY], frozenset({"a1"}))
        assert await found(kept) == [PLAY, ended]


async def test_row_written_twice_is_there_once(database_url: str) -> None:
    async with history(database_url) as (kept,):
        await kept.write([PUBLISH], NONE)
        await kept.write([PUBLISH, PLAY], NONE)  # the first answer was lost
        assert await found(kept) == [PLAY, PUBLISH]


async def test_pages_follow_each_other_from_the_newest_on(database_url: str) -> None:
    async with history(database_url) as (kept,):
        await kept.write([replace(PLAY, id=str(n), started_at=n // 2) for n in range(6)], NONE)
        seen: list[str] = []
        before = None
        while page := await kept.page(SessionFilter(), limit=2, before=before):
            seen += [record.id for record in page]
            before = page[-1].started_at, page[-1].id
        assert seen == ["5", "4", "3", "2", "1", "0"]


async def test_what_a_session_of_this_server_did_is_found_by_its_number(database_url: str) -> None:
    async with history(database_url, "here", "there") as (kept, other):
        await kept.write([replace(PUBLISH, started_at=5.0, id="before")], NONE)
        await kept.write([PUBLISH, replace(PLAY, session=1)], NONE)
        await other.write([replace(PLAY, session=1, id="elsewhere")], NONE)
        records = await kept.of_session(1, 8.0)
        assert [record.id for record in records] == ["a1", "b2"]


async def test_rows_left_open_by_a_kill_are_closed_at_the_last_heartbeat(database_url: str) -> None:
    async with history(database_url, "here", "there") as (kept, other):
        assert await kept.close_open(5.0) == 0
        assert await kept.seen_at() is None
        await kept.beat(10.0)
        await other.beat(90.0)
        await kept.write([PUBLISH, replace(PUBLISH, id="a2", started_at=70.0), PLAY], NONE)
        await other.write([replace(PUBLISH, id="a3")], NONE)
        await kept.beat(60.0)
        assert await kept.seen_at() == 60.0
        assert await kept.close_open(100.0) == 2
        assert [record.id for record in await found(kept, is_open=True)] == ["a3"]
        by_id = {record.id: record for record in await found(kept)}
        assert by_id["a1"].ended_at == 60.0
        assert by_id["a2"].ended_at == 70.0
        assert by_id["a1"].reason == KILLED
        assert by_id["b2"] == PLAY


async def test_rows_of_a_clock_that_was_ahead_are_closed_and_bounded_by_now(
    database_url: str,
) -> None:
    async with history(database_url, "here", "there") as (kept, other):
        ahead = replace(PUBLISH, id="a9", started_at=9000.0)
        await kept.write([ahead], NONE)
        await other.write([replace(ahead, id="b9")], NONE)
        await kept.beat(9100.0)
        assert await kept.close_open(100.0) == 1
        by_id = {record.id: record for record in await found(kept)}
        assert (by_id["a9"].started_at, by_id["a9"].ended_at) == (100.0, 100.0)
        assert by_id["b9"].started_at == 9000.0


async def test_session_ends_no_earlier_than_it_began_however_the_clock_was_set(
    database_url: str,
) -> None:
    async with history(database_url) as (kept,):
        await kept.write([PUBLISH], NONE)
        over = replace(PUBLISH, ended_at=PUBLISH.started_at - 5000, bytes=7, reason="it left")
        await kept.write([over], frozenset([PUBLISH.id]))
        (record,) = await found(kept)
        assert record.ended_at == record.started_at == PUBLISH.started_at
        assert (record.bytes, record.reason) == (7, "it left")


async def test_what_ended_long_ago_goes_and_nothing_else(database_url: str) -> None:
    async with history(database_url) as (kept,):
        await kept.write([PUBLISH, PLAY, REFUSED], NONE)
        assert await kept.clean(12.0) == 0
        assert await kept.clean(13.0) == 2
        assert await found(kept) == [PUBLISH]


async def test_what_a_peer_sent_fits_into_its_column(database_url: str) -> None:
    async with history(database_url) as (kept,):
        await kept.write([replace(PLAY, user_agent="\0" + "x" * 999, reason="\udcff")], NONE)
        (record,) = await found(kept)
        assert record.user_agent == "x" * 200
        assert record.reason == "?"
