"""Tests of headend.store.recorder, on SQLite and PostgreSQL."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.harness import log_lines, until
from tests.store.session_events import ENDED, REFUSED, STARTED

from headend.errors import DatabaseError
from headend.store import recorder as recorder_module
from headend.store.database import Database
from headend.store.recorder import DAY_S, Recorder
from headend.store.records import AuditEntry, AuditFilter, SessionFilter

MADE = AuditEntry(6.0, "admin token", "key.create", "pk_2", "127.0.0.1", "done")


class Clock:
    """A clock that tests set."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.passed = 0.0

    def __call__(self) -> float:
        return self.now

    def steady(self) -> float:
        """Monotonic seconds."""
        return self.passed

    def go_on(self, seconds: float) -> None:
        """Let time pass; setting `now` alone sets the clock."""
        self.now += seconds
        self.passed += seconds


Opens = Callable[[], Awaitable[Database]]


async def never() -> Database:
    """Stand in for a database that never opens."""
    opened: asyncio.Future[Database] = asyncio.get_running_loop().create_future()
    return await opened


def make(clock: Clock, database: Opens = never, **changes: Any) -> Recorder:
    """Make a recorder that writes at once."""
    options: dict[str, Any] = {"retention_days": 365, "history_days": 90, "batch_s": 0.01} | changes
    options["steady"] = clock.steady
    number = itertools.count(100).__next__
    return Recorder(clock, number, database, "here", retry_s=0.02, **options)


@asynccontextmanager
async def recording(
    url: str, clock: Clock | None = None, **changes: Any
) -> AsyncIterator[tuple[Recorder, Database]]:
    """Run a recorder on an open database."""
    database = Database(url, Path("/nowhere"))
    await database.open()
    made = make(clock or Clock(), given(database), **changes)
    made.start()
    await until(lambda: made.history is not None)
    try:
        yield made, database
    finally:
        await made.stop()
        await database.close()


def given(database: Database) -> Opens:
    async def give() -> Database:
        return database

    return give


async def entries(made: Recorder, **wanted: Any) -> list[AuditEntry]:
    assert made.trail is not None
    found = await made.trail.page(AuditFilter(**wanted))
    return [replace(entry, number=0) for entry in found]


async def until_so(condition: Callable[[], Awaitable[object]]) -> None:
    """Ask again and again until something is so; the limit is that of `run`."""
    while not await condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def eventually(made: Recorder, count: int) -> list[AuditEntry]:
    """Return the trail once it holds so many entries."""

    async def is_there() -> bool:
        return len(await entries(made)) >= count

    await until_so(is_there)
    return await entries(made)


async def sessions(made: Recorder, **wanted: Any) -> int:
    assert made.history is not None
    return await made.history.count(SessionFilter(**wanted))


async def test_entries_are_written_soon(database_url: str) -> None:
    async with recording(database_url) as (made, _):
        made.note(MADE)
        assert await eventually(made, 1) == [MADE]


async def test_sessions_and_refusals_are_written_from_their_events(database_url: str) -> None:
    async with recording(database_url) as (made, _):
        assert made.history is not None
        made.event(STARTED)
        await until_so(lambda: sessions(made, is_open=True))
        made.event(ENDED)
        made.event(REFUSED)
        await until_so(lambda: sessions(made, is_refused=True))
        ended, refused = await made.history.page(SessionFilter())
        assert (ended.id, ended.bytes, ended.reason) == ("a1", 5000, "the viewer left")
        assert (refused.code, refused.session) == ("NetStream.Publish.Denied", 6)
        assert made.past.of(6)[0] == refused
        made.event(replace(REFUSED, session=None))
        assert made.past.of(100)[0].reason == REFUSED.reason
        await eventually(made, 2)
        entry, _ = await entries(made)
        assert entry.detail == "NetStream.Publish.Denied: the publish key has expired"


async def test_same_refusal_again_before_it_is_written_is_counted_in_one_row(
    database_url: str,
) -> None:
    async with recording(database_url) as (made, _):
        for number in range(500):
            made.event(REFUSED)
            made.event(replace(REFUSED, address=f"10.0.0.{number % 2}"))
        found = await eventually(made, 3)
        assert sorted(entry.count for entry in found) == [250, 250, 500]


async def test_what_waits_is_written_when_the_server_stops(database_url: str) -> None:
    database = Database(database_url, Path("/nowhere"))
    await database.open()
    made = make(Clock(), given(database), batch_s=3600)
    made.start()
    await until(lambda: made._is_closed_up)
    made.note(MADE)
    made.event(ENDED)
    await made.stop()
    assert await entries(made) == [MADE]
    assert made.history is not None
    assert await made.history.count(SessionFilter()) == 1
    await database.close()


async def test_without_database_entries_wait_and_are_written_once_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database("", tmp_path)
    opened: asyncio.Future[Database] = asyncio.get_running_loop().create_future()
    made = make(Clock(), lambda: opened)
    made.start()
    made.note(MADE)
    made.event(ENDED)
    await asyncio.sleep(0)
    assert made.past.of(7)
    await database.open()
    opened.set_result(database)
    await until(lambda: made.trail is not None)
    assert await eventually(made, 1) == [MADE]
    await made.stop()
    await database.close()
    assert not log_lines(caplog, "lost")


@asynccontextmanager
async def away() -> AsyncIterator[None]:
    """Stand in for a database that does not answer."""
    raise DatabaseError("database: away")
    yield


