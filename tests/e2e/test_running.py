"""Tests of the process: how it starts, what it says if it cannot, and how it stops."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.raw import RawPeer
from tests.e2e.server import Server, command, environ
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e

INFO = ("--log-level", "info")  # debug shows tracebacks


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_signal_ends_players_and_publishers_and_exits_with_0(
    number: signal.Signals, server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    publisher = peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    ffmpeg = peers.play(server.url("live/a"), tmp_path / "played.flv")
    rtmpdump = peers.rtmpdump(server.url("live/a"), tmp_path / "dumped.flv")
    waiting = peers.play(server.url("live/b"), tmp_path / "nothing.flv")
    server.wait_stream("live/a", viewers=2)
    server.wait_log("play live/b waits")
    server.process.send(number)
    assert server.process.wait(40) == 0  # limits.shutdown_s, and a machine that is busy
    ffmpeg.succeed()
    rtmpdump.wait()
    publisher.wait()
    waiting.wait()
    assert server.log()[-1].endswith("stopped")


def test_signal_ends_relays_and_requests_that_wait_too(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        places = (f"127.0.0.1:{silent.getsockname()[1]}", "127.0.0.1:1", "no-such-host.invalid")
        rules = (f'{{match="live/*", url="rtmp://{place}/a", key="b"}}' for place in places)
        server = start_server(f"relay.out=[{','.join(rules)}]")
        peers.publish(clip, server.url("live/a"), is_endless=True)
        server.wait_media("live/a")
        base = f"http://{server.http[0]}/live/a"
        viewer = peers.run("curl", "-sN", "-o", str(tmp_path / "a.flv"), f"{base}.flv")
        _, index = server.get("/live/a/index.m3u8")
        assert index.startswith("#EXTM3U")
        _, playlist = server.get("/live/a/main.m3u8")
        first = int(re.findall(r"MEDIA-SEQUENCE:(\d+)", playlist)[0])
        ahead = first + playlist.count("#EXTINF") + 2
        reload = peers.run("curl", "-s", "-o", "/dev/null", f"{base}/main.m3u8?_HLS_msn={ahead}")
        server.wait_stream("live/a", viewers=2)
        wait_for(
            lambda: (
                [t["tries"] > 0 for each in server.relays() for t in each["targets"]] == [True] * 3
            ),
            "all relays try",
        )
        server.process.send(signal.SIGTERM)
        assert server.process.wait(40) == 0
        assert server.log()[-1].endswith("stopped")
        viewer.wait()
        reload.wait()


def test_player_that_does_not_close_does_not_hold_the_end_up(start_server: StartServer) -> None:
    server = start_server("limits.shutdown_s=1")
    player = RawPeer.tcp(server.rtmp[0])
    player.play("a")
    server.process.send(signal.SIGTERM)
    assert server.process.wait() == 0
    player.close()


def test_port_in_use_is_one_line_and_exit_code_1(start_server: StartServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = start_server(arguments=(*INFO, "--rtmp", address), is_ready=False)
        assert server.process.wait() == 1
    (line,) = server.log()
    assert line == (
        f"headend: cannot listen on {address}: Address already in use; "
        "another program listens there, stop it or choose another port"
    )


def test_unknown_setting_is_one_line_that_suggests_the_right_one(
    start_server: StartServer,
) -> None:
    server = start_server("live.wait=1", arguments=INFO, is_ready=False)
    assert server.process.wait() == 2
    (line,) = server.log()
    assert "unknown setting live.wait" in line
    assert "did you mean live.wait_s?" in line


def test_wrong_value_is_one_line_that_says_what_is_allowed(start_server: StartServer) -> None:
    server = start_server("live.wait_s=long", arguments=INFO, is_ready=False)
    assert server.process.wait() == 2
    (line,) = server.log()
    assert "live.wait_s" in line
    assert "must be a number from 0" in line


def test_data_folder_that_is_a_file_is_one_line(start_server: StartServer, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    server = start_server(arguments=(*INFO, "--data", str(file)), is_ready=False)
    assert server.process.wait() == 2
    (line,) = server.log()
    assert str(file) in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_data_folder_that_may_not_be_read_is_one_line(
    start_server: StartServer, tmp_path: Path
) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    server = start_server(arguments=(*INFO, "--data", str(folder)), is_ready=False)
    assert server.process.wait() == 2
    (line,) = server.log()
    assert str(folder) in line


def test_admin_token_is_for_its_owner_alone_and_kept(start_server: StartServer) -> None:
    first = start_server()
    token = first.token
    assert (first.data / "admin.token").stat().st_mode & 0o777 == 0o600
    assert token not in first.process.output()
    assert first.stop() == 0
    second = start_server(arguments=("--data", str(first.data)))
    assert second.stop() == 0
    assert first.token == token


def test_new_admin_token_is_told_to_a_person_at_a_terminal(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    words = command(tmp_path, "serve")
    with subprocess.Popen(words, stderr=terminal, stdout=terminal, env=environ()) as process:
        try:
            os.close(terminal)
            said = b""
            while b"sign in with it at http://" not in said:
                said += os.read(controller, 65_536)
            token = (tmp_path / "data" / "admin.token").read_text().strip()
            assert f"headend: the new admin token is {token}; " in said.decode()
        finally:
            process.kill()
            os.close(controller)


def test_where_a_new_admin_token_lies_is_told_on_stdout_where_that_is_kept(tmp_path: Path) -> None:
    """As of `headend serve | tee log`, or in a container."""
    words = command(tmp_path, "serve")
    with (
        (tmp_path / "errors").open("wb") as errors,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, env=environ()) as process,
    ):
        assert process.stdout is not None
        said = process.stdout.readline().decode()
        wait_for((tmp_path / "ready.json").exists, "the ready file")
        web = json.loads((tmp_path / "ready.json").read_text())["http"][0]
        process.terminate()
        rest = process.stdout.read()
    assert rest == b""
    file = tmp_path / "data" / "admin.token"
    told = f"headend: the new admin token is in {file}; sign in with it at http://{web}/console\n"
    assert said == told


def test_admin_token_is_in_no_log(start_server: StartServer) -> None:
    server = start_server()
    assert server.token not in server.process.output()
