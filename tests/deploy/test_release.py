"""`make release`: what it builds is whole, the same each time, and plays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.limit(120)
def test_dry_run_builds_what_plays(tmp_path: Path) -> None:
    if not (ROOT / "src/headend/web/libraries/hls.mjs").exists():
        pytest.skip("npm could not bring the browser libraries")
    command = (sys.executable, ".ci/release.py", "--dry-run", "--quick")
    environ = {**os.environ, "HEADEND_DIST": str(tmp_path / "dist")}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = {path.suffix: path for path in (tmp_path / "dist").iterdir()}
    assert {".whl", ".gz", ".json", ""} == set(made)
    parts = json.loads(made[".json"].read_text())["components"]
    assert {"aiohttp", "av", "uvloop"} <= {part["name"] for part in parts}
    assert len(made[""].read_text().splitlines()) == 3
