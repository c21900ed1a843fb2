"""Tests of the command `headend audit`."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from headend.cli.main import run
from headend.store.audit import AuditTrail
from headend.store.database import Database
from headend.store.records import AuditEntry

Capture = pytest.CaptureFixture[str]

NOW = time.time()
REFUSED = AuditEntry(
    NOW - 60, "", "publish", "live/a", "203.0.113.7", "refused", "Denied: the key has expired", 3
)
MADE = AuditEntry(NOW - 7200, "admin token", "key.create", "pk_2", "127.0.0.1", "done")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data folder whose audit trail holds something."""
    monkeypatch.chdir(tmp_path)

    async def write() -> None:
        database = Database("", tmp_path)
        await database.open()
        await AuditTrail(database).append([MADE, REFUSED])
        await database.close()

    asyncio.run(write())
    return str(tmp_path)


def test_trail_is_listed_newest_first_in_lines_for_people(data: str, capsys: Capture) -> None:
    assert run(["audit", "list", "--data", data]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(
        "Z refused publish live/a by unknown from 203.0.113.7 (3 times): "
        "Denied: the key has expired"
    )
    assert second.endswith("Z done key.create pk_2 by admin token from 127.0.0.1")


def test_trail_as_json_is_one_document(data: str, capsys: Capture) -> None:
    assert run(["audit", "list", "--data", data, "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["action"], first["count"], first["address"]) == ("publish", 3, "203.0.113.7")
    assert (second["actor"], second["number"]) == ("admin token", 1)


@pytest.mark.parametrize(
    ("flags", "actions"),
    [
        (["--action", "key"], ["key.create"]),
        (["--outcome", "refused"], ["publish"]),
        (["--since", "1h"], ["publish"]),
        (["--since", "2020-01-01"], ["publish", "key.create"]),
        (["--limit", "1"], ["publish"]),
        (["--target", "pk_2", "--actor", "admin token"], ["key.create"]),
        (["--address", "203.0.113.7"], ["publish"]),
    ],
)
def test_only_what_is_asked_for_is_listed(
    flags: list[str], actions: list[str], data: str, capsys: Capture
) -> None:
    assert run(["audit", "list", "--data", data, "--json", *flags]) == 0
    assert [entry["action"] for entry in json.loads(capsys.readouterr().out)] == actions


def test_nothing_found_is_said(data: str, capsys: Capture) -> None:
    assert run(["audit", "list", "--data", data, "--actor", "nobody"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "nothing is noted" in err


@pytest.mark.parametrize("flags", [["--since", "soon"], ["--outcome", "maybe"]])
def test_wrong_flag_is_told_in_a_line(flags: list[str], data: str, capsys: Capture) -> None:
    assert run(["audit", "list", "--data", data, *flags]) == 2
    assert capsys.readouterr().err.startswith(f"headend: {flags[0]} {flags[1]}: write ")
