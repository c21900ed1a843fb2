"""Tests of HLS with real publishers and players, playlist by playlist."""

import asyncio
import re
import signal
import time
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import pytest
from multidict import CIMultiDictProxy
from tests.e2e import media
from tests.e2e.browser import OpenTab
from tests.e2e.conftest import StartServer
from tests.e2e.nginx import configuration, nginx_in_front
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for
from tests.harness import run, until
from tests.hls_checker import Checker, merged, parse

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds with a keyframe each second."""
    file = tmp_path_factory.mktemp("clip") / "long.flv"
    options = (*media.picture(9), *media.tone(9), *media.H264, *media.AAC, "-g", "25")
    return media.make("ffmpeg", file, *options, "-force_key_frames", "expr:gte(t,n_forced)")


class Session:
    """A client that follows one stream."""

    def __init__(self, server: Server, client: aiohttp.ClientSession, name: str = "live/a") -> None:
        self.base = f"http://{server.http[0]}/{name}/"
        self.client = client
        self.checker = Checker()
        self.bodies: dict[str, bytes] = {}

    async def get(self, path: str) -> tuple[int, str]:
        async with self.client.get(urljoin(self.base, path)) as response:
            return response.status, await response.text()

    async def playlist(self, query: str = "") -> str:
        status, text = await self.get(f"main.m3u8{query}")
        assert status == 200, text
        self.checker.check(text)
        return text

    async def begin(self) -> str:
        """Ask until there is a stream."""
        while True:
            status, text = await self.get("index.m3u8")
            if status == 200:
                return text
            await asyncio.sleep(0.05)

    async def follow(self, *, until_end: bool = True, segments: int = 10_000) -> None:
        """Reload, blocking, part by part; fetch everything that is named."""
        number, part = 0, 0
        while True:
            playlist = parse(await self.playlist(f"?_HLS_msn={number}&_HLS_part={part}"))
            await self.fetch(playlist.segments[-1].name)
            await self.fetch(playlist.segments[-1].map)
            if playlist.is_over or len(self.checker.segments) >= segments:
                return
            assert playlist.hint
            number, part = map(int, re.findall(r"-(\d+)\.(\d+)\.m4s", playlist.hint)[0])

    async def fetch(self, name: str) -> bytes:
        async with self.client.get(urljoin(self.base, name)) as response:
            assert response.status == 200, name
            body = await response.read()
        assert self.bodies.setdefault(name, body) == body, "a name is used for one thing only"
        return body


def test_low_latency_playlists_are_right_from_the_first_to_the_last(
    server: Server, peers: Peers, long_clip: Path, tmp_path: Path
) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as client:
            session = Session(server, client)
            peers.publish(long_clip, server.url("live/a"), is_paced=True)
            index = await session.begin()
            assert 'CODECS="avc1.' in index
            assert "RESOLUTION=160x96,FRAME-RATE=25.000" in index
            await session.follow()
            playlist = parse(await session.playlist())
            assert playlist.is_over
            assert session.checker.discontinuities() == []
            assert len(playlist.segments) >= 4
            parts = {p for s in session.checker.segments.values() for p, _, _ in s.parts}
            last = f"{playlist.segments[-1].name.removesuffix('.m4s')}."
            assert [h for h in session.checker.hints if h not in parts and last not in h] == []
            whole = session.bodies[playlist.segments[0].map]
            for segment in playlist.segments:
                whole += await session.fetch(segment.name)
            (tmp_path / "whole.mp4").write_bytes(whole)

    run(main(), 60)
    played, published = media.frames(tmp_path / "whole.mp4"), media.frames(long_clip)
    media.assert_joined(played, published)  # on a busy machine HLS may begin at a later keyframe


async def test_parts_make_up_their_segment_and_delta_updates_the_playlist(
    server: Server, peers: Peers, long_clip: Path
) -> None:
    async with aiohttp.ClientSession() as client:
        session = Session(server, client)
        peers.publish(long_clip, server.url("live/a"), is_endless=True)
        await session.begin()
        await session.follow(segments=7)
        before = parse(await session.playlist())
        last = before.segments[-1]
        parts = [await session.fetch(name) for name, _, _ in last.parts]
        assert b"".join(parts) == await session.fetch(last.name)
        hinted = await session.fetch(before.hint)  # waits for it
        assert hinted
        full = parse(await session.playlist())
        delta = parse((await session.get("main.m3u8?_HLS_skip=YES"))[1])
        assert delta.skipped >= 1
        names = [segment.name for segment in full.segments]
        assert merged(before, delta)[-len(names) :] == names


@pytest.mark.limit(90)
async def test_reconnecting_publisher_and_changed_codec_are_discontinuities(
    server: Server, peers: Peers, long_clip: Path, tmp_path: Path
) -> None:
    other = media.make(
        "ffmpeg",
        tmp_path / "other.flv",
        *media.picture(4, "320x180"),
        *media.tone(4),
        *media.H264,
        *media.AAC,
    )

    async with aiohttp.ClientSession() as client:
        session = Session(server, client)
        first = peers.publish(long_clip, server.url("live/a"), is_endless=True)
        await session.begin()
        await session.follow(segments=2)
        first.kill()
        following = asyncio.create_task(session.follow())
        await asyncio.to_thread(server.wait_stream, "live/a", state="interrupted")
        again = peers.publish(long_clip, server.url("live/a"), is_endless=True)
        count = len(session.checker.segments)
        await until(lambda: len(session.checker.segments) >= count + 3)
        again.kill()
        await asyncio.to_thread(server.wait_stream, "live/a", state="interrupted")
        peers.publish(other, server.url("live/a"), is_paced=True)
        await following
        assert len(session.checker.discontinuities()) == 2
        maps = list(dict.fromkeys(s.map for s in session.checker.segments.values()))
        assert len(maps) == 3
        numbers = sorted(session.checker.segments)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))


@pytest.mark.parametrize(
    "options",
    [
        (*media.picture(8), *media.H264),
        (*media.tone(8), *media.AAC),
        (
            *media.picture(8),
            *media.tone(8),
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-c:a",
            "libmp3lame",
        ),
    ],
    ids=["video", "audio", "mp3"],
)
def test_players_read_it_without_a_complaint(
    options: tuple[str, ...], server: Server, peers: Peers, tmp_path: Path
) -> None:
    clip = media.make("ffmpeg", tmp_path / "clip.flv", *options)
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    url = f"http://{server.http[0]}/live/a/index.m3u8"
    player = peers.run("ffmpeg", "-v", "error", "-t", "3", "-i", url, "-f", "null", "-")
    player.succeed()
    assert player.output() == ""
    probe = peers.run("ffprobe", "-v", "error", "-show_entries", "stream=codec_name", url)
    probe.succeed()
    assert "codec_name=" in probe.output()


def test_mpegts_is_played(
    start_server: StartServer, peers: Peers, long_clip: Path, tmp_path: Path
) -> None:
    server = start_server("hls.container=mpegts")
    peers.publish(long_clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    url = f"http://{server.http[0]}/live/a/index.m3u8"
    player = peers.run("ffmpeg", "-v", "error", "-t", "3", "-i", url, "-f", "null", "-")
    player.succeed()
    assert player.output() == ""


async def test_long_and_missing_keyframe_intervals_are_packaged(
    start_server: StartServer, peers: Peers, tmp_path: Path
) -> None:
    server = start_server("hls.longest_s=3")
    clip = media.make(
        "ffmpeg",
        tmp_path / "rare.flv",
        *media.picture(12),
        *media.tone(12),
        *media.H264,
        *media.AAC,
        "-force_key_frames",
        "0",
        "-x264opts",
        "keyint=1000:scenecut=0",
    )

    async with aiohttp.ClientSession() as client:
        session = Session(server, client)
        peers.publish(clip, server.url("live/a"), is_paced=True)
        await session.begin()
        await session.follow()
        assert parse(await session.playlist()).target == 3


def test_packaging_ends_with_the_requests_and_begins_with_a_publisher(
    start_server: StartServer, peers: Peers, long_clip: Path
) -> None:
    server = start_server("hls.idle_s=1")
    peers.publish(long_clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    assert server.get("/live/a/index.m3u8")[0] == 200
    server.wait_log("hls live/a: packaging ends")
    assert server.get("/live/a/index.m3u8")[0] == 200
    eager = start_server("hls.start=publish")
    peers.publish(long_clip, eager.url("live/a"), is_endless=True)
    eager.wait_log("hls live/a: packaging begins")


def sequences(server: Server) -> tuple[int, int, int]:
    """Return numbers of the playlist: the oldest segment's, its discontinuity's, the next one's."""
    assert server.get("/live/a/index.m3u8")[0] == 200
    playlist = parse(server.get("/live/a/main.m3u8")[1])
    return playlist.sequence, playlist.discontinuities, playlist.sequence + len(playlist.segments)


