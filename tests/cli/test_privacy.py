"""Tests of the command `headend privacy`."""

import asyncio
import errno
import json
import time
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.record.made import begun, file, recording, segment

from headend.cli.main import run
from headend.net.pseudonyms import PSEUDONYMS, Pseudonyms
from headend.record import erasure
from headend.record.stored_tables import StoredTables
from headend.record.tables import RecordingTables
from headend.record.values import RecordedPublisher
from headend.store.audit import AuditTrail
from headend.store.database import Database
from headend.store.history import History
from headend.store.records import AuditEntry, StoredSession
from headend.store.server_secret import ServerSecret

Capture = pytest.CaptureFixture[str]

NOW = time.time()
ADDRESS = "203.0.113.7"
PLAY = StoredSession(
    "a1", 1, "play", "hls", "live/a", ADDRESS, "Ann", "VLC", NOW - 90_000, NOW - 80_000, 500
)
REFUSED = AuditEntry(NOW - 60, "Ann", "play", "vip/a", ADDRESS, "refused", "the token has expired")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data folder in which something is kept about Ann, a part of it under a pseudonym."""
    monkeypatch.chdir(tmp_path)
    key = ServerSecret.load_or_create(tmp_path).derive(PSEUDONYMS)
    shown = Pseudonyms(key, "pseudonymous", 1).shown(ip_address(ADDRESS), NOW - 200_000)

    async def write() -> None:
        database = Database("", tmp_path)
        await database.open()
        hidden = replace(PLAY, id="b2", address=shown, subject=None, started_at=NOW - 200_000)
        other = replace(PLAY, id="c3", address="10.0.0.1", subject="Bob")
        await History(database, "here").write([PLAY, hidden, other], frozenset())
        await AuditTrail(database).append([REFUSED])
        await database.close()

    asyncio.run(write())
    return str(tmp_path)


def exported(data: str, capsys: Capture, *flags: str) -> dict[str, list[dict[str, object]]]:
    assert run(["privacy", "export", "--data", data, *flags]) == 0
    found: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
    return found


def test_all_about_an_address_is_given_out_also_under_its_pseudonym(
    data: str, capsys: Capture
) -> None:
    found = exported(data, capsys, "--address", ADDRESS)
    assert [row["id"] for row in found["sessions"]] == ["b2", "a1"]
    assert [row["action"] for row in found["audit"]] == ["play"]


def test_viewer_is_forgotten_and_it_is_noted_without_saying_whom(
    data: str, capsys: Capture
) -> None:
    arguments = ["privacy", "erase", "--data", data, "--address", ADDRESS, "--subject", "Ann"]
    assert run([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "sessions": 2,
        "audit": 1,
        "keys": 0,
        "webhooks": 0,
        "recordings": 0,
    }
    found = exported(data, capsys, "--address", ADDRESS, "--subject", "Ann")
    assert not any(found.values())
    assert [row["id"] for row in exported(data, capsys, "--subject", "Bob")["sessions"]] == ["c3"]
    assert run(["audit", "list", "--data", data, "--action", "privacy", "--json"]) == 0
    text = capsys.readouterr().out
    (_, _, erasure) = json.loads(text)
    assert (erasure["action"], erasure["target"]) == ("privacy.erase", "address, subject")
    assert erasure["detail"].startswith("2 sessions, 1 audit entries")
    assert erasure["actor"].startswith("command line (")
    assert ADDRESS not in text
    assert "Ann" not in text


def test_result_is_said_for_people(data: str, capsys: Capture) -> None:
    assert run(["privacy", "erase", "--data", data, "--subject", "Ann"]) == 0
    told = capsys.readouterr().out
    assert (
        told
        == "overwritten: 1 sessions, 1 audit entries, 0 keys, 0 webhooks; deleted: 0 recordings\n"
    )


@pytest.mark.parametrize("command", ["export", "erase"])
@pytest.mark.parametrize("flags", [[], ["--address", "nowhere"], ["--subject", ""]])
def test_nobody_and_what_is_no_address_are_told_in_a_line(
    command: str, flags: list[str], data: str, capsys: Capture
) -> None:
    assert run(["privacy", command, "--data", data, *flags]) == 2
    assert "--address" in capsys.readouterr().err


def test_recordings_of_a_publisher_are_given_out_and_deleted(data: str, capsys: Capture) -> None:
    files = [add_recording(Path(data), id) for id in ("r1", "r2")]
    add_recording(Path(data), "r3", is_over=False)
    found = exported(data, capsys, "--subject", "Eve")["recordings"]
    assert [(row["id"], row["stream"], row["subject"]) for row in found] == [
        ("r1", "live/a", "Eve"), ("r2", "live/a", "Eve"), ("r3", "live/a", "Eve"),
    ]  # fmt: skip
    erase = ["privacy", "erase", "--data", data, "--subject", "Eve"]
    assert run(erase) == 0
    said = capsys.readouterr()
    assert "deleted: 2 recordings" in said.out
    assert "1 recordings go on: end them, and erase again" in said.err
    assert not any(path.exists() for path in files)
    left = exported(data, capsys, "--subject", "Eve")["recordings"]
    assert [row["id"] for row in left] == ["r3"]


def test_recordings_are_kept_where_that_is_wanted_and_nobodys_then(
    data: str, capsys: Capture
) -> None:
    path = add_recording(Path(data), "r1")
    erase = ["privacy", "erase", "--data", data, "--subject", "Eve", "--keep-recordings"]
    assert run([*erase, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recordings"] == 0
    assert path.exists()
    assert exported(data, capsys, "--subject", "Eve")["recordings"] == []


def test_recording_that_cannot_be_deleted_is_told_and_stays(
    data: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = add_recording(Path(data), "r1")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(erasure, "delete_files", refuse)
    assert run(["privacy", "erase", "--data", data, "--subject", "Eve"]) == 1
    assert f"cannot be deleted: {path}: Read-only file system" in capsys.readouterr().err
    assert len(exported(data, capsys, "--subject", "Eve")["recordings"]) == 1


@pytest.mark.parametrize("is_there", [True, False])
def test_what_is_in_an_object_store_is_deleted_there_or_told(
    data: str, capsys: Capture, tmp_path: Path, *, is_there: bool
) -> None:
    add_recording(Path(data), "r1")
    store = tmp_path / "store"
    url = f"file://{store}" if is_there else "s3://rec"

    async def upload() -> str:
        database = Database("", Path(data))
        await database.open()
        (file,) = await RecordingTables(database, "alone").files("r1")
        await StoredTables(database, "alone").stored(file, url, 5)
        await database.close()
        return file.key

    there = store / asyncio.run(upload())
    there.parent.mkdir(parents=True)
    there.write_bytes(b"media")
    config = tmp_path / "headend.toml"
    config.write_text(
        '[storage]\nendpoint = "http://127.0.0.1:1"\nkey_id = "k"\nsecret = "not-the-one"\n'
    )
    erase = ["privacy", "erase", "--data", data, "--config", str(config), "--subject", "Eve"]
    assert run(erase) == 0
    said = capsys.readouterr()
    assert "deleted: 1 recordings" in said.out
    assert there.exists() is not is_there
    assert ("1 files are in the object store still" in said.err) is not is_there


def test_recordings_at_other_servers_are_told(data: str, capsys: Capture) -> None:
    add_recording(Path(data), "r1", node="other")
    assert run(["privacy", "erase", "--data", data, "--subject", "Eve"]) == 0
    assert "1 recordings are at other servers: erase there too" in capsys.readouterr().err


def add_recording(data: Path, id: str, *, is_over: bool = True, node: str = "alone") -> Path:
    """Add a recording that Eve has published; return where its file is."""
    path = data / "recordings" / file(0, id).path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"media")

    async def write() -> None:
        database = Database("", data)
        await database.open()
        whole = recording(id) if is_over else begun(id)
        publisher = RecordedPublisher(id, f"s-{id}", None, "Eve")
        await RecordingTables(database, node).write(
            {whole: False}, [file(0, id)], [(id, segment(0))], [publisher]
        )
        await database.close()

    asyncio.run(write())
    return path
