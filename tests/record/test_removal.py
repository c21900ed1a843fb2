"""Tests of headend.record.removal and headend.record.retention."""

import errno
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness import log_lines
from tests.record.made import begun, bus, file, index, recording

from headend.errors import DatabaseError
from headend.events import Event
from headend.record import removal as removal_module
from headend.record.known import WATCHED_S, KnownRecordings
from headend.record.removal import Reason, RecordingRuns, Removal
from headend.record.retention import DAY_S, Keep, Retention
from headend.record.tables import RecordingFilter, RecordingTables
from headend.record.values import RecordedFile, Recording


class Fixture:
    """Recordings with files, and what deletes them."""

    def __init__(self, known: KnownRecordings, kept: RecordingTables, folder: Path) -> None:
        self.known = known
        self.kept = kept
        self.folder = folder
        self.now, self.passed = 100 * DAY_S, 0.0
        self.keep: dict[str, Keep] = {}
        self.told: list[Event] = []
        self.removal: Removal
        self.retention: Retention

    def go_on(self, seconds: float) -> None:
        self.now += seconds
        self.passed += seconds

    async def add(self, made: Recording) -> Path:
        """Add a recording with one file; return where that is."""
        path = self.folder / file(0, made.id).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"media")
        await self.kept.write({made: False}, [file(0, made.id)], [], [])
        return path

    async def ids(self) -> str:
        found = await self.kept.page(RecordingFilter(), limit=100)
        return " ".join(sorted(each.id for each in found))


@asynccontextmanager
async def fixture(url: str, folder: Path) -> AsyncIterator[Fixture]:
    async with index(url) as (made, kept):
        known = KnownRecordings(made, lambda: f.passed)
        made.changed = known.forget
        f = Fixture(known, kept, folder)
        f.removal = Removal(made, lambda: folder, bus(f.told))
        f.retention = Retention(
            made,
            known,
            f.removal,
            lambda stream: f.keep.get(stream, Keep(0, 0)),
            lambda: f.now,
            lambda: f.passed,
        )
        yield f


# ---------------------------------------------------------------------- removal


async def test_deletion_takes_files_folders_that_are_empty_then_and_rows(
    database_url: str, tmp_path: Path
) -> None:
    async with fixture(database_url, tmp_path) as f:
        first, second = await f.add(recording("r1")), await f.add(recording("r2"))
        await f.removal.remove(recording("r1"))
        assert not first.exists()
        assert second.exists()
        assert await f.ids() == "r2"
        (told,) = f.told
        assert told.name == "recording.deleted"
        await f.removal.remove(recording("r2"))
        assert not (tmp_path / "live").exists()
        assert await f.ids() == ""


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("deleted", "somebody asked for it"),
        ("days", "record.keep_days"),
        ("bytes", "record.keep_bytes"),
    ],
)
async def test_log_says_why_a_recording_was_deleted(
    database_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    reason: Reason,
    words: str,
) -> None:
    caplog.set_level("INFO")
    async with fixture(database_url, tmp_path) as f:
        await f.add(recording())
        await f.removal.remove(recording(), reason)
        assert log_lines(caplog, f"recording r1 of live/a was deleted: {words}")


async def test_recording_that_runs_is_not_deleted(database_url: str, tmp_path: Path) -> None:
    async with fixture(database_url, tmp_path) as f:
        path = await f.add(begun())
        with pytest.raises(RecordingRuns):
            await f.removal.remove(begun())
        assert path.exists()


async def test_recording_whose_files_are_gone_already_can_be_deleted(
    database_url: str, tmp_path: Path
) -> None:
    async with fixture(database_url, tmp_path) as f:
        (await f.add(recording())).unlink()
        await f.removal.remove(recording())
        assert await f.ids() == ""


