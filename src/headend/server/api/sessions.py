"""This module is the API's part about sessions: lists, one of them, kick."""

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from headend.server import status
from headend.server.api import models
from headend.server.api.route import MOST_ID, PAGE, V1, Route, Schema, page_after, page_limit
from headend.server.http.problems import Problem
from headend.server.services import Services

_QUERY: Final[Mapping[str, Schema]] = {
    **PAGE,
    "after": {"type": "integer", "minimum": 0, "maximum": MOST_ID},
    "stream": {"type": "string", "maxLength": 1100},
    "protocol": {"type": "string", "maxLength": 20},
}


def routes(services: Services) -> Sequence[Route]:
    """List the operations."""
    api = _Sessions(services)
    session = f"{V1}/sessions/{{id}}"
    return (
        Route("GET", f"{V1}/sessions", "Sessions, oldest first.", api.sessions, models.Sessions,
              query=_QUERY),
        Route("GET", session, "One session.", api.session, models.Session, statuses=(404,)),
        Route("DELETE", session, "Close a session.", api.kick, statuses=(404,)),
    )  # fmt: skip


class _Sessions:
    def __init__(self, services: Services) -> None:
        self._services: Final = services

    async def sessions(self, request: web.Request) -> models.Sessions:
        limit, after, query = page_limit(request), page_after(request), request.query
        found = [
            session
            for session in status.sessions(self._services)
            if query.get("protocol") in (None, session["protocol"])
            and query.get("stream") in (None, *session["publishes"], *session["plays"])
        ]
        rest = [session for session in found if session["id"] > after]
        page = [models.Session.model_validate(session) for session in rest[:limit]]
        following = str(page[-1].id) if len(rest) > limit else None
        return models.Sessions(sessions=page, total=len(found), next=following)

    async def session(self, request: web.Request) -> models.Session:
        wanted = request.match_info["id"]
        for session in status.sessions(self._services):
            if str(session["id"]) == wanted:
                return models.Session.model_validate(session)
        raise _no_session(wanted)

    async def kick(self, request: web.Request) -> None:
        wanted = request.match_info["id"]
        for session in self._services.sessions():
            if str(session.id) == wanted and not session.is_over:
                session.kick()
                return
        raise _no_session(wanted)


def _no_session(id: str) -> Problem:
    return Problem(404, f"There is no session {id} now.", title="Session not found")
