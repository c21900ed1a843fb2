"""Tests of headend.cli.key."""

import json
from pathlib import Path
from typing import Any

import pytest

from headend.cli.main import run
from headend.tls.self_signed import machine_names

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()


def document(capsys: Capture, *arguments: str) -> Any:
    """Run a command that must do its work, and return its JSON."""
    assert run(["key", *arguments, "--json", "--data", "d"]) == 0
    return json.loads(capsys.readouterr().out)


def test_key_is_made_listed_rotated_and_revoked(capsys: Capture) -> None:
    options = ["--label", "Ann", "--expires", "30d", "--network", "10.0.0.0/8", "--tls-only"]
    made = document(capsys, "create", "live/cam1", *options, "--priority", "3")
    assert made["key"].startswith("hk_")
    assert (made["id"][:3], made["stream"], made["label"]) == ("pk_", "live/cam1", "Ann")
    assert (made["networks"], made["tls_only"], made["priority"]) == (["10.0.0.0/8"], True, 3)
    assert made["expires_at"] - made["created_at"] == pytest.approx(30 * 86_400)
    (listed,) = document(capsys, "list")
    assert {**listed, "key": made["key"], "servers": made["servers"]} == made
    turned = document(capsys, "rotate", made["id"])
    assert turned["key"] != made["key"]
    assert (turned["stream"], turned["networks"]) == ("live/cam1", ["10.0.0.0/8"])
    states = {key["id"]: key["revoked_at"] for key in document(capsys, "list")}
    assert states[made["id"]] is not None
    assert states[turned["id"]] is None
    assert document(capsys, "revoke", turned["id"])["revoked_at"] is not None
    assert run(["key", "list", "--data", "d"]) == 0
    out = capsys.readouterr().out
    assert out.count("revoked") == 2
    assert made["key"] not in out
    assert document(capsys, "list", "--stream", "live/other") == []


def test_new_key_is_shown_to_a_person_once(capsys: Capture) -> None:
    assert run(["key", "create", "live/cam1", "--data", "d"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("key         hk_")
    assert "shown this once" in err
    assert run(["key", "list", "--data", "d"]) == 0
    assert "hk_" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["create", "live//a"], 2, "APP/NAME: a segment of the stream's path is empty"),
        (["create", "live/a", "--expires", "soon"], 2, "write a duration such as 12h"),
        (["create", "live/a", "--expires", "2001-01-01"], 2, "that is over already"),
        (["create", "live/a", "--network", "here"], 2, "write an address or a network"),
        (["revoke", "pk_none"], 1, "there is no key pk_none"),
        (["rotate", "pk_none"], 1, "there is no valid key pk_none"),
        (["list", "--set", "auth.database=mysql://x:secret@h/d"], 2, "must be postgresql://"),
    ],
)
def test_what_is_wrong_is_one_line(
    capsys: Capture, arguments: list[str], code: int, says: str
) -> None:
    assert run(["key", "create", "live/first", "--data", "d"]) == 0
    capsys.readouterr()
    assert run(["key", *arguments, "--data", "d"]) == code
    out, err = capsys.readouterr()
    assert not out
    assert says in err
    assert len(err.splitlines()) == 1
    assert "secret" not in err


def test_name_without_an_app_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for name, says in (("a", "a is a whole name, as in rtmp://HOST/a"), ("live/a", "")):
        assert run(["key", "create", name, "--data", "d"]) == 0
        lines = capsys.readouterr().err
        assert says in lines
        assert ("whole name" in lines) == bool(says)


def servers(capsys: Capture, *settings: str, stream: str = "live/cam1") -> list[str]:
    flags = [part for setting in settings for part in ("--set", setting)]
    found = document(capsys, "create", stream, *flags)["servers"]
    assert isinstance(found, list)
    return found


def test_server_and_stream_key_are_shown_as_obs_wants_them(capsys: Capture) -> None:
    assert run(["key", "create", "live/cam1", "--data", "d", "--set", "http.hosts=tv.example"]) == 0
    lines = capsys.readouterr().out.splitlines()
    key = lines[0].split()[1]
    assert lines[5:] == [
        "Server      rtmp://tv.example:1935/live",
        f"Stream Key  {key}",
        "or Server   rtmps://tv.example:1936/live  (encoders must trust its certificate)",
    ]


def test_server_is_where_the_settings_listen(capsys: Capture) -> None:
    name = "http.hosts=tv.example"
    assert servers(capsys, name, "rtmp.listen=:99", "tls.listen=off") == [
        "rtmp://tv.example:99/live"
    ]
    here = servers(capsys, name, "rtmp.listen=127.0.0.1:99", "tls.listen=off")
    assert here == ["rtmp://127.0.0.1:99/live"]
    acme = servers(capsys, name, "tls.acme.domains=live.example.com", "tls.listen=:443")
    assert acme[1] == "rtmps://live.example.com:443/live"


@pytest.mark.parametrize("setting", ["rtmp.require_tls=publish", "rtmp.tls_only=live/*"])
def test_only_rtmps_is_shown_where_it_must_be(capsys: Capture, setting: str) -> None:
    found = servers(capsys, "http.hosts=tv.example", setting)
    assert found == ["rtmps://tv.example:1936/live"]


