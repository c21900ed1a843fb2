"""The API as a whole: the routes of its parts, and their description.

A part is a module with `routes(services)`, added in one line of `Api`, or a feature with
`api_routes`.
"""

import json
import re
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from headend.features.routes import Route
from headend.http import access
from headend.http.api import (
    audit,
    browsers,
    events,
    keys,
    nodes,
    openapi,
    page,
    server,
    sessions,
    streams,
)
from headend.http.api.auditing import ACTOR, SAFE, note_refused, note_request
from headend.http.api.route import check_query, json_response
from headend.http.api.server import SettingsSource
from headend.http.api.sign_in import SignIns
from headend.http.api.together import Together
from headend.http.late_routes import LateRoutes
from headend.http.passing import Passing
from headend.http.problems import Handler, Problem
from headend.live.services import Services
from headend.net.unbroken import Unbroken

_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}
_BELOW: Final = "/api/"
_PATTERNS: Final = {"path": "{path:.+}", "id": r"{id:\d{1,15}}"}


class Api:
    """The API of one server, its document and a page that shows it."""

    def __init__(self, services: Services, sign_ins: SignIns, source: SettingsSource) -> None:
        """Put the parts together.

        Args:
            services: What all connections share.
            sign_ins: Says which requests are the administrator's.
            source: Source of the settings.
        """
        self._services: Final = services
        self._sign_ins: Final = sign_ins
        self._passing: Final = services.features.find(Passing)
        self._together: Final = None if self._passing is None else Together(self._passing)
        self._unbroken: Final = Unbroken()  # what is changed
        self._first: Final = (
            *server.routes(services, source),
            *nodes.routes(services),
            *streams.routes(services),
            *sessions.routes(services),
            *keys.routes(services),
            *audit.routes(services),
        )
        self._last: Final = (
            *events.routes(services, sign_ins, self._together),
            *browsers.routes(services, sign_ins),
        )
        self._of_features: list[Route] = []
        self._late: Final = LateRoutes(_BELOW)
        self._described: tuple[bytes, str] | None = None  # by document and page

    @property
    def routes(self) -> Sequence[Route]:
        """The operations of all parts, in the order of the document."""
        return (*self._first, *self._of_features, *self._last)

    def serve(self, application: web.Application) -> None:
        """Serve what is there by now; `add` may follow at any time."""
        application.middlewares.append(self._guard)
        application.on_cleanup.append(self._close)
        router = application.router
        for route in (*self._first, *self._last):
            router.add_route(route.method, _pattern(route), _handler(route, self._together))
        for path, handler in (("openapi.json", self._document), ("docs", self._page)):
            router.add_get(f"{_BELOW}{path}", _opened(handler))
        router.register_resource(self._late)

    def add(self, routes: Sequence[Route]) -> None:
        """Serve the operations of a feature."""
        self._of_features += routes
        self._described = None
        for route in routes:
            self._late.add(route.method, _pattern(route), _handler(route, self._together))

    async def _close(self, _: web.Application) -> None:
        await self._unbroken.close()

    # ------------------------------------------------------------------ the administrator's alone

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(_BELOW):
            return await handler(request)
        if self._passing is not None and not self._passing.is_first:
            if not access.is_member(request):
                raise Problem(503, "Worker 0 answers this.")
            return await handler(request)  # worker 0 has let the client in
        if request.method in SAFE:
            return await self._let_in(request, handler)
        # What is changed is noted too, whether the client waits for the answer or not.
        return await self._unbroken.run(self._let_in(request, handler))

    async def _let_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        services = self._services
        answering = request.match_info.handler
        action: str = getattr(answering, "action", "") or "api"
        try:
            access.allow_api(services, request)
            if not getattr(answering, "is_open", False):
                request[ACTOR] = self._sign_ins.check(request)
        except Problem as problem:
            note_refused(services, request, "api", problem)
            raise
        is_noted = request.method not in SAFE
        try:
            response = await handler(request)
        except Problem as problem:
            if is_noted and ACTOR in request:
                note_request(services, request, action, problem)
            elif is_noted:
                note_refused(services, request, action, problem)
            raise
        if is_noted and ACTOR in request:  # a sign-out without a session has done nothing
            note_request(services, request, action)
        if not response.prepared:
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    # ------------------------------------------------------------------ the description

    def _describe(self) -> tuple[bytes, str]:
        if self._described is None:
            routes = self.routes
            self._described = json.dumps(openapi.document(routes)).encode(), page.page(routes)
        return self._described

    async def _document(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self._describe()[0], content_type="application/json")

    async def _page(self, request: web.Request) -> web.StreamResponse:
        text = self._describe()[1]
        return web.Response(text=text, content_type="text/html", headers=_PAGE_HEADERS)


def _pattern(route: Route) -> str:
    """Return the path of an operation as aiohttp has it."""
    return re.sub(r"\{(\w+)\}", lambda match: _PATTERNS.get(match[1], match[0]), route.path)


def _opened(handler: Handler) -> Handler:
    """Let everybody have what a handler answers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    handle.is_open = True  # type: ignore[attr-defined]
    return handle


def _handler(route: Route, together: Together | None) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        check_query(route, request)
        if together is None:
            answer = await route.call(request)
        else:
            answer = await together.answer(route, request)
        if answer is None:
            return web.Response(status=204)
        if isinstance(answer, web.StreamResponse):
            return answer
        return json_response(answer, route.status)

    handle.is_open = route.is_open  # type: ignore[attr-defined]
    handle.action = route.action or f"{route.method} {route.path}"  # type: ignore[attr-defined]
    return handle
