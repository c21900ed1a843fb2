"""`headend drain`, beside servers of one and of several workers."""

from pathlib import Path

import pytest
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

from headend.cli.main import run

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("workers", [1, 2])
def test_server_that_nobody_uses_stops_when_it_is_drained(
    workers: int, tmp_path: Path, capsys: Capture
) -> None:
    server = Server(tmp_path, workers=workers)
    try:
        assert run(["drain", "--data", str(server.data)]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "draining: 0 publishers and 0 players are left, for 30 s at most",
            "the server has stopped",
        ]
        server.process.succeed()
    finally:
        server.process.kill()


@pytest.mark.parametrize("workers", [1, 2])
def test_publisher_is_waited_for_until_the_drain_is_called_off(
    workers: int, tmp_path: Path, clip: Path, peers: Peers, capsys: Capture
) -> None:
    server = Server(tmp_path, workers=workers)
    try:
        peers.publish(clip, server.url("live/a"), is_endless=True)
        server.wait_media("live/a")
        data = ("--data", str(server.data))
        assert run(["drain", "--no-wait", *data]) == 0
        assert "draining: 1 publishers and 0 players are left" in capsys.readouterr().out
        wait_for(lambda: server.get("/readyz")[0] == 503, "a worker that drains")
        assert run(["drain", "--undo", *data]) == 0
        assert run(["drain", "--undo", *data]) == 1
        assert "The server does not drain." in capsys.readouterr().err
        wait_for(lambda: server.get("/readyz")[0] == 200, "a server that is ready")
        assert server.streams()["live/a"]["state"] == "live"
    finally:
        server.process.kill()
