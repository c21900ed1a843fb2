"""Tests of the command `headend privacy`."""

import asyncio
import json
import time
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from headend.cli.main import run
from headend.net.pseudonyms import PSEUDONYMS, Pseudonyms
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
    assert told == "overwritten: 1 sessions, 1 audit entries, 0 keys, 0 webhooks\n"


@pytest.mark.parametrize("command", ["export", "erase"])
@pytest.mark.parametrize("flags", [[], ["--address", "nowhere"], ["--subject", ""]])
def test_nobody_and_what_is_no_address_are_told_in_a_line(
    command: str, flags: list[str], data: str, capsys: Capture
) -> None:
    assert run(["privacy", command, "--data", data, *flags]) == 2
    assert "--address" in capsys.readouterr().err
