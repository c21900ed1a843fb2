"""Tests that players get what ffmpeg publishes, frame by frame."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.conftest import StartServer
from tests.e2e.peers import PLAYERS, Peers, play_with_gstreamer
from tests.e2e.process import Process
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e

Play = Callable[[Peers, str, Path], Process]
with_all_players = pytest.mark.parametrize("play", PLAYERS, ids=lambda play: play.__name__)


@with_all_players
def test_player_joins_at_a_keyframe_and_misses_nothing_until_the_end(
    play: Play, server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    url = server.url("live/a")
    publisher = peers.publish(clip, url, is_paced=True)
    # A second in, so that the newest keyframe is not the first.
    server.wait_media("live/a", clip.stat().st_size // 4)
    player = play(peers, url, tmp_path / "played.flv")
    server.wait_stream("live/a", viewers=1)
    publisher.succeed()
    player.succeed()
    played, published = media.frames(tmp_path / "played.flv"), media.frames(clip)
    media.assert_joined(played, published, may_lack=int(play is play_with_gstreamer))
    assert len(played["video0"]) < len(published["video0"])


@with_all_players
def test_player_that_comes_first_gets_everything(
    play: Play, server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    player = play(peers, server.url("live/a"), tmp_path / "played.flv")
    server.wait_log("play live/a waits for a publisher")
    peers.publish(clip, server.url("live/a")).succeed()
    player.succeed()
    played, published = media.frames(tmp_path / "played.flv"), media.frames(clip)
    media.assert_joined(played, published, may_lack=int(play is play_with_gstreamer))
    assert played["video0"][0].hash == published["video0"][0].hash


def test_ffprobe_tells_codecs_and_size(server: Server, peers: Peers, clip: Path) -> None:
    url = server.url("live/a")
    peers.publish(clip, url, is_endless=True)
    server.wait_media("live/a")
    entries = "stream=codec_name,width,height,sample_rate"
    probe = peers.run("ffprobe", "-v", "error", "-of", "csv", "-show_entries", entries, url)
    probe.succeed()
    assert set(probe.output().split()) == {"stream,h264,160,96", "stream,aac,44100"}


def test_stream_without_audio_is_played(
    server: Server, peers: Peers, video_clip: Path, tmp_path: Path
) -> None:
    player = peers.play(server.url("live/a"), tmp_path / "played.flv")
    server.wait_log("play live/a waits")
    peers.publish(video_clip, server.url("live/a")).succeed()
    player.succeed()
    media.assert_same(media.frames(tmp_path / "played.flv"), media.frames(video_clip))


def test_stream_without_video_is_played_from_any_frame(
    server: Server, peers: Peers, audio_clip: Path, tmp_path: Path
) -> None:
    publisher = peers.publish(audio_clip, server.url("live/a"), is_paced=True)
    server.wait_media("live/a", 2000)
    player = peers.play(server.url("live/a"), tmp_path / "played.flv")
    server.wait_stream("live/a", viewers=1)
    publisher.succeed()
    player.succeed()
    media.assert_joined(media.frames(tmp_path / "played.flv"), media.frames(audio_clip))


def test_ffmpeg_is_told_that_nobody_publishes_the_name(
    start_server: StartServer, peers: Peers, tmp_path: Path
) -> None:
    server = start_server("live.wait_s=1")
    player = peers.play(server.url("live/nobody"), tmp_path / "played.flv")
    assert player.wait() != 0
    assert "Server error: nobody publishes live/nobody" in player.output()
    server.wait_log("play live/nobody: nobody published it (live.wait_s)")


def test_rtmpdump_is_told_that_nobody_publishes_the_name(
    start_server: StartServer, peers: Peers, tmp_path: Path
) -> None:
    server = start_server("live.wait_s=1")
    player = peers.rtmpdump(server.url("live/nobody"), tmp_path / "played.flv")
    player.wait()
    assert "ERROR: Closing connection: NetStream.Play.StreamNotFound" in player.output()


def test_gstreamer_is_refused_where_players_do_not_wait(
    start_server: StartServer, peers: Peers
) -> None:
    server = start_server("live.wait_s=0")
    player = peers.gstreamer(f"rtmp2src location={server.url('live/nobody')} ! fakesink")
    assert player.wait() != 0
    assert "nobody publishes live/nobody" in player.output()
