"""Tests of headend.store.backup and restore: what comes back, and what no archive may do."""

import asyncio
import json
import sqlite3
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from headend.errors import DatabaseError, HeadendError, SettingsError
from headend.store import admin_token
from headend.store.backup import MANIFEST, Manifest, Packed, make_backup
from headend.store.database import Database
from headend.store.restore import SMALL_BYTES, Restore
from headend.store.server_secret import ServerSecret

SECRET = b"ab" * 32 + b"\n"
Change = Callable[[dict[str, bytes], Manifest], Manifest]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a database, a secret, a token and a certificate."""
    folder = tmp_path / "data"
    ServerSecret.load_or_create(folder)
    admin_token.load_or_create(folder)
    (folder / "tls" / "acme").mkdir(parents=True)
    (folder / "tls" / "self-signed.pem").write_text("certificate")
    (folder / "tls" / "acme" / "account.pem").write_text("key")
    (folder / "tls" / "x.partial").write_text("half")
    (folder / "tls" / "link").symlink_to("/etc/passwd")
    (folder / "recordings").mkdir()
    (folder / "recordings" / "a.mp4").write_text("media")
    asyncio.run(make_database(folder))
    return folder


async def make_database(folder: Path) -> None:
    database = Database("", folder)
    await database.open()
    await database.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "headend.db"
    }


def test_backup_comes_back_in_an_empty_folder(data: Path, tmp_path: Path) -> None:
    archive = tmp_path / "backup.zip"
    made = make_backup(data, "", archive, "0.2.0")
    assert {each.name for each in made.files} == {
        "headend.db",
        "server.secret",
        "admin.token",
        "tls/self-signed.pem",
        "tls/acme/account.pem",
    }
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"data", "backup.zip"}
    there = tmp_path / "there"
    with Restore(archive, there, "") as restore:
        assert restore.manifest == made
        assert restore.replaced() == []
        restore.run()
    expected = contents(data)
    for name in ("tls/x.partial", "tls/link", "recordings/a.mp4"):
        del expected[name]
    assert contents(there) == expected
    assert {path.stat().st_mode & 0o077 for path in there.rglob("*")} == {0}
    asyncio.run(make_database(there))


def test_database_elsewhere_is_put_back_where_the_settings_say(data: Path, tmp_path: Path) -> None:
    (data / "headend.db").rename(tmp_path / "own.db")
    url = f"sqlite:///{tmp_path / 'own.db'}"
    make_backup(data, url, tmp_path / "b.zip", "0.2.0")
    other = tmp_path / "other" / "new.db"
    with Restore(tmp_path / "b.zip", tmp_path / "there", f"sqlite:///{other}") as restore:
        restore.run()
    assert other.is_file()
    assert not (tmp_path / "there" / "headend.db").exists()
    assert {path.name for path in other.parent.iterdir()} == {"new.db"}


def test_backup_of_a_server_with_postgresql_has_no_database(data: Path, tmp_path: Path) -> None:
    url = "postgresql://u:p@host/name"
    made = make_backup(data, url, tmp_path / "b.zip", "0.2.0")
    assert (made.database, made.revision) == ("postgresql", "")
    with Restore(tmp_path / "b.zip", tmp_path / "there", url) as restore:
        restore.run()
    assert (tmp_path / "there" / "server.secret").exists()
    make_backup(data, "", tmp_path / "b.zip", "0.2.0")
    with pytest.raises(HeadendError, match=r"auth\.database names PostgreSQL"):
        Restore(tmp_path / "b.zip", tmp_path / "there", url)


def test_folder_without_secret_or_database_is_not_backed_up(data: Path, tmp_path: Path) -> None:
    (data / "headend.db").unlink()
    with pytest.raises(DatabaseError, match="there is none"):
        make_backup(data, "", tmp_path / "b.zip", "0.2.0")
    assert not (data / "headend.db").exists()
    (data / "server.secret").unlink()
    with pytest.raises(SettingsError, match=r"server\.secret is missing"):
        make_backup(data, "", tmp_path / "b.zip", "0.2.0")
    assert not (tmp_path / "b.zip").exists()


def test_backup_that_fails_leaves_the_one_before(data: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.zip"
    make_backup(data, "", archive, "0.2.0")
    before = archive.read_bytes()
    (data / "headend.db").write_bytes(b"x" * 8192)
    with pytest.raises(DatabaseError):
        make_backup(data, "", archive, "0.2.0")
    assert archive.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"data", "b.zip"}


def test_place_that_is_taken_is_known_and_a_database_takes_its_companions_along(
    data: Path, tmp_path: Path
) -> None:
    make_backup(data, "", tmp_path / "b.zip", "0.2.0")
    (data / "headend.db-wal").write_bytes(b"of another")
    with Restore(tmp_path / "b.zip", data, "") as restore:
        assert len(restore.replaced()) == 5
        restore.run()
    assert not (data / "headend.db-wal").exists()
    with sqlite3.connect(data / "headend.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# ---------------------------------------------------------------------- hostile archives


def pack(path: Path, change: Change, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write an archive as a change wants it; without one it would be right."""
    held = {"server.secret": SECRET}
    listed = tuple(
        Packed(name, len(content), sha256(content).hexdigest()) for name, content in held.items()
    )
    manifest = change(held, Manifest("0.2.0", 0.0, "postgresql", "", listed))
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in held.items():
            archive.writestr(name, content)
        archive.writestr(MANIFEST, manifest.text())
    return path


def listing(held: dict[str, bytes], manifest: Manifest, name: str, content: bytes) -> Manifest:
    """Put a file into the archive and its list."""
    held[name] = content
    packed = Packed(name, len(content), sha256(content).hexdigest())
    return replace(manifest, files=(*manifest.files, packed))


