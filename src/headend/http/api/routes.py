"""The API as a whole: the routes of its parts, and their description.

A part is a module with `routes(services)`, added in one line of `all_routes`, or a feature with
`api_routes`.
"""

import json
import re
from collections.abc import Sequence
from itertools import chain
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
from headend.http.passing import Passing
from headend.http.problems import Handler, Problem
from headend.live.services import Services
from headend.net.unbroken import Unbroken

_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}
_PATTERNS: Final = {"path": "{path:.+}", "id": r"{id:\d{1,15}}"}


def all_routes(
    services: Services,
    sign_ins: SignIns,
    source: SettingsSource,
    together: Together | None = None,
) -> Sequence[Route]:
    """List the operations of all parts, in the order of the document."""
    parts = (
        server.routes(services, source),
        nodes.routes(services),
        streams.routes(services),
        sessions.routes(services),
        keys.routes(services),
        audit.routes(services),
        services.features.api_routes(),
        events.routes(services, sign_ins, together),
        browsers.routes(services, sign_ins),
    )
    return tuple(chain.from_iterable(parts))


def add_routes(
    application: web.Application,
    services: Services,
    sign_ins: SignIns,
    source: SettingsSource,
) -> None:
    """Serve the API, its document and a page that shows it."""
    passing = services.features.find(Passing)
    together = None if passing is None else Together(passing)
    routes = all_routes(services, sign_ins, source, together)

    unbroken = Unbroken()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/api/"):
            return await handler(request)
        if passing is not None and not passing.is_first:
            if not access.is_member(request):
                raise Problem(503, "Worker 0 answers this.")
            return await handler(request)  # worker 0 has let the client in
        if request.method in SAFE:
            return await let_in(request, handler)
        # What is changed is noted too, whether the client waits for the answer or not.
        return await unbroken.run(let_in(request, handler))

    async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        answering = request.match_info.handler
        is_open = getattr(answering, "is_open", False)
        action: str = getattr(answering, "action", "") or "api"
        try:
            access.allow_api(services, request)
            if not is_open:
                request[ACTOR] = sign_ins.check(request)
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
        if is_noted and ACTOR in request:  # who signs out without a session has done nothing
            note_request(services, request, action)
        if not response.prepared:
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    async def close(_: web.Application) -> None:
        await unbroken.close()

    application.middlewares.append(guard)
    application.on_cleanup.append(close)
    for route in routes:
        path = re.sub(r"\{(\w+)\}", lambda match: _PATTERNS.get(match[1], match[0]), route.path)
        application.router.add_route(route.method, path, _handler(route, together))
    document = json.dumps(openapi.document(routes)).encode()
    text = page.page(routes)

    async def give_document(request: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    async def give_page(request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html", headers=_PAGE_HEADERS)

    for handler in (give_document, give_page):
        handler.is_open = True  # type: ignore[attr-defined]
    application.router.add_get("/api/openapi.json", give_document)
    application.router.add_get("/api/docs", give_page)


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
