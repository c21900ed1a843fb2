"""Tests of an nginx with a cache in front of HLS and pictures, as docs/hls.md shows it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import pytest
from aiohttp import web as http
from tests.e2e.nginx import nginx_beside
from tests.e2e.peers import Peers
from tests.harness import until, until_so
from tests.receiver import Received, receiver
from tests.shows import FRAMES, SHOWN, addresses, go_on, show
from tests.web import Web, serve

from headend.hls.streams import HlsStreams
from headend.hub.publication import Publication

pytestmark = pytest.mark.e2e

SITE = """
proxy_cache_path cache levels=1 keys_zone=hls:10m max_size=100m inactive=5m;
server {
    listen 127.0.0.1:LISTEN;
    location / {
        proxy_pass http://HEADEND;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header Accept-Encoding "";
        proxy_cache hls;
        proxy_cache_key $uri$is_args$args;
        proxy_cache_lock on;
        proxy_cache_lock_timeout 60s;
        proxy_cache_lock_age 60s;
        proxy_cache_valid 404 1s;
        proxy_set_header X-Origin-Secret "SECRET";
        add_header X-Cache $upstream_cache_status always;
    }
}
"""
SECRET = "between-nginx-and-headend"
ONE, OTHER = "127.0.0.2", "127.0.0.3"
PLAYLIST, PICTURE = "/live/a/index.m3u8", "/live/a/thumbnail.jpg"


class Cached(Web):
    """A server behind a cache.

    Attributes:
        publication: Of the stream that is shown.
        cache: Begin of the cache's addresses.
    """

    publication: Publication
    cache: str

    async def see(self, path: str, at: str, agent: str = "x") -> tuple[int, str, bytes]:
        """Ask the cache from an address; return the status, what the cache did, and the body."""
        connector = aiohttp.TCPConnector(local_addr=(at, 0))
        headers = {"User-Agent": agent}
        async with (
            aiohttp.ClientSession(connector=connector, headers=headers) as client,
            client.get(self.cache + path) as response,
        ):
            return response.status, response.headers["X-Cache"], await response.read()

    async def see_all(self, query: str, at: str) -> Sequence[str]:
        """Watch: return the addresses of a segment, both playlists and the picture."""
        first = await self.see(PLAYLIST + query, at)
        assert first[0] == 200, first
        main = urljoin(PLAYLIST, addresses(first[2])[0])
        second = await self.see(main, at)
        assert second[0] == 200, second
        segment = urljoin(main, addresses(second[2])[1])
        found = (PLAYLIST + query, main, segment, PICTURE + query)
        for path in found:
            assert (await self.see(path, at))[0] == 200, path
        return found


@asynccontextmanager
async def cached(peers: Peers, data: Path, *settings: str) -> AsyncIterator[Cached]:
    async with serve(data / "headend", *SHOWN, "http.proxies=127.0.0.1", *settings) as web:
        site = SITE.replace("HEADEND", web.base.removeprefix("http://")).replace("SECRET", SECRET)
        made = Cached(web.live, web.client, web.token)
        made.cache = await nginx_beside(site, peers, data / "nginx")
        made.publication = await show(made)
        yield made


async def test_cache_gives_an_open_stream_to_many(peers: Peers, tmp_path: Path) -> None:
    async with cached(peers, tmp_path) as web:
        for path in await web.see_all("", ONE):
            status, what, _ = await web.see(path, OTHER)
            assert (status, what) in ((200, "HIT"), (200, "EXPIRED")), path


async def test_cache_gives_nothing_to_an_address_that_may_not_watch(
    peers: Peers, tmp_path: Path
) -> None:
    async with cached(peers, tmp_path, f"auth.play_from={ONE}") as web:
        found = await web.see_all("", ONE)
        for path in found:
            assert (await web.see(path, OTHER))[:2] == (403, "MISS"), path
        assert [(await web.see(path, ONE))[0] for path in found] == 4 * [200]


async def test_cache_gives_nothing_to_whom_a_backend_keeps_out(
    peers: Peers, tmp_path: Path
) -> None:
    def judge(received: Received) -> http.Response:
        is_one = received.document["data"]["address"] == ONE
        return http.Response(status=204 if is_one else 403)

    async with receiver() as backend:
        backend.answer = judge
        asked = (f"auth.callback_url={backend.url}", "auth.callback_actions=play")
        async with cached(peers, tmp_path, *asked) as web:
            for query in ("", "?user=u1"):
                for path in await web.see_all(query, ONE):
                    assert (await web.see(path, OTHER))[:2] == (403, "MISS"), path


async def test_origin_with_a_secret_is_for_the_cache_alone(peers: Peers, tmp_path: Path) -> None:
    async with cached(peers, tmp_path, f"hls.origin_secret={SECRET}") as web:
        for path in (await web.see_all("", ONE))[:3]:
            assert (await web.see(path, OTHER))[:2] in ((200, "HIT"), (200, "EXPIRED")), path
            assert (await web.ask("GET", path)).status == 403, path


async def test_blocking_reloads_at_once_are_one_question_to_the_origin(
    peers: Peers, tmp_path: Path
) -> None:
    async with cached(peers, tmp_path) as web:
        hls = web.live.services.features[HlsStreams]
        packaged = hls.find("live/a")
        assert packaged is not None
        before = hls.requests["playlist"]
        path = f"/live/a/main.m3u8?_HLS_msn={packaged.playlists.next_sequence}&_HLS_part=1"
        asked = [asyncio.create_task(web.see(path, ONE)) for _ in range(20)]
        await until(lambda: packaged.waiting)
        for number in range(FRAMES, FRAMES + 4):
            go_on(web.publication, number, web.live.services.loop.time())
        answers = await asyncio.gather(*asked)
        assert {status for status, _, _ in answers} == {200}
        assert len({body for _, _, body in answers}) == 1
        assert hls.requests["playlist"] == before + 1


async def test_segments_in_a_store_come_from_the_cdn_and_playlists_from_the_cache(
    peers: Peers, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    site = f"server {{ listen 127.0.0.1:LISTEN; location / {{ root {store}; }} }}"
    cdn = await nginx_beside(site, peers, tmp_path / "cdn")
    given = (f"hls.store=file://{store}", f"hls.public_url={cdn}")
    async with cached(peers, tmp_path, *given) as web:
        hls = web.live.services.features[HlsStreams]

        async def named() -> list[str]:
            text = (await web.see("/live/a/main.m3u8", ONE))[2]
            return [each for each in addresses(text) if each.startswith(cdn)]

        await until_so(named)
        asked = hls.requests["segment"] + hls.requests["init"]
        for url in await named():
            async with web.client.get(url) as answer:
                assert answer.status == 200
                assert len(await answer.read()) > 0
        assert hls.requests["segment"] + hls.requests["init"] == asked
