"""What went wrong, as a page: for people who opened an address in a browser.

Everything else gets the problem document (`problems.py`), and so do all addresses of the API.
"""

import json
from typing import Final

from aiohttp import web

from headend.http.assets import ASSETS, PAGE_HEADERS, Assets
from headend.http.problems import CONTENT_TYPE, Handler

PAGES: Final = frozenset({"GET", "HEAD"})
KEPT: Final = ("Retry-After", "Allow")
TITLES: Final = {403: "This is not for you", 404: "There is nothing here", 503: "Not now"}


@web.middleware
async def show_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a browser that opens an address with a page in place of a problem document."""
    response = await handler(request)
    if response.content_type != CONTENT_TYPE or request.path.startswith("/api/"):
        return response
    vary = response.headers.get("Vary")
    response.headers["Vary"] = "Accept" if vary is None else f"{vary}, Accept"
    assets = request.app.get(ASSETS)
    if assets is None or not isinstance(response, web.Response) or not _opens_a_page(request):
        return response
    return await _page(request, response, assets)


def _opens_a_page(request: web.Request) -> bool:
    return request.method in PAGES and "text/html" in request.headers.get("Accept", "")


async def _page(request: web.Request, response: web.Response, assets: Assets) -> web.Response:
    assert isinstance(response.body, bytes)
    problem = json.loads(response.body)
    detail = str(problem["detail"])
    values = {
        "status": str(response.status),
        "title": TITLES.get(response.status, str(problem["title"])),
        "detail": detail[:1].upper() + detail[1:],
    }
    text = await assets.page(request, "problem.html", values)
    headers = {name: response.headers[name] for name in KEPT if name in response.headers}
    return web.Response(
        text=text,
        status=response.status,
        content_type="text/html",
        headers=PAGE_HEADERS | headers | {"Vary": "Accept"},
    )
