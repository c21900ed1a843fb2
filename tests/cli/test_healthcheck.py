"""Tests of headend.cli.healthcheck."""

import socket
from pathlib import Path

import pytest
from tests.cli.with_server import with_server
from tests.harness import Live

from headend.app.running_file import RunningFile
from headend.cli.main import run

Capture = pytest.CaptureFixture[str]


def check(folder: Path, *flags: str) -> int:
    return run(["healthcheck", "--data", str(folder), *flags])


@pytest.mark.parametrize(
    "listen", ["http.listen=127.0.0.1:0", "tls.listen=127.0.0.1:0", "http.listen=unix:{}/socket"]
)
def test_server_that_runs_is_well_and_ready(listen: str, tmp_path: Path, capsys: Capture) -> None:
    codes: list[int] = []

    def ask(live: Live) -> None:
        codes.extend((check(tmp_path), check(tmp_path, "--ready")))

    with_server(tmp_path, (listen.format(tmp_path),), ask)
    assert codes == [0, 0]
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(" is well")
    assert second.endswith(" is ready")


def test_server_that_stops_is_not_ready(tmp_path: Path, capsys: Capture) -> None:
    codes: list[int] = []

    def ask(live: Live) -> None:
        live.services.sessions.is_stopping = True
        codes.extend((check(tmp_path), check(tmp_path, "--ready")))
        live.services.sessions.is_stopping = False

    with_server(tmp_path, ("http.listen=127.0.0.1:0",), ask)
    assert codes == [0, 1]
    assert "answers /readyz with 503" in capsys.readouterr().err


def test_server_without_http_runs_as_far_as_can_be_told(tmp_path: Path, capsys: Capture) -> None:
    running = RunningFile(tmp_path, {"rtmp": ["127.0.0.1:1"], "tls": [], "http": []})
    assert check(tmp_path) == 0
    running.close()
    assert "it has no HTTP to ask" in capsys.readouterr().out
    assert check(tmp_path) == 1
    assert "no server runs with the data folder" in capsys.readouterr().err


def test_server_that_does_not_answer_is_not_well(tmp_path: Path, capsys: Capture) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        running = RunningFile(tmp_path, {"rtmp": [], "tls": [], "http": [address]})
        assert check(tmp_path) == 1
        running.close()
    assert "does not answer" in capsys.readouterr().err
