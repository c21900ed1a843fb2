"""The newest picture of a stream over HTTP: `/APP/NAME/thumbnail.jpg`."""

import re
from typing import Final

from aiohttp import web

from headend.errors import LimitExceeded, MediaError
from headend.http import access
from headend.http.passing import at_owner
from headend.http.paths import stream_path
from headend.http.problems import Problem
from headend.live.services import Services
from headend.thumbnails.thumbnails import DEFAULT_WIDTH, WIDTHS, NoPicture, Thumbnails

ROUTE: Final = "/{path:.+}/thumbnail.jpg"
WIDTH: Final = re.compile(r"[1-9]\d{0,4}", re.ASCII)
RETRY_S: Final = 2  # a keyframe may have come by then


def add_routes(application: web.Application, services: Services) -> None:
    """Serve thumbnails."""

    async def get(request: web.Request) -> web.StreamResponse:
        path = stream_path(request.match_info["path"])
        grant = await access.allow_play(services, request, path, "http")
        return await thumbnail(services, request, grant.path)

    async def options(request: web.Request) -> web.StreamResponse:
        return web.Response(status=204, headers=access.preflight_headers(services, request))

    application.router.add_get(ROUTE, access.for_other_pages(services, at_owner(services, get)))
    application.router.add_route("OPTIONS", ROUTE, options)


async def thumbnail(services: Services, request: web.Request, path: str) -> web.Response:
    """Answer with the newest picture of a stream that the client may see.

    Raises:
        Problem: 400: the width is no number; 404: nobody publishes the stream, or it has no picture
            that can be shown; 503: there is none yet, or too many ask.
    """
    width = _width(request)
    stream = services.registry.stream(path)
    if stream is None or not stream.has_begun:
        raise Problem(404, f"nobody publishes {path}.", title="Stream not found")
    try:
        found = await services.features[Thumbnails].get(stream, width)
    except NoPicture as error:
        if stream.sounds and not stream.frames:
            raise Problem(404, "The stream has sound only.", title="No picture") from None
        raise Problem(503, str(error), headers={"Retry-After": str(RETRY_S)}) from None
    except MediaError as error:
        raise Problem(404, str(error), title="No picture") from None
    except LimitExceeded as error:
        raise Problem(503, str(error), headers={"Retry-After": str(RETRY_S)}) from None
    return _answer(services, request, found.jpeg, f'"{found.etag}"')


def _answer(services: Services, request: web.Request, jpeg: bytes, etag: str) -> web.Response:
    # A session of the console, or a token, may show what others may not see.
    is_public = not {"Authorization", "Cookie"} & request.headers.keys()
    is_public = is_public and "token" not in request.query
    life_s = round(services.settings.http.thumbnail_s)
    headers = {
        "Cache-Control": f"{access.scope(request) if is_public else 'private'}, max-age={life_s}",
        "ETag": etag,
        **access.media_headers(services, request),
    }
    if etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=jpeg, content_type="image/jpeg", headers=headers)


def _width(request: web.Request) -> int:
    """Return the next of WIDTHS, so that few sizes are made."""
    text = request.query.get("width", str(DEFAULT_WIDTH))
    if not WIDTH.fullmatch(text):
        raise Problem(400, "width: a number of pixels is expected.")
    return next((width for width in WIDTHS if width >= int(text)), WIDTHS[-1])
