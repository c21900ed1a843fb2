"""This module serves streams as HTTP-FLV and WebSocket-FLV: `/APP/NAME.flv`.

aiohttp reads the request; the answer goes over the connection's transport, where the fan-out of
all viewers writes. Over HTTP the viewer takes the connection over for good; over WebSocket aiohttp
goes on reading what the client says: pings, and that it closes.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from headend.access.decisions import Address
from headend.access.gate import Grant
from headend.errors import LimitExceeded, Rejected
from headend.hub.stream import Stream
from headend.outputs.first_media import Kinds
from headend.server.http import access
from headend.server.http.connection import HttpConnection
from headend.server.http.flv_viewer import FlvViewer
from headend.server.http.heads import answer_headers
from headend.server.http.paths import stream_path
from headend.server.http.problems import Problem
from headend.server.services import Services

ROUTE: Final = "/{path:.+}.flv"
CONTENT_TYPE: Final = "video/x-flv"
CLIENT_BYTES: Final = 1024  # of a frame of a WebSocket client, which has nothing to say
HEARTBEAT_S: Final = 30.0  # a WebSocket client that answers no ping in half of it is gone


def add_routes(application: web.Application, services: Services) -> None:
    """Serve FLV."""
    routes = FlvRoutes(services)
    application.router.add_get(ROUTE, access.for_other_pages(services, routes.get))
    application.router.add_route("OPTIONS", ROUTE, routes.options)


class FlvRoutes:
    """See the module's head."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def options(self, request: web.Request) -> web.StreamResponse:
        """Answer what browsers ask before a request to another origin (Fetch, preflight)."""
        return web.Response(status=204, headers=access.preflight_headers(self._services, request))

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Give the stream, once it has media."""
        path = stream_path(request.match_info["path"])
        is_websocket = request.headers.get("Upgrade", "").lower() == "websocket"
        protocol = "ws-flv" if is_websocket else "http-flv"
        if is_websocket:
            access.check_origin(self._services, request)
        grant = await access.allow_play(self._services, request, path, protocol)
        try:
            if request.method == "HEAD":
                return self._head(request, grant)
            peer = access.peer_of(self._services, request)
            found, kinds = await media_of(self._services, grant.path, peer.address)
            if is_websocket:
                return await self._serve_websocket(request, found, kinds, grant)
            return self._serve_http(request, found, kinds, grant)
        except BaseException:
            self._services.gate.leave(grant)
            raise

    def _head(self, request: web.Request, grant: Grant) -> web.Response:
        self._services.gate.leave(grant)
        stream = self._services.registry.stream(grant.path)
        if stream is None or not stream.has_begun:  # nobody waits for an answer without body
            raise Problem(404, f"nobody publishes {grant.path}.", title="Stream not found")
        return web.Response(headers=self._headers(request))

    def _serve_http(
        self, request: web.Request, stream: Stream, kinds: Kinds, grant: Grant
    ) -> web.Response:
        """Take the connection over for the viewer; aiohttp has no more to do with it."""
        connection = _connection(request)
        viewer = self._viewer(request, connection, "http", grant)
        transport = connection.release()
        transport.hand_over(viewer)
        transport.write(_head(self._headers(request)))
        viewer.watch(stream, kinds, is_patient=_is_patient(request))
        return web.Response()  # goes nowhere

    async def _serve_websocket(
        self, request: web.Request, stream: Stream, kinds: Kinds, grant: Grant
    ) -> web.StreamResponse:
        services = self._services
        socket = web.WebSocketResponse(
            max_msg_size=CLIENT_BYTES, compress=False, heartbeat=HEARTBEAT_S
        )
        await socket.prepare(request)
        connection = _connection(request)
        viewer = self._viewer(request, connection, "ws", grant)
        ended = viewer.ended = services.loop.create_future()
        connection.tap(viewer)
        viewer.watch(stream, kinds, is_patient=_is_patient(request))

        def close(_: object) -> None:
            services.loop.create_task(
                socket.close(code=WSCloseCode.OK, message=ended.result().encode())
            )

        ended.add_done_callback(close)
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await socket.close(
                        code=WSCloseCode.UNSUPPORTED_DATA, message=b"a viewer sends nothing"
                    )
        finally:
            viewer.gone()
        return socket

    def _viewer(
        self, request: web.Request, connection: HttpConnection, form: str, grant: Grant
    ) -> FlvViewer:
        services = self._services
        is_secure = access.is_secure(services, request)
        return FlvViewer(
            services,
            connection.transport,
            (access.peer_of(services, request), connection.peer),
            f"{form}{'s' if is_secure else ''}-flv",
            connection.tls,
            request.headers.get("User-Agent", ""),
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
        services: Whose stream it is.
        path: `APP/NAME`.
        address: Of whoever asks.

    Raises:
        Problem: 404: nobody publishes it; 503: too many wait.
    """
    assert services.arrivals is not None
    try:
        return await services.arrivals.wait(path, address)
    except Rejected as rejected:
        if rejected.code == "NetStream.Play.StreamNotFound":
            raise Problem(404, f"{rejected.description}.", title="Stream not found") from None
        raise Problem(503, rejected.description, headers={"Retry-After": "5"}) from None
    except LimitExceeded as error:
        raise Problem(503, str(error), headers={"Retry-After": "5"}) from None


def _is_patient(request: web.Request) -> bool:
    return request.query.get("gop") == "0"


def _connection(request: web.Request) -> HttpConnection:
    connection = request.transport
    if connection is None:
        raise ConnectionResetError
    assert isinstance(connection, HttpConnection)
    return connection


def _head(headers: dict[str, str]) -> bytes:
    """Write a response's head; the body has no length and ends with the connection."""
    lines = [
        "HTTP/1.1 200 OK",
        f"Date: {format_datetime(datetime.now(UTC), usegmt=True)}",
        *(f"{name}: {value}" for name, value in headers.items()),
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
