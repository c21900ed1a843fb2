"""Tests of headend.files."""

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from headend import files
from headend.errors import HeadendError, SettingsError, StorageError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


Write = Callable[[Path, bytes], object]


def fail_at(name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a call of the system fail, as on a disk that is full."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, fail)


def test_file_is_written_for_its_owner_alone_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write(path, b"one")
    assert (path.read_bytes(), mode(path)) == (b"one", 0o600)
    files.write(path, b"two", 0o644)
    assert (path.read_bytes(), mode(path)) == (b"two", 0o644)
    assert names(tmp_path) == {"a"}


def test_file_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert files.create(path, b"one")
    assert not files.create(path, b"two")
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == {"a"}


def test_of_many_that_make_a_file_at_once_one_does(tmp_path: Path) -> None:
    made: list[bytes] = []

    def make(content: bytes) -> None:
        if files.create(tmp_path / "a", content):
            made.append(content)

    threads = [threading.Thread(target=make, args=(bytes([n]) * 100,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [(tmp_path / "a").read_bytes()]
    assert names(tmp_path) == {"a"}


@pytest.mark.parametrize("write", [files.write, files.create])
@pytest.mark.parametrize("call", ["fsync", "fdopen"])
def test_disk_that_is_full_leaves_no_file(
    call: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(call, errno.ENOSPC, monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "a", b"secret")
    assert names(tmp_path) == set()


def test_disk_that_is_full_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"old")
    fail_at("fsync", errno.ENOSPC, monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        files.write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == {"a"}


def test_content_is_on_the_disk_before_it_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append("named" if (tmp_path / "a").exists() else "unnamed")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    files.create(tmp_path / "a", b"one")
    assert synced == ["unnamed", "named"]  # the file, then its folder


def test_file_whose_place_is_taken_by_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="a"):
        files.write(tmp_path / "a", b"one")
    assert names(tmp_path) == {"a"}


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_file_system_without_links_will_do(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at("link", number, monkeypatch)
    assert files.create(tmp_path / "a", b"one")
    assert not files.create(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"one"
    assert names(tmp_path) == {"a"}


def test_link_that_fails_otherwise_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at("link", errno.EIO, monkeypatch)
    with pytest.raises(OSError, match="Input/output"):
        files.create(tmp_path / "a", b"one")
    assert names(tmp_path) == set()


def test_folder_that_cannot_be_synced_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def open_(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_DIRECTORY:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", open_)
    files.write(tmp_path / "a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one"


def test_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")
    assert {mode(tmp_path / "a"), mode(tmp_path / "a" / "b")} == {0o700}


def test_file_in_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        files.make_folder(tmp_path / "a")
    with pytest.raises(NotADirectoryError):
        files.make_folder(tmp_path / "a" / "b")


def test_file_is_touched_without_changing_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.touch(path)
    assert (path.read_bytes(), mode(path)) == (b"", 0o600)
    path.write_bytes(b"kept")
    files.touch(path)
    assert path.read_bytes() == b"kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_makes_belongs_to_whom_the_folder_belongs(tmp_path: Path) -> None:
    os.chown(tmp_path, 4711, 4712)
    files.make_folder(tmp_path / "folder")
    files.write(tmp_path / "folder" / "written", b"1")
    files.create(tmp_path / "created", b"1")
    files.touch(tmp_path / "touched")
    for name in ("folder", "folder/written", "created", "touched"):
        owner = (tmp_path / name).stat()
        assert (owner.st_uid, owner.st_gid) == (4711, 4712), name
    (tmp_path / "own").touch()
    files.touch(tmp_path / "own")
    assert (tmp_path / "own").stat().st_uid == 0  # it was there


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StorageError),
        (errno.EDQUOT, StorageError),
        (errno.EIO, StorageError),
        (errno.EACCES, SettingsError),
        (errno.ENOENT, SettingsError),
        (errno.EROFS, SettingsError),
    ],
)
def test_fault_of_the_machine_is_told_from_one_of_the_settings(
    number: int, kind: type[HeadendError]
) -> None:
    error = files.fault("file /x", OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert str(error) == f"file /x: {os.strerror(number)}"


def test_files_that_others_may_use_are_told_with_the_command_that_mends_it(
    tmp_path: Path,
) -> None:
    for name, bits in (("own", 0o600), ("group", 0o640), ("all of us", 0o644), ("none", 0)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(bits)
    every = [tmp_path / name for name in ("own", "group", "all of us", "none", "missing")]
    assert files.warnings(every) == [
        f"{tmp_path}/group can be used by other users of this machine (mode 0640): "
        f"chmod 600 {tmp_path}/group",
        f"{tmp_path}/all of us can be used by other users of this machine (mode 0644): "
        f"chmod 600 '{tmp_path}/all of us'",
    ]
