"""Streams as HTTP-FLV and WebSocket-FLV: `/APP/NAME.flv`.

aiohttp reads the request; then the viewer takes the connection over for good, and the fan-out of
all viewers writes to its transport.

See docs/decisions/0026-websocket-viewers-take-the-connection-over.md.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from aiohttp import web

from headend.access.gate import Grant
from headend.decisions import Address
from headend.errors import LimitExceeded, Rejected
from headend.http import access, websocket
from headend.http.connection import HttpConnection
from headend.http.flv_viewer import FlvViewer
from headend.http.heads import answer_headers
from headend.http.paths import stream_path
from headend.http.problems import Problem, problem_of
from headend.http.websocket_viewer import WebSocketViewer
from headend.hub.stream import Stream
from headend.live.services import Services
from headend.live.waiting import wait_for_media
from headend.outputs.first_media import Kinds

ROUTE: Final = "/{path:.+}.flv"
CONTENT_TYPE: Final = "video/x-flv"


def add_routes(application: web.Application, services: Services) -> None:
    """Serve FLV."""
    routes = FlvRoutes(services)
    application.router.add_get(ROUTE, access.for_other_pages(services, routes.get))
    application.router.add_route("OPTIONS", ROUTE, routes.options)


class FlvRoutes:
    """The routes of FLV over HTTP and WebSocket."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def options(self, request: web.Request) -> web.StreamResponse:
        """Answer what browsers ask before a request to another origin (Fetch, preflight)."""
        return web.Response(status=204, headers=access.preflight_headers(self._services, request))

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Give the stream, once it has media."""
        path = stream_path(request.match_info["path"])
        upgrade = None
        if websocket.is_upgrade(request.headers):
            access.check_origin(self._services, request)
            upgrade = websocket.accept(request.headers)
        protocol = "http-flv" if upgrade is None else "ws-flv"
        grant = await access.allow_play(self._services, request, path, protocol)
        try:
            if request.method == "HEAD":
                return self._head(request, grant)
            peer = access.peer_of(self._services, request)
            found, kinds = await media_of(self._services, grant.path, peer.address)
            return self._serve(request, found, kinds, grant, upgrade)
        except BaseException:
            self._services.gate.leave(grant)
            raise

    def _head(self, request: web.Request, grant: Grant) -> web.Response:
        self._services.gate.leave(grant)
        stream = self._services.registry.stream(grant.path)
        if stream is None or not stream.has_begun:  # nobody waits for an answer without body
            raise Problem(404, f"nobody publishes {grant.path}.", title="Stream not found")
        return web.Response(headers=self._headers(request))

    def _serve(
        self,
        request: web.Request,
        stream: Stream,
        kinds: Kinds,
        grant: Grant,
        upgrade: dict[str, str] | None,
    ) -> web.Response:
        """Take the connection over for the viewer; aiohttp has no more to do with it."""
        connection = _connection(request)
        viewer: FlvViewer
        if upgrade is None:
            viewer = self._viewer(FlvViewer, request, connection, "http", stream, grant)
            head = _head("200 OK", self._headers(request) | {"Connection": "close"})
        else:
            viewer = self._viewer(WebSocketViewer, request, connection, "ws", stream, grant)
            every = answer_headers(self._services.settings, is_secure=request.secure)
            head = _head("101 Switching Protocols", every | upgrade)
        transport, rest = connection.release()
        transport.hand_over(viewer)
        transport.write(head)
        has_tracks = request.query.get("tracks") == "all"
        viewer.watch(kinds, is_patient=_is_patient(request), has_tracks=has_tracks)
        if rest:  # of a client that speaks before it is answered
            viewer.data_received(rest)
        return web.Response(status=200 if upgrade is None else 101)  # goes nowhere

    def _viewer(
        self,
        kind: type[FlvViewer],
        request: web.Request,
        connection: HttpConnection,
        form: str,
        stream: Stream,
        grant: Grant,
    ) -> FlvViewer:
        services = self._services
        is_secure = access.is_secure(services, request)
        return kind(
            services,
            connection.transport,
            (access.peer_of(services, request), connection.peer),
            f"{form}{'s' if is_secure else ''}-flv",
            connection.tls,
            request.headers.get("User-Agent", ""),
            stream,
            grant,
        )

    def _headers(self, request: web.Request) -> dict[str, str]:
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",  # nginx passes on what comes, as it comes
            **access.media_headers(self._services, request),
        }
        # The head is written here, not by aiohttp.
        return headers | answer_headers(self._services.settings, is_secure=request.secure)


async def media_of(services: Services, path: str, address: Address | None) -> tuple[Stream, Kinds]:
    """Wait for a stream's media.

    Args:
        services: Services of the server that has the stream.
        path: `APP/NAME`.
        address: Address of the viewer.

    Raises:
        Problem: 404: nobody publishes the stream; 503: too many viewers wait.
    """
    try:
        return await wait_for_media(services, path, address)
    except Rejected as rejected:
        raise problem_of(rejected) from None
    except LimitExceeded as error:
        raise Problem(503, str(error), headers={"Retry-After": "5"}) from None


def _is_patient(request: web.Request) -> bool:
    return request.query.get("gop") == "0"


def _connection(request: web.Request) -> HttpConnection:
    connection = request.transport
    if connection is None:
        raise ConnectionResetError
    assert isinstance(connection, HttpConnection)
    if connection.transport.is_closed:  # in this turn: aiohttp is told in the next
        raise ConnectionResetError
    return connection


def _head(status: str, headers: Mapping[str, str]) -> bytes:
    """Write a response's head; a body has no length and ends with the connection."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Date: {format_datetime(datetime.now(UTC), usegmt=True)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
