"""The public page, `/`: what is live and open to all.

The same address gives the page to a browser and, to a client that asks for JSON, the list.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Final

from aiohttp import web

from headend.http import access
from headend.http.assets import PAGE_HEADERS, Assets
from headend.http.problems import Problem, wants_json
from headend.live.listing import Listing
from headend.live.services import Services

HEADERS: Final = {**PAGE_HEADERS, "Vary": "Accept"}


class PublicPage:
    """The route of the public page."""

    def __init__(
        self,
        services: Services,
        assets: Assets,
        listing: Listing,
        console: Callable[[web.Request], Awaitable[web.Response]],
    ) -> None:
        """Prepare.

        Args:
            services: What connections share.
            assets: Holds the page.
            listing: What is on air.
            console: Answers in place of the page where `http.page` says so.
        """
        self._services: Final = services
        self._assets: Final = assets
        self._listing: Final = listing
        self._console: Final = console

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Give the page, the list as JSON, or what `http.page` has in its place."""
        page = self._services.settings.http.page
        if page == "off":
            raise Problem(404, "There is nothing at this address.")
        if page == "console":
            return await self._console(request)
        body = json.dumps(self._state(request))
        if wants_json(request):
            return web.Response(text=body, content_type="application/json", headers=HEADERS)
        text = await self._assets.page(request, "public.html", {"state": body})
        return web.Response(text=text, content_type="text/html", headers=HEADERS)

    def _state(self, request: web.Request) -> dict[str, object]:
        services = self._services
        visitor = access.question(services, request, "", "http")
        streams, has_more = self._listing.open_to(visitor)
        return {"streams": list(map(asdict, streams)), "has_more": has_more}
