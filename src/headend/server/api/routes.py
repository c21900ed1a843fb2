"""This module is the management API: one table of routes, which serves and describes itself."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ValidationError

from headend import __version__
from headend.server import status
from headend.server.api import models
from headend.server.api.sign_in import COOKIE, LIFETIME_S, SignIns
from headend.server.http import access
from headend.server.http.problems import Handler, Problem
from headend.server.rates import PERIOD_S
from headend.server.services import Services
from headend.settings.keys import plain_values

BODY_BYTES: Final = 64 * 1024
EVENT_S: Final = 2.0
LISTENERS: Final = 100  # of events at once
EVENT_SESSIONS: Final = 200

Answer = BaseModel | web.StreamResponse | None
Call = Callable[[web.Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    Attributes:
        method: HTTP method.
        path: With parameters in braces.
        summary: What it does, for the document.
        call: What answers; a model, a response of its own, or None for 204.
        answer: Model of the answer; None: nothing, or no JSON.
        body: Model of the request's body.
        query: Parameters, with their JSON schema.
        is_open: Needs no token.
        content_type: Of the answer.
        statuses: What else it may answer with.
    """

    method: str
    path: str
    summary: str
    call: Call
    answer: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    query: Mapping[str, Mapping[str, object]] | None = None
    is_open: bool = False
    content_type: str = "application/json"
    statuses: tuple[int, ...] = ()


_PAGE: Final[Mapping[str, Mapping[str, object]]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    "after": {"type": "string", "maxLength": 1100},
}
_FILTER: Final[Mapping[str, Mapping[str, object]]] = {
    **_PAGE,
    "after": {"type": "string", "pattern": "^[0-9]{1,15}$"},
    "stream": {"type": "string", "maxLength": 1100},
    "protocol": {"type": "string", "maxLength": 20},
}


