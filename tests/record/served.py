"""A server that has recordings, and a client that asks for them."""

import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from tests.harness import Live, live_server
from tests.record.made import file, segment

from headend.access.tokens import Token
from headend.events import Event
from headend.record.recordings import Recordings
from headend.record.tables import RecordingTables
from headend.record.values import Recording

SEGMENTS = 5  # of each file


class Served:
    """A server with HTTP and recordings of made-up media."""

    def __init__(self, live: Live, client: aiohttp.ClientSession, kept: RecordingTables) -> None:
        self.live = live
        self.client = client
        self.kept = kept
        self.recordings = live.services.features[Recordings]
        self.base = f"http://{live.server.addresses['http'][0]}"
        self.told: list[Event] = []
        self.admin = {"Authorization": f"Bearer {live.server.new_admin_token}"}

    async def add(self, recording: Recording, files: int = 1) -> list[bytes]:
        """Add a recording; return the content of its files."""
        bodies = []
        for number in range(files):
            each = file(number, recording.id)
            path = self.recordings.places.path_of(each)
            path.parent.mkdir(parents=True, exist_ok=True)
            body = random.Random(number).randbytes(each.init_size + 5000 * SEGMENTS)
            path.write_bytes(body)
            bodies.append(body)
            segments = [(recording.id, segment(n, number)) for n in range(SEGMENTS)]
            await self.kept.write({recording: False}, [each], segments, [])
        return bodies

    async def get(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Ask; return status, body and headers."""
        async with self.client.request(method, self.base + path, headers=headers) as response:
            return response.status, await response.read(), response.headers

    def signed(self, pattern: str) -> str:
        """Return a token with which a viewer may watch streams."""
        now = time.time()
        return self.live.services.access.tokens.sign(Token("", pattern, "play", now + 60), now)

    async def text(self, path: str) -> str:
        """Return the text of an answer that is one."""
        status, body, _ = await self.get(path)
        assert status == 200, body
        return body.decode()


@asynccontextmanager
async def serve(data: Path, *settings: str, path: Path | None = None) -> AsyncIterator[Served]:
    """Run one; `path`: its settings file."""
    given = ("http.listen=127.0.0.1:0", *settings)
    async with live_server(data, *given, path=path) as live, aiohttp.ClientSession() as client:
        kept = await live.services.features[Recordings].index.opened()
        yield Served(live, client, kept)
