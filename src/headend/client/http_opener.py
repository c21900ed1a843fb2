"""URLs of HTTP opened in a thread, where connections may go, with TLS as for all."""

import asyncio
import http.client
import socket
import ssl
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

from headend import __version__
from headend.net.places import Found, LookUp
from headend.net.tls_client import TlsOptions

# Connects to a host and a port within so many seconds; blocks.
Connect: TypeAlias = Callable[[str, int, float], socket.socket]


def connect_by(look_up: LookUp) -> Connect:
    """Return what connects only where it may, for use in a thread of this loop's program."""
    loop = asyncio.get_running_loop()

    async def addresses(host: str, port: int) -> Found:
        return await look_up(host, port)

    def connect(host: str, port: int, timeout_s: float) -> socket.socket:
        asked = asyncio.run_coroutine_threadsafe(addresses(host, port), loop)
        try:
            found = asked.result(timeout_s)
        finally:
            asked.cancel()
        failure: OSError = TimeoutError()
        for _, address in found:
            try:
                return socket.create_connection((address, port), timeout_s)
            except OSError as error:
                failure = error
        raise failure

    return connect


def opener(
    tls: TlsOptions, connect: Connect, proxies: Mapping[str, str]
) -> urllib.request.OpenerDirector:
    """Return what opens URLs of HTTP and of nothing else, such as FTP by a redirect."""
    director = urllib.request.OpenerDirector()
    director.addheaders = [("User-Agent", f"Headend/{__version__}")]
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        _HttpHandler(connect),
        _TlsHandler(tls, connect),
        urllib.request.ProxyHandler(dict(proxies)),
    ]
    for handler in handlers:
        director.add_handler(handler)
    return director


class _HttpHandler(urllib.request.HTTPHandler):
    """Opens connections where we are told to."""

    def __init__(self, connect: Connect) -> None:
        super().__init__()
        self._connect = connect

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Connection, connect=self._connect), req)


class _TlsHandler(urllib.request.HTTPSHandler):
    """Opens connections that trust as we are told; the context is made when the first is."""

    def __init__(self, tls: TlsOptions, connect: Connect) -> None:
        super().__init__()
        self._tls = tls
        self._connect = connect
        self._made: ssl.SSLContext | None = None

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        self._made = self._made or self._tls.context()
        made = partial(_TlsConnection, tls=self._tls, context=self._made, connect=self._connect)
        return self.do_open(made, req)


class _Connection(http.client.HTTPConnection):
    """Connects by what we are told to."""

    def __init__(self, host: str, *, connect: Connect, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        _connect_by(self, connect)


class _TlsConnection(http.client.HTTPSConnection):
    """The same with TLS; says nothing to a server before it is known to be the right one."""

    def __init__(
        self,
        host: str,
        *,
        tls: TlsOptions,
        context: ssl.SSLContext,
        connect: Connect,
        timeout: float,
    ) -> None:
        super().__init__(host, context=context, timeout=timeout)
        self._tls = tls
        _connect_by(self, connect)

    def connect(self) -> None:
        super().connect()
        assert isinstance(self.sock, ssl.SSLSocket)
        self._tls.check(f"{self.host}:{self.port}", self.sock.getpeercert(binary_form=True) or b"")


def _connect_by(connection: http.client.HTTPConnection, connect: Connect) -> None:
    """Have a connection made by a function of ours, in place of `socket.create_connection`.

    The library has no public place for it; its own `connect` does the rest, such as the tunnel
    through a proxy.
    """

    def create(address: tuple[str, int], timeout: float, *_: object) -> socket.socket:
        return connect(*address, timeout)

    assert hasattr(connection, "_create_connection")
    connection._create_connection = create
