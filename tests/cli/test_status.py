"""Tests of `headend status` and the client that it asks with."""

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import pytest
from tests.cli.program import SOURCE
from tests.cli.with_server import with_server
from tests.harness import KEYFRAME, Live, live_server, until
from tests.harness import run as run_live

from headend.app.running_file import FILE_NAME
from headend.cli import api_client
from headend.cli.main import run
from headend.http.api import events

Capture = pytest.CaptureFixture[str]


def status(data: Path, *arguments: str) -> int:
    return run(["status", "--data", str(data), *arguments])


def listens(tmp_path: Path) -> dict[str, tuple[str, ...]]:
    return {
        "http": ("http.listen=127.0.0.1:0",),
        "https": ("tls.listen=127.0.0.1:0",),
        "unix": (f"http.listen=unix:{tmp_path}/http",),
        "everywhere": ("http.listen=:0",),
        "ipv6": ("http.listen=[::1]:0",),
    }


@pytest.mark.parametrize("kind", ["http", "https", "unix", "everywhere", "ipv6"])
def test_json_is_what_the_server_does_now(kind: str, tmp_path: Path, capsys: Capture) -> None:
    data = tmp_path / "data"

    def check(live: Live) -> None:
        assert status(data, "--json") == 0

    with_server(data, listens(tmp_path)[kind], check)
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["server"]["streams"] == 1
    assert [stream["path"] for stream in document["streams"]] == ["live/0"]
    assert [session["publishes"] for session in document["sessions"]] == [["live/0"]]
    assert err == ""
    assert (data / "admin.token").read_text().strip() not in out


def test_all_pages_are_asked_for(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_client, "MOST", 2)

    def check(live: Live) -> None:
        assert status(tmp_path, "--json") == 0

    with_server(tmp_path, ("http.listen=127.0.0.1:0",), check, count=5)
    document = json.loads(capsys.readouterr().out)
    assert [stream["path"] for stream in document["streams"]] == [f"live/{n}" for n in range(5)]
    assert len(document["sessions"]) == 5


def test_where_nobody_watches_it_is_shown_once(tmp_path: Path, capsys: Capture) -> None:
    def check(live: Live) -> None:
        assert status(tmp_path) == 0

    with_server(tmp_path, ("http.listen=127.0.0.1:0",), check)
    out = capsys.readouterr().out
    assert "Streams" in out
    assert "live/0" in out
    assert "\x1b" not in out


def test_without_a_server_it_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    for arguments in ((), ("--json",)):
        assert status(tmp_path, *arguments) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err == (
            f"headend: no server runs with the data folder {tmp_path} (--data names another one)\n"
        )


def test_server_without_http_cannot_be_asked(tmp_path: Path, capsys: Capture) -> None:
    def check(live: Live) -> None:
        assert status(tmp_path) == 1

    with_server(tmp_path, (), check)
    assert "has no HTTP to ask: http.listen and tls.listen are off" in capsys.readouterr().err


def test_wrong_token_is_told(tmp_path: Path, capsys: Capture) -> None:
    def check(live: Live) -> None:
        (tmp_path / "admin.token").write_text("another\n")
        assert status(tmp_path, "--json") == 1
        (tmp_path / "admin.token").unlink()
        assert status(tmp_path, "--json") == 1

    with_server(tmp_path, ("http.listen=127.0.0.1:0",), check)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("headend: the server answers: The admin token is not right")
    assert second.endswith("admin.token: No such file or directory: the API needs it")


def test_address_that_does_not_answer_is_told(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_client, "TIMEOUT_S", 0.3)

    def check(live: Live) -> None:
        file = tmp_path / FILE_NAME
        for address in ("127.0.0.1:1", live.server.addresses["rtmp"][0]):
            file.write_text(json.dumps({"pid": 1, "http": [address], "tls": []}))
            assert status(tmp_path, "--json") == 1

    with_server(tmp_path, ("http.listen=127.0.0.1:0",), check)
    closed, silent = capsys.readouterr().err.splitlines()
    assert closed.startswith("headend: the server at 127.0.0.1:1 cannot be asked: ")
    assert silent.startswith("headend: the server at 127.0.0.1:")


class Terminal:
    """`headend status` on a terminal of 120 × 40."""

    def __init__(self, data: Path) -> None:
        self._fd, inner = pty.openpty()
        os.set_blocking(self._fd, False)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "headend", "status", "--data", str(data)],
            env={**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "xterm", "COLUMNS": "120",
                 "LINES": "40"},
            stdin=inner, stdout=inner, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(inner)
        self.text = ""

    def shows(self, text: str) -> bool:
        """Read what there is, and say whether it showed a text so far."""
        with suppress(OSError):
            self.text += os.read(self._fd, 65_536).decode(errors="replace")
        return text in self.text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        os.close(self._fd)


def test_terminal_shows_updates_until_interrupted_or_the_server_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "EVENT_S", 0.1)

    async def main(opened: ExitStack) -> None:
        async with live_server(tmp_path, "http.listen=127.0.0.1:0") as live:
            first, second = (opened.enter_context(Terminal(tmp_path)) for _ in range(2))
            await until(lambda: first.shows("sessions 0") and second.shows("sessions 0"))
            publisher = await live.publisher("later")
            await publisher.send_video(KEYFRAME)
            await until(lambda: first.shows("live/later"))
            first.process.send_signal(signal.SIGINT)
            await until(lambda: first.process.poll() is not None)
            assert first.process.returncode == 130
        await until(lambda: second.process.poll() is not None or second.shows("never"))
        assert second.process.returncode == 1
        assert second.process.stderr is not None
        assert second.process.stderr.read() == b"headend: the server has stopped\n"

    with ExitStack() as opened:
        run_live(main(opened))