async def test_file_that_cannot_be_deleted_keeps_the_rows(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fixture(database_url, tmp_path) as f:
        await f.add(recording())
        monkeypatch.setattr(removal_module, "delete_files", _read_only)
        with pytest.raises(OSError, match="Read-only"):
            await f.removal.remove(recording())
        assert await f.ids() == "r1"
        assert f.told == []


@pytest.mark.parametrize("path", ["../outside.mp4", "/tmp/../outside.mp4", "link/outside.mp4"])
def test_nothing_outside_of_the_folder_is_deleted(tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(b"not ours")
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match="outside of the folder of recordings"):
        removal_module.delete_files(folder, [replace(file(), path=path)])
    assert outside.exists()
    assert (folder / "link").exists()


# ---------------------------------------------------------------------- retention


async def test_what_ended_long_ago_goes_as_its_stream_has_it(
    database_url: str, tmp_path: Path
) -> None:
    async with fixture(database_url, tmp_path) as f:
        f.keep = {"live/a": Keep(7, 0), "vip/a": Keep(30, 0)}
        for id, stream, days in (
            ("r1", "live/a", 8), ("r2", "live/a", 6), ("r3", "vip/a", 8), ("r4", "vip/a", 31),
            ("r5", "other/a", 90),
        ):  # fmt: skip
            ended = f.now - days * DAY_S
            await f.add(recording(id, stream=stream, started=ended - 2 * DAY_S, ended=ended))
        await f.add(begun("r6", started=1.0))
        assert await f.retention.look() == 2
        assert await f.ids() == "r2 r3 r5 r6"
        assert [each.reason for each in f.told] == ["days", "days"]  # type: ignore[attr-defined]


async def test_oldest_go_until_the_rest_is_within_the_bytes(
    database_url: str, tmp_path: Path
) -> None:
    async with fixture(database_url, tmp_path) as f:
        for number in range(5):
            await f.add(recording(f"r{number}", started=float(number), bytes=1000))
        assert await f.retention.look() == 0
        f.keep = {"": Keep(0, 2999)}
        assert await f.retention.look() == 3
        assert await f.ids() == "r3 r4"
        assert await f.retention.look() == 0


async def test_rule_keeps_so_many_bytes_of_its_streams_together(
    database_url: str, tmp_path: Path
) -> None:
    async with fixture(database_url, tmp_path) as f:
        of_rule = Keep(0, 2500, 1)
        f.keep = {"live/a": of_rule, "live/b": of_rule, "vip/a": Keep(0, 0, 2)}
        for number, stream in enumerate(("vip/a", "live/a", "live/b", "x/y", "live/a", "live/b")):
            await f.add(recording(f"r{number}", stream=stream, started=float(number), bytes=1000))
        assert await f.retention.look() == 2
        assert await f.ids() == "r0 r3 r4 r5"
        f.keep[""] = Keep(0, 3000)  # what holds for all holds for them too
        assert await f.retention.look() == 1
        assert await f.ids() == "r3 r4 r5"
        assert await f.retention.look() == 0


async def test_what_is_watched_stays_until_it_is_not(database_url: str, tmp_path: Path) -> None:
    async with fixture(database_url, tmp_path) as f:
        f.keep = {"live/a": Keep(1, 0), "": Keep(0, 1)}
        await f.add(recording("r1", bytes=1000))
        known = await f.known.get("r1")
        assert known is not None
        assert await f.retention.look() == 0
        with known.in_use():
            f.go_on(WATCHED_S + 1)
            assert await f.retention.look() == 0
        assert await f.retention.look() == 1


async def test_file_that_cannot_be_deleted_is_told_and_others_go_on(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with fixture(database_url, tmp_path) as f:
        f.keep = {"live/a": Keep(1, 0)}
        await f.add(recording("r1"))
        await f.add(recording("r2"))
        delete = removal_module.delete_files

        def fail_once(folder: Path, files: Sequence[RecordedFile]) -> None:
            if files[0].recording_id == "r1":
                _read_only()
            delete(folder, files)

        monkeypatch.setattr(removal_module, "delete_files", fail_once)
        assert await f.retention.look() == 1
        assert await f.ids() == "r1"
        assert log_lines(caplog, "recording r1 cannot be deleted: Read-only file system")


async def test_nothing_is_old_on_the_day_on_which_the_clock_jumps_ahead(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with fixture(database_url, tmp_path) as f:
        f.keep = {"live/a": Keep(7, 0)}
        await f.add(recording(started=f.now - 10, ended=f.now))
        assert await f.retention.look() == 0
        f.now += 3650 * DAY_S
        assert await f.retention.look() == 0
        f.go_on(DAY_S - 60)
        assert await f.retention.look() == 0
        assert len(log_lines(caplog, "the clock is 87600.0 h ahead")) == 1
        f.go_on(120)
        assert await f.retention.look() == 1


async def test_database_that_is_away_is_no_reason_to_give_up(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with fixture(database_url, tmp_path) as f:

        async def refuse(*_: object, **__: object) -> list[Recording]:
            raise DatabaseError("database: gone")

        with monkeypatch.context() as patch:
            patch.setattr(RecordingTables, "oldest", refuse)
            with pytest.raises(DatabaseError):
                await f.retention.look()
            await f.retention.look_again()
            assert log_lines(caplog, "retention waits: database: gone")
        assert await f.retention.look() == 0


def _read_only(*_: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")
