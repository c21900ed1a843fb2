"""The API's part about sessions: lists, one of them, kick.

Sessions that are over or were refused are told of too: the newest from memory, and one that is
asked for by its number from the database.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from aiohttp import web

from headend.errors import DatabaseError
from headend.features.routes import Route, Schema
from headend.http.api import models
from headend.http.api.route import MOST_ID, PAGE, V1, page_after, page_limit
from headend.http.problems import Problem
from headend.live import status
from headend.live.services import Services
from headend.live.session import Session
from headend.live.status import SessionStatus
from headend.store.recorder import Recorder
from headend.store.records import StoredSession

ROUNDING_S: Final = 1.0  # of when the server started, told by a clock that is corrected meanwhile
STATES: Final = ("live", "over", "refused")
_QUERY: Final[Mapping[str, Schema]] = {
    **PAGE,
    "after": {"type": "integer", "minimum": 0, "maximum": MOST_ID},
    "stream": {"type": "string", "maxLength": 1100},
    "protocol": {"type": "string", "maxLength": 20},
    "state": {"type": "string", "enum": [*STATES], "default": "live"},
}


def routes(services: Services) -> Sequence[Route]:
    """List the operations."""
    api = _Sessions(services)
    session = f"{V1}/sessions/{{id}}"
    return (
        Route("GET", f"{V1}/sessions", "Sessions, oldest first.", api.sessions, models.Sessions,
              query=_QUERY),
        Route("GET", session, "One session.", api.session, SessionStatus, statuses=(404,)),
        Route("DELETE", session, "Close a session.", api.kick, statuses=(404,),
              action="session.kick"),
    )  # fmt: skip


class _Sessions:
    def __init__(self, services: Services) -> None:
        self._services: Final = services

    async def sessions(self, request: web.Request) -> models.Sessions:
        limit, after, query = page_limit(request), page_after(request), request.query
        state = query.get("state", "live")
        if state not in STATES:
            raise Problem(422, f"state: one of {', '.join(STATES)} is expected.")
        candidates: Sequence[Session | SessionStatus]
        candidates = self._running() if state == "live" else self._past(state)
        found = [session for session in candidates if _is_wanted(query, session)]
        rest = [session for session in found if session.id > after]
        # There may be thousands: those that are not on the page are not described.
        page = [
            session if isinstance(session, SessionStatus) else self._describe(session)
            for session in rest[:limit]
        ]
        following = str(page[-1].id) if len(rest) > limit else None
        return models.Sessions(sessions=page, total=len(found), next=following)

    async def session(self, request: web.Request) -> SessionStatus:
        number = int(request.match_info["id"])
        for session in self._running():
            if session.id == number:
                return self._describe(session)
        known = self._remembered(number) or await self._kept(number)
        if not known:
            raise Problem(404, f"There is no session {number}.", title="Session not found")
        return _over(number, known)

    def _running(self) -> list[Session]:
        return [session for session in self._services.sessions.all() if not session.is_over]

    def _describe(self, session: Session) -> SessionStatus:
        """Describe a session that goes on, and the newest request of it that was refused."""
        now = self._services.loop.time()
        described = status.describe(session, now)
        for record in self._remembered(session.id):
            if record.code is not None:
                described = replace(described, code=record.code, reason=record.reason)
        return described

    def _past(self, state: str) -> list[SessionStatus]:
        past = self._services.features[Recorder].past
        live = {session.id for session in self._running()}
        found = [_over(id, past.of(id)) for id in past.sessions()]
        return [each for each in found if each.state == state and each.id not in live]

    def _remembered(self, number: int) -> list[StoredSession]:
        return self._services.features[Recorder].past.of(number)

    async def _kept(self, number: int) -> list[StoredSession]:
        """Ask the database; without it nothing is known."""
        recorder = self._services.features[Recorder]
        if recorder.history is None:
            return []
        with suppress(DatabaseError):
            return await recorder.history.of_session(number, recorder.began - ROUNDING_S)
        return []

    async def kick(self, request: web.Request) -> None:
        number = int(request.match_info["id"])
        for session in self._running():
            if session.id == number:
                session.kick()
                return
        raise Problem(404, f"There is no session {number} now.", title="Session not found")


def _is_wanted(query: Mapping[str, str], session: Session | SessionStatus) -> bool:
    """Say whether a session is one that `?protocol=` and `?stream=` ask for."""
    if isinstance(session, SessionStatus):
        streams = (None, *session.publishes, *session.plays)
    else:
        streams = (None, *session.publishing, *session.playing)
    return query.get("protocol") in (None, session.protocol) and query.get("stream") in streams


def _over(id: int, records: Sequence[StoredSession]) -> SessionStatus:
    """Describe a session by what it has published, played or was refused; oldest first."""
    last = records[-1]
    ended = max(record.ended_at or record.started_at for record in records)
    began = min(record.started_at for record in records)
    return SessionStatus(
        id=id,
        protocol=last.protocol,
        peer=last.address or "-",
        connected_s=max(0.0, round(ended - began, 3)),
        publishes=[record.stream for record in records if record.kind == "publish"],
        plays=[record.stream for record in records if record.kind == "play"],
        bytes_in=sum(record.bytes for record in records if record.kind == "publish"),
        bytes_out=sum(record.bytes for record in records if record.kind == "play"),
        user_agent=last.user_agent or None,
        tls=None,
        state="refused" if all(record.code is not None for record in records) else "over",
        code=last.code,
        reason=last.reason,
        ended_at=ended,
    )
