"""The API's part about the past: the audit trail, and the history of sessions.

Both are only read here: rows go when they are old, and in no other way.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web
from pydantic import Field

from headend.errors import DatabaseError
from headend.features.routes import Route, Schema
from headend.http.api.models import Model
from headend.http.api.route import PAGE, V1, page_after, page_limit
from headend.http.problems import Problem
from headend.live.services import Services
from headend.store.recorder import Recorder
from headend.store.records import AuditEntry, AuditFilter, SessionFilter, StoredSession

_TEXT: Final[Schema] = {"type": "string", "maxLength": 1100}
_TIME: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 10**11}
_BOOLEAN: Final[Schema] = {"type": "string", "enum": ["true", "false"]}
_AUDIT_QUERY: Final[Mapping[str, Schema]] = {
    **PAGE,
    "after": {"type": "string", "pattern": "^[0-9]{1,15}$"},
    **dict.fromkeys(("actor", "action", "target", "address"), _TEXT),
    "outcome": {"type": "string", "enum": ["done", "refused", "failed"]},
    "since": _TIME,
    "until": _TIME,
}
_HISTORY_QUERY: Final[Mapping[str, Schema]] = {
    **PAGE,
    "after": {"type": "string", "pattern": r"^[0-9]{1,11}(\.[0-9]{1,9})?,[0-9a-f-]{1,36}$"},
    **dict.fromkeys(("protocol", "stream", "address", "subject"), _TEXT),
    "kind": {"type": "string", "enum": ["publish", "play"]},
    "refused": _BOOLEAN,
    "open": _BOOLEAN,
    "since": _TIME,
    "until": _TIME,
}


class AuditEntries(Model):
    """A page of the audit trail."""

    entries: list[AuditEntry]
    next: str | None = Field(description="What `after` takes for the next page.")


class PastSessions(Model):
    """A page of the history."""

    sessions: list[StoredSession]
    next: str | None = Field(description="What `after` takes for the next page.")


def routes(services: Services) -> Sequence[Route]:
    """List the operations."""
    api = _Past(services)
    return (
        Route("GET", f"{V1}/audit", "The audit trail, newest first.", api.audit, AuditEntries,
              query=_AUDIT_QUERY, statuses=(503,)),
        Route("GET", f"{V1}/history", "Who published and watched what, newest first.",
              api.session_history, PastSessions, query=_HISTORY_QUERY, statuses=(503,)),
    )  # fmt: skip


class _Past:
    def __init__(self, services: Services) -> None:
        self._services: Final = services

    async def audit(self, request: web.Request) -> AuditEntries:
        trail = self._services.features[Recorder].trail
        if trail is None:
            raise _away()
        limit, query = page_limit(request), request.query
        wanted = AuditFilter(
            **{name: query.get(name) for name in ("actor", "action", "target", "address")},
            outcome=_choice(request, "outcome", _AUDIT_QUERY),
            since=_time(request, "since"),
            until=_time(request, "until"),
        )
        try:
            found = await trail.page(wanted, limit=limit + 1, before=page_after(request))
        except DatabaseError as error:
            raise _away() from error
        following = str(found[limit - 1].number) if len(found) > limit else None
        return AuditEntries(entries=found[:limit], next=following)

    async def session_history(self, request: web.Request) -> PastSessions:
        history = self._services.features[Recorder].history
        if history is None:
            raise _away()
        limit, query = page_limit(request), request.query
        wanted = SessionFilter(
            **{name: query.get(name) for name in ("protocol", "stream", "address", "subject")},
            kind=_choice(request, "kind", _HISTORY_QUERY),
            is_refused=_boolean(request, "refused"),
            is_open=_boolean(request, "open"),
            since=_time(request, "since"),
            until=_time(request, "until"),
        )
        try:
            found = await history.page(wanted, limit=limit + 1, before=_cursor(request))
        except DatabaseError as error:
            raise _away() from error
        last = found[limit - 1] if len(found) > limit else None
        following = None if last is None else f"{last.started_at!r},{last.id}"
        return PastSessions(sessions=found[:limit], next=following)


def _away() -> Problem:
    return Problem(503, "The database does not answer now.", headers={"Retry-After": "5"})


def _time(request: web.Request, name: str) -> float | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        time = float(text)
    except ValueError:
        time = math.nan
    if not 0 <= time <= 10**11:
        raise Problem(422, f"{name}: Unix seconds are expected.")
    return time


def _choice(request: web.Request, name: str, query: Mapping[str, Schema]) -> str | None:
    text, choices = request.query.get(name), query[name]["enum"]
    assert isinstance(choices, list)
    if text is not None and text not in choices:
        raise Problem(422, f"{name}: one of {', '.join(choices)} is expected.")
    return text


def _boolean(request: web.Request, name: str) -> bool | None:
    text = _choice(request, name, _HISTORY_QUERY)
    return None if text is None else text == "true"


def _cursor(request: web.Request) -> tuple[float, str] | None:
    text = request.query.get("after")
    if text is None:
        return None
    at, _, id = text.partition(",")
    try:
        time = float(at)
    except ValueError:
        time = math.nan
    if not 0 <= time <= 10**11 or not 1 <= len(id) <= 36:
        raise Problem(422, "after: what `next` of the page before held is expected.")
    return time, id
