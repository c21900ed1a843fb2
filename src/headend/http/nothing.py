"""Requests that no route takes: there is nothing at the address, or another method is meant.

aiohttp answers them itself with an object for each that holds itself: memory that only a search
for reference cycles gets back. Scanners ask for little else.
"""

from typing import Final

from aiohttp import web

from headend.http.problems import Problem

ROUTE: Final = "/{nothing:.*}"


def add_route(application: web.Application) -> None:
    """Answer the requests that no route before takes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        allowed: set[str] = set()
        for resource in application.router.resources():
            if resource is not request.match_info.route.resource:
                _, methods = await resource.resolve(request)
                allowed |= methods
        if not allowed:
            raise Problem(404, "There is nothing at this address.")
        methods_text = ",".join(sorted(allowed))
        raise Problem(
            405,
            f"{request.method} is not possible here; use {methods_text}.",
            headers={"Allow": methods_text},
        )

    application.router.add_route("*", ROUTE, answer)
