"""Tests of keys, passwords and tokens with real encoders and players."""

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.e2e.peers import Peers
from tests.e2e.server import Server, environ
from tests.e2e.wait import LIMIT_S, wait_for

pytestmark = pytest.mark.e2e

StartServer = Callable[..., Server]
SOURCE = "flvdemux name=d d.video ! queue"  # GStreamer's librtmp takes what it muxes
KEYED = ("auth.publish=key", "tls.listen=127.0.0.1:0")


def headend(server: Server, *arguments: str) -> Any:
    """Run a command on the server's data folder; return its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "headend", *arguments, "--json", "--data", str(server.data)],
        capture_output=True,
        text=True,
        env=environ(),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ask(server: Server, path: str, body: dict[str, object]) -> Any:
    """Ask the API for something to be made; return its answer. The database may be opening yet."""
    request = urllib.request.Request(
        f"http://{server.http[0]}/api/v1{path}",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"},
    )

    def look() -> Any:
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 503:
                    raise
            return None

    return wait_for(look, path)


def new_key(server: Server, stream: str = "live/cam", **options: object) -> dict[str, Any]:
    made: dict[str, Any] = ask(server, "/keys", {"stream": stream, **options})
    return made


def token(server: Server, pattern: str, expires_s: float = 600) -> str:
    return str(ask(server, "/tokens", {"pattern": pattern, "expires_s": expires_s})["token"])


# ---------------------------------------------------------------------- publish keys


def test_encoders_publish_with_a_key_over_rtmp_and_rtmps(
    start_server: StartServer, peers: Peers, clip: Path
) -> None:
    server = start_server(*KEYED, arguments=("--tls", "127.0.0.1:0"))
    key = headend(server, "key", "create", "live/cam")["key"]
    secure = f"rtmps://{server.tls[0]}/live"
    sink = "flvmux name=m streamable=true ! rtmpsink location="
    for number, (program, url) in enumerate(
        (
            ("ffmpeg", server.url(f"live/cam?key={key}")),
            ("ffmpeg", server.url(f"live/{key}")),
            ("ffmpeg", f"{secure}/cam?key={key}"),
            ("librtmp", server.url(f"live/cam?key={key}")),
            ("librtmp", server.url(f"live/{key}")),
        ),
        1,
    ):
        if program == "ffmpeg":
            peers.publish(clip, url).succeed()
        else:
            peers.gstreamer(f"filesrc location={clip} ! {SOURCE} ! {sink}{url}").succeed()
        server.wait_log("publish live/cam accepted with pk_", number)
        server.wait_log("publish live/cam ended", number)


@pytest.mark.parametrize("program", ["ffmpeg", "librtmp"])
@pytest.mark.parametrize("scheme", ["rtmp", "rtmps"])
def test_encoder_with_a_wrong_key_is_refused_and_told_why(
    start_server: StartServer, peers: Peers, clip: Path, program: str, scheme: str
) -> None:
    server = start_server(*KEYED, arguments=("--tls", "127.0.0.1:0"))
    base = f"{scheme}://{(server.tls if scheme == 'rtmps' else server.rtmp)[0]}/live/cam"
    revoked, foreign = new_key(server), new_key(server, networks=["203.0.113.0/24"])
    secure = new_key(server, tls_only=True)
    short = new_key(server, expires_at=time.time() + 1)
    headend(server, "key", "revoke", revoked["id"])
    time.sleep(max(0.0, short["expires_at"] - time.time()))
    wrong = [
        ("", "publishing needs a valid publish key here"),
        ("?key=hk_" + "0" * 32, "the publish key is not valid"),
        (f"?key={revoked['key']}", "the publish key was revoked"),
        (f"?key={foreign['key']}", "the publish key is not for this address"),
        (f"?key={short['key']}", "the publish key has expired"),
    ]
    if scheme == "rtmp":
        where = f"use rtmps://HOST:{server.tls[0].rpartition(':')[2]}"
        wrong.append((f"?key={secure['key']}", f"the publish key is for TLS only; {where}"))
    for query, reason in wrong:
        if program == "ffmpeg":
            encoder = peers.publish(clip, base + query)
            assert encoder.wait() != 0
            assert f"Server error: {reason}" in encoder.output()
        else:
            show_refusal(peers, clip, base + query, reason)
        line = server.wait_log(f"publish live/cam refused: {reason} (NetStream.Publish.Denied)")
        assert f" {scheme} 127.0.0.1:" in line
        if not query:
            assert "headend key create live/cam" in line
            assert 'auth.password_apps = ["live"]' in line
    assert "accepted" not in server.process.output()


def show_refusal(peers: Peers, clip: Path, url: str, reason: str) -> None:
    """Publish with GStreamer's librtmp until it shows that it was refused, with code and text."""
    sink = f"flvmux streamable=true ! rtmpsink location={url}"
    shows = {**environ(), "GST_DEBUG": "rtmp:5", "GST_DEBUG_NO_COLOR": "1"}
    pipeline = f"filesrc location={clip} ! {SOURCE} ! {sink}".split()
    encoder = peers.run("gst-launch-1.0", *pipeline, environ=shows)
    encoder.wait_output(f"description, STRING:\t{reason}>")
    assert "code, STRING:\tNetStream.Publish.Denied>" in encoder.output()


