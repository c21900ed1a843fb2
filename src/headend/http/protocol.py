"""aiohttp's protocol of one connection, with what this server wants otherwise.

Bodies are taken as they come, the rest of a body that nobody reads is not waited for, and what is
answered where no handler could is in our words.
"""

import logging
from asyncio import AbstractEventLoop
from typing import Final

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_server import Server

from headend.http.heads import EVERY_ANSWER
from headend.http.problems import Problem
from headend.net.notes import Notes
from headend.net.peer import Peer
from headend.net.proxy_protocol import V1_SIGNATURE, V2_SIGNATURE

log = logging.getLogger(__name__)

# Longer than any proxy keeps a connection to us open: it must not send a request as we close.
# `HttpConnection` closes those that stay idle, much earlier.
KEEPALIVE_S: Final = 3600.0
FIRST_BYTES: Final = 12
TLS_RECORD: Final = b"\x16\x03"  # a handshake record (RFC 8446, 5.1)
RTMP_VERSION: Final = b"\x03"  # C0


class HttpProtocol(web.RequestHandler):
    """The protocol of one HTTP connection.

    Attributes:
        newest_body: Body of the newest request whose head is whole, handled or not.
    """

    __slots__ = ("_first", "_notes", "_peer", "newest_body")

    def __init__(self, server: Server, loop: AbstractEventLoop, notes: Notes, peer: Peer) -> None:
        """Speak for an application's server.

        Args:
            server: Server of the application.
            loop: The running loop.
            notes: Told of what is no HTTP.
            peer: The client.
        """
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEPALIVE_S,
            tcp_keepalive=False,  # the listening socket has set it
            logger=log,
            access_log=None,  # type: ignore[arg-type]  # none is wanted
            auto_decompress=False,
            lingering_time=0.0,
        )
        self._notes: Final = notes
        self._peer: Final = peer
        self._first = b""  # of the connection: they tell what else is spoken
        self.newest_body: StreamReader = EMPTY_PAYLOAD

    @property
    def heads(self) -> int:
        """Heads of requests that were whole, so far."""
        return self._request_count

    def data_received(self, data: bytes) -> None:
        self._first = self._first or data[:FIRST_BYTES]
        super().data_received(data)
        if self._messages:
            newest, self.newest_body = self._messages[-1]
            error = getattr(newest, "exc", None)
            if error is not None:  # what stands for bytes that are no request
                error.__traceback__ = None  # its frames hold us

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.newest_body = EMPTY_PAYLOAD  # which may hold us

    def take_rest(self) -> bytes:
        """Return what came behind a request for another protocol, and forget it."""
        rest, self._message_tail = self._message_tail, b""
        return rest

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer bytes that are no HTTP, and exceptions that a handler did not catch (a bug).

        Args:
            request: The request, or what stands for one that could not be read.
            status: What aiohttp would answer.
            exc: Why.
            message: Not told: it may repeat bytes of the client, and they a token.
        """
        if self.transport is None or isinstance(exc, ConnectionError):
            if exc is not None:
                exc.__traceback__ = None  # the body may keep it, and its frames hold the body
            self.force_close()
            return web.Response()  # goes nowhere: the client has left
        if isinstance(exc, HttpProcessingError):
            spoken = foreign(self._first)
            line = f"http {self._peer} sent no HTTP: {spoken or type(exc).__name__}"
            self._notes.fault(self._peer, line, logging.WARNING if spoken else logging.INFO)
            detail = "This cannot be read as an HTTP request."
            if isinstance(exc, LineTooLong):
                detail = "A line of the request is too long."
        else:
            log.error("http %s: an answer failed: a bug", self._peer, exc_info=exc)
            detail = "The server failed: its log tells more."
        if request.writer.output_size > 0:
            self.force_close()  # half an answer is there, and nothing can mend it
        response = Problem(status, detail).with_headers(EVERY_ANSWER).response()
        response.force_close()
        return response


def foreign(first: bytes) -> str:
    """Name the protocol that begins with these bytes, and its port; empty: it is not known."""
    if first.startswith((V1_SIGNATURE, V2_SIGNATURE)):
        return (
            "it is a PROXY protocol header, which the RTMP and TLS ports take "
            "(rtmp.proxy_protocol_from); a proxy of HTTP sends X-Forwarded-For (http.proxies)"
        )
    if first[:2] == TLS_RECORD:
        return "it is TLS: use the TLS port (tls.listen), or http:// here"
    if first[:1] == RTMP_VERSION:
        return "it is RTMP: use the RTMP port (rtmp.listen)"
    return ""