def restore(archive: Path, folder: Path) -> None:
    with Restore(archive, folder, "postgresql://h/d") as opened:
        opened.run()


def test_archive_that_is_right_is_restored(tmp_path: Path) -> None:
    restore(pack(tmp_path / "b.zip", lambda held, manifest: manifest), tmp_path / "there")
    assert (tmp_path / "there" / "server.secret").read_bytes() == SECRET


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "/etc/evil", "tls/../../evil", "tls/../server.json", "tls/a/../../../evil",
        "tls", "tls/", "tls//a", "tls/.", "tls/..", "server.json", "headend.db-wal", "a/b",
        "tls/a\\..\\b", "tls/a\x00b", "tls/a/b/c/d/e", "C:\\evil", "tls/" + "a" * 300,
    ],
)  # fmt: skip
def test_name_that_no_backup_has_is_refused(name: str, tmp_path: Path) -> None:
    archive = pack(
        tmp_path / "b.zip", lambda held, manifest: listing(held, manifest, name, b"evil")
    )
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(HeadendError, match="it names a file that no backup has"):
        restore(archive, tmp_path / "there")
    assert sorted(tmp_path.rglob("*")) == before


def _other_hash(held: dict[str, bytes], manifest: Manifest) -> Manifest:
    return replace(manifest, files=(replace(manifest.files[0], sha256="0" * 64),))


def _longer(held: dict[str, bytes], manifest: Manifest) -> Manifest:
    return replace(manifest, files=(replace(manifest.files[0], bytes=10),))


def _shorter(held: dict[str, bytes], manifest: Manifest) -> Manifest:
    return replace(manifest, files=(replace(manifest.files[0], bytes=100),))


def _missing(held: dict[str, bytes], manifest: Manifest) -> Manifest:
    held.clear()
    return manifest


def _huge(held: dict[str, bytes], manifest: Manifest) -> Manifest:
    return replace(manifest, files=(replace(manifest.files[0], bytes=SMALL_BYTES + 1),))


def _twice(held: dict[str, bytes], manifest: Manifest) -> Manifest:
    return replace(manifest, files=manifest.files * 2)


def _nothing(held: dict[str, bytes], manifest: Manifest) -> Manifest:
    return replace(manifest, files=())


def _no_database(held: dict[str, bytes], manifest: Manifest) -> Manifest:
    return replace(manifest, database="sqlite")


def _bad_secret(held: dict[str, bytes], manifest: Manifest) -> Manifest:
    held.clear()
    return listing(held, replace(manifest, files=()), "server.secret", b"short\n")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_other_hash, "server.secret is not what was packed; nothing was changed"),
        (_longer, "server.secret is longer than it says"),
        (_shorter, "server.secret is not what was packed"),
        (_missing, "There is no item named"),
        (_huge, "server.secret: its size is wrong"),
        (_twice, "its list of files is wrong"),
        (_nothing, "it holds no server.secret"),
        (_no_database, "does not fit its database"),
        (_bad_secret, "its server.secret is none"),
    ],
)
def test_archive_that_is_damaged_changes_nothing(change: Change, says: str, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "server.secret").write_text("mine")
    with pytest.raises(HeadendError) as caught:
        restore(pack(tmp_path / "b.zip", change), folder)
    assert says in str(caught.value)
    assert [path.name for path in folder.iterdir()] == ["server.secret"]
    assert (folder / "server.secret").read_text() == "mine"


def test_way_of_packing_that_no_backup_uses_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "b.zip", lambda held, manifest: manifest, zipfile.ZIP_LZMA)
    with pytest.raises(HeadendError, match="is not what a backup writes"):
        restore(archive, tmp_path / "there")


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"headend_backup": 1}', "[" * 100_000, '{"headend_backup": 1, "files": 7}',
    ],
)  # fmt: skip
def test_manifest_that_is_none_is_told(text: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(MANIFEST, text)
    with pytest.raises(HeadendError, match="is not what a backup writes"):
        restore(tmp_path / "b.zip", tmp_path / "there")


def test_format_of_a_newer_version_is_told(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", lambda held, manifest: manifest)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        document = json.loads(archive.read(MANIFEST)) | {"headend_backup": 2}
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(MANIFEST, json.dumps(document))
    with pytest.raises(HeadendError, match="it has format 2, and this version reads 1"):
        restore(tmp_path / "b.zip", tmp_path / "there")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + b"\xff" * 18])
def test_file_that_is_no_archive_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(HeadendError, match=r"b\.zip"):
        restore(tmp_path / "b.zip", tmp_path / "there")


def test_damage_anywhere_in_an_archive_is_told_and_changes_nothing(
    data: Path, tmp_path: Path
) -> None:
    make_backup(data, "", tmp_path / "b.zip", "0.2.0")
    whole = (tmp_path / "b.zip").read_bytes()
    folder = tmp_path / "there"
    for at in range(0, len(whole), len(whole) // 60):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        (tmp_path / "c.zip").write_bytes(damaged)
        try:
            with Restore(tmp_path / "c.zip", folder, "") as opened:
                opened.run()
        except HeadendError:
            assert not folder.exists() or not list(folder.iterdir())
        else:  # what was hit says nothing, such as a date
            for path in sorted(folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()


def test_database_of_a_newer_headend_is_not_restored(data: Path, tmp_path: Path) -> None:
    with sqlite3.connect(data / "headend.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    make_backup(data, "", tmp_path / "b.zip", "9.9.9")
    with (
        Restore(tmp_path / "b.zip", tmp_path / "there", "") as opened,
        pytest.raises(SettingsError, match="it was made by a newer Headend"),
    ):
        opened.run()
    assert not list((tmp_path / "there").iterdir())
