"""The console and the files of both pages: `/`, `/console`, `/assets/…`.

The pages run nothing but their own scripts (Content-Security-Policy), so that no name of a stream,
whatever it holds, becomes code.
"""

import logging
from typing import Final

from aiohttp import web

from headend.http import watch
from headend.http.assets import Assets
from headend.live.services import Services

log = logging.getLogger(__name__)

# Only kinds of files that no stream has: an app may be called "assets".
ASSET_ROUTE: Final = r"/assets/{version:[0-9a-f]{12}}/{name:[a-z0-9_./-]+\.(?:css|m?js|svg|txt)}"
ASSETS: Final = web.AppKey("assets", Assets)  # for pages of features
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


def add_routes(application: web.Application, services: Services) -> None:
    """Serve console and player page."""
    assets = application[ASSETS] = Assets()
    if missing := assets.missing():
        log.warning(
            "the player page has no %s: browsers that play HLS by themselves can watch; "
            "`make libraries` gets what is missing",
            " and no ".join(missing),
        )

    async def console(request: web.Request) -> web.Response:
        text = await assets.page(request, "console.html", {})
        return web.Response(text=text, content_type="text/html", headers=HEADERS)

    async def asset(request: web.Request) -> web.Response:
        match = request.match_info
        return await assets.response(request, match["version"], match["name"])

    for route in ("/", "/console"):
        application.router.add_get(route, console)
    application.router.add_get(ASSET_ROUTE, asset)
    watch.add_routes(application, services, assets)
