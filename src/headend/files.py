"""Files of ours: written whole or not at all, safe from a power cut, readable for their owner only.

    content ─► NAME.1f3a….partial beside it ─► synced to the disk ─► renamed, the folder synced

So nobody ever reads half a file or an empty one, and a disk that is full leaves what was there.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Final

from headend.errors import HeadendError, SettingsError, StorageError

PRIVATE: Final = 0o600
FOLDER: Final = 0o700
OTHERS: Final = 0o077  # the bits of those who are not the owner
STRANGERS: Final = 0o007  # of those who are not of the group either

# What a person mends at the machine, not in the settings; trying again may help.
_OF_MACHINE: Final = frozenset(
    (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ESTALE,
        errno.ETIMEDOUT,
    )
)
# Of file systems without hard links.
_NO_LINKS: Final = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))


def fault(what: str, error: OSError) -> HeadendError:
    """Return the error that says why a file or a folder cannot be used.

    Args:
        what: Which; the reason follows.
        error: Why.

    Returns:
        StorageError if the machine is at fault, such as a disk that is full, else SettingsError.
    """
    kind = StorageError if error.errno in _OF_MACHINE else SettingsError
    return kind(f"{what}: {error.strerror or error}")


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner only.

    Raises:
        OSError: That failed.
    """
    # mkdir's own parents=True gives the mode to the last one only.
    for each in (*reversed(folder.parents), folder):
        if not each.is_dir():
            with suppress(FileExistsError):
                each.mkdir(mode=FOLDER)
                give_to_owner_of(each.parent, each)
    folder.mkdir(exist_ok=True)  # a file in its place is an error


def write(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Write a file, in place of the one that is there.

    Args:
        path: Its folder is there.
        content: All of it.
        mode: As for `open`: the process may take rights away.

    Raises:
        OSError: That failed; what was there still is.
    """
    partial = _write_beside(path, content, mode)
    try:
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def create(path: Path, content: bytes, mode: int = PRIVATE) -> bool:
    """Write a file unless there is one, also if several processes do that at once.

    Returns:
        Whether it is the one that was written.

    Raises:
        OSError: That failed; there is no file.
    """
    if path.exists():
        return False
    partial = _write_beside(path, content, mode)
    try:
        os.link(partial, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS or path.exists():
            raise
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def read_or_create(folder: Path, name: str, content: str) -> tuple[str, bool]:
    """Read a secret of the data folder, which is made if it is missing.

    Args:
        folder: The data folder; made if it is missing.
        name: Of the file.
        content: Written if there is none.

    Returns:
        What the file holds, without white space at its ends, and whether it was made just now.

    Raises:
        SettingsError: The folder or the file cannot be used.
        StorageError: The disk is full or broken.
    """
    what = f"data folder {folder}: cannot use {name}"
    path = folder / name
    try:
        make_folder(folder)
        is_new = create(path, f"{content}\n".encode())
        return path.read_text(encoding="ascii").strip(), is_new
    except UnicodeDecodeError:
        raise SettingsError(f"{what}: it is no text") from None
    except OSError as error:
        raise fault(what, error) from error


def _write_beside(path: Path, content: bytes, mode: int) -> Path:
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(partial, flags, mode), "wb") as file:
            give_to_owner_of(path.parent, file.fileno())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return partial


def sync_folder(folder: Path) -> None:
    """Have the name of a new file survive a power cut; some file systems can't."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def give_to_owner_of(folder: Path, file: Path | int) -> None:
    """Give what root makes in the folder of a server's user to that user, who has to read it."""
    if os.geteuid() == 0:
        owner = folder.stat()
        if owner.st_uid != 0:
            os.chown(file, owner.st_uid, owner.st_gid)


def touch(path: Path) -> None:
    """Make an empty file unless it is there, for its owner only.

    Raises:
        OSError: That failed.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    is_new = not path.exists()
    descriptor = os.open(path, flags, PRIVATE)
    try:
        if is_new:
            give_to_owner_of(path.parent, descriptor)
    finally:
        os.close(descriptor)


def warnings(files: Iterable[Path], others: int = OTHERS) -> list[str]:
    """Say which of some files others than their owner may use, and the command that mends it.

    Args:
        files: Those that hold secrets or what is kept about people; a missing one is no fault.
        others: Bits of a mode that none of them may have.

    Returns:
        A line for each such file.
    """
    lines = []
    for path in files:
        with suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & others:
                lines.append(
                    f"{path} can be used by other users of this machine (mode {mode:04o}): "
                    f"chmod {mode & ~others:o} {quote(str(path))}"
                )
    return lines
