"""Tests of headend.cli.bench: the commands, against a server process."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli.program import Server

from headend.cli import bench, bench_load, bench_server
from headend.cli.bench_load import Load, Plan, Usage
from headend.cli.main import run
from headend.rtmp.url import Url, parse_url

Capture = pytest.CaptureFixture[str]
SHORT = ("--seconds", "0.3", "--kbps", "500")


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_load, "SETTLE_S", 0.05)
    monkeypatch.setattr(bench_load, "GRACE_S", 0.2)


@pytest.mark.parametrize("command", ["fanout", "latency"])
def test_players_get_everything(
    server: Server, tmp_path: Path, capsys: Capture, command: str
) -> None:
    url = f"{server.url}/{tmp_path.name}"
    assert run(["bench", command, url, "--players", "2", *SHORT, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["bench"] == command
    assert document["players"] == 2
    assert document["lost_players"] == 0
    assert document["frames_missing"] == 0
    assert document["bytes_per_player_min"] == document["bytes_sent"] > 0
    assert 0 < document["latency_ms_p50"] <= document["latency_ms_max"]


def test_publishers_are_measured(server: Server, tmp_path: Path, capsys: Capture) -> None:
    url = f"{server.url}/{tmp_path.name}"
    assert run(["bench", "ingest", url, "--publishers", "2", *SHORT]) == 0
    assert "ingest: 2 publishers" in capsys.readouterr().out


def test_rtmp_and_rtmps_of_a_server_are_compared(
    server: Server, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def own_server() -> Iterator[object]:
        def targets() -> list[tuple[str, Url, None]]:
            urls = (f"{server.url}/{tmp_path.name}-{number}" for number in range(2))
            plain, other = map(parse_url, urls)
            return [("RTMP", plain, None), ("RTMPS", other, None)]

        yield SimpleNamespace(pid=1, targets=targets)

    monkeypatch.setattr(bench_server, "own_server", own_server)
    assert run(["bench", "tls", "--players", "2", *SHORT]) == 0
    shown = capsys.readouterr()
    assert "tls: 2 players, 500 kbit/s" in shown.out
    assert "RTMP: 2 players for 0.3 s\n" in shown.err


def test_a_stream_that_is_refused_is_one_line_without_the_key(
    server: Server, capsys: Capture
) -> None:
    assert run(["bench", "latency", f"{server.url}/a|b?key=secret", *SHORT]) in (1, 3)
    said = capsys.readouterr().err
    assert said.startswith("headend: ")
    assert said.count("\n") == 1
    assert "secret" not in said


@pytest.mark.parametrize("command", ["fanout", "latency", "ingest"])
def test_a_server_elsewhere_is_left_alone(capsys: Capture, command: str) -> None:
    assert run(["bench", command, "rtmp://192.0.2.1/live/a?key=secret"]) == 2
    said = capsys.readouterr().err
    assert "192.0.2.1 is not this machine" in said
    assert "--yes-it-is-mine" in said
    assert "secret" not in said


def test_a_name_that_leads_elsewhere_too_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [(2, 1, 6, "", ("127.0.0.1", 1)), (10, 1, 6, "", ("2001:db8::1%eth0", 1, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    assert not bench._is_loopback("host", 1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places[:1])
    assert bench._is_loopback("host", 1)


def test_a_server_elsewhere_is_loaded_if_it_is_the_users_own() -> None:
    assert bench._own_target("rtmp://192.0.2.1/live/a", is_own=True).host == "192.0.2.1"


def test_a_host_that_is_not_found_is_a_failure(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert run(["bench", "fanout", "rtmp://nowhere.invalid/live/a"]) == 1
    assert capsys.readouterr().err == "headend: nowhere.invalid: Name or service not known\n"


def test_a_url_without_a_name_is_wrong_usage(capsys: Capture) -> None:
    assert run(["bench", "fanout", "rtmp://127.0.0.1/live"]) == 2
    assert "names no stream" in capsys.readouterr().err


def test_a_load_that_is_its_own_limit_is_told(capsys: Capture) -> None:
    plan = Plan(parse_url("rtmp://127.0.0.1/live/a"), 1, 1.0, 500)
    bench._warn(Load(plan, [], [], Usage(79.0, None)))
    assert capsys.readouterr().err == ""
    bench._warn(Load(plan, [], [], Usage(81.0, None)))
    assert "the load took 81 % of a core itself" in capsys.readouterr().err


def test_it_works_without_uvloop(
    server: Server, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run(["bench", "latency", f"{server.url}/{tmp_path.name}", *SHORT]) == 0
    assert "latency ms p50" in capsys.readouterr().out
