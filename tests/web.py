"""A server with HTTP in the loop of a test, with a client that asks its API.

async with serve(tmp_path) as web:
    assert (await web.get("/api/v1/server")).status == 200
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from tests.harness import KEYFRAME, VIDEO_HEADER, Live, Peer, live_server, until
from tests.no_secrets import WATCH, is_meant

from headend.hub.stream import Stream


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered.

    Attributes:
        status: HTTP status.
        body: As bytes.
        headers: Of the answer.
    """

    status: int
    body: bytes
    headers: CIMultiDictProxy[str]

    @property
    def type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """What a problem says; the answer must be one."""
        assert self.type == "application/problem+json", self.body
        assert self.json["status"] == self.status
        return str(self.json["detail"])


class Web:
    """A server with HTTP, and a client of it that shows the admin token.

    Attributes:
        live: The server.
        client: Keeps cookies as a browser does.
        base: Begin of its addresses.
        token: The admin token.
    """

    def __init__(self, live: Live, client: aiohttp.ClientSession, token: str) -> None:
        self.live = live
        self.client = client
        self.base = f"http://{live.server.addresses['http'][0]}"
        self.token = token
        WATCH.remember(token)

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Ask without a token; `options` are those of aiohttp."""
        async with self.client.request(method, self.base + path, **options) as response:
            answer = Answer(response.status, await response.read(), response.headers)
        if not is_meant(method, path):
            WATCH.look(f"{method} {path.partition('?')[0]}", answer.body)
            WATCH.look(f"headers of {method} {path.partition('?')[0]}", str(answer.headers))
        return answer

    async def api(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Answer:
        """Ask with the admin token."""
        shown = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        return await self.ask(method, f"/api/v1{path}", headers=shown, **options)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.api("GET", path, **options)

    async def publish(self, name: str = "a") -> Peer:
        """Publish a keyframe as `live/NAME`."""
        publisher = await self.live.publisher(name)
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        await until(lambda: self.stream(f"live/{name}").frames)
        return publisher

    def stream(self, path: str = "live/a") -> Stream:
        found = self.live.services.registry.stream(path)
        assert found is not None
        return found


@asynccontextmanager
async def serve(data: Path, *settings: str, path: Path | None = None) -> AsyncIterator[Web]:
    async with (
        live_server(data, "http.listen=127.0.0.1:0", *settings, path=path) as live,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client,
    ):
        yield Web(live, client, (data / "admin.token").read_text().strip())


@asynccontextmanager
async def serve_stored(data: Path, *settings: str) -> AsyncIterator[Web]:
    """Run a server whose database is open: that takes its time, and questions wait 2 s for it."""
    async with serve(data, *settings) as web:
        await web.live.services.access.database()
        yield web
