"""This module sends what a console shows, again and again: server-sent events."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from headend.server import status
from headend.server.api import models, server
from headend.server.api.route import V1, Route
from headend.server.api.sign_in import SignIns
from headend.server.http.problems import Problem
from headend.server.services import Services

EVENT_S: Final = 2.0
LISTENERS: Final = 100  # at once
SESSIONS: Final = 200  # that an event holds, the oldest


def routes(services: Services, sign_ins: SignIns) -> Sequence[Route]:
    """List the operations."""
    api = _Events(services, sign_ins)
    return (
        Route("GET", f"{V1}/events", "Updates as server-sent events.", api.events,
              content_type="text/event-stream", statuses=(503,)),
    )  # fmt: skip


class _Events:
    def __init__(self, services: Services, sign_ins: SignIns) -> None:
        self._services: Final = services
        self._sign_ins: Final = sign_ins
        self._listeners = 0

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send an update now and every EVENT_S, until the client or the server goes."""
        if self._listeners >= LISTENERS:
            raise Problem(503, f"{LISTENERS} consoles are open, the most that can be.")
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        self._listeners += 1
        try:
            await response.prepare(request)
            while not self._services.is_stopping:
                await response.write(self._event())
                await asyncio.sleep(EVENT_S)
                self._sign_ins.check(request)  # signed out meanwhile, perhaps
        except (ConnectionError, Problem):
            pass
        finally:
            self._listeners -= 1
        return response

    def _event(self) -> bytes:
        services = self._services
        event = models.Event(
            server=server.describe(services),
            streams=[models.Stream.model_validate(each) for each in status.streams(services)],
            sessions=[
                models.Session.model_validate(each) for each in status.sessions(services)[:SESSIONS]
            ],
        )
        return f"event: update\ndata: {event.model_dump_json()}\n\n".encode()