@pytest.mark.parametrize("program", ["ffmpeg", "librtmp"])
@pytest.mark.parametrize("setting", ["rtmp.require_tls=publish", "rtmp.tls_only=live/*"])
def test_encoder_with_a_right_key_in_the_clear_is_told_the_right_url(
    start_server: StartServer, peers: Peers, clip: Path, program: str, setting: str
) -> None:
    server = start_server(*KEYED, setting, arguments=("--tls", "127.0.0.1:0"))
    key = new_key(server)["key"]
    reason = f"plain RTMP is not taken here; use rtmps://HOST:{server.tls[0].rpartition(':')[2]}"
    for name in (f"cam?key={key}", key):  # the key alone tells the stream, and so what it needs
        if program == "ffmpeg":
            encoder = peers.publish(clip, server.url(f"live/{name}"))
            assert encoder.wait() != 0
            assert f"Server error: {reason}" in encoder.output()
        else:
            show_refusal(peers, clip, server.url(f"live/{name}"), reason)
    server.wait_log(f"refused: {reason} (NetStream.Publish.Denied)", 2)
    peers.publish(clip, f"rtmps://{server.tls[0]}/live/cam?key={key}").succeed()


@pytest.mark.parametrize("scheme", ["adobe", "llnw"])
def test_ffmpeg_publishes_with_user_and_password(
    start_server: StartServer, peers: Peers, clip: Path, scheme: str
) -> None:
    server = start_server(
        "auth.publish=key", "auth.password_apps=studio", f"auth.password_scheme={scheme}"
    )
    made = new_key(server, "studio/cam")
    host = server.rtmp[0]
    peers.publish(clip, f"rtmp://{made['id']}:{made['key']}@{host}/studio/cam").succeed()
    server.wait_log(f"publish studio/cam accepted with {made['id']}")
    for user, password in ((made["id"], "hk_" + "0" * 32), ("pk_000000000000", made["key"])):
        wrong = peers.publish(clip, f"rtmp://{user}:{password}@{host}/studio/cam")
        assert wrong.wait() != 0
    server.wait_log("user and password do not go together", 2)
    other = peers.publish(clip, f"rtmp://{made['id']}:{made['key']}@{host}/studio/other")
    assert other.wait() != 0
    server.wait_log("publish studio/other refused: the publish key is not for this stream")
    assert made["key"] not in server.process.output()


def test_gstreamer_publishes_with_user_and_password(
    start_server: StartServer, peers: Peers, clip: Path
) -> None:
    server = start_server("auth.publish=key", "auth.password_apps=studio")
    made = new_key(server, "studio/cam")
    sink = f"rtmp2sink location={server.url('studio/cam')} username={made['id']}"
    source = f"filesrc location={clip} ! {SOURCE} ! flvmux streamable=true"
    peers.gstreamer(f"{source} ! {sink} password={made['key']}").succeed()
    server.wait_log(f"publish studio/cam accepted with {made['id']}")
    assert peers.gstreamer(f"{source} ! {sink} password=hk_{'0' * 32}").wait() != 0
    server.wait_log("user and password do not go together")


ATTEMPTS = 6  # the machine may do other things too


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps"])
def test_revoking_a_key_ends_a_live_session_within_a_second(
    start_server: StartServer,
    peers: Peers,
    clip: Path,
    scheme: str,
    record_property: Callable[[str, object], None],
) -> None:
    server = start_server(*KEYED, arguments=("--tls", "127.0.0.1:0"))
    base = f"{scheme}://{(server.tls if scheme == 'rtmps' else server.rtmp)[0]}/live"

    def seconds(attempt: int) -> float:
        """From the time that the key was revoked at to that of the log line of the end."""
        made = new_key(server)
        encoder = peers.publish(clip, f"{base}/{made['key']}", is_endless=True)
        server.wait_media("live/cam")
        revoked_at = headend(server, "key", "revoke", made["id"])["revoked_at"]
        line = server.wait_log("publish live/cam ended: the publish key was revoked", attempt)
        assert encoder.wait() != 0
        assert "live/cam" not in server.streams()
        return datetime.fromisoformat(line.split()[0]).timestamp() - float(revoked_at)

    times: list[float] = []
    while len(times) < ATTEMPTS and min(times, default=2.0) > 1:
        times.append(seconds(len(times) + 1))
    record_property("seconds", times)
    assert min(times) <= 1, times