class Api:
    """The operations. `routes` lists them all."""

    def __init__(self, services: Services, sign_ins: SignIns) -> None:
        self._services = services
        self._sign_ins = sign_ins
        self._listeners = 0
        self._began = datetime.now(UTC)
        v1 = "/api/v1"
        stream, session = f"{v1}/streams/{{path}}", f"{v1}/sessions/{{id}}"
        self.routes: Final = (
            Route("GET", f"{v1}/server", "The server as a whole.", self.server, models.Server),
            Route("GET", f"{v1}/streams", "Streams, by name.", self.streams, models.Streams,
                  query=_PAGE),
            Route("GET", f"{stream}/history", "A stream second by second.", self.history,
                  models.History, statuses=(404,)),
            Route("GET", stream, "One stream.", self.stream, models.Stream, statuses=(404,)),
            Route("DELETE", stream, "End a stream and its publisher's session.", self.end_stream,
                  statuses=(404,)),
            Route("GET", f"{v1}/sessions", "Sessions, oldest first.", self.sessions,
                  models.Sessions, query=_FILTER),
            Route("GET", session, "One session.", self.session, models.Session, statuses=(404,)),
            Route("DELETE", session, "Close a session.", self.kick, statuses=(404,)),
            Route("GET", f"{v1}/certificates", "Certificates that are served.", self.certificates,
                  models.Certificates),
            Route("GET", f"{v1}/settings", "Settings in effect.", self.settings, models.Settings),
            Route("POST", f"{v1}/reload", "Read settings and certificates again.", self.reload,
                  models.Messages),
            Route("GET", f"{v1}/events", "Updates as server-sent events.", self.events,
                  content_type="text/event-stream", statuses=(503,)),
            Route("POST", f"{v1}/sign-in", "Sign a browser in.", self.sign_in, models.SignedIn,
                  models.SignIn, is_open=True, statuses=(401, 429)),
            Route("GET", f"{v1}/sign-in", "The session of this browser.", self.signed_in,
                  models.SignedIn, is_open=True, statuses=(401,)),
            Route("DELETE", f"{v1}/sign-in", "Sign this browser out.", self.sign_out,
                  is_open=True),
        )  # fmt: skip

    # ------------------------------------------------------------------ the server

    async def server(self, request: web.Request) -> models.Server:
        return self._server()

    def _server(self) -> models.Server:
        services = self._services
        sessions = services.sessions()
        hls = 0 if services.hls is None else sum(e.viewers for e in services.hls.packaged())
        rates = services.rates
        now = datetime.now(UTC)
        return models.Server(
            version=__version__,
            pid=os.getpid(),
            started=self._began.isoformat(timespec="seconds"),
            uptime_s=round((now - self._began) / timedelta(seconds=1), 3),
            is_stopping=services.is_stopping,
            listeners=models.Listeners(**services.addresses),
            streams=sum(stream.is_live for stream in services.registry.streams()),
            sessions=len(sessions),
            viewers=sum(len(session.playing) for session in sessions) + hls,
            bytes_in=services.counters.bytes_in + sum(each.bytes_in for each in sessions),
            bytes_out=services.counters.bytes_out + sum(each.bytes_out for each in sessions),
            bit_rate_in=0 if rates is None else rates.bit_rate_in,
            memory_bytes=_resident_bytes(),
            loop_lag_s=0.0 if rates is None else round(rates.loop_lag_s, 4),
        )

    async def certificates(self, request: web.Request) -> models.Certificates:
        found = status.certificates(self._services, datetime.now(UTC))
        return models.Certificates(
            certificates=[models.Certificate.model_validate(each) for each in found]
        )

    async def settings(self, request: web.Request) -> models.Settings:
        sources = self._services.sources
        values = plain_values(self._services.settings)
        return models.Settings(
            settings={
                key: models.Setting(value=value, source=sources.get(key, "default"))
                for key, value in values.items()
            }
        )

    async def reload(self, request: web.Request) -> models.Messages:
        return models.Messages(messages=self._services.reload())

    # ------------------------------------------------------------------ streams

    async def streams(self, request: web.Request) -> models.Streams:
        limit, after = _limit(request), request.query.get("after", "")
        found = sorted(status.streams(self._services), key=lambda stream: stream["path"])
        rest = [stream for stream in found if stream["path"] > after]
        page = [models.Stream.model_validate(stream) for stream in rest[:limit]]
        following = page[-1].path if len(rest) > limit else None
        return models.Streams(streams=page, total=len(found), next=following)

    async def stream(self, request: web.Request) -> models.Stream:
        path = self._path(request)
        for stream in status.streams(self._services):
            if stream["path"] == path:
                return models.Stream.model_validate(stream)
        raise _no_stream(path)

    async def history(self, request: web.Request) -> models.History:
        path = self._path(request)
        rates = self._services.rates
        if self._services.registry.stream(path) is None or rates is None:
            raise _no_stream(path)
        known = rates.history(path)
        return models.History(
            interval_s=PERIOD_S,
            bit_rate=known.bit_rate,
            frame_rate=known.frame_rate,
            viewers=known.viewers,
        )

    async def end_stream(self, request: web.Request) -> None:
        path = self._path(request)
        stream = self._services.registry.stream(path)
        if stream is None or not stream.has_begun:
            raise _no_stream(path)
        for session in self._services.sessions():
            if path in session.publishing:
                session.kick()
        stream.end()

    def _path(self, request: web.Request) -> str:
        return request.match_info["path"]

    # ------------------------------------------------------------------ sessions

    async def sessions(self, request: web.Request) -> models.Sessions:
        limit, query = _limit(request), request.query
        after = query.get("after", "0") or "0"
        if not (after.isascii() and after.isdigit() and len(after) <= 15):
            raise Problem(422, "after: what `next` of the page before held is expected.")
        found = [
            session
            for session in status.sessions(self._services)
            if query.get("protocol") in (None, session["protocol"])
            and query.get("stream") in (None, *session["publishes"], *session["plays"])
        ]
        rest = [session for session in found if session["id"] > int(after)]
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
            if str(session.id) == wanted:
                session.kick()
                return
        raise _no_session(wanted)

    # ------------------------------------------------------------------ browsers

    async def sign_in(self, request: web.Request) -> web.Response:
        self._sign_ins.check_host(request)
        body = await _body(request, models.SignIn)
        assert isinstance(body, models.SignIn)
        id, session = self._sign_ins.sign_in(request, body.token)
        response = _json(models.SignedIn(csrf=session.csrf))
        response.set_cookie(
            COOKIE,
            id,
            max_age=LIFETIME_S,
            httponly=True,
            samesite="Strict",
            secure=access.is_secure(self._services, request),
        )
        return response

    async def signed_in(self, request: web.Request) -> models.SignedIn:
        self._sign_ins.check_host(request)
        session = self._sign_ins.session(request)
        if session is None:
            raise Problem(401, "This browser is not signed in.")
        return models.SignedIn(csrf=session.csrf)

    async def sign_out(self, request: web.Request) -> web.Response:
        self._sign_ins.sign_out(request)
        response = web.Response(status=204)
        response.del_cookie(COOKIE, httponly=True, samesite="Strict")
        return response

    # ------------------------------------------------------------------ events

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
        event = models.Event(
            server=self._server(),
            streams=[models.Stream.model_validate(s) for s in status.streams(self._services)],
            sessions=[
                models.Session.model_validate(session)
                for session in status.sessions(self._services)[:EVENT_SESSIONS]
            ],
        )
        return f"event: update\ndata: {event.model_dump_json()}\n\n".encode()


