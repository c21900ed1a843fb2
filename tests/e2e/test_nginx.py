"""Tests of nginx-rtmp as the publisher and as the player: servers in a chain."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.conftest import StartServer
from tests.e2e.nginx import nginx_rtmp
from tests.e2e.peers import Peers
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """A server that ends a stream soon when its publisher is gone."""
    return start_server("live.reconnect_window_s=1")


@pytest.fixture
def nginx(server: Server, peers: Peers, tmp_path: Path) -> Iterator[str]:
    """Where an nginx listens that pushes to, and pulls from, the server."""
    headend = server.rtmp[0]
    applications = f"""
        application out {{ live on; push rtmp://{headend}/live; }}
        application in {{ live on; pull rtmp://{headend}/live/a name=a live=1; }}
    """
    place, start = nginx_rtmp(applications, peers, tmp_path / "nginx")
    process = start()
    yield place
    process.send(signal.SIGTERM)
    process.wait()


def test_nginx_pushes_a_stream_to_the_server(
    nginx: str, server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    player = peers.play(server.url("live/a"), tmp_path / "played.flv")
    server.wait_log("play live/a waits")
    peers.publish(clip, f"rtmp://{nginx}/out/a", is_paced=True).succeed()
    player.succeed()
    media.assert_joined(media.frames(tmp_path / "played.flv"), media.frames(clip))


def test_nginx_pulls_a_stream_from_the_server(
    nginx: str, server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    played = tmp_path / "played.flv"
    publisher = peers.publish(clip, server.url("live/a"), is_paced=True)
    server.wait_media("live/a")
    player = peers.play(f"rtmp://{nginx}/in/a", played)
    server.wait_stream("live/a", viewers=1)
    publisher.succeed()
    server.wait_log("play live/a: the stream is over")
    player.send(signal.SIGINT)  # nginx keeps its players
    player.wait()
    # What nginx had not passed on when its player left is missing.
    media.assert_joined(media.frames(played), media.frames(clip), may_lack=5)
