"""What a console shows, sent again and again: server-sent events."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from headend.features.routes import Route, Schema
from headend.http.api import models, server
from headend.http.api.route import V1, number
from headend.http.api.sign_in import SignIns
from headend.http.api.together import Together
from headend.http.problems import Problem
from headend.live import status
from headend.live.services import Services

EVENT_S: Final = 2.0
LISTENERS: Final = 100  # at once
STREAMS: Final = 1000  # that an event holds …
SESSIONS: Final = 200  # … and sessions, the oldest
WRITE_S: Final = 20.0  # a client that takes nothing for so long is gone
_QUERY: Final[Mapping[str, Schema]] = {
    "count": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "End after so many."}
}

_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx passes on what comes, as it comes
}


def routes(
    services: Services, sign_ins: SignIns, together: Together | None = None
) -> Sequence[Route]:
    """List the operations."""
    api = _Events(services, sign_ins, together)
    return (
        Route("GET", f"{V1}/events", "Updates as server-sent events.", api.events,
              query=_QUERY, content_type="text/event-stream", statuses=(503,)),
    )  # fmt: skip


class _Events:
    def __init__(self, services: Services, sign_ins: SignIns, together: Together | None) -> None:
        self._services: Final = services
        self._together: Final = together
        self._sign_ins: Final = sign_ins
        self._listeners = 0
        self._event = b""
        self._made = -EVENT_S
        self._making: Final = asyncio.Lock()

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send an update now and every EVENT_S, until the client or the server goes."""
        left = _count(request)
        if self._listeners >= LISTENERS:
            raise Problem(503, f"{LISTENERS} consoles are open, the most that can be.")
        response = web.StreamResponse(headers=_HEADERS)
        self._listeners += 1
        try:
            await response.prepare(request)
            while left and not self._services.sessions.is_stopping:
                async with asyncio.timeout(WRITE_S):
                    await response.write(await self._update())
                if left := left - 1:
                    await asyncio.sleep(EVENT_S)
                    self._sign_ins.check(request)  # signed out meanwhile, perhaps
        except (ConnectionError, TimeoutError, Problem):
            pass
        finally:
            self._listeners -= 1
        return response

    async def _update(self) -> bytes:
        """Return what all consoles are told now; made once for all who ask meanwhile."""
        services = self._services
        async with self._making:
            now = services.loop.time()
            if now - self._made <= EVENT_S / 2:
                return self._event
            self._made = now
            known, sessions = status.listed(services), status.sessions(services, SESSIONS)
            about = server.describe(services)
            event = models.Event.model_construct(
                server=about,
                streams=await status.in_turns(services, known[:STREAMS]),
                sessions=sessions,
                bars=services.bars.left(),
                more_streams=max(0, len(known) - STREAMS),
                more_sessions=max(0, about.sessions - len(sessions)),
            )
            text = event.model_dump_json()
            if self._together is not None:
                text = await self._together.update(text)
            self._event = f"event: update\ndata: {text}\n\n".encode()
            return self._event


def _count(request: web.Request) -> int:
    """Return how many events are wanted; -1: no end."""
    text = request.query.get("count")
    return -1 if text is None else number("count", text, 1000)
