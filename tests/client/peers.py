"""Servers for the tests of the client: our own, and those that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from aiohttp import web
from tests.harness import live_server
from tests.tls_live import tls_server as rtmps_server
from tests.tls_peers import write_pair

from headend.app import Server
from headend.client import TlsOptions, publish
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.testing.clip import Clip


@dataclass(frozen=True)
class Ours:
    """Where our own server listens."""

    server: Server
    rtmp: str
    http: str


@asynccontextmanager
async def our_server(data: Path, *settings: str) -> AsyncIterator[Ours]:
    """Run a server with RTMP and HTTP on free ports."""
    async with live_server(data, "http.listen=127.0.0.1:0", *settings) as live:
        addresses = live.server.addresses
        rtmp, http = addresses["rtmp"][0], addresses["http"][0]
        yield Ours(live.server, f"rtmp://{rtmp}", f"http://{http}")


@asynccontextmanager
async def tls_server(
    folder: Path, name: str, *settings: str
) -> AsyncIterator[tuple[int, TlsOptions]]:
    """Run a server whose certificate has a name; give its port, and the options that trust it."""
    authority = trustme.CA()
    pair = write_pair(folder, authority, name)
    ca = folder / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    async with rtmps_server(folder / "data", pair, "rtmp.listen=off", *settings) as live:
        yield int(live.server.addresses["tls"][0].rpartition(":")[2]), TlsOptions(ca)


@asynccontextmanager
async def published(url: str, clip: Clip) -> AsyncIterator[None]:
    """Publish a clip, as fast as it goes, and stay."""
    async with publish(url) as out:
        for tag in clip.tags:
            await out.write(tag)
        yield


@asynccontextmanager
async def on_air(url: str, clip: Clip) -> AsyncIterator[None]:
    """Publish a clip over and over in real time, until the end of the block."""

    async def go_on() -> None:
        loop = asyncio.get_running_loop()
        async with publish(url) as out:
            start = loop.time()
            for tag in clip.repeated():
                await asyncio.sleep(max(0.0, start + tag.timestamp / 1000 - loop.time()))
                await out.write(tag)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


HttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def http_server(handler: HttpHandler) -> AsyncIterator[str]:
    """Run a server that answers everything by the test's handler; give the start of its URLs."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, web.Request)
        return await handler(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def media(tags: Sequence[Tag]) -> list[tuple[int, bytes]]:
    """Return kinds and bodies, without metadata."""
    return [(tag.kind, tag.body) for tag in tags if tag.kind is not SCRIPT]


def assert_joined(played: Sequence[Tag], clip: Clip) -> None:
    """Check that all pictures were played, and the sound from the first picture on."""
    assert [t.body for t in played if t.kind is VIDEO] == [
        t.body for t in clip.tags if t.kind is VIDEO
    ]
    heard = [t.body for t in played if t.kind is AUDIO and not t.is_sequence_header]
    sound = [t.body for t in clip.tags if t.kind is AUDIO and not t.is_sequence_header]
    assert len(heard) > len(sound) // 2
    assert heard == sound[-len(heard) :]
