"""This module tests headend.cli.key."""

import json
from pathlib import Path
from typing import Any

import pytest

from headend.cli.main import run
from headend.server.self_signed import machine_names

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


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
