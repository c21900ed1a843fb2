"""The file that tells other commands where the server of a data folder listens.

The file is locked while the server runs. So one that a crash has left behind is told apart, and
whoever reads an address there may send the admin token to it.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headend import files
from headend.errors import HeadendError

log = logging.getLogger(__name__)

FILE_NAME: Final = "server.json"
FILE_BYTES: Final = 64 * 1024  # far more than any list of addresses takes


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs.

    Attributes:
        pid: Its process.
        http: Its HTTP addresses, HOST:PORT or unix:PATH.
        tls: Its RTMPS and HTTPS addresses, HOST:PORT or unix:PATH.
        rtmp: Its RTMP addresses, HOST:PORT or unix:PATH.
        config: Its settings file; None: it has none, or an older version runs.
        has_own_database: Its database is not in the data folder but where `auth.database` says.
    """

    pid: int
    http: Sequence[str]
    tls: Sequence[str]
    rtmp: Sequence[str] = ()
    config: Path | None = None
    has_own_database: bool = False


class RunningFile:
    """The file of a server, there until `close`."""

    def __init__(
        self,
        data: Path,
        addresses: Mapping[str, Sequence[str]],
        *,
        config: Path | None = None,
        has_own_database: bool = False,
    ) -> None:
        """Write the file; if it cannot be written, the log says so and the server runs without.

        Args:
            data: The data folder.
            addresses: Where the server listens, by listener.
            config: The settings file.
            has_own_database: `auth.database` is set.
        """
        self._path: Final = data / FILE_NAME
        self._descriptor: int | None = None
        told = {
            "pid": os.getpid(),
            **addresses,
            "config": None if config is None else str(config.absolute()),
            "has_own_database": has_own_database,
        }
        content = json.dumps(told).encode() + b"\n"
        try:
            with _one_at_a_time(data):
                if find(data) is None:
                    files.write(self._path, content)
                    self._descriptor = _locked(self._path)
                    return
            log.warning(
                "another server uses the data folder %s; headend status shows that one", data
            )
        except (OSError, HeadendError) as error:
            log.warning("%s: %s: headend status will not find this server", self._path, error)

    def close(self) -> None:
        """Remove the file."""
        if self._descriptor is not None:
            with suppress(OSError):
                self._path.unlink()
            self.leave()

    def leave(self) -> None:
        """Leave the file as it is: in a process that was forked, to the one that has written it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def find(data: Path) -> Running | None:
    """Return the server that runs with a data folder, if there is one.

    Raises:
        HeadendError: The file is there and cannot be read.
    """
    path = data / FILE_NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HeadendError(f"{path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _parse(path, os.read(descriptor, FILE_BYTES))
        return None  # left behind: nobody holds it
    finally:
        os.close(descriptor)


def folders_in_use() -> list[Path]:
    """Return the data folders of the servers that run as this user, wherever they are.

    A server holds its file open. Servers of other users are not looked for: what they say of
    themselves is not to be trusted.
    """
    user = os.geteuid()
    found: set[Path] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is none of ours
            if process.stat().st_uid == user:
                found |= {path.parent for path in _files_of(process) if path.name == FILE_NAME}
    folders = []
    for folder in sorted(found):
        with suppress(HeadendError):
            if find(folder) is not None:
                folders.append(folder)
    return folders


def _files_of(process: Path) -> Iterator[Path]:
    """Name the files that a process holds open."""
    for descriptor in (process / "fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            yield Path(os.readlink(descriptor))


@contextmanager
def _one_at_a_time(data: Path) -> Iterator[None]:
    """Have servers that start at once with the same data folder take turns."""
    descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _parse(path: Path, data: bytes) -> Running:
    try:
        document = json.loads(data)
        http, tls = list(document["http"]), list(document["tls"])
        config = document.get("config")
        return Running(
            int(document["pid"]),
            http,
            tls,
            list(document.get("rtmp", ())),
            Path(config) if config else None,
            bool(document.get("has_own_database", False)),
        )
    except (ValueError, KeyError, TypeError):
        raise HeadendError(f"{path} is not what a server writes") from None
