"""Tests of relays in with real peers: an edge of two origins, and sources of all kinds."""

import signal
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e


def into(*urls: str, match: str = "live/*") -> str:
    listed = ", ".join(f'"{url}"' for url in urls)
    return f'relay.in=[{{match="{match}", url=[{listed}], insecure=true}}]'


def test_edge_serves_players_of_all_kinds_with_one_fetch(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    origin = start_server(arguments=("--tls", "127.0.0.1:0"))
    edge = start_server(into(f"rtmps://{origin.tls[0]}/live/{{name}}"), "relay.idle_s=0")
    files = [tmp_path / "rtmp.flv", tmp_path / "http.flv"]
    players = [
        peers.play(edge.url("live/a"), files[0]),
        peers.play(f"http://{edge.http[0]}/live/a.flv", files[1]),
    ]
    origin.wait_stream("live/a", viewers=1)
    peers.publish(clip, origin.url("live/a"), is_paced=True).succeed()
    published = media.frames(clip)
    for player, file in zip(players, files, strict=True):
        player.succeed()
        media.assert_joined(media.frames(file), published)
    wait_for(lambda: not any(relay["targets"] for relay in edge.relays()), "the fetch ends")


def test_edge_goes_on_with_its_second_origin_when_the_first_is_killed(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    origins = [start_server() for _ in range(2)]
    edge = start_server(into(*(f"rtmp://{origin.rtmp[0]}/live/{{name}}" for origin in origins)))
    for origin in origins:
        peers.publish(clip, origin.url("live/a"), is_endless=True)
        origin.wait_media("live/a")
    file = tmp_path / "played.flv"
    player = peers.play(edge.url("live/a"), file)
    wait_for(lambda: file.exists() and file.stat().st_size > 5000, "the player plays")

    def plays_on() -> None:
        size = file.stat().st_size
        wait_for(lambda: file.stat().st_size > size + 5000, "the player goes on")

    origins[0].process.kill()
    wait_for(lambda: origins[1].rtmp[0] in str(edge.relays()[0]["targets"]), "the second serves")
    plays_on()
    origins[1].process.send(signal.SIGSTOP)  # it falls silent, and its connection stays
    assert origins[1].rtmp[0] in edge.wait_log("it sent nothing for")
    origins[1].process.send(signal.SIGCONT)
    plays_on()
    assert player.is_running
    player.send(signal.SIGINT)
    player.wait()
    media.assert_forward(media.frames(file))


@pytest.mark.parametrize("path", ["live/a.flv", "live/a/index.m3u8"])
def test_stream_is_fetched_over_http(
    path: str, start_server: StartServer, peers: Peers, clip: Path
) -> None:
    origin = start_server()
    edge = start_server(into(f"http://{origin.http[0]}/{path}", match="copy/b"))
    peers.publish(clip, origin.url("live/a"), is_endless=True)
    origin.wait_media("live/a")
    peers.play(edge.url("copy/b"), edge.data / "played.flv")
    stream = edge.wait_media("copy/b", 5000)
    assert [track["codec"] for track in stream["tracks"]] == ["h264", "aac"]


def test_server_that_fetches_from_itself_over_http_finds_out(
    start_server: StartServer, peers: Peers, tmp_path: Path
) -> None:
    first = start_server()
    port = first.http[0].rpartition(":")[2]
    assert first.stop() == 0
    server: Server = start_server(
        into(f"http://127.0.0.1:{port}/live/{{name}}.flv"),
        arguments=("--http", f"127.0.0.1:{port}"),
    )
    peers.play(server.url("live/a"), tmp_path / "played.flv")
    assert "relay loop" in server.wait_log("relay in live/a")
