"""Tests of SRT with ffmpeg, GStreamer and srt-live-transmit as peers."""

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.conftest import StartServer
from tests.e2e.lossy import lossy
from tests.e2e.peers import Peers
from tests.e2e.process import Process
from tests.e2e.server import Server
from tests.e2e.srt import (
    assert_played,
    live_transmit,
    make_clip,
    pictures,
    publish,
    srt_server,
    url,
)
from tests.e2e.wait import wait_for

from headend.media.flv import Reader

pytestmark = pytest.mark.e2e


@pytest.fixture
def server(start_server: StartServer) -> Server:
    return srt_server(start_server)


def decoded(file: Path) -> list[tuple[str, str]]:
    """Return track and hash of every frame that FFmpeg decodes, each track by itself."""
    command = ("ffmpeg", "-v", "error", "-i", str(file), "-f", "framemd5", "-")
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    lines = [line.split(",") for line in done.stdout.splitlines() if not line.startswith("#")]
    return sorted((line[0], line[5].strip()) for line in lines)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, ffmpeg: str) -> Path:
    return make_clip(ffmpeg, tmp_path_factory.mktemp("srt") / "clip.ts")


def play(peers: Peers, server: Server, stream_id: str, file: Path) -> Process:
    process = peers.play(url(server, stream_id), file)
    server.wait_log("waits for a publisher")
    return process


@pytest.mark.parametrize("form", ["publish:live/a", "#!::m=publish,r=live/a"])
def test_ffmpeg_publishes_and_every_player_has_the_same_pictures(
    form: str, server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("srt.ts", "rtmp.flv", "live.ts")]
    players = [
        play(peers, server, "read:live/a", files[0]),
        peers.play(server.url("live/a"), files[1]),
        live_transmit(peers, url(server, "read:live/a"), files[2]),
    ]
    server.wait_log("waits for a publisher", 3)
    publish(peers, clip, url(server, form)).succeed()
    for player in players:
        player.wait()
    for file in files:
        assert_played(file, clip)


def test_second_sound_is_a_track_for_players_that_know_tracks(
    server: Server, peers: Peers, ffmpeg: str, tmp_path: Path
) -> None:
    clip = tmp_path / "two.ts"
    tracks = ("-map", "0", "-map", "1", "-map", "1")
    media.make(ffmpeg, clip, *media.picture(3), *media.tone(3), *tracks, *media.H264, *media.AAC)
    to = url(server, "publish:live/two")
    endless = ("-re", "-stream_loop", "-1", "-i", str(clip), "-map", "0", "-c", "copy")
    peers.run("ffmpeg", "-nostats", *endless, "-f", "mpegts", to)
    server.wait_media("live/two")
    address = f"http://{server.http[0]}/live/two.flv"
    played = {}
    for name, source in {
        "rtmp": server.url("live/two"),
        "flv": address,
        "all": f"{address}?tracks=all",
    }.items():
        played[name] = tmp_path / f"{name}.flv"
        peers.headend("play", source, "-o", str(played[name]), "--duration", "2").succeed()
    first = tmp_path / "first.flv"
    options = ("-nostats", "-i", server.url("live/two"), "-t", "2", "-map", "0", "-c", "copy")
    peers.run("ffmpeg", *options, str(first)).succeed()
    assert pictures(first)
    assert media.frames(first).keys() == {"video0", "audio0"}
    counts = {name: second_sounds(file) for name, file in played.items()}
    assert counts["flv"] == 0
    assert min(counts["rtmp"], counts["all"]) > 20  # of 86


def second_sounds(file: Path) -> int:
    """Return how many frames of a second track of AAC a file of FLV has."""
    reader = Reader()
    reader.receive_data(file.read_bytes())
    return sum(tag.body.startswith(b"\x95\x01mp4a\x01") for tag in reader.tags())


