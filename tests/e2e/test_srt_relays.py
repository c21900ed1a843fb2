"""Tests of streams that relays and Headend's own client send and fetch over SRT."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.srt import assert_played, free_port, make_clip, pictures, publish, srt_server, url
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e

PASSPHRASE = "correct-horse-battery"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, ffmpeg: str) -> Path:
    return make_clip(ffmpeg, tmp_path_factory.mktemp("srt") / "clip.ts")


def fetched(source: str, *, more: str = "") -> str:
    return f'relay.in=[{{match="live/a", url="{source}"{more}}}]'


def sent(destination: str) -> str:
    return f'relay.out=[{{match="live/*", url="{destination}"}}]'


def target(server: Server) -> dict[str, Any]:
    """Return the one stream of the one relay; empty if there is none yet."""
    found = [each for relay in server.relays() for each in relay["targets"]]
    return found[0] if found else {}


def wait_reason(server: Server, text: str) -> dict[str, Any]:
    wait_for(lambda: text in target(server).get("reason", ""), f"a relay whose reason has {text!r}")
    return target(server)


# ------------------------------------------------------------------ relays in


def test_a_relay_calls_a_listener_and_rtmp_players_have_the_pictures(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    port, played = free_port(), tmp_path / "played.flv"
    server = srt_server(start_server, fetched(f"srt://127.0.0.1:{port}?latency=200"))
    player = peers.play(server.url("live/a"), played)
    server.wait_log("waits for a publisher")
    publish(peers, clip, f"srt://127.0.0.1:{port}?mode=listener").succeed()
    wait_reason(server, "does not answer over SRT")
    player.kill()
    got = pictures(played)  # a listener of FFmpeg may lose the last ones with its connection
    assert len(got) >= 25
    assert set(got[:25]) <= set(pictures(clip))


@pytest.mark.parametrize("sender", ["ffmpeg", "srt-live-transmit", "gstreamer"])
def test_a_relay_listens_for_callers_one_after_the_other(
    sender: str, start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    port, played = free_port(), tmp_path / "played.flv"
    source = f"srt://127.0.0.1:{port}?mode=listener&passphrase={PASSPHRASE}"
    server = srt_server(start_server, fetched(source, more=", on_demand=false"))
    wait_reason(server, "waits for a caller")
    refused = publish(peers, clip, f"srt://127.0.0.1:{port}?passphrase=another-passphrase")
    assert refused.wait() != 0
    player = peers.play(server.url("live/a"), played)
    server.wait_log("waits for a publisher")
    call = f"srt://127.0.0.1:{port}?mode=caller&passphrase={PASSPHRASE}"
    if sender == "ffmpeg":
        publish(peers, clip, call)
    else:
        local = free_port()
        if sender == "gstreamer":
            peers.gstreamer(f"udpsrc port={local} ! srtsink uri={call}")
        else:
            peers.run("srt-live-transmit", "-q", f"udp://127.0.0.1:{local}", call)
        server.wait_log("relay in live/a from srt://127.0.0.1")
        peers.run("ffmpeg", "-nostats", "-re", "-i", str(clip), "-c", "copy",
                  "-f", "mpegts", f"udp://127.0.0.1:{local}?pkt_size=1316")  # fmt: skip
    wait_for(lambda: len(played.read_bytes()) > 50_000 if played.exists() else 0, "media")
    assert target(server)["network"]["rtt_ms"] >= 0
    if sender == "ffmpeg":
        wait_for(lambda: target(server)["state"] != "live", "the end of the first caller")
        publish(peers, clip, call)
        wait_for(lambda: target(server)["state"] == "live", "the second caller")
    player.kill()
    assert PASSPHRASE not in "".join(server.log())
    assert PASSPHRASE not in server.get("/api/v1/relays", server.token)[1]


def test_a_relay_in_says_why_a_server_refuses_it(start_server: StartServer, peers: Peers) -> None:
    origin = srt_server(start_server, "auth.private=live/*", "srt.passphrase=correct-horse")
    reasons = {
        "read:live/a&passphrase=correct-horse": "it is not allowed: key, token or address",
        "read:open/a&passphrase=wrong-passphrase": "the passphrase is wrong",
        "nonsense&passphrase=correct-horse": "it does not understand the stream id",
    }
    for stream_id, reason in reasons.items():
        source = fetched(url(origin, stream_id), more=", on_demand=false")
        wait_reason(start_server(source, "srt.listen=off"), reason)


def test_a_server_does_not_call_itself_over_srt(start_server: StartServer, peers: Peers) -> None:
    port = free_port()
    source = fetched(f"srt://localhost:{port}?streamid=read:live/b", more=", on_demand=false")
    server = srt_server(start_server, source, arguments=("--srt", f"127.0.0.1:{port}"))
    assert wait_reason(server, "is this server itself")["state"] == "failed"


# ------------------------------------------------------------------ relays out


def test_a_relay_sends_to_a_server_with_key_and_passphrase(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    other = srt_server(start_server, f"srt.passphrase={PASSPHRASE}")
    into = f"streamid=publish:live/{{name}}-copy&passphrase={PASSPHRASE}&latency=200"
    server = srt_server(start_server, sent(f"srt://{other.srt[0]}?{into}"))
    played = tmp_path / "played.ts"
    player = peers.play(url(other, "read:live/a-copy", f"passphrase={PASSPHRASE}"), played)
    other.wait_log("waits for a publisher")
    publisher = publish(peers, clip, url(server, "publish:live/a"))
    other.wait_log("publish live/a-copy accepted")
    wait_for(lambda: target(server)["bytes"] > 0, "media of the relay")
    assert target(server)["network"]["latency_ms"] == 200
    publisher.succeed()
    player.wait()
    assert_played(played, clip)
    other.wait_log("publish live/a-copy ended")
    assert PASSPHRASE not in "".join(server.log())


def test_a_relay_sends_to_a_listener_that_comes_late_and_again(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    port, played = free_port(), tmp_path / "played.ts"
    server = srt_server(start_server, sent(f"srt://127.0.0.1:{port}"))
    peers.run("ffmpeg", "-nostats", "-stream_loop", "-1", "-re", "-i", str(clip), "-c", "copy",
              "-f", "mpegts", url(server, "publish:live/a"))  # fmt: skip
    wait_reason(server, "does not answer over SRT (UDP)")
    listener = f"srtsrc uri=srt://127.0.0.1:{port}?mode=listener ! filesink location={played}"
    for _ in range(2):
        receiver = peers.gstreamer(f"{listener} buffer-mode=unbuffered")
        wait_for(lambda: played.exists() and len(played.read_bytes()) > 50_000, "media")
        receiver.kill()
        played.unlink()


# ------------------------------------------------------------------ the client


def test_headend_publishes_plays_and_probes_over_srt(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = srt_server(start_server, "srt.passphrase=correct-horse")
    played, secret = tmp_path / "played.flv", "passphrase=correct-horse"
    player = peers.headend("play", url(server, "read:live/a", secret), "-o", str(played))
    prober = peers.headend("probe", "--json", url(server, "read:live/a", secret))
    server.wait_log("waits for a publisher", 2)
    peers.headend("publish", str(clip), url(server, "publish:live/a", secret)).succeed()
    player.succeed()
    assert_played(played, clip)
    prober.succeed()
    facts = json.loads(prober.output())
    assert facts["protocol"] == "srt"
    assert facts["video"]["codec"] == "h264"
    assert facts["audio"]["codec"] == "aac"


def test_headend_plays_from_a_listener_and_publishes_as_one(
    peers: Peers, clip: Path, tmp_path: Path, ffmpeg: str
) -> None:
    port, played = free_port(), tmp_path / "played.flv"
    publisher = peers.headend("publish", str(clip), f"srt://:{port}?mode=listener")
    peers.headend("play", f"srt://127.0.0.1:{port}", "--reconnect", "-o", str(played))
    publisher.succeed()
    wait_for(lambda: played.exists() and len(played.read_bytes()) > 50_000, "media")


@pytest.mark.parametrize(
    ("stream_id", "said"),
    [
        ("publish:live/a", "1403: it is not allowed: key, token or address"),
        ("nonsense", "1400: it does not understand the stream id"),
        ("read:live/a&passphrase=0123456789", "one end has a passphrase"),
    ],
)
def test_headend_that_is_refused_over_srt_says_why(
    stream_id: str, said: str, start_server: StartServer, peers: Peers, clip: Path
) -> None:
    server = srt_server(start_server, "auth.publish=key")
    publisher = peers.headend("publish", str(clip), url(server, stream_id))
    assert publisher.wait() == 3
    assert said in publisher.output()
