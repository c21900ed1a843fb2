"""Tests of headend.record.disk: what is written, and what a bad disk costs."""

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.harness import until

from headend.record import disk as disk_module
from headend.record import journal
from headend.record.disk import DiskWriter, Job, NewFile, Spool


class Owner:
    """What a spool belongs to."""

    def __init__(self) -> None:
        self.done: list[tuple[object, str]] = []
        self.end: str | None = None
        self.over = asyncio.Event()

    def written(self, job: Job, path: str) -> None:
        self.done.append((job.mark, path))

    def closed(self, failure: str) -> None:
        self.end = failure
        self.over.set()


def spool(
    folder: Path, owner: Owner, sync: Callable[[int], None] = os.fdatasync, min_free: int = 0
) -> tuple[DiskWriter, Spool]:
    disk = DiskWriter(asyncio.get_running_loop(), threads=2, sync=sync)
    return disk, disk.spool("id", folder, min_free, owner)


def begin(name: str = "live/a/x.mp4", mark: object = 0) -> Job:
    return Job(NewFile(Path(name), b"head", {"note": 1}), (), mark)


async def test_jobs_are_done_in_order_and_told_once_they_are_synced(tmp_path: Path) -> None:
    owner = Owner()
    disk, spooled = spool(tmp_path, owner)
    assert spooled.put(begin())
    for number in range(5):
        assert spooled.put(Job(None, [b"a", b"%d" % number], number))
    spooled.end()
    await owner.over.wait()
    assert (tmp_path / "live/a/x.mp4").read_bytes() == b"heada0a1a2a3a4"
    assert owner.done == [(mark, "live/a/x.mp4") for mark in (0, 0, 1, 2, 3, 4)]
    assert (owner.end, disk.queued, disk.written, disk.failures) == ("", 0, 14, 0)
    disk.close()


async def test_name_that_is_taken_gets_a_number_and_the_journal_says_so(tmp_path: Path) -> None:
    (tmp_path / "live/a").mkdir(parents=True)
    (tmp_path / "live/a/x.mp4").write_bytes(b"another's")
    owner = Owner()
    disk, spooled = spool(tmp_path, owner)
    spooled.put(begin())
    spooled.put(begin())
    spooled.end()
    await owner.over.wait()
    assert [path for _, path in owner.done] == ["live/a/x-2.mp4", "live/a/x-3.mp4"]
    assert (tmp_path / "live/a/x.mp4").read_bytes() == b"another's"
    lines = (tmp_path / journal.FOLDER / "id.json").read_text().splitlines()
    assert lines == [
        '{"note": 1, "path": "live/a/x-2.mp4"}',
        '{"note": 1, "path": "live/a/x-3.mp4"}',
    ]
    disk.close()


async def test_disk_that_is_full_keeps_what_is_whole_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 10

    def some(descriptor: int, data: list[bytes]) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = os.write(descriptor, b"".join(data)[: min(room, 3)])
        room -= done
        return done

    owner = Owner()
    disk, spooled = spool(tmp_path, owner)
    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", some)
        patch.setattr(journal, "add", lambda *_: None)
        spooled.put(begin())
        spooled.put(Job(None, [b"1234"], 1))
        spooled.put(Job(None, [b"5678"], 2))
        await owner.over.wait()
    assert owner.end == "No space left on device"
    assert [mark for mark, _ in owner.done] == [0, 1]
    assert (tmp_path / "live/a/x.mp4").read_bytes() == b"head1234"
    spooled.put(Job(None, [b"late"], 3))
    spooled.end()
    await asyncio.to_thread(lambda: None)
    assert disk.failures == 1
    disk.close()