def add_routes(application: web.Application, services: Services, admin_token: str) -> None:
    """Serve the API, its document and a page that shows it."""
    from headend.server.api import openapi

    sign_ins = SignIns(services, admin_token)
    api = Api(services, sign_ins)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_api = request.path.startswith("/api/")
        is_open = getattr(request.match_info.handler, "is_open", False)
        if is_api and not is_open:
            sign_ins.check(request)
        response = await handler(request)
        if is_api and not response.prepared:
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    application.middlewares.append(guard)
    for route in api.routes:
        path = route.path.replace("{path}", "{path:.+}").replace("{id}", r"{id:\d{1,15}}")
        application.router.add_route(route.method, path, _handler(route))
    document = json.dumps(openapi.document(api.routes)).encode()
    page = openapi.page(api.routes)

    async def give_document(request: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    async def give_page(request: web.Request) -> web.Response:
        return web.Response(
            text=page,
            content_type="text/html",
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )

    for handler in (give_document, give_page):
        handler.is_open = True  # type: ignore[attr-defined]
    application.router.add_get("/api/openapi.json", give_document)
    application.router.add_get("/api/docs", give_page)


def _handler(route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await route.call(request)
        if answer is None:
            return web.Response(status=204)
        return answer if isinstance(answer, web.StreamResponse) else _json(answer)

    handle.is_open = route.is_open  # type: ignore[attr-defined]
    return handle


def _json(model: BaseModel) -> web.Response:
    return web.Response(body=model.model_dump_json().encode(), content_type="application/json")


async def _body(request: web.Request, model: type[BaseModel]) -> BaseModel:
    """Read a JSON body.

    Raises:
        Problem: 415, 413 or 422; the text says what is wrong, without repeating values.
    """
    if request.content_type != "application/json":
        raise Problem(415, "Send JSON, with Content-Type: application/json.")
    if (request.content_length or 0) > BODY_BYTES:
        raise Problem(413, f"The body is larger than {BODY_BYTES} bytes.")
    data = await request.content.read(BODY_BYTES + 1)
    if len(data) > BODY_BYTES:
        raise Problem(413, f"The body is larger than {BODY_BYTES} bytes.")
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise Problem(422, f"{where}: {first['msg']}.") from None


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", "100")
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= 1000):
        raise Problem(422, "limit: a number from 1 to 1000 is expected.")
    return int(text)


def _no_stream(path: str) -> Problem:
    return Problem(404, "There is no such stream now.", title="Stream not found")


def _no_session(id: str) -> Problem:
    return Problem(404, f"There is no session {id} now.", title="Session not found")


def _resident_bytes() -> int:
    """Return the memory of this process that is really there; 0 where nobody tells."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
