"""Tests that a server that is told to stop ends, whatever hangs."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.access.postgres import create_database, postgres_server
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.server import environ

pytestmark = pytest.mark.e2e

SIGNALS = [signal.SIGTERM, signal.SIGINT]


def hooks(folder: Path, program: str) -> tuple[str, str]:
    """Write `their_hooks.py`, which a server loads when it starts; return its further flags."""
    hook = "\nimport headend\n@headend.on_publish\ndef on_publish(request): return None\n"
    (folder / "their_hooks.py").write_text(program + hook)
    settings = folder / "headend.toml"
    settings.touch()
    return "-c", str(settings)


def test_server_stops_while_sqlite_hangs(
    start_server: StartServer,
    peers: Peers,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hang = tmp_path / "hang"
    monkeypatch.setenv("HANG", str(hang))
    server = start_server(module="tests.e2e.hanging_sqlite")
    server.wait_log("database is open")
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    hang.touch()
    server.wait_log("sqlite hangs")
    assert server.stop() == 0
    assert "INFO stopped" in server.log()[-1]


def test_server_stops_while_postgresql_is_frozen(
    start_server: StartServer, peers: Peers, clip: Path
) -> None:
    with postgres_server() as postgres:
        url = create_database(postgres.url, "hanging")
        server = start_server(f"auth.database={url}")
        server.wait_log("database is open")
        peers.publish(clip, server.url("live/a"), is_endless=True)
        server.wait_media("live/a")
        with postgres.frozen():
            server.wait_log("database: no answer within")
            assert server.stop() == 0
            assert "INFO stopped" in server.log()[-1]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda each: each.name)
def test_server_that_is_told_to_stop_while_it_starts_exits_with_0(
    number: signal.Signals, start_server: StartServer, tmp_path: Path
) -> None:
    settings = hooks(tmp_path, f"import os\nos.kill(os.getpid(), {number:d})\n")
    server = start_server("hooks=their_hooks", arguments=settings, is_ready=False)
    assert server.process.wait() == 0
    assert "INFO stopped" in server.log()[-1]
    assert not list(tmp_path.glob("*/ready.json"))


@pytest.mark.parametrize("number", SIGNALS, ids=lambda each: each.name)
@pytest.mark.parametrize("program", ["serve", "demo"])
def test_server_that_is_told_to_stop_while_it_is_loaded_exits_with_0(
    program: str, number: signal.Signals
) -> None:
    told = (
        "import os, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == 'typer': os.kill(os.getpid(), {number:d})\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from headend.__main__ import main\n"
        "main()\n"
    )
    words = [sys.executable, "-c", told, program]
    done = subprocess.run(words, env=environ(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# A hook that holds up the loop while it is loaded, and says when it has heard a signal.
LOOP_HANGS = """\
import signal, sys, threading
def say(text): print(text, file=sys.stderr, flush=True)
say("the loop hangs")
before = signal.getsignal(signal.SIGTERM)
while signal.getsignal(signal.SIGTERM) == before: threading.Event().wait(0.01)
say("a signal was heard")
while True: threading.Event().wait(60)
"""


def test_server_whose_loop_hangs_ends_when_its_time_is_over(
    start_server: StartServer, tmp_path: Path
) -> None:
    settings = hooks(tmp_path, LOOP_HANGS)
    server = start_server(
        "hooks=their_hooks", "limits.shutdown_s=1", arguments=settings, is_ready=False
    )
    server.wait_log("the loop hangs")
    assert server.stop() == 0
    assert "not stopped within 1 s (limits.shutdown_s)" in server.log()[-1]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda each: each.name)
def test_second_signal_ends_a_server_that_takes_its_time(
    number: signal.Signals, start_server: StartServer, tmp_path: Path
) -> None:
    settings = hooks(tmp_path, LOOP_HANGS)
    server = start_server(
        "hooks=their_hooks", "limits.shutdown_s=300", arguments=settings, is_ready=False
    )
    server.wait_log("the loop hangs")
    server.process.send(signal.SIGTERM)
    server.wait_log("a signal was heard")
    server.process.send(number)
    assert server.process.wait() == -number


def test_thread_that_waits_for_ever_does_not_hold_up_the_end(
    start_server: StartServer, tmp_path: Path
) -> None:
    """As one that asks a name server does; Python waits for such threads when it ends."""
    settings = hooks(
        tmp_path, "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    )
    server = start_server("hooks=their_hooks", arguments=settings)
    assert server.stop() == 0
    assert "INFO stopped" in server.log()[-1]


def test_reload_that_is_asked_for_while_the_server_starts_is_done_then(
    start_server: StartServer, tmp_path: Path
) -> None:
    settings = hooks(tmp_path, f"import os\nos.kill(os.getpid(), {signal.SIGHUP:d})\n")
    server = start_server("hooks=their_hooks", arguments=settings)
    server.wait_log("settings reloaded: nothing changed")
    assert server.stop() == 0