async def test_disk_that_has_become_read_only_keeps_what_is_whole_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    owner = Owner()
    disk, spooled = spool(tmp_path, owner)
    spooled.put(begin())
    await until(lambda: owner.done)
    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", refuse)
        spooled.put(Job(None, [b"1234"], 1))
        await owner.over.wait()
    assert owner.end == "Read-only file system"
    assert [mark for mark, _ in owner.done] == [0]
    assert (tmp_path / "live/a/x.mp4").read_bytes() == b"head"
    disk.close()


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
async def test_folder_that_vanishes_ends_the_recording_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(disk_module, "CHECK_S", 0.0)
    folder, owner = tmp_path / "recordings", Owner()
    disk, spooled = spool(folder, owner)
    spooled.put(begin())
    await until(lambda: owner.done)
    if how == "deleted":
        shutil.rmtree(folder)
    else:
        folder.rename(tmp_path / "elsewhere")
    if how == "replaced":
        (folder / "live/a").mkdir(parents=True)
        (folder / "live/a/x.mp4").write_bytes(b"another's")
    spooled.put(Job(None, [b"1234"], 1))
    await owner.over.wait()
    assert owner.end == "the file that is written is not in its folder any more"
    assert [mark for mark, _ in owner.done] == [0]
    again = Owner()
    spooled = disk.spool("id2", folder, 0, again)
    spooled.put(begin("live/a/y.mp4"))
    spooled.end()
    await again.over.wait()
    assert (again.end, (folder / "live/a/y.mp4").read_bytes()) == ("", b"head")
    disk.close()


async def test_what_cannot_be_synced_does_not_count(tmp_path: Path) -> None:
    syncs = 0

    def sync(_: int) -> None:
        nonlocal syncs
        syncs += 1
        if syncs > 1:
            raise OSError(errno.EIO, "Input/output error")

    owner = Owner()
    disk, spooled = spool(tmp_path, owner, sync)
    spooled.put(begin())
    await until(lambda: owner.done)
    spooled.put(Job(None, [b"a"], 1))
    await owner.over.wait()
    assert owner.end == "Input/output error"
    assert [mark for mark, _ in owner.done] == [0]
    disk.close()


async def test_disk_that_is_slow_holds_its_own_recording_up_and_no_other(tmp_path: Path) -> None:
    go_on, is_slow = threading.Event(), [True]

    def sync(_: int) -> None:
        if is_slow.pop() if is_slow else False:
            go_on.wait()

    slow, other = Owner(), Owner()
    disk, first = spool(tmp_path, slow, sync)
    second = disk.spool("id2", tmp_path, 0, other)
    first.put(begin("a/slow.mp4"))
    await until(lambda: not is_slow)
    second.put(begin("a/other.mp4"))
    second.end()
    await other.over.wait()
    block = bytes(disk_module.QUEUED // 8 - 1)
    taken = [first.put(Job(None, [block])) for _ in range(10)]
    assert taken == [True] * 8 + [False] * 2
    go_on.set()
    first.end()
    await slow.over.wait()
    assert (slow.end, disk.queued) == ("", 0)
    disk.close()


async def test_disk_with_little_room_is_not_filled(tmp_path: Path) -> None:
    owner = Owner()
    disk, spooled = spool(tmp_path, owner, min_free=2**60)
    spooled.put(begin())
    await owner.over.wait()
    assert "record.min_free_bytes" in str(owner.end)
    assert owner.done == []
    disk.close()


async def test_bug_in_a_thread_costs_its_recording_and_not_the_thread(tmp_path: Path) -> None:
    broken, sound = Owner(), Owner()
    disk = DiskWriter(asyncio.get_running_loop(), threads=1)
    first, second = (
        disk.spool(id, tmp_path, 0, owner) for id, owner in (("a", broken), ("b", sound))
    )
    first.put(Job(NewFile(Path("live/\ud800.mp4"), b"head", {}), (), 0))  # a name of no system
    await broken.over.wait()
    second.put(begin())
    second.end()
    await sound.over.wait()
    assert (broken.end, broken.done) == (disk_module.BUG, [])
    assert (sound.end, sound.done) == ("", [(0, "live/a/x.mp4")])
    disk.close()


@pytest.mark.parametrize("where", ["journal", "head", "folder"])
async def test_file_that_could_not_begin_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    whose = {
        "journal": (journal, "add"),
        "head": (os, "writev"),
        "folder": (journal, "sync_folder"),
    }
    owner = Owner()
    disk, spooled = spool(tmp_path, owner)
    spooled.put(begin())
    await until(lambda: owner.done)
    with monkeypatch.context() as patch:
        patch.setattr(*whose[where], fail)
        spooled.put(begin("live/a/y.mp4"))
        await owner.over.wait()
    assert owner.end == "No space left on device"
    assert [path.name for path in (tmp_path / "live/a").iterdir()] == ["x.mp4"]
    assert (tmp_path / "live/a/x.mp4").read_bytes() == b"head"
    disk.close()
