"""Tests of headend.record.mending: rows that were lost are read from the files."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.harness import until, until_so
from tests.hls.media import stream
from tests.record import made
from tests.record.taped import WALL, Taped

from headend.record import journal
from headend.record.disk import DiskWriter
from headend.record.index import RecordingIndex
from headend.record.interrupted import Interrupted, interrupted
from headend.record.locks import JournalLocks
from headend.record.mending import Mending
from headend.record.mp4_store import Mp4Store
from headend.record.tables import RecordingTables
from headend.record.tape import Media, Tape, TapeSettings
from headend.record.values import RecordedSegment, Recording


@asynccontextmanager
async def mending(
    folder: Path, url: str
) -> AsyncIterator[tuple[RecordingIndex, RecordingTables, Mending]]:
    async with made.index(url) as (index, tables):
        mends = Mending(index, lambda: folder, lambda _: 2.0, JournalLocks())
        task = asyncio.create_task(mends.run())
        try:
            yield index, tables, mends
        finally:
            task.cancel()


def no_journal(folder: Path) -> bool:
    return list((folder / journal.FOLDER).glob("*")) == []


async def taped(folder: Path) -> list[RecordedSegment]:
    """Make the files of a recording; return the rows that it had."""
    out = Taped(folder, file_s=3.0)
    out.push(stream(9000))
    await out.end()
    return out.rows.segments


async def test_recording_that_is_in_no_database_is_read_from_its_files(
    tmp_path: Path, database_url: str
) -> None:
    rows = await taped(tmp_path)
    async with mending(tmp_path, database_url) as (_, tables, _mends):
        await until(lambda: no_journal(tmp_path))
        mended = await tables.get("id")
        assert mended is not None
        assert (mended.state, mended.files, mended.stream) == ("ready", 3, "live/a")
        assert mended.started == WALL
        assert mended.ended == pytest.approx(WALL + 9, abs=0.05)
        assert [row[:3] for row in await tables.segments("id")] == [row[:3] for row in rows]


async def test_recording_whose_rows_are_half_there_gets_the_rest(
    tmp_path: Path, database_url: str
) -> None:
    rows = await taped(tmp_path)
    (unfinished,) = journal.read_all(tmp_path)
    async with made.index(database_url) as (index, tables):
        index.begin(unfinished.recording)
        index.add_file(unfinished.files[0].file)
        index.add_segments("id", rows[:1])
        await index.settled()
    # The next server has the same database.
    async with made.index(database_url) as (index, tables):
        task = asyncio.create_task(
            Mending(index, lambda: tmp_path, lambda _: 2.0, JournalLocks()).run()
        )
        await until(lambda: no_journal(tmp_path))
        task.cancel()
        assert len(await tables.segments("id")) == len(rows)


async def test_journal_of_what_is_written_is_deleted_and_nothing_else_changes(
    tmp_path: Path, database_url: str
) -> None:
    rows = await taped(tmp_path)
    (unfinished,) = journal.read_all(tmp_path)
    async with mending(tmp_path, database_url) as (_, tables, mends):
        await until(lambda: no_journal(tmp_path))
        before = await tables.get("id")
        journal.add(tmp_path, "other", {"note": "of another"})
        mends.ended("other")
        await until(lambda: no_journal(tmp_path))
        assert await tables.get("id") == before
        assert len(await tables.segments("id")) == len(rows)
    assert unfinished.recording.id == "id"


async def test_file_that_is_in_a_store_alone_stays_part_of_what_is_mended(
    tmp_path: Path, database_url: str
) -> None:
    rows = await taped(tmp_path)
    (unfinished,) = journal.read_all(tmp_path)
    first = replace(unfinished.files[0].file, store="s3://rec", size=77, is_local=False)
    async with made.index(database_url) as (index, tables):
        index.begin(unfinished.recording)
        index.add_file(first)
        index.add_segments("id", [row for row in rows if row.file == 0])
        await index.settled()
    (tmp_path / first.path).unlink()
    async with mending(tmp_path, database_url) as (_, tables, _mends):
        await until(lambda: no_journal(tmp_path))
        mended = await tables.get("id")
        assert mended is not None
        assert (mended.state, mended.files) == ("ready", 3)
        assert (await tables.files("id"))[0] == first
        assert [row[:3] for row in await tables.segments("id")] == [row[:3] for row in rows]


async def test_files_that_are_gone_are_told_and_the_others_kept(
    tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await taped(tmp_path)
    (unfinished,) = journal.read_all(tmp_path)
    (tmp_path / unfinished.files[0].file.path).unlink()
    async with mending(tmp_path, database_url) as (_, tables, _mends):
        await until(lambda: no_journal(tmp_path))
        assert [file.number for file in await tables.files("id")] == [1, 2]
    assert unfinished.files[0].file.path in caplog.text


async def test_lines_of_a_journal_that_make_no_sense_are_passed_over(tmp_path: Path) -> None:
    await taped(tmp_path)
    path = tmp_path / journal.FOLDER / "id.json"
    lines = path.read_text().splitlines()
    other = json.dumps({**json.loads(lines[0]), "recording": None})
    path.write_text("\n".join([lines[0], "{", "[]", other, *lines[1:]]) + '\n{"half')
    (unfinished,) = journal.read_all(tmp_path)
    assert [noted.file.number for noted in unfinished.files] == [0, 1, 2]
    assert unfinished.recording == Recording("id", "live/a", "recording", WALL, None, 0, 0, 0.0)
    assert list(journal.read_all(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("has_rows", [False, True])
async def test_recording_that_another_server_writes_is_left_alone_until_that_one_is_gone(
    tmp_path: Path, database_url: str, has_rows: bool
) -> None:
    rows = await taped(tmp_path)
    (unfinished,) = journal.read_all(tmp_path)
    if has_rows:
        async with made.index(database_url) as (index, _):
            index.begin(unfinished.recording)
            index.add_file(unfinished.files[0].file)
            await index.settled()
    path = tmp_path / unfinished.files[-1].file.path
    whole = path.read_bytes()
    path.write_bytes(whole + b"half of a piece")
    last = replace(unfinished.recording, id="last")  # is looked at behind it
    noted = {"file": asdict(unfinished.files[0].file), "start_s": 0.0, "date": 0.0, "path": "gone"}
    journal.add(tmp_path, "last", {"recording": asdict(last), **noted})
    other = JournalLocks()
    other.take(tmp_path, "id")
    async with mending(tmp_path, database_url) as (_, tables, _mends):
        await until(lambda: not journal.path_of(tmp_path, "last").exists())
        found = await tables.get("id")
        assert (found and found.state) == ("recording" if has_rows else None)
    assert path.read_bytes() == whole + b"half of a piece"
    other.close()
    async with mending(tmp_path, database_url) as (_, tables, _mends):
        await until(lambda: no_journal(tmp_path))
        assert len(await tables.segments("id")) == len(rows)
    assert path.read_bytes() == whole


def test_lock_is_told_from_others_and_given_up(tmp_path: Path) -> None:
    ours, theirs = JournalLocks(), JournalLocks()
    assert not ours.is_elsewhere(tmp_path, "id"), "there is no journal"
    ours.take(tmp_path, "id")
    assert not theirs.is_elsewhere(tmp_path, "id")
    journal.add(tmp_path, "id", {})
    ours.take(tmp_path, "id")
    ours.take(tmp_path, "id")
    assert not ours.is_elsewhere(tmp_path, "id")
    assert theirs.is_elsewhere(tmp_path, "id")
    ours.release("id")
    ours.release("id")
    assert not theirs.is_elsewhere(tmp_path, "id")


# ---------------------------------------------------------------------- what goes on


class Again:
    """A recording of 9 s in 3 files that was cut short, and a stream that is back."""

    def __init__(self, folder: Path, index: RecordingIndex, before: Interrupted) -> None:
        self.over = asyncio.Event()
        self.disk = DiskWriter(asyncio.get_running_loop(), threads=1)
        settings = TapeSettings("id", "live/a", folder, "mp4", 1.0, 3600.0, 0)
        self.tape = Tape(settings, self.disk, index, self, clock=lambda: WALL + 30.0, before=before)

    def tape_over(self, tape: Tape, failure: str) -> None:
        assert not failure
        self.over.set()

    def record(self) -> None:
        """Record two segments, 30 s after the recording began."""
        self.tape.date(WALL + 30.0)
        self.tape.begin_file(b"head", Media(), 100.0, is_break=True)
        for start in (100.0, 102.0):
            self.tape.add(b"media", start, start + 2.0, is_keyframe=True)
            self.tape.end_segment()

    async def end(self) -> None:
        self.tape.end()
        await self.over.wait()
        self.disk.close()


async def assert_whole(tables: RecordingTables, before: int) -> None:
    """Check that what was recorded before and after a restart is one recording."""

    async def is_ready() -> bool:
        found = await tables.get("id")
        return found is not None and found.state == "ready" and found.files == 4

    await until_so(is_ready)
    recording, files = await tables.get("id"), await tables.files("id")
    segments = await tables.segments("id")
    assert recording is not None
    assert recording.started == WALL
    assert [each.number for each in files] == [0, 1, 2, 3]
    assert [each.discontinuity for each in files] == [False, False, False, True]
    assert len(segments) == before + 2
    assert [row.start_s for row in segments[-2:]] == [30.0, 32.0]
    size = sum(each.init_size for each in files) + sum(each.size for each in segments)
    assert recording.bytes == size
    assert recording.duration_s == pytest.approx(sum(each.duration_s for each in segments))


async def known_of(mends: Mending, since: float = 0.0) -> Interrupted:
    await until(lambda: "live/a" in mends._interrupted)
    found = mends.resume("live/a", "mp4", since)
    assert found is not None
    assert mends.resume("live/a", "mp4", since) is None  # once
    return found


async def test_recording_goes_on_after_it_was_mended(tmp_path: Path, database_url: str) -> None:
    rows = await taped(tmp_path)
    async with mending(tmp_path, database_url) as (index, tables, mends):
        await until(lambda: no_journal(tmp_path))
        again = Again(tmp_path, index, await known_of(mends))
        again.record()
        await again.end()
        await assert_whole(tables, len(rows))


async def test_recording_that_goes_on_already_is_mended_up_to_there(
    tmp_path: Path, database_url: str
) -> None:
    rows = await taped(tmp_path)
    async with made.index(database_url) as (index, tables):
        mends = Mending(index, lambda: tmp_path, lambda _: 2.0, JournalLocks())
        noted = list(journal.read_all(tmp_path))
        again = Again(tmp_path, index, interrupted(tmp_path, noted)["live/a"])
        again.record()
        await until(lambda: again.disk.written > 0)
        await mends._mend(noted[0])
        assert not no_journal(tmp_path)
        await again.end()
        await assert_whole(tables, len(rows))


async def test_recording_that_went_on_and_ended_before_it_was_mended_is_mended_whole(
    tmp_path: Path, database_url: str
) -> None:
    rows = await taped(tmp_path)
    noted = list(journal.read_all(tmp_path))
    async with made.index(database_url) as (index, tables):
        mends = Mending(index, lambda: tmp_path, lambda _: 2.0, JournalLocks())
        again = Again(tmp_path, index, interrupted(tmp_path, noted)["live/a"])
        again.tape.date(WALL + 30.0)
        await again.end()
        await index.settled()
        mends.ended("id")
        await mends._mend(noted[0])
        assert not no_journal(tmp_path)
        await mends._close("id")
        found = await tables.get("id")
        assert found is not None
        assert (found.state, found.files) == ("ready", 3)
        assert len(await tables.segments("id")) == len(rows)
        assert no_journal(tmp_path)


async def test_recording_that_went_on_and_was_cut_short_again_keeps_all_of_its_files(
    tmp_path: Path, database_url: str
) -> None:
    rows = await taped(tmp_path)
    async with mending(tmp_path, database_url) as (_, tables, mends):
        await until(lambda: no_journal(tmp_path))
        out = Taped(tmp_path)
        before = await known_of(mends)
        out.tape = Tape(out.tape.wanted, out.disk, out.rows, out, clock=out.clock, before=before)
        out.packager.archive._stores.clear()
        out.packager.archive.join(Mp4Store(out.tape))
        out.push(stream(4000))
        await out.end()
        (again,) = journal.read_all(tmp_path)
        assert [each.file.number for each in again.files] == [3]
        await mends._mend(again)
        found = await tables.get("id")
        assert found is not None
        assert (found.state, found.files) == ("ready", 4)
        assert len(await tables.segments("id")) == len(rows) + len(out.rows.segments)


@pytest.mark.parametrize(
    ("stream", "suffix", "since"),
    [("live/b", "mp4", 0.0), ("live/a", "flv", 0.0), ("live/a", "mp4", 1e12)],
    ids=["another stream", "another form", "too late"],
)
async def test_recording_goes_on_for_its_stream_in_its_form_within_the_window(
    tmp_path: Path, database_url: str, stream: str, suffix: str, since: float
) -> None:
    await taped(tmp_path)
    async with mending(tmp_path, database_url) as (_, _tables, mends):
        await until(lambda: "live/a" in mends._interrupted)
        assert mends.resume(stream, suffix, since) is None
