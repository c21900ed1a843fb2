"""The console, the public page and the files of all pages: `/`, `/console`, `/assets/…`.

The pages run nothing but their own scripts (Content-Security-Policy), so that no name of a stream,
whatever it holds, becomes code.
"""

import logging
from typing import Final

from aiohttp import web

from headend.http import watch
from headend.http.assets import ASSETS, PAGE_HEADERS, Assets
from headend.http.public import PublicPage
from headend.live.listing import Listing
from headend.live.services import Services

log = logging.getLogger(__name__)

# Only kinds of files that no stream has: an app may be called "assets".
ASSET_ROUTE: Final = r"/assets/{version:[0-9a-f]{12}}/{name:[a-z0-9_./-]+\.(?:css|m?js|svg|txt)}"


def add_routes(application: web.Application, services: Services) -> None:
    """Serve the console, the public page, the player page and their files."""
    assets = application[ASSETS] = Assets()
    if missing := assets.missing():
        log.warning(
            "the player page has no %s: browsers that play HLS by themselves can watch; "
            "`make libraries` gets what is missing",
            " and no ".join(missing),
        )
    listing = Listing(services)

    async def console(request: web.Request) -> web.Response:
        text = await assets.page(request, "console.html", {})
        return web.Response(text=text, content_type="text/html", headers=PAGE_HEADERS)

    async def asset(request: web.Request) -> web.Response:
        match = request.match_info
        return await assets.response(request, match["version"], match["name"])

    application.router.add_get("/", PublicPage(services, assets, listing, console).get)
    application.router.add_get("/console", console)
    application.router.add_get(ASSET_ROUTE, asset)
    watch.add_routes(application, services, assets, listing)
