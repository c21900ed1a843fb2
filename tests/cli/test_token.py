"""Tests of headend.cli.token."""

import json
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from headend.cli.main import run
from headend.settings import settings_of
from headend.settings.declared import sha256
from headend.store.server_secret import ServerSecret

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("d", "other"):
        ServerSecret.load_or_create(tmp_path / name)


def test_token_is_signed_and_says_what_it_allows(capsys: Capture) -> None:
    options = ["--for", "play", "--expires", "2h", "--ip", "203.0.113.7", "--max-viewers", "3"]
    command = ["token", "sign", "vip/*", *options, "--subject", "Ann", "--data", "d"]
    assert run(command) == 0
    token = capsys.readouterr().out.strip()
    assert token.count(".") == 2
    assert run(["token", "verify", token, "--json", "--data", "d"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert (read["stream"], read["action"], read["ip"]) == ("vip/*", "play", "203.0.113.7/32")
    assert (read["max_viewers"], read["subject"]) == (3, "Ann")
    assert run(["token", "verify", token, "--data", "d"]) == 0
    assert "stream      vip/*" in capsys.readouterr().out


def test_pattern_of_one_stream_without_an_app_is_explained(capsys: Capture) -> None:
    for pattern, says in (
        ("vip", "all of an app are vip/*"),
        ("vip/*", ""),
        ("v*", ""),
        ("a/b", ""),
    ):
        assert run(["token", "sign", pattern, "--data", "d"]) == 0
        captured = capsys.readouterr()
        assert captured.out.count(".") == 2
        assert says in captured.err
        assert len(captured.err.splitlines()) == (2 if says else 1)  # the last: which folder


def test_token_of_another_server_is_not_valid(capsys: Capture) -> None:
    assert run(["token", "sign", "vip/*", "--data", "other"]) == 0
    token = capsys.readouterr().out.strip()
    assert run(["token", "verify", token, "--data", "d"]) == 1
    assert "the token is not valid" in capsys.readouterr().err


def test_token_of_somebody_in_the_jwks_is_valid(capsys: Capture) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "1"})
    keys = KeySet([key])
    Path("keys.json").write_text(json.dumps(keys.as_dict(private=False)))
    claims = {"stream": "vip/*", "exp": 4_000_000_000}
    token = jwt.encode({"alg": "Ed25519", "kid": "1"}, claims, key, algorithms=["Ed25519"])
    command = ["token", "verify", token, "--data", "d"]
    assert run(command) == 1
    assert run([*command, "--set", "auth.jwks=keys.json"]) == 0
    capsys.readouterr()
    assert run([*command, "--set", "auth.jwks=nowhere.json"]) == 1
    assert "auth.jwks: nowhere.json: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--for", "steal"], "write play or publish"),
        (["--expires", "never"], "write a duration such as"),
        (["--ip", "here"], "write an address or a network"),
    ],
)
def test_what_is_wrong_is_one_line(capsys: Capture, arguments: list[str], says: str) -> None:
    assert run(["token", "sign", "vip/*", *arguments, "--data", "d"]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("access", ["read", "all"])
def test_declared_token_goes_into_the_settings(capsys: Capture, access: str) -> None:
    assert run(["token", "declare", "grafana", "--access", access, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    (declared,) = settings_of(made["settings"]).settings.auth.api_tokens
    assert (declared.name, declared.access) == ("grafana", access)
    assert declared.digest == sha256(made["token"])
