"""Tests of headend.cli.bench_server."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from headend.cli import bench_server
from headend.cli.bench_server import own_server
from headend.errors import HeadendError


def test_a_server_runs_with_and_without_tls_and_ends_with_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADEND_RTMP__LISTEN", "nonsense")  # the user's own is left alone
    with own_server() as server:
        (plain, url, nobody), (secure, secure_url, trust) = server.targets()
        assert (plain, secure) == ("RTMP", "RTMPS")
        assert (url.is_tls, secure_url.is_tls) == (False, True)
        assert nobody is None
        assert trust is not None
        assert trust.ca == server.certificate
        assert server.certificate.is_file()
        os.kill(server.pid, 0)
        socket.create_connection((url.host, url.connect_port)).close()
        context = trust.context()
        with socket.create_connection((secure_url.host, secure_url.connect_port)) as sock:
            context.wrap_socket(sock, server_hostname=secure_url.host).close()
    assert not server.certificate.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def test_a_server_that_does_not_start_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "false")
    with pytest.raises(HeadendError, match="does not start: it says nothing"), own_server():
        pass


def test_a_server_that_is_never_ready_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deaf = tmp_path / "deaf"
    deaf.write_text("#!/bin/sh\ntrap '' TERM\necho busy\nwhile :; do sleep 0.05; done\n")
    deaf.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(deaf))
    monkeypatch.setattr(bench_server, "START_S", 0.5)
    monkeypatch.setattr(bench_server, "STOP_S", 0.2)
    started: list[subprocess.Popen[str]] = []
    real = bench_server.start

    def start(folder: Path, *flags: str) -> subprocess.Popen[str]:
        started.append(real(folder, *flags))
        return started[0]

    monkeypatch.setattr(bench_server, "start", start)
    with pytest.raises(HeadendError, match="does not start: busy"), own_server():
        pass
    assert started[0].returncode == -9