# ---------------------------------------------------------------------- tokens


def status(url: str) -> int:
    """Ask for a URL; return the status of the answer."""
    done = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "20", url],
        capture_output=True,
        check=False,
        timeout=60,
    )
    return int(done.stdout)


def watch_socket(url: str, most: int | None = None) -> tuple[int, bytes]:
    """Watch by WebSocket until it ends, or so much has come; return the status and the bytes."""

    async def main() -> tuple[int, bytes]:
        data = b""
        try:
            async with aiohttp.ClientSession() as client, client.ws_connect(url) as ws:
                async for message in ws:
                    data += message.data
                    if most is not None and len(data) >= most:
                        break
        except aiohttp.WSServerHandshakeError as error:
            return error.status, b""
        return 101, data

    return asyncio.run(asyncio.wait_for(main(), LIMIT_S))


def test_private_stream_is_watched_with_a_token_on_every_protocol(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start_server("auth.private=vip/*", arguments=("--tls", "127.0.0.1:0"))
    peers.publish(clip, server.url("vip/cam"), is_endless=True)
    server.wait_media("vip/cam")
    good, http = token(server, "vip/*"), f"http://{server.http[0]}/vip/cam"
    socket = f"ws://{server.http[0]}/vip/cam.flv"
    assert watch_socket(socket)[0] == 403
    status_code, first = watch_socket(f"{socket}?token={good}", 1000)
    assert (status_code, first[:3]) == (101, b"FLV")
    short = ("-t", "0.5")
    for number, url in enumerate(
        (
            server.url("vip/cam"),
            f"rtmps://{server.tls[0]}/vip/cam",
            f"{http}.flv",
            f"{http}/index.m3u8",
        )
    ):
        refused = peers.play(url, tmp_path / f"refused{number}.flv", *short)
        assert refused.wait() != 0, url
        played = peers.play(f"{url}?token={good}", tmp_path / f"played{number}.flv", *short)
        played.succeed()
        assert (tmp_path / f"played{number}.flv").stat().st_size > 1000
    assert status(f"{http}/thumbnail.jpg") == 403
    assert status(f"{http}/thumbnail.jpg?token={good}") == 200
    assert status(f"{http}.flv?token={token(server, 'other/*')}") == 403
    dumped = tmp_path / "dumped.flv"
    peers.rtmpdump(server.url(f"vip/cam?token={good}"), dumped)
    wait_for(lambda: dumped.exists() and dumped.stat().st_size > 1000, "media from rtmpdump")


def test_watching_ends_when_the_token_expires(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start_server("auth.private=vip/*", arguments=("--tls", "127.0.0.1:0"))
    peers.publish(clip, server.url("vip/cam"), is_endless=True)
    server.wait_media("vip/cam")
    http = f"http://{server.http[0]}/vip/cam"
    urls = {
        "rtmp": server.url("vip/cam"),
        "rtmps": f"rtmps://{server.tls[0]}/vip/cam",
        "http-flv": f"{http}.flv",
    }
    files = {protocol: tmp_path / f"{protocol}.flv" for protocol in urls}

    def is_watched_until_the_end(life_s: float) -> bool:
        """Have all watch until a token expires; false: some came too late for it."""
        query = f"?token={token(server, 'vip/*', life_s)}"
        players = [peers.play(url + query, files[protocol]) for protocol, url in urls.items()]
        playlist = f"{http}/index.m3u8{query}"
        with ThreadPoolExecutor(1) as threads:
            by_socket = threads.submit(watch_socket, f"ws://{server.http[0]}/vip/cam.flv{query}")
            has_playlist = status(playlist) == 200
            code, data = by_socket.result()
        for player in players:
            player.wait()
        wait_for(lambda: status(playlist) == 403, "the end of the playlist")
        sizes = [file.stat().st_size if file.exists() else 0 for file in files.values()]
        return has_playlist and code == 101 and min(len(data), *sizes) > 1000

    assert any(map(is_watched_until_the_end, (6.0, 15.0, 40.0)))
    told = r" {} 127\.0\.0\.1:\d+ play vip/cam.*: the token has expired"
    patterns = [re.compile(told.format(protocol)) for protocol in (*urls, "ws-flv")]
    wait_for(
        lambda: all(any(map(each.search, server.log())) for each in patterns),
        "the end over each protocol in the log",
    )
