"""Tests of headend.cli.service, and of what the server tells a service manager."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from tests.cli.program import Server

from headend.app.service_manager import READY, notify
from headend.cli.main import run

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]
PROGRAM = ("--program", "/opt/headend/bin/headend")
LIMIT_S = 60


def printed(capsys: Capture, *flags: str) -> str:
    assert run(["service", "install", "--to", "-", *PROGRAM, *flags]) == 0
    return capsys.readouterr().out


def test_example_is_what_the_command_prints(capsys: Capture) -> None:
    # headend service install --to - --program /opt/headend/bin/headend > examples/headend.service
    assert (ROOT / "examples" / "headend.service").read_text() == printed(capsys)


def test_unit_runs_what_was_asked_for(capsys: Capture) -> None:
    text = printed(capsys, "--user", "live", "-c", "/srv/a b/h.toml", "--low-ports")
    assert 'ExecStart=/opt/headend/bin/headend serve -c "/srv/a b/h.toml" --data %S/live\n' in text
    assert "User=live\n" in text
    assert "StateDirectory=live\n" in text
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" in text
    assert "Type=notify\n" in text


def test_unit_is_written_once_for_all_to_read(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "headend.service"
    command = ["service", "install", "--to", str(file)]
    assert run(command) == 0
    assert "systemctl daemon-reload && systemctl enable --now headend" in capsys.readouterr().err
    assert file.stat().st_mode & 0o777 == 0o644
    assert run(command) == 1
    assert "--force replaces it" in capsys.readouterr().err
    assert run([*command, "--user", "live", "--force"]) == 0
    assert "User=live" in file.read_text()


@pytest.mark.parametrize("user", ["a;b", "a\nUser=root", "%n", "", 'a"b'])
def test_name_that_would_mean_something_else_in_a_unit_is_refused(
    user: str, capsys: Capture
) -> None:
    assert run(["service", "install", "--to", "-", "--user", user]) == 2
    assert "a unit cannot hold this name" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")
@pytest.mark.parametrize("flags", [(), ("--low-ports",)])
def test_exposure_is_low(flags: tuple[str, ...], tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "headend.service"
    file.write_text(printed(capsys, *flags))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(file)],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    found = re.search(r"exposure level for headend\.service: ([\d.]+)", done.stdout)
    if found is None:
        pytest.skip(f"systemd-analyze cannot do that here: {done.stderr[:200]}")
    assert float(found[1]) < 3.0


def test_server_tells_when_it_is_ready_and_when_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(LIMIT_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        server = Server(tmp_path)
        try:
            assert manager.recv(100) == b"READY=1"
            assert server.interrupt() == 0
            assert manager.recv(100) == b"STOPPING=1"
        finally:
            server.kill()


def test_manager_may_be_an_abstract_name_or_nobody() -> None:
    name = f"headend-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(LIMIT_S)
        notify(READY, {"NOTIFY_SOCKET": f"@{name}"})
        assert manager.recv(100) == b"READY=1"
    notify(READY, {"NOTIFY_SOCKET": f"@{name}"})
    notify(READY, {"NOTIFY_SOCKET": "/nonexistent/socket"})
    notify(READY, {})
