"""Tests of headend.cli.backup."""

import subprocess
import sys
from pathlib import Path

CODE = """
import os, sys
from headend.cli.main import run
run(["backup", *sys.argv[1:]])
print(os.getpriority(os.PRIO_PROCESS, 0))
"""


def test_backup_gives_way_to_the_server_on_the_cores(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "server.secret").write_text("a secret")
    words = [sys.executable, "-c", CODE, str(tmp_path / "b.zip"), "--data", str(data)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "15"
