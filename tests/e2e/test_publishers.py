"""Tests of what players see when publishers end, are lost, come back and compete."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.conftest import StartServer
from tests.e2e.peers import PLAYERS, Peers
from tests.e2e.process import Process
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e

Play = Callable[[Peers, str, Path], Process]
with_all_players = pytest.mark.parametrize("play", PLAYERS, ids=lambda play: play.__name__)


@with_all_players
def test_player_goes_on_when_a_lost_publisher_comes_back(
    play: Play, server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    url, played = server.url("live/a"), tmp_path / "played.flv"
    first = peers.publish(clip, url, is_endless=True)
    server.wait_media("live/a")
    player = play(peers, url, played)
    # Past the first loop of the file, so that the clock of the next publisher starts lower.
    server.wait_media("live/a", int(clip.stat().st_size * 1.2))
    first.kill()
    server.wait_stream("live/a", state="interrupted", viewers=1, publisher=None)
    server.wait_log("publish live/a lost")
    second = peers.publish(clip, url, is_paced=True)
    server.wait_stream("live/a", state="live")
    second.succeed()
    player.wait()
    tracks, whole = media.frames(played), media.hashes(media.frames(clip))["video0"]
    media.assert_forward(tracks)
    got = media.hashes(tracks)["video0"]
    # The last frame may be missing: see play_with_gstreamer.
    second_start = len(got) - got[::-1].index(whole[0]) - 1
    assert second_start > 0
    assert got[second_start:] in (whole, whole[:-1])


@with_all_players
def test_players_end_when_a_lost_publisher_stays_away(
    play: Play, start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start_server("live.reconnect_window_s=1")
    publisher = peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    player = play(peers, server.url("live/a"), tmp_path / "played.flv")
    server.wait_stream("live/a", viewers=1)
    publisher.kill()
    player.wait()
    server.wait_log("play live/a: the stream is over")
    assert server.streams() == {}


def test_publisher_that_ends_in_the_proper_way_ends_the_stream_at_once(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    publisher = peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    ffmpeg = peers.play(server.url("live/a"), tmp_path / "played.flv")
    gstreamer = peers.gstreamer(f"rtmp2src location={server.url('live/a')} ! fakesink")
    server.wait_stream("live/a", viewers=2)
    publisher.send(signal.SIGINT)
    publisher.wait()
    ffmpeg.succeed()
    gstreamer.succeed()
    assert "Got EOS" in gstreamer.output()
    server.wait_log("publish live/a ended")


def test_second_publisher_is_told_that_the_name_is_taken(
    server: Server, peers: Peers, clip: Path
) -> None:
    first = peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    second = peers.publish(clip, server.url("live/a"))
    assert second.wait() != 0
    assert "live/a is already being published" in second.output()
    assert "(NetStream.Publish.BadName)" in server.wait_log("publish live/a refused")
    assert first.is_running
    assert server.stream("live/a")["state"] == "live"


def test_gstreamer_is_told_that_the_name_is_taken(server: Server, peers: Peers, clip: Path) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    second = peers.gstreamer(
        "videotestsrc ! x264enc ! flvmux streamable=true",
        f"! rtmp2sink location={server.url('live/a')}",
    )
    assert second.wait() != 0
    assert "live/a is already being published" in second.output()


def test_second_publisher_with_the_same_key_takes_over_and_players_stay(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    url, played = server.url("live/a"), tmp_path / "played.flv"
    first = peers.publish(clip, f"{url}?key=s3cr3t-k3y", is_endless=True)
    server.wait_media("live/a", clip.stat().st_size // 2)
    player = peers.play(url, played)
    server.wait_stream("live/a", viewers=1)
    second = peers.publish(clip, f"{url}?key=s3cr3t-k3y", is_paced=True)
    assert first.wait() != 0
    server.wait_log("publish live/a taken over by another encoder")
    server.wait_stream("live/a", state="live", viewers=1)
    second.succeed()
    player.succeed()
    tracks = media.frames(played)
    media.assert_forward(tracks)
    assert len(tracks["video0"]) > len(media.frames(clip)["video0"])


def test_another_key_takes_nothing_over(server: Server, peers: Peers, clip: Path) -> None:
    peers.publish(clip, server.url("live/a?key=one"), is_endless=True)
    server.wait_media("live/a")
    assert peers.publish(clip, server.url("live/a?key=two")).wait() != 0
    server.wait_log("(NetStream.Publish.BadName)")


def test_publisher_without_a_valid_key_is_told_why(
    start_server: StartServer, peers: Peers, clip: Path
) -> None:
    server = start_server("auth.publish=key")
    publisher = peers.publish(clip, server.url("live/a"))
    assert publisher.wait() != 0
    assert "publishing needs a valid publish key here" in publisher.output()
    line = server.wait_log("publish live/a refused")
    assert "publishing needs a valid publish key here (NetStream.Publish.Denied)" in line


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_key_is_never_logged(
    log_format: str, start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start_server(f"log.format={log_format}")
    url = server.url("live/a?key=s3cr3t-k3y&token=s3cr3t-t0k3n")
    publisher = peers.publish(clip, url, is_endless=True)
    server.wait_media("live/a")
    peers.publish(clip, server.url("live/a?key=s3cr3t-0th3r")).wait()
    app_url = server.url("live?key=s3cr3t-4pp/b")
    peers.publish(clip, app_url).wait()
    player = peers.play(url, tmp_path / "played.flv")
    server.wait_stream("live/a", viewers=1)
    publisher.kill()
    server.wait_log("live/a lost")
    player.kill()
    assert server.stop() == 0
    assert "live/a" in server.process.output()
    assert "s3cr3t" not in server.process.output()
