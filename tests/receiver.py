"""A real HTTP server in the loop of a test, which notes what it is sent.

async with receiver() as there:
    there.answer = lambda request: web.Response(status=503)
    ...
    assert there.bodies() == [...]
"""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from tests.no_secrets import WATCH

Answer = Callable[["Received"], web.StreamResponse | Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Received:
    """One request: its path, headers in lower case, and body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """See the module's head.

    Attributes:
        url: Of its root, by address.
        received: All requests so far.
        answer: Makes each answer; 204 if there is none.
        note: Told of each request, before it is answered.
    """

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.answer: Answer | None = None
        self.note: Callable[[Receiver], None] | None = None

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def documents(self) -> list[Any]:
        """The bodies, as JSON."""
        return [each.document for each in self.received]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.path_qs, headers, await request.read())
        self.received.append(received)
        if b'"authorize.' not in received.body:  # which shows credentials where that is wanted
            WATCH.look("webhook", received.body)
        if self.note is not None:
            self.note(self)
        if self.answer is None:
            return web.Response(status=204)
        answer = self.answer(received)
        return answer if isinstance(answer, web.StreamResponse) else await answer


@asynccontextmanager
async def receiver(context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Receiver]:
    """Run a server on a port of loopback, over TLS with a context."""
    there = Receiver()
    server = web.Server(there.handle)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=context, reuse_address=True)
    await site.start()
    scheme = "http" if context is None else "https"
    there.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield there
    finally:
        await runner.cleanup()
