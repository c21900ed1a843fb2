"""Tests of headend.cli.data_folder: commands find the server that is meant, and say which it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headend.app import running_file
from headend.app.running_file import RunningFile
from headend.cli import data_folder
from headend.cli.main import run
from headend.store.server_secret import ServerSecret

Capture = pytest.CaptureFixture[str]
NOWHERE: dict[str, list[str]] = {"rtmp": [], "tls": [], "http": []}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default data folder, of a server that ran there once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("HEADEND_DATA", raising=False)
    monkeypatch.setattr(data_folder, "SERVICE", tmp_path / "service")
    own = tmp_path / "home" / ".local" / "share" / "headend"
    ServerSecret.load_or_create(own)
    return own


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Path]:
    """The folder of a service that runs."""
    folder = tmp_path / "service"
    ServerSecret.load_or_create(folder)
    running = RunningFile(folder, NOWHERE)
    yield folder
    running.close()


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_server_that_runs_is_found_and_told(service: Path, home: Path, capsys: Capture) -> None:
    assert run(["key", "create", "live/a"]) == 0
    err = capsys.readouterr().err
    assert "using the server that runs (process " in err
    assert f"data folder {service}" in err
    assert "headend.db" in files(service)
    assert files(home) == {"server.secret"}


def test_folder_that_is_named_is_taken(service: Path, home: Path, capsys: Capture) -> None:
    assert run(["key", "create", "live/a", "--data", str(home)]) == 0
    assert "using the server" not in capsys.readouterr().err
    assert "headend.db" not in files(service)


def test_server_with_the_default_folder_comes_first(
    service: Path, home: Path, capsys: Capture
) -> None:
    running = RunningFile(home, NOWHERE)
    try:
        assert run(["key", "create", "live/a"]) == 0
    finally:
        running.close()
    assert "headend.db" in files(home)
    assert "headend.db" not in files(service)


def test_of_several_servers_one_must_be_named(
    service: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    ServerSecret.load_or_create(other)
    running = RunningFile(other, NOWHERE)
    monkeypatch.setattr(running_file, "folders_in_use", lambda: [other])
    try:
        for command in (["key", "list"], ["status"], ["relay", "list"], ["recordings", "list"]):
            assert run(command) == 2
            err = capsys.readouterr().err
            assert f"2 servers run: choose with --data {other} or --data {service}" in err
    finally:
        running.close()
    assert "headend.db" not in files(other) | files(service)


def test_settings_file_of_the_server_is_read(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "elsewhere.toml"
    file.write_text(f'auth.database = "sqlite:///{tmp_path}/own.db"\n')
    folder = tmp_path / "service"
    ServerSecret.load_or_create(folder)
    running = RunningFile(folder, NOWHERE, config=file, has_own_database=True)
    try:
        assert run(["key", "create", "live/a"]) == 0
    finally:
        running.close()
    assert (tmp_path / "own.db").exists()
    assert "headend.db" not in files(folder)


def test_database_that_only_the_server_knows_is_not_made_anew(
    tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "service"
    ServerSecret.load_or_create(folder)
    running = RunningFile(folder, NOWHERE, has_own_database=True)
    try:
        assert run(["key", "create", "live/a"]) == 2
    finally:
        running.close()
    assert "auth.database from its environment or its flags" in capsys.readouterr().err
    assert files(folder) == {"server.secret"}


def test_server_that_runs_is_not_restored_over(
    service: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert run(["restore", "b.zip", "--data", str(service)]) == 1
    assert "runs with the data folder" in capsys.readouterr().err
