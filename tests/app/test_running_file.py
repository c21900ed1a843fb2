"""Tests of headend.app.running_file."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headend.app.running_file import FILE_NAME, Running, RunningFile, find, folders_in_use
from headend.errors import HeadendError

ADDRESSES = {"rtmp": ["127.0.0.1:1935"], "tls": ["[::1]:1936"], "http": ["127.0.0.1:8080"]}


def test_server_is_found_while_it_runs(tmp_path: Path) -> None:
    assert find(tmp_path) is None
    running = RunningFile(tmp_path, ADDRESSES)
    assert find(tmp_path) == Running(
        os.getpid(), ["127.0.0.1:8080"], ["[::1]:1936"], ["127.0.0.1:1935"]
    )
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    running.close()
    assert find(tmp_path) is None
    assert not (tmp_path / FILE_NAME).exists()
    running.close()


def test_file_that_a_crash_left_behind_is_no_server(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path;"
        "from headend.app.running_file import RunningFile;"
        "RunningFile(Path(sys.argv[1]), {'http': ['a:1'], 'tls': []}); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == 9
    assert json.loads((tmp_path / FILE_NAME).read_text())["http"] == ["a:1"]
    assert find(tmp_path) is None
    running = RunningFile(tmp_path, ADDRESSES)
    assert find(tmp_path) == Running(
        os.getpid(), ["127.0.0.1:8080"], ["[::1]:1936"], ["127.0.0.1:1935"]
    )
    running.close()


def test_second_server_leaves_the_file_of_the_first_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = RunningFile(tmp_path, ADDRESSES)
    with caplog.at_level(logging.WARNING):
        second = RunningFile(tmp_path, {**ADDRESSES, "http": ["127.0.0.1:9"]})
    assert "another server uses the data folder" in caplog.text
    second.close()
    found = find(tmp_path)
    assert found is not None
    assert found.http == ["127.0.0.1:8080"]
    first.close()


def test_server_runs_without_a_file_where_none_can_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with caplog.at_level(logging.WARNING):
        RunningFile(tmp_path, ADDRESSES).close()
    assert "headend status will not find this server" in caplog.text


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "http": [], "tls": []}']
)
def test_file_that_is_none_of_a_server_is_told(text: str, tmp_path: Path) -> None:
    running = RunningFile(tmp_path, ADDRESSES)
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(HeadendError, match=r"server\.json is not what a server writes"):
        find(tmp_path)
    running.close()


def test_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("no folder")
    with pytest.raises(HeadendError, match="Not a directory"):
        find(tmp_path / "folder")


def test_servers_of_this_user_are_found_wherever_they_are(tmp_path: Path) -> None:
    running = RunningFile(tmp_path, ADDRESSES)
    try:
        assert tmp_path in folders_in_use()
    finally:
        running.close()
    assert tmp_path not in folders_in_use()


def test_file_tells_of_the_settings_file_and_of_a_database_elsewhere(tmp_path: Path) -> None:
    config = tmp_path / "headend.toml"
    running = RunningFile(tmp_path, ADDRESSES, config=config, has_own_database=True)
    try:
        found = find(tmp_path)
    finally:
        running.close()
    assert found is not None
    assert (found.config, found.has_own_database) == (config, True)
