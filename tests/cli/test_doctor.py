"""Tests of headend.cli.doctor: what is wrong is found, with what to do."""

import json
import re
import resource
import socket
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from tests.cli.with_server import with_server
from tests.cluster.redis_server import redis_server
from tests.harness import Live

from headend.cli.main import run
from headend.cluster.scripts import prefix_of

Capture = pytest.CaptureFixture[str]
OFF = [flag for name in ("rtmp", "tls", "http", "srt") for flag in ("--set", f"{name}.listen=off")]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    return tmp_path / "d"


def examine(capsys: Capture, data: Path, *settings: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code and what was found, with every listener off unless it is set."""
    flags = [word for setting in settings for word in ("--set", setting)]
    code = run(["doctor", "--data", str(data), "--json", *OFF, *flags])
    return code, json.loads(capsys.readouterr().out)["findings"]


def of(found: list[dict[str, Any]], check: str) -> list[dict[str, Any]]:
    return [each for each in found if each["check"] == check]


def test_port_that_another_program_uses_is_found_and_told(data: Path, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        code, found = examine(
            capsys, data, f"rtmp.listen=127.0.0.1:{taken}", "http.listen=127.0.0.1:0"
        )
    assert code == 1
    first, second = of(found, "ports")
    assert first["state"] == "failed"
    assert f"rtmp 127.0.0.1:{taken}: Address already in use" in first["text"]
    assert first["to_do"].startswith("stop what uses it")
    assert second["state"] == "ok"


def test_address_of_another_machine_is_told(data: Path, capsys: Capture) -> None:
    code, found = examine(capsys, data, "rtmp.listen=192.0.2.99:1935")
    assert code == 1
    assert "this machine does not have this address" in of(found, "ports")[0]["to_do"]


def test_server_that_runs_has_its_ports(tmp_path: Path, capsys: Capture) -> None:
    found: list[dict[str, Any]] = []

    def check(live: Live) -> None:
        found.extend(examine(capsys, tmp_path)[1])

    with_server(tmp_path, ("http.listen=127.0.0.1:0",), check)
    (ports,) = of(found, "ports")
    assert ports["state"] == "ok"
    assert "listens at 127.0.0.1:" in ports["text"]


def test_secret_that_others_can_read_is_found(data: Path, capsys: Capture) -> None:
    (data / "server.secret").write_text("x")
    (data / "server.secret").chmod(0o644)
    _, found = examine(capsys, data)
    (finding,) = of(found, "permissions")
    assert finding["state"] == "warning"
    assert finding["to_do"].startswith("chmod 600 ")


def test_certificate_that_is_missing_is_found(data: Path, capsys: Capture) -> None:
    code, found = examine(
        capsys,
        data,
        "tls.listen=127.0.0.1:0",
        'tls.certificates=[{ cert = "no.pem", key = "no.key" }]',
    )
    assert code == 1
    assert of(found, "certificates")[0]["state"] == "failed"


def test_disk_without_room_for_recordings_is_found(data: Path, capsys: Capture) -> None:
    code, found = examine(capsys, data, "record.min_free_bytes=1048576 GiB")
    assert code == 1
    (failed,) = (each for each in of(found, "disk") if each["state"] == "failed")
    assert "record.min_free_bytes" in failed["to_do"]


def test_name_that_leads_nowhere_is_found(data: Path, capsys: Capture) -> None:
    code, found = examine(capsys, data, "http.hosts=nowhere.invalid,localhost")
    assert code == 1
    nowhere, here = of(found, "public name")
    assert nowhere["state"] == "failed"
    assert "add an A or AAAA record for nowhere.invalid" in nowhere["to_do"]
    assert here["state"] == "ok"


def test_database_that_does_not_answer_is_found_without_its_password(
    data: Path, capsys: Capture
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://u:hunter22@127.0.0.1:{closed.getsockname()[1]}/d"
        code, found = examine(capsys, data, f"auth.database={url}")
    assert code == 1
    (finding,) = of(found, "database")
    assert finding["state"] == "failed"
    assert "hunter22" not in json.dumps(found)


def test_limit_of_open_files_is_compared_with_that_of_connections(
    data: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hard, state in ((1000, "warning"), (1_000_000, "ok")):
        monkeypatch.setattr(resource, "getrlimit", lambda _, hard=hard: (hard, hard))
        _, found = examine(capsys, data)
        assert of(found, "open files")[0]["state"] == state


def test_person_is_told_in_lines_with_what_to_do_below(data: Path, capsys: Capture) -> None:
    assert run(["doctor", "--data", str(data), *OFF]) == 0
    out = capsys.readouterr().out
    assert f"ok       data folder: {data} can be written\n" in out
    assert "ok       ffmpeg: FFmpeg has libx264, aac" in out


def test_redis_that_answers_is_told_with_its_version(data: Path, capsys: Capture) -> None:
    with redis_server() as redis:
        settings = (f"cluster.redis={redis.url}", "cluster.secret=the same on all nodes")
        _, found = examine(capsys, data, *settings)
        (finding,) = of(found, "redis")
        assert re.match(r"Redis \d+\.\d+\.\d+ answers within \d+\.\d ms$", finding["text"])
        assert finding["state"] != "failed"


def test_nodes_with_another_secret_in_redis_are_found(data: Path, capsys: Capture) -> None:
    with redis_server() as redis:
        client = Redis.from_url(redis.url)
        client.hset(f"{prefix_of(b'another secret')}:names", "live/a", "x")
        client.close()
        settings = (f"cluster.redis={redis.url}", "cluster.secret=the same on all nodes")
        _, found = examine(capsys, data, *settings)
        (finding,) = of(found, "redis")
        assert finding["state"] == "warning"
        assert "nodes with another cluster.secret are there" in finding["text"]


def test_redis_that_is_away_is_found_without_its_password(data: Path, capsys: Capture) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://u:hunter22@127.0.0.1:{closed.getsockname()[1]}/0"
        code, found = examine(
            capsys, data, f"cluster.redis={url}", "cluster.secret=the same on all nodes"
        )
    assert code == 1
    (finding,) = of(found, "redis")
    assert finding["text"].startswith("Redis does not answer: ")
    assert "hunter22" not in json.dumps(found)


def test_cluster_without_a_secret_is_found(data: Path, capsys: Capture) -> None:
    code, found = examine(capsys, data, "cluster.redis=redis://127.0.0.1:1/0")
    assert code == 1
    (finding,) = of(found, "redis")
    assert finding["text"] == "cluster.secret is not set"
