"""Tests of headend's own commands against other programs."""

from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e


def test_headend_publishes_and_ffmpeg_plays(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    player = peers.play(server.url("live/a"), tmp_path / "played.flv")
    server.wait_log("play live/a waits")
    peers.headend("publish", str(clip), server.url("live/a"), "--no-pace").succeed()
    player.succeed()
    media.assert_same(media.frames(tmp_path / "played.flv"), media.frames(clip))


def test_ffmpeg_publishes_and_headend_plays(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    player = peers.headend("play", server.url("live/a"), "-o", str(tmp_path / "played.flv"))
    server.wait_log("play live/a waits")
    peers.publish(clip, server.url("live/a")).succeed()
    player.succeed()
    media.assert_same(media.frames(tmp_path / "played.flv"), media.frames(clip))


def test_headend_that_is_refused_says_why_and_exits_with_3(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    publisher = peers.headend("publish", str(clip), server.url("live/a"))
    assert publisher.wait() == 3
    assert "NetStream.Publish.BadName: live/a is already being published" in publisher.output()


def test_demo_is_a_picture_and_a_tone_that_ffmpeg_plays(
    start_server: StartServer, peers: Peers, tmp_path: Path
) -> None:
    server = start_server(program="demo")
    server.wait_media("live/demo")
    peers.play(server.url("live/demo"), tmp_path / "played.flv", "-t", "1").succeed()
    tracks = media.frames(tmp_path / "played.flv")
    assert len(tracks["video0"]) > 10
    assert len(tracks["audio0"]) > 10
    media.assert_forward(tracks)
    assert server.stop() == 0
