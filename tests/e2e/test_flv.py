"""Tests of HTTP-FLV and WebSocket-FLV with real players."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from tests.e2e import media
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.harness import run

pytestmark = pytest.mark.e2e


@pytest.fixture
def url(server: Server) -> str:
    return f"http://{server.http[0]}/live/a.flv"


def test_ffmpeg_gets_every_frame(
    server: Server, peers: Peers, clip: Path, url: str, tmp_path: Path
) -> None:
    player = peers.play(url, tmp_path / "played.flv")
    server.wait_stream("live/a")
    peers.publish(clip, server.url("live/a"), is_paced=True).succeed()
    player.succeed()
    played, published = media.frames(tmp_path / "played.flv"), media.frames(clip)
    media.assert_joined(played, published)
    assert played["video0"][0].hash == published["video0"][0].hash


def test_stream_without_audio_announces_none(
    server: Server, peers: Peers, video_clip: Path, url: str, tmp_path: Path
) -> None:
    player = peers.play(url, tmp_path / "played.flv")
    server.wait_stream("live/a")
    peers.publish(video_clip, server.url("live/a"), is_paced=True).succeed()
    player.succeed()
    played = media.frames(tmp_path / "played.flv")
    assert list(played) == ["video0"]
    media.assert_joined(played, media.frames(video_clip))
    assert (tmp_path / "played.flv").read_bytes()[4] == 1


def test_ffprobe_says_nothing_is_wrong(server: Server, peers: Peers, clip: Path, url: str) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a", clip.stat().st_size)  # whoever joins now does not begin at 0
    entries = "stream=codec_name,width,height,sample_rate"
    probe = peers.run("ffprobe", "-v", "error", "-of", "csv", "-show_entries", entries, url)
    probe.succeed()
    assert set(probe.output().split()) == {"stream,h264,160,96", "stream,aac,44100"}


def test_gstreamer_and_curl_read_it(
    server: Server, peers: Peers, clip: Path, url: str, tmp_path: Path
) -> None:
    pipeline = f"souphttpsrc location={url} ! filesink location={tmp_path}/gst.flv"
    players = [
        peers.gstreamer(pipeline),
        peers.run("curl", "-sS", "-o", f"{tmp_path}/curl.flv", url),
    ]
    server.wait_stream("live/a")
    peers.publish(clip, server.url("live/a"), is_paced=True).succeed()
    for player in players:
        player.succeed()
    published = media.frames(clip)
    for name in ("gst", "curl"):
        media.assert_joined(media.frames(tmp_path / f"{name}.flv"), published)


def test_viewers_stay_when_the_publisher_comes_back(
    server: Server, peers: Peers, clip: Path, url: str, tmp_path: Path
) -> None:
    player = peers.play(url, tmp_path / "played.flv")
    server.wait_stream("live/a")
    first = peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a", clip.stat().st_size // 4)
    first.kill()
    server.wait_stream("live/a", state="interrupted")
    peers.publish(clip, server.url("live/a"), is_paced=True).succeed()
    player.succeed()
    times = [frame.dts for frame in media.frames(tmp_path / "played.flv")["video0"]]
    assert times == sorted(times)
    assert len(times) > len(media.frames(clip)["video0"])


def test_websocket_carries_the_same_bytes(
    server: Server, peers: Peers, clip: Path, url: str, tmp_path: Path
) -> None:
    async def watch() -> bytes:
        async with aiohttp.ClientSession() as client, client.ws_connect(url) as ws:
            parts = [message.data async for message in ws]
            assert ws.close_code == 1000
        return b"".join(parts)

    async def main() -> None:
        watching = asyncio.create_task(watch())
        await asyncio.to_thread(server.wait_stream, "live/a")
        published = peers.publish(clip, server.url("live/a"), is_paced=True)
        (tmp_path / "ws.flv").write_bytes(await watching)
        await asyncio.to_thread(published.succeed)

    run(main(), 60)
    media.assert_joined(media.frames(tmp_path / "ws.flv"), media.frames(clip))
