"""Tests of headend.cli.url_argument, and the commands that take URLs by it."""

import io
import sys
from pathlib import Path

import pytest
from tests.cli.program import Server

from headend.cli.main import run
from headend.cli.url_argument import given_url
from headend.errors import SettingsError

URL = "rtmp://127.0.0.1:1/live/a?key=hk_secret"

Capture = pytest.CaptureFixture[str]


def test_url_is_taken_as_it_is_from_the_environment_or_from_stdin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert given_url(URL) == URL
    monkeypatch.setenv("TARGET", f"{URL}\n")
    assert given_url("env:TARGET") == URL
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"  {URL}\r\nwhat follows is another's\n"))
    assert given_url("-") == URL
    assert sys.stdin.read() == "what follows is another's\n"


@pytest.mark.parametrize("text", ["env:NOT_THERE", "env:EMPTY", "env:", "-"])
def test_url_that_is_not_there_is_told(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", " ")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    with pytest.raises(SettingsError, match=f"URL {text}: "):
        given_url(text)


@pytest.mark.parametrize("way", ["env:TARGET", "-"])
@pytest.mark.parametrize("command", ["publish", "play", "probe"])
def test_commands_take_urls_with_secrets_in_either_way(
    command: str,
    way: str,
    clip: Path,
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    url = f"{server.url}/taken?key=x" if command == "publish" else f"{server.url}/nobody?token=x"
    monkeypatch.setenv("TARGET", url)
    monkeypatch.setattr(sys, "stdin", io.StringIO(url))
    arguments = {
        "publish": [str(clip), way, "--no-pace"],
        "play": [way, "-o", str(tmp_path / "out.flv")],
        "probe": [way],
    }[command]
    code = run([command, *arguments])
    err = capsys.readouterr().err
    if command == "publish":
        assert code == 0
        (told,) = err.splitlines()
        assert told.startswith("published ")
    else:  # which the server was asked for, and does not have
        assert code == 3
        assert "StreamNotFound" in err


def test_stdin_cannot_hold_both_source_and_url(capsys: Capture) -> None:
    assert run(["publish", "-", "-"]) == 2
    assert "SOURCE and URL are both -" in capsys.readouterr().err
