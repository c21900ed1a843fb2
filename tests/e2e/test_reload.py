"""Tests of settings that change while players watch."""

import signal
from pathlib import Path

import pytest
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.process import Process
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file."""
    path = tmp_path / "settings" / "headend.toml"
    path.parent.mkdir()
    path.write_text('[log]\nlevel = "debug"\n')
    return path


@pytest.fixture
def server(start_server: StartServer, file: Path) -> Server:
    """A server with this file."""
    return start_server(arguments=("-c", str(file)))


@pytest.fixture
def player(server: Server, peers: Peers, clip: Path, tmp_path: Path) -> Process:
    """A player that watches."""
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    player = peers.play(server.url("live/a"), tmp_path / "played.flv")
    server.wait_stream("live/a", viewers=1)
    return player


def test_changed_file_takes_effect_and_drops_nobody(
    server: Server, player: Process, file: Path, peers: Peers, clip: Path
) -> None:
    file.write_text('[log]\nlevel = "info"\n[auth]\npublish = "key"\n')
    assert "auth.publish, log.level" in server.wait_log("settings reloaded:")
    connects = sum(" DEBUG " in line for line in server.log())
    assert peers.publish(clip, server.url("live/b")).wait() != 0
    server.wait_log("publish live/b refused")
    assert sum(" DEBUG " in line for line in server.log()) == connects
    assert player.is_running
    assert server.stream("live/a")["viewers"] == 1


def test_sighup_reloads_and_names_what_needs_a_restart(
    server: Server, player: Process, file: Path
) -> None:
    server.process.send(signal.SIGHUP)
    server.wait_log("settings reloaded: nothing changed")
    file.write_text('[log]\nlevel = "debug"\n[rtmp]\nchunk_size = 4096\n')
    server.wait_log("settings that need a restart: rtmp.chunk_size")
    assert player.is_running
    assert server.stream("live/a")["viewers"] == 1


def test_wrong_file_changes_nothing_and_says_so(
    server: Server, player: Process, file: Path
) -> None:
    file.write_text('[log]\nlevel = "info"\n[live]\nwait = 1\n')
    line = server.wait_log("settings not reloaded")
    assert "did you mean live.wait_s?" in line
    server.process.send(signal.SIGHUP)
    server.wait_log("settings not reloaded", count=2)
    assert player.is_running
    assert server.stream("live/a")["viewers"] == 1


def test_log_goes_to_a_file_from_a_reload_on(server: Server, file: Path, tmp_path: Path) -> None:
    told = tmp_path / "headend.log"
    file.write_text(f'[log]\nfile = "{tmp_path / "nowhere" / "headend.log"}"\n')
    server.process.send(signal.SIGHUP)
    assert "log.file" in server.wait_log("settings not reloaded")
    file.write_text(f'[log]\nfile = "{told}"\n')
    server.process.send(signal.SIGHUP)
    wait_for(lambda: told.exists() and "settings reloaded: " in told.read_text(), "a line")
    told.rename(tmp_path / "headend.log.1")
    server.process.send(signal.SIGHUP)
    wait_for(lambda: told.exists() and "nothing changed" in told.read_text(), "a file anew")


def test_server_does_not_start_with_a_log_file_that_cannot_be_written(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(f"log.file={tmp_path / 'nowhere' / 'headend.log'}", is_ready=False)
    assert server.process.wait() == 2
    assert "nowhere/headend.log: No such file or directory" in server.process.output()
