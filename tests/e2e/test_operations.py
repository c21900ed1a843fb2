"""Tests that every command of the manual about operations does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.conftest import StartServer
from tests.e2e.server import environ

pytestmark = pytest.mark.e2e

MANUAL = Path(__file__).parents[2] / "docs" / "operations.md"
STOPPED = "restore"  # needs a server that does not run


def commands() -> list[str]:
    """Return the commands of the manual's blocks, in their order."""
    blocks = re.findall(r"```sh\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_every_command_of_the_manual_runs(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    server.wait_log("database is open")
    places = {
        "/var/lib/headend": str(server.data),
        "/backup/headend.zip": str(tmp_path / "headend.zip"),
        "/etc/systemd/system": str(tmp_path),
    }
    named = commands()
    assert len(named) >= 8
    for command in sorted(named, key=lambda each: STOPPED in each):
        if STOPPED in command:
            assert server.stop() == 0
        script = re.sub(r"^headend", f"{sys.executable} -m headend", command)
        for place, other in places.items():
            script = script.replace(place, other)
        done = subprocess.run(
            ["sh", "-eu", "-c", script], cwd=tmp_path, env=environ(), capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    for made in ("headend.zip", "headend.service", "headend.bash", "man1/headend-backup.1"):
        assert (tmp_path / made).exists(), made
