"""Tests of headend.record.index, on SQLite and PostgreSQL."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.harness import log_lines, until
from tests.record.made import begun, bus, file, given, index, recording, segment, tables
from tests.store.session_events import ENDED, STARTED

from headend.errors import DatabaseError
from headend.events import Event, document
from headend.record import index as index_module
from headend.record.index import RecordingIndex
from headend.record.tables import RecordingFilter, RecordingTables
from headend.store.database import Database
from headend.store.tables import RECORDED_PUBLISHERS


async def test_recording_is_found_while_it_runs_with_what_it_has_so_far(database_url: str) -> None:
    async with index(database_url) as (made, kept):
        made.begin(begun())
        made.add_file(file())
        made.add_segments("r1", [segment(0), segment(1)])
        await made.settled()
        assert await kept.get("r1") == begun(bytes=11_000, files=1, duration_s=4.0)
        assert made.running("r1")
        made.add_segments("r1", [segment(2)])
        over = made.finish("r1", 106.0)
        assert over == recording(ended=106.0, bytes=16_000, files=1, duration_s=6.0)
        await made.settled()
        assert await kept.get("r1") == over
        assert not made.running("r1")
        assert await kept.segments("r1") == [segment(n) for n in range(3)]
        assert await kept.unfinished() == []


async def test_recording_that_began_after_the_clock_was_set_back_has_no_end_before_its_start(
    database_url: str,
) -> None:
    async with index(database_url) as (made, _):
        made.begin(begun())
        assert made.finish("r1", 20.0, "the disk is full").ended == 100.0


async def test_start_end_and_failure_are_told_and_readiness_once_all_is_written(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Event] = []
    async with index(database_url, told) as (made, _):
        with monkeypatch.context() as patch:
            patch.setattr(RecordingTables, "write", _refuse)
            for id in ("r1", "r2"):
                made.begin(begun(id))
                made.add_segments(id, [segment(0)])
            made.finish("r1", 160.0)
            made.finish("r2", 160.0, "the disk is full")
            await until(lambda: made.is_failing)
            assert [(e.name, e.recording) for e in told] == [  # type: ignore[attr-defined]
                ("recording.started", "r1"),
                ("recording.started", "r2"),
                ("recording.failed", "r2"),
            ]
        await made.settled()
        assert document(told[-1]) | {"time": 0} == {
            "time": 0, "stream": "live/a", "recording": "r1", "bytes": 5000, "duration_s": 2.0,
        }  # fmt: skip
        assert document(told[-2])["reason"] == "the disk is full"


async def test_rows_wait_for_a_database_that_is_away(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with index(database_url) as (made, kept):
        with monkeypatch.context() as patch:
            patch.setattr(RecordingTables, "write", _refuse)
            made.begin(begun())
            made.add_file(file())
            await until(lambda: made.is_failing)
            made.add_segments("r1", [segment(0)])
            made.finish("r1", 160.0)
            assert made.waiting == 2
        await made.settled()
        assert not made.is_failing
        assert made.waiting == 0
        assert await kept.segments("r1") == [segment(0)]
        assert await kept.files("r1") == [file()]
        assert log_lines(caplog, "index of recordings not written yet: database: gone")


async def test_rows_without_room_are_dropped_told_and_mended_later(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(index_module, "QUEUED", 4)
    told: list[Event] = []
    async with index(database_url, told) as (made, kept):
        with monkeypatch.context() as patch:
            patch.setattr(RecordingTables, "write", _refuse)
            for id in ("r1", "r2"):
                made.begin(begun(id))
                made.add_file(file(0, id))
            made.add_segments("r1", [segment(0), segment(1)])
            made.add_segments("r2", [segment(0)])
            made.add_segments("r2", [segment(1)])
            made.add_file(file(1, "r2"))
            assert made.torn == {"r2"}
            assert made.waiting == 3
            made.add_segments("r1", [segment(2)])
            over = made.finish("r2", 160.0)
            await until(lambda: made.is_failing)
        await made.settled()
        assert [each.id for each in await kept.unfinished()] == ["r1", "r2"]
        assert over == recording("r2", bytes=12_000, files=2, duration_s=4.0)
        assert await kept.segments("r1") == [segment(n) for n in range(3)]
        assert await kept.segments("r2") == []
        assert told[-1].name == "recording.started"
        await made.mend(over, [file(0, "r2"), file(1, "r2")], [segment(0), segment(1)], 1)
        assert made.torn == set()
        assert told[-1].name == "recording.ready"
        assert [each.id for each in await kept.unfinished()] == ["r1"]
        assert await kept.segments("r2") == [segment(0), segment(1)]
        assert len(log_lines(caplog, "recording r2: the database takes nothing")) == 1


async def test_many_rows_are_written_in_several_transactions(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "BATCH", 3)
    async with index(database_url) as (made, kept):
        for id in ("r1", "r2", "r3"):
            made.begin(begun(id))
            made.add_file(file(0, id))
            made.add_segments(id, [segment(n) for n in range(7)])
        await made.settled()
        for id in ("r1", "r2", "r3"):
            assert await kept.segments(id) == [segment(n) for n in range(7)]


async def test_publishers_before_and_during_a_recording_are_noted_and_others_not(
    database_url: str,
) -> None:
    async with index(database_url) as (made, kept):
        first = replace(STARTED, id="s1", action="publish", stream="live/a")
        gone, played = replace(first, id="s2"), replace(first, id="s3", action="play")
        for event in (first, gone, played):
            made.event(event)
        made.event(replace(ENDED, id="s2", action="publish", stream="live/a"))
        made.begin(begun())
        made.event(replace(first, id="s4"))
        made.event(replace(first, id="s5", stream="live/b"))
        made.event(replace(ENDED, id="s1", action="publish", stream="live/a"))
        made.event(replace(ENDED, id="s4", action="publish", stream="live/a"))
        made.begin(begun("r2"))
        await made.settled()
        columns = RECORDED_PUBLISHERS.c
        query = sa.select(columns.recording_id, columns.session, columns.address)
        async with kept._database.begin() as connection:
            rows = (await connection.execute(query.order_by(columns.session))).all()
        assert [tuple(row) for row in rows] == [
            ("r1", "s1", STARTED.address),
            ("r1", "s4", STARTED.address),
        ]


async def test_deletion_takes_what_waits_too(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with index(database_url) as (made, kept):
        made.begin(begun())
        await made.settled()
        with monkeypatch.context() as patch:
            patch.setattr(RecordingTables, "write", _refuse)
            made.add_file(file())
            made.finish("r1", 160.0)
            await until(lambda: made.is_failing)
            await made.delete("r1")
            assert made.waiting == 0
        await made.settled()
        assert await kept.page(RecordingFilter(), limit=10) == []


async def test_index_without_a_database_takes_rows_and_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def never() -> Database:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    made = RecordingIndex(never, "here", bus([]))
    await made.close()  # one that never started has nothing to end
    made.start()
    made.begin(begun())
    made.add_file(file())
    with pytest.raises(DatabaseError):
        made.tables()
    await made.close()
    assert log_lines(caplog, "index of recordings: 2 rows are not written")


async def test_index_that_ends_writes_what_waits(database_url: str) -> None:
    database = Database(database_url, Path("/nowhere"))
    await database.open()
    made = RecordingIndex(given(database), "here", bus([]), batch_s=60)
    made.start()
    await made.opened()
    made.begin(begun())
    made.add_file(file())
    await made.close()
    await database.close()
    async with tables(database_url) as (kept,):
        assert await kept.files("r1") == [file()]


async def _refuse(*_: object) -> None:
    raise DatabaseError("database: gone")