def test_numbers_never_fall_over_idle_times_and_publishers_that_stop_and_start(
    start_server: StartServer, peers: Peers, long_clip: Path
) -> None:
    server = start_server("hls.idle_s=1")
    first = peers.publish(long_clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    begun = sequences(server)
    assert begun[0] >= 1
    server.wait_log("hls live/a: packaging ends")
    after_idle = sequences(server)
    assert after_idle[0] >= begun[2]
    assert after_idle[1] == begun[1], "the timeline is the same"
    first.send(signal.SIGINT)
    wait_for(lambda: server.stream("live/a").get("state") != "live", "the end of live/a")
    peers.publish(long_clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    after_stop = sequences(server)
    assert after_stop[0] >= after_idle[2]
    assert after_stop[1] > after_idle[1], "the timeline is another"


def test_numbers_do_not_fall_when_the_server_starts_again(
    start_server: StartServer, peers: Peers, long_clip: Path
) -> None:
    following = 1
    for _ in range(2):
        server = start_server()
        publisher = peers.publish(long_clip, server.url("live/a"), is_endless=True)
        server.wait_media("live/a")
        oldest, _, newest = sequences(server)
        assert oldest >= following
        following = newest
        publisher.kill()
        server.stop()


async def test_a_thousand_blocked_reloads_are_answered_at_once(
    server: Server, peers: Peers, long_clip: Path
) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as client:
        session = Session(server, client)
        peers.publish(long_clip, server.url("live/a"), is_endless=True)
        await session.begin()
        playlist = parse(await session.playlist())
        wanted = f"main.m3u8?_HLS_msn={playlist.segments[-1].number + 2}&_HLS_part=0"
        answers = await asyncio.gather(*(session.get(wanted) for _ in range(1000)))
        assert {status for status, _ in answers} == {200}
        assert len({text for _, text in answers}) <= 3


def test_nginx_in_front_carries_viewers(
    server: Server, peers: Peers, long_clip: Path, tmp_path: Path
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "hls.md").read_text()
    (example,) = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    listen = tmp_path / "nginx.sock"
    site = (
        example.replace("127.0.0.1:8080", server.http[0])
        .replace("listen 80;", f"listen unix:{listen};")
        .replace("/var/cache/nginx", str(tmp_path / "cache"))
    )
    (tmp_path / "nginx.conf").write_text(configuration(site))
    nginx = peers.run("nginx", "-c", f"{tmp_path}/nginx.conf", "-p", str(tmp_path))
    wait_for(listen.exists, "nginx")

    async def viewer(client: aiohttp.ClientSession) -> None:
        session = Session(server, client)
        session.base = "http://nginx/live/a/"
        playlist = parse(await session.playlist())
        await session.fetch(playlist.segments[-1].name)
        number, part = map(int, re.findall(r"-(\d+)\.(\d+)\.m4s", playlist.hint)[0])
        await session.playlist(f"?_HLS_msn={number}&_HLS_part={part}")

    async def main() -> None:
        async with aiohttp.ClientSession() as direct:
            peers.publish(long_clip, server.url("live/a"), is_endless=True)
            await Session(server, direct).begin()
        connector = aiohttp.UnixConnector(str(listen), limit=0)
        async with aiohttp.ClientSession(connector=connector) as client:
            await asyncio.gather(*(viewer(client) for _ in range(50)))

    run(main(), 60)
    assert nginx.is_running
    _, metrics = server.get("/metrics")
    segments = re.findall(r'headend_hls_requests_total{kind="segment"} ([\d.]+)', metrics)
    assert segments
    assert float(segments[0]) <= 5, "each segment is asked for once"
    playlists = re.findall(r'headend_hls_requests_total{kind="playlist"} ([\d.]+)', metrics)
    assert float(playlists[0]) > 10, "who waits is not held by nginx, which looks twice a second"


def test_requests_that_make_no_sense_get_the_right_status(
    server: Server, peers: Peers, long_clip: Path
) -> None:
    peers.publish(long_clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    assert server.get("/live/a/index.m3u8")[0] == 200
    started = time.monotonic()
    for path, status in (
        ("main.m3u8?_HLS_msn=999999999", 400),
        ("main.m3u8?_HLS_part=1", 400),
        ("main.m3u8?_HLS_msn=x", 400),
        ("main.m3u8?_HLS_msn=-1", 400),
        ("aaaaaa-0.m4s", 404),
        ("aaaaaa-0.exe", 404),
        ("..%2f..%2fetc%2fpasswd", 404),
    ):
        assert server.get(f"/live/a/{path}")[0] == status, path
    assert time.monotonic() - started < 30


async def test_pieces_of_a_segment_are_given_and_other_pages_may_read_why_not(
    server: Server, peers: Peers, long_clip: Path
) -> None:
    """Ranges are those of RFC 9110, 14; one that is not satisfiable says how much there is."""

    async def ask(
        session: Session, name: str, wanted: str = ""
    ) -> tuple[int, bytes, CIMultiDictProxy[str]]:
        headers = {"Origin": "http://elsewhere.example"} | ({"Range": wanted} if wanted else {})
        async with session.client.get(urljoin(session.base, name), headers=headers) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            return response.status, await response.read(), response.headers

    async with aiohttp.ClientSession() as client:
        session = Session(server, client)
        peers.publish(long_clip, server.url("live/a"), is_endless=True)
        await session.begin()
        name = parse(await session.playlist("?_HLS_msn=0")).segments[0].name
        whole = await session.fetch(name)
        size = len(whole)
        for wanted, start, end in (
            ("bytes=0-99", 0, 99),
            ("bytes=100-", 100, size - 1),
            ("bytes=-5", size - 5, size - 1),
            (f"bytes=7-{size + 1000}", 7, size - 1),
        ):
            status, body, headers = await ask(session, name, wanted)
            assert (status, body) == (206, whole[start : end + 1])
            assert headers["Content-Range"] == f"bytes {start}-{end}/{size}"
        for wanted in (f"bytes={size}-", "bytes=999999999-", "bytes=-0"):
            status, _, headers = await ask(session, name, wanted)
            assert (status, headers["Content-Range"]) == (416, f"bytes */{size}"), wanted
            assert headers["Content-Type"] == "application/problem+json"
        for wanted in ("bytes=9-3", "bytes=0-1,5-6", "elephants=1", "bytes=x-", "bytes=-"):
            status, body, _ = await ask(session, name, wanted)
            assert (status, body) == (200, whole), wanted
        for name, status, kept in (
            ("aaaaaa-0.m4s", 404, "public, max-age=1"),
            ("main.m3u8?_HLS_msn=999999999", 400, "no-store"),
        ):
            answer = await ask(session, name)
            assert (answer[0], answer[2]["Cache-Control"]) == (status, kept)


# Last: while a browser of this module is open, nothing else may run a loop.
@pytest.mark.parametrize("origins", ['["*"]', '["http://ORIGIN"]'])
def test_page_of_another_origin_reads_through_nginx(
    start_server: StartServer,
    peers: Peers,
    long_clip: Path,
    tmp_path: Path,
    open_tab: OpenTab,
    origins: str,
) -> None:
    (tmp_path / "page.html").write_text("<title>elsewhere</title>")
    page = f"server {{ listen 127.0.0.1:LISTEN; root {tmp_path}; }}"
    elsewhere = nginx_in_front(page, peers, tmp_path)
    allowed = origins.replace("http://ORIGIN", elsewhere)
    server = start_server(f"http.origins={allowed}", "http.proxies=127.0.0.1")
    text = (Path(__file__).parents[2] / "docs" / "hls.md").read_text()
    (example,) = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    site = (
        example.replace("127.0.0.1:8080", server.http[0])
        .replace("listen 80;", "listen 127.0.0.1:LISTEN;")
        .replace("/var/cache/nginx", str(tmp_path / "cache"))
    )
    front = nginx_in_front(site, peers, tmp_path / "front")
    peers.publish(long_clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = open_tab(f"{elsewhere}/page.html")
    for path in ("live/a/index.m3u8", "live/a/main.m3u8", "live/a.flv"):
        read = "async (url) => (await (await fetch(url)).body.getReader().read()).value.length"
        assert tab.page.evaluate(read, f"{front}/{path}") > 0, path
