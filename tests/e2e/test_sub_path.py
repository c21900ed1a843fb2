"""The pages in Chromium below a path of a reverse proxy that takes the path away."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from playwright.sync_api import expect
from tests.e2e.browser import OpenTab, Tab
from tests.e2e.nginx import nginx_in_front
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e

Proxy = Callable[[Server, Peers, Path], AbstractContextManager[str]]

PREFIX = "/tv/now"
HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "upgrade"})

SITE = """
server {
    listen 127.0.0.1:LISTEN;
    location PREFIX/ {
        proxy_pass http://SERVER/;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_set_header Host $http_host;
        proxy_buffering off;
    }
}
"""


@contextmanager
def nginx(server: Server, peers: Peers, folder: Path) -> Iterator[str]:
    site = SITE.replace("PREFIX", PREFIX).replace("SERVER", server.http[0])
    yield nginx_in_front(site, peers, folder) + PREFIX


@contextmanager
def stripping_proxy(server: Server, peers: Peers, folder: Path) -> Iterator[str]:
    """Run a proxy that does no more than take a path away, as `handle_path` of Caddy does."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner, port = asyncio.run_coroutine_threadsafe(_serve(server), loop).result()
    try:
        yield f"http://127.0.0.1:{port}{PREFIX}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(server: Server) -> tuple[web.AppRunner, int]:
    async def forward(request: web.Request) -> web.StreamResponse:
        target = f"http://{server.http[0]}{request.raw_path.removeprefix(PREFIX)}"
        kept = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as client,
            client.request(
                request.method,
                target,
                headers=kept,
                data=await request.read() or None,
                allow_redirects=False,
            ) as answer,
        ):
            back = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=back)
            await response.prepare(request)
            async for data in answer.content.iter_any():
                await response.write(data)
            return response

    application = web.Application()
    application.router.add_route("*", PREFIX + "/{rest:.*}", forward)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, runner.addresses[0][1]


def assert_no_address_is_lost(tab: Tab) -> None:
    assert [url for url in tab.asked if PREFIX not in url and not url.startswith("blob:")] == []
    assert [(url, status) for url, status in tab.answers if status == 404] == []


@pytest.mark.parametrize("proxy", [nginx, stripping_proxy])
def test_player_page_plays_below_a_path(
    proxy: Proxy,
    server: Server,
    peers: Peers,
    clip: Path,
    tmp_path: Path,
    open_tab: OpenTab,
) -> None:
    peers.publish(clip, server.url("live/deep/a&b"), is_endless=True)
    server.wait_media("live/deep/a&b")
    with proxy(server, peers, tmp_path) as base:
        tab = open_tab(f"{base}/watch/live/deep/a%26b?mode=hls")
        tab.wait("headend.state === 'playing'")
        assert tab.ask("document.getElementById('hls-link').value") == (
            f"{base}/live/deep/a%26b/index.m3u8"
        )
        assert_no_address_is_lost(tab)


@pytest.mark.parametrize("proxy", [nginx, stripping_proxy])
def test_console_works_below_a_path(
    proxy: Proxy,
    server: Server,
    peers: Peers,
    clip: Path,
    tmp_path: Path,
    open_tab: OpenTab,
) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    with proxy(server, peers, tmp_path) as base:
        tab = open_tab(f"{base}/console")
        tab.page.get_by_label("Admin token").fill(server.token)
        tab.page.get_by_role("button", name="Sign in").click()
        tab.wait_text("Up to date")
        card = tab.page.get_by_role("listitem").filter(has_text="live/a").first
        expect(card).to_contain_text("H.264")
        wait_for(
            lambda: tab.ask("document.querySelector('.thumb img').naturalWidth"), "its picture"
        )
        card.get_by_role("link", name="Watch", exact=True).click()
        tab.page.wait_for_url(f"{base}/watch/live/a")
        tab.wait("headend.state === 'playing'")
        assert_no_address_is_lost(tab)


def test_websocket_goes_through_nginx_below_a_path(
    server: Server, peers: Peers, clip: Path, tmp_path: Path, open_tab: OpenTab
) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    with nginx(server, peers, tmp_path) as base:
        tab = open_tab(f"{base}/watch/live/a?mode=flv")
        tab.wait("headend.state === 'playing'")
        assert tab.ask("headend.way") == "WebSocket-FLV"
        assert_no_address_is_lost(tab)
