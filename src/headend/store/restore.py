"""A backup put back: read, checked as a whole, and only then moved into the data folder.

    archive ─► manifest ─► names, sizes ─► files beside their places ─► hashes, database ─► renamed

An archive may come from anywhere. It names nothing but the files that a backup has, each is read as
far as the manifest says, and what is wrong with any of them leaves the data folder as it was.
"""

import json
import re
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from pydantic import TypeAdapter

from headend import files
from headend.errors import HeadendError, SettingsError
from headend.store import admin_token, server_secret
from headend.store.backup import BLOCK, FORMAT, MANIFEST, TLS_FOLDER, Manifest
from headend.store.data_folder import COMPANIONS, DATABASE, database_file
from headend.store.server_secret import ServerSecret

METHODS: Final = (ZIP_STORED, ZIP_DEFLATED)  # others may take any amount of memory
MANIFEST_BYTES: Final = 4 * 1024 * 1024
MOST_FILES: Final = 10_000
SMALL_BYTES: Final = 1024 * 1024  # of any file but the database
# What is raised about bytes of an archive that are wrong.
BROKEN: Final = (
    BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip

_STATE: Final = (server_secret.FILE_NAME, admin_token.FILE_NAME)
_TLS_NAME: Final = re.compile(rf"{TLS_FOLDER}(?:/(?!\.{{1,2}}(?:/|$))[\w.@:+-]{{1,200}}){{1,4}}")


def read_manifest(archive: ZipFile) -> Manifest:
    """Read what a backup says of itself.

    Raises:
        HeadendError: It is no backup, or one of a newer Headend.
    """
    try:
        info = archive.getinfo(MANIFEST)
    except KeyError:
        raise HeadendError(f"it holds no {MANIFEST}") from None
    try:
        if info.file_size > MANIFEST_BYTES or info.compress_type not in METHODS:
            raise ValueError
        document = json.loads(archive.read(info))
        form = document.pop("headend_backup")
        manifest = TypeAdapter(Manifest).validate_python(document)
    except (*BROKEN, TypeError, AttributeError, RecursionError):
        raise HeadendError(f"{MANIFEST} is not what a backup writes") from None
    if form != FORMAT:
        raise HeadendError(f"it has format {form!s:.9}, and this version reads {FORMAT}")
    return manifest


class Restore:
    """A backup and the data folder that it goes into."""

    def __init__(self, source: Path, data: Path, url: str) -> None:
        """Open a backup and read its manifest; use it in `with`.

        Args:
            source: The archive.
            data: The data folder; made when all is right.
            url: The setting `auth.database` of the server to be.

        Raises:
            HeadendError: It is no backup, or does not fit the settings.
        """
        self._source: Final = source
        self._data: Final = data
        self._database: Final = database_file(data, url)
        try:
            self._archive = ZipFile(source)
        except OSError as error:
            raise files.fault(str(source), error) from error
        except (BadZipFile, NotImplementedError, ValueError) as error:
            raise HeadendError(f"{source} is no backup: {error}") from None
        try:
            self.manifest: Final = read_manifest(self._archive)
            self._check_names()
        except HeadendError as error:
            self.close()
            raise HeadendError(f"{source} cannot be restored: {error}") from None

    def __enter__(self) -> "Restore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()

    def replaced(self) -> list[Path]:
        """Return the files that are there and would be replaced."""
        return [path for path in map(self._place, self._names()) if path.exists()]

    def run(self) -> None:
        """Put everything back.

        Raises:
            HeadendError: The archive is damaged, or the database in it is; nothing has changed.
            SettingsError, StorageError: The data folder cannot be used.
        """
        try:
            with self._staged() as staged:
                for name in self._names():
                    self._unpack(name, staged[name])
                self._check(staged)
                for name in self._names():
                    self._put(staged[name], self._place(name))
        except OSError as error:
            raise files.fault(str(error.filename or self._data), error) from error

    # ------------------------------------------------------------------ checks

    def _check_names(self) -> None:
        packed = self.manifest.files
        names = [each.name for each in packed]
        if len(names) > MOST_FILES or len(set(names)) != len(names):
            raise HeadendError("its list of files is wrong")
        for each in packed:
            is_database = each.name == DATABASE
            is_known = is_database or each.name in _STATE or _TLS_NAME.fullmatch(each.name)
            if not is_known:
                raise HeadendError(f"it names a file that no backup has: {each.name[:80]!r}")
            if not 0 <= each.bytes <= (2**60 if is_database else SMALL_BYTES):
                raise HeadendError(f"{each.name}: its size is wrong")
        if server_secret.FILE_NAME not in names:
            raise HeadendError(f"it holds no {server_secret.FILE_NAME}")
        if (DATABASE in names) != (self.manifest.database == "sqlite"):
            raise HeadendError("its list of files does not fit its database")
        if DATABASE in names and self._database is None:
            raise HeadendError(
                "it holds a database of SQLite, and auth.database names PostgreSQL: "
                "restore it without that setting"
            )

    def _check(self, staged: dict[str, Path]) -> None:
        """Check what was unpacked: the secret is one, and the database is whole and not newer."""
        try:
            ServerSecret.load_or_create(staged[server_secret.FILE_NAME].parent)
        except SettingsError:
            raise self._damaged(f"its {server_secret.FILE_NAME} is none") from None
        if DATABASE not in staged:
            return
        try:
            with closing(sqlite3.connect(staged[DATABASE])) as database:
                (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
                revision = database.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.Error as error:
            raise self._damaged(f"its database cannot be read: {error}") from None
        if found != "ok" or revision is None:
            raise self._damaged("its database is not whole")
        from headend.store.migrating import known_revisions, newer

        if revision[0] not in known_revisions():
            raise newer(str(revision[0]), "the backup's database")

    def _damaged(self, words: str) -> HeadendError:
        return HeadendError(f"{self._source} is damaged: {words}; nothing was changed")

    # ------------------------------------------------------------------ files

    def _names(self) -> Sequence[str]:
        """Return what is put back, in order: the database last, which needs the secret."""
        names = [each.name for each in self.manifest.files]
        return sorted(names, key=lambda name: (name == DATABASE, name))

    def _place(self, name: str) -> Path:
        if name == DATABASE and self._database is not None:
            return self._database
        return self._data / name

    @contextmanager
    def _staged(self) -> Iterator[dict[str, Path]]:
        """Give a place for each file, on the disk where it belongs; what is left is removed."""
        folders: list[Path] = []
        try:
            staged = {}
            for name in self._names():
                parent = self._place(name).parent if name == DATABASE else self._data
                files.make_folder(parent)
                if not folders or folders[-1].parent != parent:
                    folders.append(Path(mkdtemp(prefix=".restoring-", dir=parent)))
                staged[name] = folders[-1] / name
                staged[name].parent.mkdir(parents=True, exist_ok=True, mode=files.FOLDER)
            yield staged
        finally:
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)

    def _unpack(self, name: str, path: Path) -> None:
        """Write a file, no further than the manifest says, and compare it with its hash."""
        (packed,) = (each for each in self.manifest.files if each.name == name)
        hash, left = sha256(), packed.bytes
        files.touch(path)
        try:
            if self._archive.getinfo(name).compress_type not in METHODS:
                raise ValueError("it is packed in a way that no backup is")
            with self._archive.open(name) as source, path.open("wb") as target:
                while block := source.read(min(BLOCK, left + 1)):
                    left -= len(block)
                    if left < 0:
                        raise self._damaged(f"{name} is longer than it says")
                    hash.update(block)
                    target.write(block)
        except BROKEN as error:
            raise self._damaged(f"{name}: {error}") from None
        except OSError as error:
            raise files.fault(str(path), error) from error
        if left or hash.hexdigest() != packed.sha256:
            raise self._damaged(f"{name} is not what was packed")

    def _put(self, staged: Path, place: Path) -> None:
        files.make_folder(place.parent)
        files.give_to_owner_of(place.parent, staged)
        if place == self._database:
            for companion in COMPANIONS[1:]:  # of the database that was there
                place.with_name(place.name + companion).unlink(missing_ok=True)
        staged.replace(place)
        files.sync_folder(place.parent)
