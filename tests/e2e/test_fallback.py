"""Tests of what stands in for an encoder that hangs or dies, with real peers."""

import json
import signal
from itertools import pairwise
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.process import Process
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e

STEADY = "live.fallback_steady_s=1"
LONGEST_GAP_MS = 3_000  # in a stream that goes on within 2 s of silence, on a machine that is busy


def rule(*sources: str) -> str:
    listed = ", ".join(f'"{source}"' for source in sources)
    return f'live.fallback=[{{ match = "live/*", sources = [{listed}] }}]'


def on_air(server: Server, publisher: str) -> None:
    """Wait until it is on air, as the API says."""
    wait_for(
        lambda: (server.stream("live/a").get("publisher") or "").startswith(publisher),
        f"{publisher} on air",
    )


def assert_goes_on(played: Path, ffmpeg: str) -> None:
    """Check that the timeline of what was played never goes back and has no long gap."""
    tracks = media.frames(played, ffmpeg)
    media.assert_forward(tracks)
    for name, track in tracks.items():
        gap = max(after.dts - before.dts for before, after in pairwise(track))
        assert gap < LONGEST_GAP_MS, f"{name} has a gap of {gap} ms"


def test_slate_stands_in_for_an_encoder_that_hangs(
    start_server: StartServer, peers: Peers, clip: Path, new_ffmpeg: str, tmp_path: Path
) -> None:
    server = start_server(rule("slate"), STEADY)
    encoder = peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a", 10_000)
    played = tmp_path / "played.flv"
    player = peers.play(server.url("live/a"), played, ffmpeg=new_ffmpeg)
    server.wait_stream("live/a", viewers=1)
    encoder.send(signal.SIGSTOP)
    on_air(server, "fallback slate")
    before = server.stream("live/a")["bytes_in"]
    server.wait_media("live/a", before + 5_000)
    encoder.send(signal.SIGCONT)
    on_air(server, "127.0.0.1")
    encoder.send(signal.SIGTERM)
    player.succeed()
    server.wait_log("play live/a: the stream is over")
    assert_goes_on(played, new_ffmpeg)
    shown = peers.run(
        *(new_ffmpeg, "-v", "error", "-i", str(played), "-map", "0:v"),
        *("-fps_mode", "passthrough", "-enc_time_base", "demux", "-f", "null", "-"),
    )
    shown.succeed()
    # Presentation times of reordered pictures overlap at a cut, which only a muxer minds.
    faults = [line for line in shown.output().splitlines() if "dts to muxer" not in line]
    assert faults == []


def test_file_stands_in_for_an_encoder_that_dies_until_it_is_back(
    start_server: StartServer,
    peers: Peers,
    clip: Path,
    other_clip: Path,
    new_ffmpeg: str,
    tmp_path: Path,
) -> None:
    server = start_server(rule(f"file:{other_clip}"), STEADY)
    encoder = peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a", 10_000)
    played = tmp_path / "played.flv"
    player = peers.play(server.url("live/a"), played, ffmpeg=new_ffmpeg)
    server.wait_stream("live/a", viewers=1)
    encoder.kill()
    on_air(server, f"fallback file:{other_clip}")
    frames = media.hashes(media.frames(other_clip))["video0"]
    again = peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_log("publish live/a stands by")
    on_air(server, "127.0.0.1")
    again.send(signal.SIGTERM)
    player.succeed()
    assert_goes_on(played, new_ffmpeg)
    seen = media.hashes(media.frames(played, new_ffmpeg))["video0"]
    assert frames[0] in seen  # the file from its start


def test_backup_encoder_takes_over_and_hands_back(
    start_server: StartServer, peers: Peers, clip: Path, other_clip: Path, tmp_path: Path
) -> None:
    server = start_server(STEADY)
    main = peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a", 10_000)
    played = tmp_path / "played.flv"
    player = peers.rtmpdump(server.url("live/a"), played)
    server.wait_stream("live/a", viewers=1)
    backup = peers.publish(other_clip, server.url("live/a?backup=1"), is_endless=True)
    server.wait_log("publish live/a stands by")
    main_address = server.stream("live/a")["publisher"]
    assert len(server.stream("live/a")["standbys"]) == 1
    main.send(signal.SIGSTOP)
    wait_for(lambda: server.stream("live/a")["publisher"] != main_address, "the backup on air")
    main.send(signal.SIGCONT)
    on_air(server, main_address)
    backup.send(signal.SIGTERM)
    backup.wait()
    main.send(signal.SIGTERM)
    player.wait()
    assert_goes_on(played, "ffmpeg")


def test_encoders_are_ranked_by_the_priorities_of_their_keys(
    start_server: StartServer, peers: Peers, clip: Path, other_clip: Path, tmp_path: Path
) -> None:
    server = start_server(STEADY, "auth.publish=key")

    def publish(file: Path, priority: int) -> Process:
        create = ("key", "create", "live/a", "--priority", str(priority), "--json")
        made = peers.headend(*create, "--data", str(server.data))
        made.succeed()
        key = json.loads(made.output())["key"]
        return peers.publish(file, server.url(f"live/a?key={key}"), is_endless=True)

    low = publish(other_clip, 0)
    server.wait_media("live/a", 10_000)
    low_address = server.stream("live/a")["publisher"]
    played = tmp_path / "played.flv"
    player = peers.rtmpdump(server.url("live/a"), played)
    server.wait_stream("live/a", viewers=1)
    high = publish(clip, 5)
    server.wait_log("publish live/a stands by")
    stream = server.stream("live/a")
    (high_address,) = {stream["publisher"], *stream["standbys"]} - {low_address}
    on_air(server, high_address)  # it is the better one, and steady
    assert server.stream("live/a")["standbys"] == [low_address]
    high.send(signal.SIGSTOP)
    on_air(server, low_address)
    high.send(signal.SIGCONT)
    on_air(server, high_address)
    high.kill()
    on_air(server, low_address)
    before = server.stream("live/a")["bytes_in"]
    server.wait_media("live/a", before + 5_000)
    low.send(signal.SIGTERM)
    player.wait()
    assert_goes_on(played, "ffmpeg")
    pictures = media.hashes(media.frames(played))["video0"]
    for file in (clip, other_clip):
        assert set(media.hashes(media.frames(file))["video0"]) & set(pictures)