def test_server_has_an_address_of_this_machine_where_no_name_is_set(capsys: Capture) -> None:
    (first, *_) = servers(capsys)
    host = first.removeprefix("rtmp://").rpartition(":")[0]
    assert host in machine_names()


def paths(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


COMMANDS = (
    ["key", "create", "live/a"],
    ["key", "list"],
    ["key", "revoke", "pk_1"],
    ["key", "rotate", "pk_1"],
    ["token", "sign", "vip/*"],
    ["token", "verify", "a.b.c"],
    ["privacy", "export", "--address", "192.0.2.1"],
    ["privacy", "erase", "--subject", "Ann"],
    ["audit", "list"],
)
MAKING = (["key", "create", "live/a"], ["token", "sign", "vip/*"])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("given", [["--data", "dd"], ["--set", "data=dd"], ["--data", "d/ata"]])
def test_folder_that_is_mistyped_is_told_and_not_made(
    command: list[str], given: list[str], capsys: Capture, tmp_path: Path
) -> None:
    assert run([*command, *given]) == 2
    assert "does not exist: name that of the server with --data" in capsys.readouterr().err
    assert paths(tmp_path) == {tmp_path / "d"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_folder_of_something_else_is_not_taken_for_that_of_a_server(
    command: list[str], capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "d" / "letters.txt").touch()
    before = paths(tmp_path)
    assert run([*command, "--data", "d"]) == 2
    assert "has been used by no server yet" in capsys.readouterr().err
    assert paths(tmp_path) == before


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_folder_that_nobody_named_is_not_made(
    command: list[str], capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of an administrator whose server is a service with a folder of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert run(command) == 2
    assert "name that of the server with --data" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("command", MAKING, ids=" ".join)
def test_empty_folder_that_was_named_is_made_ready(
    command: list[str], capsys: Capture, tmp_path: Path
) -> None:
    assert run([*command, "--data", "d"]) == 0
    assert f"data folder {tmp_path / 'd'}" in capsys.readouterr().err.splitlines()
    assert run(["key", "list", "--data", "d"]) == 0
    assert f"data folder {tmp_path / 'd'}" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("command", [each for each in COMMANDS if "audit" not in each])
def test_database_without_its_secret_is_told(
    command: list[str], capsys: Capture, tmp_path: Path
) -> None:
    assert run(["key", "create", "live/a", "--data", "d"]) == 0
    (tmp_path / "d" / "server.secret").unlink()
    capsys.readouterr()
    if "--subject" in command:
        assert run([*command, "--data", "d"]) == 0
        return
    assert run([*command, "--data", "d"]) == 2
    assert "lacks the server.secret that headend.db was made with" in capsys.readouterr().err
    assert not (tmp_path / "d" / "server.secret").exists()


def test_keys_of_another_secret_are_told(capsys: Capture, tmp_path: Path) -> None:
    assert run(["key", "create", "live/a", "--data", "d"]) == 0
    (tmp_path / "d" / "server.secret").write_text("00" * 32)
    (tmp_path / "d" / "server.secret").chmod(0o600)
    for command, count in ((["list"], 1), (["create", "live/b"], 1)):
        assert run(["key", *command, "--data", "d"]) == 0
        err = capsys.readouterr().err
        assert f"warning: {count} publish keys of the database were made with another" in err


def test_secrets_that_all_may_read_are_told(capsys: Capture, tmp_path: Path) -> None:
    assert run(["key", "create", "live/a", "--data", "d"]) == 0
    assert "chmod" not in capsys.readouterr().err
    (tmp_path / "d" / "server.secret").chmod(0o644)
    assert run(["key", "list", "--data", "d"]) == 0
    assert "chmod 600 d/server.secret" in capsys.readouterr().err


def test_declared_key_goes_into_the_settings_and_is_listed(capsys: Capture, tmp_path: Path) -> None:
    assert run(["key", "declare", "live/cam1"]) == 0
    first, _, *table = capsys.readouterr().out.splitlines()
    key = first.removeprefix("key").strip()
    assert key not in "".join(table)
    assert run(["key", "declare", "studio/a", "--user", "studio1"]) == 0
    table += capsys.readouterr().out.splitlines()[2:]
    file = tmp_path / "a.toml"
    file.write_text("\n".join(table))
    made = document(capsys, "create", "live/other")
    listed = document(capsys, "list", "-c", str(file))
    sources = {each["stream"]: each["source"] for each in listed}
    assert sources == {"live/cam1": "settings", "studio/a": "settings", "live/other": "database"}
    assert made["source"] == "database"
    assert [each["id"] for each in listed if each["stream"] == "studio/a"] == ["studio1"]


@pytest.mark.parametrize("arguments", [["live/a", "--user", "a b"], ["live/../a"], ["live//a"]])
def test_key_that_no_settings_can_hold_is_not_made(capsys: Capture, arguments: list[str]) -> None:
    code = run(["key", "declare", *arguments])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("headend: ")
