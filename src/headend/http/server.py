"""The HTTP side, on aiohttp: health, metrics, the API, pages and media."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web

from headend.features.feature import Feature
from headend.features.routes import HttpRoute, Route
from headend.http import access, bodies, flv, hls, nothing, pages, thumbnail, watch
from headend.http.api.routes import Api
from headend.http.api.server import SettingsSource
from headend.http.api.sign_in import SignIns
from headend.http.connection import HttpConnection, Unclaimed
from headend.http.exposition import CONTENT_TYPE, MEMBERS_ROUTE, NAMES_ALL, Exposition
from headend.http.heads import answer_headers
from headend.http.late_routes import LateRoutes
from headend.http.passing import CHALLENGE_ROUTE, Passing
from headend.http.problem_pages import show_problems
from headend.http.problems import tell_problems
from headend.http.protocol import HttpProtocol
from headend.live.services import Services
from headend.net.peer import Peer
from headend.net.tls_facts import TlsFacts
from headend.net.tls_transport import TlsTransport
from headend.net.transport import Transport
from headend.tls.served import ServedCertificates

log = logging.getLogger(__name__)

ACME_PATH: Final = "/.well-known/acme-challenge/{token}"  # RFC 8555, 8.3
CLOSE_S: Final = 1.0  # open requests get so long when the server stops

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpServer(Feature):
    """The HTTP side of a server; made after the features whose routes it serves."""

    name = "http"

    def __init__(self, services: Services, admin_token: str, source: SettingsSource) -> None:
        """Prepare the routes; await `set_up` before it is added to the features.

        Args:
            services: What all connections share.
            admin_token: What `Authorization: Bearer …` must hold for /api.
            source: Source of the settings, which the API shows and can have read again.
        """
        self._services = services
        self._passing = services.features.find(Passing)
        self._sign_ins = SignIns(services, admin_token)
        self._exposition = Exposition(services)
        self._api = Api(services, self._sign_ins, source)
        self._pages = LateRoutes(watch.BELOW)
        self._media = LateRoutes("/")
        self._runner = web.AppRunner(
            self._application(),
            handle_signals=False,
            shutdown_timeout=CLOSE_S,
            handler_cancellation=True,  # of clients that leave: they must hold nothing
        )

    async def set_up(self) -> None:
        """Get ready; `take` and `take_over` follow."""
        await self._runner.setup()
        self._services.features.serve(self._serve)

    def _serve(self, routes: Sequence[HttpRoute], operations: Sequence[Route]) -> None:
        """Serve what a feature gives."""
        for route in routes:
            late = self._pages if route.path.startswith(watch.BELOW) else self._media
            late.add(route.method, route.path, route.handler)
            if route.method == "GET":
                late.add("HEAD", route.path, route.handler)
        self._api.add(operations)

    def take(self, sock: socket.socket, peer: Peer) -> None:
        """Serve an accepted, plain connection."""
        transport = Transport(sock, self._services.poller, Unclaimed())
        self.take_over(transport, peer, {"sockname": sock.getsockname()})

    def take_member(self, sock: socket.socket, peer: Peer) -> None:
        """Serve an accepted connection of another worker of this server."""
        transport = Transport(sock, self._services.poller, Unclaimed())
        self.take_over(transport, peer, {"sockname": "", access.MEMBER: True})

    def take_over(
        self,
        transport: Transport,
        peer: Peer,
        extra: dict[str, object],
        tls: TlsFacts | None = None,
    ) -> HttpConnection:
        """Serve a connection whose transport is there, over TLS or not.

        Args:
            transport: Transport of the connection.
            peer: Address of the client.
            extra: More values for the connection's `get_extra_info`.
            tls: What the TLS handshake agreed on.
        """
        server = self._runner.server
        assert server is not None
        name = None if peer.address is None else (str(peer.address), peer.port)
        known = {"peername": name, access.PEER: peer, **extra}
        services = self._services
        protocol = HttpProtocol(server, services.loop, services.notes, peer)
        return HttpConnection(services, transport, peer, protocol, known, tls)

    def take_secure(
        self, transport: TlsTransport, data: bytes, peer: Peer, facts: TlsFacts
    ) -> None:
        """Serve a connection of the TLS port, whose first bytes are there."""
        secure = transport.socket
        extra: dict[str, object] = {
            "sockname": secure.getsockname(),
            "sslcontext": secure.context,
            "ssl_object": secure,
            "cipher": secure.cipher(),
        }
        self.take_over(transport, peer, extra, facts).data_received(data)

    async def stop(self) -> None:
        """Stop serving."""
        await self._runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(
            middlewares=[
                self._count,
                _mark_request,
                show_problems,
                tell_problems,
                *([self._to_first] if self._passing is not None else []),
                bodies.refuse_codings,
            ]
        )
        application.on_response_prepare.append(self._finish_head)
        application.router.add_get("/healthz", self._health)
        application.router.add_get("/readyz", self._ready)
        application.router.add_get("/metrics", self._metrics)
        if self._passing is not None:
            application.router.add_get(MEMBERS_ROUTE, self._metrics_for_first)
            application.router.add_put(CHALLENGE_ROUTE, self._take_challenge)
        application.router.add_get(ACME_PATH, self._acme_challenge)
        self._api.serve(application)
        # Names of streams may be anything: what is fixed comes first.
        application.router.register_resource(self._pages)
        pages.add_routes(application, self._services)
        application.router.register_resource(self._media)
        thumbnail.add_routes(application, self._services)
        flv.add_routes(application, self._services)
        hls.add_routes(application, self._services)
        nothing.add_route(application)
        return application

    @web.middleware
    async def _count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        self._services.counters.responses[f"{response.status // 100}xx"] += 1
        return response

    @web.middleware
    async def _to_first(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Have worker 0 answer what is asked of all workers."""
        assert self._passing is not None
        if self._passing.is_for_first(request):
            return await self._passing.to_first(request)
        return await handler(request)

    async def _finish_head(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add what every answer says."""
        settings = self._services.settings
        response.headers.update(answer_headers(settings, is_secure=request.secure))
        bodies.end_unread(request, response)

    async def _health(self, request: web.Request) -> web.Response:
        """The process runs and its loop turns."""
        return web.json_response({"status": "ok"})

    async def _ready(self, request: web.Request) -> web.Response:
        """The server takes publishers and players."""
        if self._services.sessions.is_stopping:
            return web.json_response({"status": "stopping"}, status=503)
        if self._services.draining.is_on:
            return web.json_response({"status": "draining"}, status=503)
        return web.json_response({"status": "ready"})

    async def _metrics(self, request: web.Request) -> web.Response:
        access.allow_api(self._services, request)
        is_known = "Authorization" in request.headers
        if is_known:
            self._sign_ins.check(request)
        body = await self._exposition.text(names_all=is_known)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _metrics_for_first(self, request: web.Request) -> web.Response:
        if not access.is_member(request):
            raise web.HTTPNotFound
        body = await self._exposition.for_first(names_all=request.query.get(NAMES_ALL) == "1")
        return web.Response(body=body, content_type="application/json")

    async def _take_challenge(self, request: web.Request) -> web.Response:
        """Be ready for an authority that worker 0 has asked: it may come to this worker."""
        served = self._services.features.find(ServedCertificates)
        if not access.is_member(request) or served is None:
            raise web.HTTPNotFound
        body = await request.json()
        await asyncio.to_thread(served.challenges.take_tls, body["name"], body["key_authorization"])
        return web.Response(status=204)

    async def _acme_challenge(self, request: web.Request) -> web.Response:
        """Show an authority that the name it checks leads here."""
        served = self._services.features.find(ServedCertificates)
        answer = None if served is None else served.challenges.answer(request.match_info["token"])
        if answer is None:
            raise web.HTTPNotFound
        return web.Response(body=answer.encode(), content_type="application/octet-stream")


@web.middleware
async def _mark_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection that it has a request to answer: it needs no other for a while."""
    connection = request.transport
    if not isinstance(connection, HttpConnection):
        return await handler(request)
    connection.request_began(request.content)
    try:
        return await handler(request)
    finally:
        connection.request_ended()
