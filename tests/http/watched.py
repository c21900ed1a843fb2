"""A server whose streams a test watches over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from tests.harness import (
    KEYFRAME,
    VIDEO_HEADER,
    Live,
    Peer,
    live_server,
    until,
)

from headend.media.flv import Reader
from headend.media.tag import Tag


class Watched:
    """A server with HTTP, a stream `live/a` and a client."""

    def __init__(self, live: Live, client: aiohttp.ClientSession) -> None:
        self.live = live
        self.client = client
        self.base = f"http://{live.server.addresses['http'][0]}"
        self.publisher: Peer

    async def publish(self) -> None:
        self.publisher = await self.live.publisher("a")
        await self.publisher.send_video(VIDEO_HEADER)
        await self.publisher.send_video(KEYFRAME)
        await until(lambda: (s := self.live.services.registry.stream("live/a")) and s.tags_in >= 2)

    async def viewers(self, count: int) -> None:
        await until(lambda: len(self.live.services.sessions.viewers) == count)


@asynccontextmanager
async def serve(data: Path, *settings: str) -> AsyncIterator[Watched]:
    async with (
        live_server(data, "http.listen=127.0.0.1:0", *settings) as live,
        aiohttp.ClientSession() as client,
    ):
        yield Watched(live, client)


async def read_tags(response: aiohttp.ClientResponse, reader: Reader, count: int) -> list[Tag]:
    tags: list[Tag] = []
    while len(tags) < count:
        data = await response.content.readany()
        assert data, f"ended after {len(tags)} tags"
        reader.receive_data(data)
        tags += reader.tags()
    return tags
