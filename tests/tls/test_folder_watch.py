"""Tests of headend.tls.folder_watch."""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.harness import log_lines, run, until

from headend.tls import folder_watch
from headend.tls.folder_watch import Entries, FolderWatch, entries


class Seen:
    """What a watch has told."""

    def __init__(self) -> None:
        self.calls = 0
        self.names: set[str] = set()

    def __call__(self, changed: AbstractSet[str]) -> None:
        self.calls += 1
        self.names |= {Path(each).name for each in changed}

    async def tells_of(self, path: Path) -> None:
        """Write a file again and again: the watch may not have begun at the first time."""

        def is_told() -> bool:
            path.write_text("a")
            return path.name in self.names

        await until(is_told)


@asynccontextmanager
async def watching(watch: FolderWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    first, second = tmp_path / "first", tmp_path / "second"
    for each in (first, second):
        each.mkdir()
    return first, second


async def test_change_in_a_folder_is_told_and_below_it_is_not(folders: tuple[Path, Path]) -> None:
    folder, _ = folders
    (folder / "below").mkdir()

    seen = Seen()
    watch = FolderWatch(seen)
    watch.add({folder})
    async with watching(watch):
        (folder / "below" / "deep").write_text("a")
        await seen.tells_of(folder / "a")
        (folder / "below" / "deeper").write_text("a")
        await seen.tells_of(folder / "b")
    assert not seen.names & {"deep", "deeper"}


async def test_folder_that_is_added_later_is_watched_beside_the_first(
    folders: tuple[Path, Path],
) -> None:
    first, second = folders

    seen = Seen()
    watch = FolderWatch(seen)
    watch.add({first})
    async with watching(watch):
        await seen.tells_of(first / "a")
        watch.add({first, second})
        await seen.tells_of(second / "b")
        await seen.tells_of(first / "c")


async def test_what_changed_before_an_added_folder_is_watched_is_asked_for(
    folders: tuple[Path, Path],
) -> None:
    first, second = folders

    seen = Seen()
    watch = FolderWatch(seen)
    watch.add({first})
    async with watching(watch):
        await asyncio.sleep(0)
        watch.add({second})
        await until(lambda: seen.calls)
        assert not seen.names


async def test_folder_that_is_not_there_is_one_warning_and_the_others_are_watched(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = folders
    missing = first / "missing"

    seen = Seen()
    watch = FolderWatch(seen)
    watch.add({first})
    async with watching(watch):
        watch.add({missing})
        await until(lambda: log_lines(caplog, "changes of files"))
        await seen.tells_of(first / "a")
        missing.mkdir()
        watch.add({missing, second})
        await seen.tells_of(missing / "b")
    (line,) = log_lines(caplog, "changes of files")
    assert line == f"WARNING changes of files are not noticed in {missing}: no such folder"


async def test_folder_that_may_not_be_watched_is_one_warning(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = folders

    def refusing(folder: Path) -> Entries:
        if folder == first:
            raise PermissionError(13, "Permission denied")
        return entries(folder)

    monkeypatch.setattr(folder_watch, "entries", refusing)

    seen = Seen()
    watch = FolderWatch(seen)
    watch.add({first})
    async with watching(watch):
        await until(lambda: log_lines(caplog, "changes of files are not noticed"))
        watch.add({second})
        await seen.tells_of(second / "a")
    (line,) = log_lines(caplog, "changes of files are not noticed")
    assert line == f"WARNING changes of files are not noticed in {first}: Permission denied"


async def test_folder_that_comes_back_is_still_watched(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = folders
    failed: list[Path] = []

    def noting(folder: Path) -> Entries:
        try:
            return entries(folder)
        except OSError:
            failed.append(folder)
            raise

    monkeypatch.setattr(folder_watch, "entries", noting)

    seen = Seen()
    watch = FolderWatch(seen)
    watch.add({folder})
    async with watching(watch):
        await seen.tells_of(folder / "a")
        (folder / "a").unlink()
        folder.rmdir()
        await until(lambda: failed)
        folder.mkdir()
        await seen.tells_of(folder / "b")


async def test_link_that_is_replaced_is_a_change_and_so_is_a_file_that_goes(
    folders: tuple[Path, Path],
) -> None:
    """As Kubernetes puts a new folder of secrets in the place of the old one."""
    folder, other = folders
    link, new, gone = folder / "..data", folder / "new", folder / "gone"
    link.symlink_to(other)
    gone.write_text("a")

    seen = Seen()
    watch = FolderWatch(seen)
    watch.add({folder})
    async with watching(watch):
        await seen.tells_of(folder / "a")
        assert not seen.names & {link.name, gone.name}
        new.symlink_to(other)
        new.rename(link)
        gone.unlink()
        await until(lambda: {link.name, gone.name} <= seen.names)


def test_watch_of_nothing_ends() -> None:
    run(FolderWatch(Seen()).run())
