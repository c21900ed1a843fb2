"""The player page, and the state of its stream: `/watch/APP/NAME`.

The same address gives the page to a browser and, to a client that asks for JSON, the stream's
state. With `?wait=1` the answer comes when the stream does, or after `live.wait_s`.
"""

import json
from dataclasses import asdict
from time import time
from typing import Final

from aiohttp import web

from headend.decisions import Address
from headend.errors import LimitExceeded, ProtocolError, Refusal, Rejected
from headend.http import access
from headend.http.assets import Assets
from headend.http.problems import Problem, problem_of, wants_json
from headend.hub.stream import Stream
from headend.live import status
from headend.live.listing import Listing
from headend.live.services import Services
from headend.live.titles import About
from headend.live.waiting import wait_for_media
from headend.names import stream_path
from headend.settings.http import ANY_ORIGIN

BELOW: Final = "/watch/"
ROUTE: Final = f"{BELOW}{{path:.+}}"
CONTENT_TYPE: Final = "application/json"

State = dict[str, object]


def add_routes(
    application: web.Application, services: Services, assets: Assets, listing: Listing
) -> None:
    """Serve the player page."""
    routes = WatchRoutes(services, assets, listing)
    application.router.add_get(ROUTE, routes.get)
    application.router.add_route("OPTIONS", ROUTE, routes.options)


class WatchRoutes:
    """The routes of the player page."""

    def __init__(self, services: Services, assets: Assets, listing: Listing) -> None:
        self._services = services
        self._assets = assets
        self._listing = listing

    async def options(self, request: web.Request) -> web.StreamResponse:
        """Answer what browsers ask before a request to another origin (Fetch, preflight)."""
        return web.Response(status=204, headers=access.preflight_headers(self._services, request))

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Give the page, or the state of its stream as JSON."""
        if wants_json(request):
            is_patient = request.query.get("wait") == "1" and request.method != "HEAD"
            state = await self._state(request, is_patient=is_patient)
            return web.Response(
                body=json.dumps(state).encode(),
                content_type=CONTENT_TYPE,
                headers={
                    **access.media_headers(self._services, request),
                    "Cache-Control": "no-store",
                },
            )
        state = await self._state(request, is_patient=False)
        path = request.match_info["path"]
        values = {
            "title": "No such stream" if state["state"] == "invalid" else path,
            "state": json.dumps(state),
        }
        return web.Response(
            text=await self._assets.page(request, "player.html", values),
            status=404 if state["state"] == "invalid" else 200,
            content_type="text/html",
            headers=page_headers(self._services),
        )

    async def _state(self, request: web.Request, *, is_patient: bool) -> State:
        """Return the state of a stream for a client that may know it.

        Raises:
            Problem: 503: the server stops, or too many wait.
        """
        text = request.match_info["path"]
        try:
            path = stream_path(text)
        except ProtocolError as error:
            return self._answer("", "invalid", f"No stream has such a name: {error}.")
        try:
            grant = await access.allow_play(self._services, request, path, "http")
        except Problem as problem:
            if problem.status != 403:
                raise
            return self._answer(path, "private", problem.detail)
        stream = self._services.registry.stream(grant.path)
        if is_patient and (stream is None or not stream.has_begun):
            peer = access.peer_of(self._services, request)
            stream = await self._wait(grant.path, peer.address)
        if stream is None or not stream.has_begun:
            return self._answer(path, "offline", f"nobody publishes {path}")
        return self._answer(path, stream.state.name.lower(), "", stream)

    async def _wait(self, path: str, address: Address | None) -> Stream | None:
        try:
            stream, _ = await wait_for_media(self._services, path, address)
        except Rejected as rejected:
            if rejected.refusal is Refusal.NOT_FOUND:
                return None
            raise problem_of(rejected) from None
        except LimitExceeded as error:
            raise Problem(503, str(error), headers={"Retry-After": "5"}) from None
        return stream

    def _answer(self, path: str, state: str, detail: str, stream: Stream | None = None) -> State:
        """Build what the page reads.

        Keys: path; state: live, interrupted, offline, private or invalid; detail: one line for a
        person; needs_token: viewers show one; title, description: of the stream, for people;
        viewers: how many watch; time: of the server, unix seconds; delay_s: what media waits here
        until it is sent; hls: whether there is HLS; container: of HLS; tracks: as in the API.
        """
        services = self._services
        poller, live = services.poller, services.settings.live
        hls = services.rules.of(path).hls
        about = (
            About() if stream is None else services.titles.of(stream, services.rules.of(path).live)
        )
        return {
            "path": path,
            "state": state,
            "detail": detail,
            "needs_token": services.gate.policy.is_private(path),
            "title": about.title,
            "description": about.description,
            "viewers": 0 if stream is None else self._listing.viewers(stream.path),
            "time": time(),
            "delay_s": round(live.flush_ms / 1000 if live.flush == "fixed" else poller.pause_s, 4),
            "hls": hls.start != "off",
            "container": hls.container,
            "tracks": [] if stream is None else list(map(asdict, status.tracks(stream))),
        }


def page_headers(services: Services) -> dict[str, str]:
    """Return headers that let a page run its own scripts, and be framed by `http.origins`."""
    origins = services.settings.http.origins
    framing = "*" if ANY_ORIGIN in origins else " ".join(("'self'", *origins))
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "media-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
            f"form-action 'none'; frame-ancestors {framing}"
        ),
        "Referrer-Policy": "no-referrer",  # the address may hold a token
        "Vary": "Accept",
    }
