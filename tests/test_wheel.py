"""Tests that a wheel holds what the server needs besides Python."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WEB = ROOT / "src" / "headend" / "web"


def build(folder: Path, path: str) -> set[str]:
    """Build a wheel; return the names of its files."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environ = {**os.environ, "PATH": path}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.slow
def test_wheel_holds_pages_migrations_and_browser_libraries(tmp_path: Path) -> None:
    if not (WEB / "libraries" / "hls.mjs").exists():
        pytest.skip("there are no browser libraries: make libraries")
    names = build(tmp_path, os.environ["PATH"])
    assets = {path.relative_to(ROOT / "src").as_posix() for path in WEB.rglob("*.*")}
    assert names >= assets
    assert names >= {f"headend/web/libraries/{name}" for name in ("hls.mjs", "mpegts.js")}
    assert names >= {"headend/web/libraries/hls.js.LICENSE.txt", "headend/py.typed"}
    assert "headend/store/migrations/script.py.mako" in names
    assert not [name for name in names if "node_modules" in name]


def test_where_npm_is_missing_one_line_says_so(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "libraries", tmp_path / ".ci")
    shutil.copy(ROOT / "package-lock.json", tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "cmp", "dirname", "env"):
        (tools / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run(
        [tmp_path / ".ci" / "libraries"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "npm is not installed" in done.stderr


def test_lock_file_names_no_registry() -> None:
    assert "resolved" not in (ROOT / "package-lock.json").read_text()
