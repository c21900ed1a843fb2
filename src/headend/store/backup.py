"""A backup: one archive of what a data folder holds that cannot be made again.

    headend-backup.json     what the archive holds: names, sizes, hashes; version, time
    headend.db              the database, if it is SQLite
    server.secret           without which the database's keys are not valid
    admin.token
    tls/…                   certificates that the server made or got, and their keys

It is a ZIP file: its list of contents has a size that does not grow with what is packed, so that a
hostile one cannot fill the memory. The server may run meanwhile: SQLite copies one state of the
database and holds up nobody who writes (WAL mode).
"""

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import IO, Final, Literal
from zipfile import ZIP_DEFLATED, ZipFile

from headend import files
from headend.errors import DatabaseError, SettingsError
from headend.store import admin_token, server_secret
from headend.store.data_folder import DATABASE, database_file

MANIFEST: Final = "headend-backup.json"
FORMAT: Final = 1  # of the archive
TLS_FOLDER: Final = "tls"
PARTIAL: Final = ".partial"  # files that are being written
BUSY_S: Final = 10.0  # how long a database is waited for that another process locks
BLOCK: Final = 1024 * 1024

_MADE_BY: Final = "SELECT version_num FROM alembic_version"


@dataclass(frozen=True, slots=True)
class Packed:
    """A file in a backup."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself.

    Attributes:
        version: Of Headend, which made it.
        made_at: Unix seconds.
        database: `sqlite`: it is in the archive; `postgresql`: it is backed up by its own tools.
        revision: Of the database's tables; empty if it is not in the archive.
        files: What is in the archive.
        outside: What it does not hold and a restored server needs: files of the settings,
            certificates from elsewhere, recordings.
    """

    version: str
    made_at: float
    database: Literal["sqlite", "postgresql"]
    revision: str
    files: tuple[Packed, ...]
    outside: tuple[str, ...] = field(default=())

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps({"headend_backup": FORMAT, **asdict(self)}, indent=2)


def make_backup(
    data: Path, url: str, target: Path, version: str, outside: tuple[str, ...] = ()
) -> Manifest:
    """Write a backup, for its owner only; one that is there is replaced when all is written.

    Args:
        data: The data folder; its server may run.
        url: The setting `auth.database`.
        target: The archive.
        version: Of Headend.
        outside: What is told of in the manifest and not packed.

    Raises:
        SettingsError: The data folder or the target cannot be used.
        StorageError: The disk is full or broken.
        DatabaseError: The database cannot be read.
    """
    database = database_file(data, url)
    try:
        with TemporaryDirectory(prefix=".headend-backup-", dir=target.parent) as folder:
            sources = dict(_state(data))
            revision = ""
            if database is not None:
                copy = Path(folder) / DATABASE
                revision = _copy_database(database, copy)
                sources[DATABASE] = copy
            with _written_whole(target) as archive, ZipFile(archive, "w", ZIP_DEFLATED) as packed:
                entries = tuple(_pack(packed, name, sources[name]) for name in sorted(sources))
                kind: Literal["sqlite", "postgresql"] = "sqlite" if database else "postgresql"
                manifest = Manifest(version, time(), kind, revision, entries, outside)
                packed.writestr(MANIFEST, manifest.text())
    except OSError as error:
        raise files.fault(str(error.filename or target), error) from error
    return manifest


def _state(data: Path) -> Iterator[tuple[str, Path]]:
    """Name the files of a data folder that belong into a backup, besides the database."""
    secret = data / server_secret.FILE_NAME
    if not secret.exists():
        raise SettingsError(f"{secret} is missing: a backup without it would have no valid keys")
    yield server_secret.FILE_NAME, secret
    if (token := data / admin_token.FILE_NAME).exists():
        yield admin_token.FILE_NAME, token
    for path in sorted((data / TLS_FOLDER).rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix != PARTIAL:
            yield path.relative_to(data).as_posix(), path


def _copy_database(source: Path, target: Path) -> str:
    """Copy one state of a database that may be in use; return the revision of its tables."""
    if not source.is_file():
        raise DatabaseError(f"database: {source}: there is none")
    try:
        with (
            closing(_open(source, "rw")) as database,  # what only reads could not join the others
            closing(sqlite3.connect(target)) as copy,
        ):
            database.backup(copy)  # in one step: others that write would have it begin again
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
            return str(copy.execute(_MADE_BY).fetchone()[0])
    except (sqlite3.Error, TypeError) as error:
        raise DatabaseError(f"database: {source}: {error}") from error


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", timeout=BUSY_S, uri=True)


def _pack(archive: ZipFile, name: str, path: Path) -> Packed:
    hash, size = sha256(), 0
    with path.open("rb") as source, archive.open(name, "w", force_zip64=True) as target:
        while block := source.read(BLOCK):
            hash.update(block)
            size += len(block)
            target.write(block)
    return Packed(name, size, hash.hexdigest())


@contextmanager
def _written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Give a new file, which takes its name and its place once the block has written all of it."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, files.PRIVATE)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