async def test_database_that_goes_away_and_comes_back_loses_what_found_no_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "QUEUED", 10)

    async with recording(f"sqlite:///{tmp_path}/a.db", Clock(7.0)) as (made, database):
        await until(lambda: made._is_closed_up)
        caplog.set_level(logging.WARNING)
        begin = database.begin
        database.begin = away  # type: ignore[assignment]
        for number in range(15):
            made.note(replace(MADE, target=str(number)))
            made.event(replace(ENDED, id=str(number)))
            made.event(replace(REFUSED, stream=str(number)))
        # Of 15 each: refusals have half the room, so that what administrators do has the rest.
        assert made.waiting == 10 + 10
        assert made.lost == (15 - 8) + (15 - 2) + (30 - 10)
        database.begin = begin  # type: ignore[method-assign]
        found = await eventually(made, 11)
        (loss,) = [entry for entry in found if entry.action == "audit.lost"]
        assert (loss.count, loss.outcome, loss.at) == (made.lost, "failed", 7.0)
        kept = {entry.target for entry in found if entry.action == "key.create"}
        assert kept == {str(number) for number in range(8)}


async def test_server_that_stops_without_a_database_says_what_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = make(Clock())
    made.start()
    made.note(MADE)
    await made.stop()
    assert log_lines(caplog, "lost") == ["WARNING audit trail and history: 1 entries are lost"]


async def test_what_a_killed_server_left_open_is_closed(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(100.0)
    async with recording(database_url, clock) as (made, _):
        made.event(STARTED)
        await until(lambda: made._open)
    # As it never ended, its row is open still.
    async with recording(database_url, Clock(500.0)) as (made, _):
        await until(lambda: made._is_closed_up)
        assert made.history is not None
        (record,) = await made.history.page(SessionFilter())
        assert record.ended_at == 100.0
    assert log_lines(caplog, "1 sessions ended with the server before")


async def test_what_is_old_is_deleted_once_a_day(database_url: str) -> None:
    clock = Clock(400 * DAY_S)
    async with recording(database_url, clock, retention_days=30) as (made, _):
        await until(lambda: made._clean_at)
        made.note(replace(MADE, at=clock.now - 29.5 * DAY_S))
        made.note(replace(MADE, at=clock.now - 1))
        made.event(replace(ENDED, time=clock.now - 89.5 * DAY_S))
        await eventually(made, 2)
        clock.go_on(DAY_S)

        async def is_clean() -> bool:
            return len(await entries(made)) == 1 and not await sessions(made)

        await until_so(is_clean)


async def test_clock_that_is_wrong_for_a_day_deletes_nothing_and_one_that_stays_so_is_right(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(400 * DAY_S)
    async with recording(database_url, clock) as (made, _):
        await until(lambda: made._clean_at)
        made.note(replace(MADE, at=clock.now - 1))
        await eventually(made, 1)
        for _ in range(2):  # a year ahead, and back the next day
            due = made._clean_at
            clock.now += 400 * DAY_S
            clock.go_on(DAY_S)
            await until(lambda due=due: made._clean_at > due)  # type: ignore[misc]
            clock.now -= 400 * DAY_S
            due = made._clean_at
            clock.go_on(DAY_S)
            await until(lambda due=due: made._clean_at > due)  # type: ignore[misc]
        assert len(await entries(made)) == 1
        assert len(log_lines(caplog, "the clock is 400 days ahead")) == 2
        clock.now += 400 * DAY_S
        clock.go_on(DAY_S)
        clock.go_on(DAY_S)

        async def is_clean() -> bool:
            clock.go_on(DAY_S)
            return not await entries(made)

        await until_so(is_clean)


async def test_server_that_starts_long_after_it_was_last_seen_waits_a_day_before_it_deletes(
    database_url: str,
) -> None:
    async with recording(database_url, Clock(400 * DAY_S)) as (made, _):
        made.note(replace(MADE, at=400 * DAY_S))
        await eventually(made, 1)
    clock = Clock(4000 * DAY_S)
    async with recording(database_url, clock) as (made, _):
        await until(lambda: made._clean_at)
        assert len(await entries(made)) == 1

        async def is_clean() -> bool:
            clock.go_on(DAY_S)
            return not await entries(made)

        await until_so(is_clean)


async def test_sign_of_life_is_written_each_minute_however_the_clock_is_set(
    database_url: str,
) -> None:
    clock = Clock(400 * DAY_S)
    async with recording(database_url, clock) as (made, _):
        history = made.history
        assert history is not None
        await until(lambda: made._clean_at)
        clock.now -= 300 * DAY_S
        clock.go_on(60)

        async def is_seen() -> bool:
            return await history.seen_at() == clock.now

        await until_so(is_seen)
        assert made.began == clock.now - 60


async def test_row_that_a_clock_ahead_left_open_is_closed_before_others_are_written(
    database_url: str,
) -> None:
    async with recording(database_url, Clock(9000.0)) as (made, _):
        made.event(replace(STARTED, time=9000.0))
        await until(lambda: made._open)
    database = Database(database_url, Path("/nowhere"))
    await database.open()
    made = make(Clock(500.0), given(database))
    made.event(replace(STARTED, id="of this run", time=499.0))
    made.start()
    await until(lambda: made._open)
    assert made.history is not None
    by_id = {record.id: record for record in await made.history.page(SessionFilter())}
    assert by_id["a1"].ended_at == 500.0
    assert by_id["of this run"].ended_at is None
    await made.stop()
    await database.close()


async def test_no_history_is_kept_where_none_is_wanted(database_url: str) -> None:
    async with recording(database_url, history_days=0) as (made, _):
        made.event(ENDED)
        made.note(MADE)
        await eventually(made, 1)
        assert made.history is not None
        assert await made.history.count(SessionFilter()) == 0
        assert made.past.of(7)