def test_an_rtmp_stream_is_played_over_srt(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    played = tmp_path / "played.ts"
    player = play(peers, server, "read:live/a", played)
    peers.publish(clip, server.url("live/a"), is_paced=True).succeed()
    player.wait()
    assert decoded(played) == decoded(clip)


def test_gstreamer_publishes_and_plays(server: Server, peers: Peers, tmp_path: Path) -> None:
    sent, played = tmp_path / "sent.ts", tmp_path / "played.ts"
    player = peers.gstreamer(
        f"srtsrc uri=srt://{server.srt[0]}?mode=caller streamid=read:live/a",
        f"! filesink buffer-mode=unbuffered location={played}",
    )
    server.wait_log("waits for a publisher")
    picture = "videotestsrc is-live=true num-buffers=75 ! video/x-raw,width=160,height=96"
    publisher = peers.gstreamer(
        f"{picture},framerate=25/1 ! x264enc speed-preset=ultrafast key-int-max=10 ! h264parse",
        f"! mpegtsmux alignment=7 ! tee name=tee ! queue ! filesink location={sent}",
        f"tee. ! queue ! srtsink uri=srt://{server.srt[0]}?mode=caller",
        "streamid=publish:live/a wait-for-connection=true",
    )
    publisher.succeed()
    server.wait_log("the stream is over")
    server.wait_log("waits for a publisher", 2)  # GStreamer asks for it again
    player.kill()
    assert_played(played, sent)


def test_hls_is_made_of_a_stream_over_srt(server: Server, peers: Peers, clip: Path) -> None:
    publish(peers, clip, url(server, "publish:live/a"))
    server.wait_log("publish live/a accepted")
    player = peers.run("ffprobe", "-v", "error", "-show_entries", "stream=codec_name",
                       f"http://{server.http[0]}/live/a/index.m3u8")  # fmt: skip
    player.succeed()
    assert "codec_name=h264" in player.output()
    assert "codec_name=aac" in player.output()


# ------------------------------------------------------------------ who may


@pytest.mark.parametrize("options", [(), ("passphrase=another-passphrase",)])
def test_a_caller_without_the_passphrase_is_refused(
    options: tuple[str, ...], start_server: StartServer, peers: Peers, clip: Path
) -> None:
    server = srt_server(start_server, "srt.passphrase=correct-horse")
    assert publish(peers, clip, url(server, "publish:live/a", *options)).wait() != 0
    assert not [line for line in server.log() if "live/a accepted" in line]


def test_a_caller_with_the_passphrase_of_a_rule_publishes_and_plays(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    file = tmp_path / "headend.toml"
    file.write_text(
        '[rtmp]\ntls_only = ["vip/*"]\n'
        '[[stream]]\nmatch = "vip/*"\nsrt.passphrase = "correct-horse"\n'
    )
    server = srt_server(start_server, arguments=("-c", str(file)))
    played, secret = tmp_path / "played.ts", "passphrase=correct-horse"
    player = peers.play(url(server, "read:vip/a", secret), played)
    server.wait_log("waits for a publisher")
    publish(peers, clip, url(server, "publish:vip/a", secret)).succeed()
    player.wait()
    assert_played(played, clip)
    publish(peers, clip, url(server, "publish:live/a")).succeed()


def test_refusals_have_a_reason(start_server: StartServer, peers: Peers, clip: Path) -> None:
    server = srt_server(start_server, "auth.publish=key", "auth.private=vip/*", "live.wait_s=0")
    reasons = {
        "publish:live/a": "key",
        "publish:live/a?key=hk_wrong": "the publish key is not valid",
        "read:vip/a": "token",
        "read:live/a": "nobody publishes live/a",
        "live/a": "the stream id has no form known here",
        "": "the caller gives no stream id",
    }
    for number, (stream_id, reason) in enumerate(reasons.items(), 1):
        assert publish(peers, clip, url(server, stream_id)).wait() != 0
        assert reason in server.wait_log("refused", number)
    assert not [line for line in server.log() if "accepted" in line]


def test_a_stream_id_of_512_bytes_and_garbage_are_one_line_each_and_disturb_nobody(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    played, garbage = tmp_path / "played.ts", tmp_path / "garbage"
    garbage.write_bytes(bytes(1316 * 2000))
    player = play(peers, server, "read:live/a", played)
    publisher = publish(peers, clip, url(server, "publish:live/a"))
    peers.run("ffmpeg", "-i", url(server, "publish:" + "a" * 504), "-f", "null", "-").wait()
    server.wait_log("is over the limit")
    # Not all at once: a sink that closes at once takes with it what has not been delivered.
    paced = f"filesrc location={garbage} blocksize=1316 ! identity sleep-time=2000"
    send = f"{paced} ! srtsink mode=caller"
    peers.gstreamer(f"{send} uri=srt://{server.srt[0]} streamid=publish:live/noise")
    server.wait_log("is not MPEG-TS")
    publisher.succeed()
    player.wait()
    assert_played(played, clip)


# ------------------------------------------------------------------ the network


def test_a_tenth_is_lost_and_no_frame_at_a_latency_of_four_round_trips(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    played = tmp_path / "played.flv"
    player = peers.play(server.url("live/a"), played)
    server.wait_log("waits for a publisher")
    with lossy(server.srt[0], loss=0.1, delay_s=0.05) as place:
        publish(peers, clip, f"srt://{place}?latency=400000&streamid=publish:live/a").succeed()
        server.wait_log("publish live/a")
        server.wait_log("live/a ended")
    player.wait()
    sure = 50  # FFmpeg closes the connection with the last messages in it
    assert pictures(played)[:sure] == pictures(clip)[:sure]


def test_losses_are_advice_about_latency(server: Server, peers: Peers, clip: Path) -> None:
    with lossy(server.srt[0], loss=0.1, delay_s=0.05) as place:
        peers.run("ffmpeg", "-nostats", "-stream_loop", "-1", "-re", "-i", str(clip), "-c", "copy",
                  "-f", "mpegts", f"srt://{place}?streamid=publish:live/a")  # fmt: skip
        server.wait_log("publish live/a accepted")

        def advised() -> list[str]:
            texts = [finding["text"] for finding in server.stream("live/a").get("health", ())]
            return [text for text in texts if text.startswith("loss ")]

        (text,) = wait_for(advised, "advice")
        assert ": raise latency to 4 × RTT = " in text
        (session,) = json.loads(server.get("/api/v1/sessions", server.token)[1])["sessions"]
        assert session["network"]["advice"]
        assert session["network"]["latency_ms"] == 120
        metrics = server.get("/metrics", server.token)[1]
        assert 'headend_srt_latency_seconds{stream="live/a"} 0.12' in metrics


# ------------------------------------------------------------------ the server


def test_the_network_of_a_session_is_shown(server: Server, peers: Peers, clip: Path) -> None:
    publisher = publish(peers, clip, url(server, "publish:live/a"))
    server.wait_log("publish live/a accepted")
    (session,) = json.loads(server.get("/api/v1/sessions", server.token)[1])["sessions"]
    assert session["protocol"] == "srt"
    assert session["network"]["rtt_ms"] > 0
    publisher.kill()


def test_an_administrator_closes_a_publisher_and_a_viewer(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    player = play(peers, server, "read:live/a", tmp_path / "played.ts")
    publisher = publish(peers, clip, url(server, "publish:live/a"))
    server.wait_log("publish live/a accepted")
    sessions = json.loads(server.get("/api/v1/sessions", server.token)[1])["sessions"]
    assert len(sessions) == 2
    for session in sessions:
        request = urllib.request.Request(
            f"http://{server.http[0]}/api/v1/sessions/{session['id']}",
            headers={"Authorization": f"Bearer {server.token}"},
            method="DELETE",
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 204
    publisher.wait()
    player.wait()
    server.wait_log("publish live/a ended: closed by an administrator")


def test_a_server_stops_while_callers_publish_and_play(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    play(peers, server, "read:live/a", tmp_path / "played.ts")
    publish(peers, clip, url(server, "publish:live/a"))
    server.wait_log("publish live/a accepted")
    server.stop()
