"""Connections to servers, and in words why one cannot be had."""

import asyncio
import os
import socket
import ssl
from typing import Final, NoReturn, TypeAlias

from aiohappyeyeballs import start_connection

from headend.client.timeouts import Timeouts
from headend.errors import RelayError
from headend.net.names import connectable
from headend.net.places import LookUp, NoSuchHost
from headend.net.tls_client import TlsOptions, explain_handshake
from headend.rtmp.url import Url

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

HEAD_START_S: Final = 0.25  # of an address, before the next one of the name is tried too


async def open_streams(
    url: Url, tls: TlsOptions | None, timeouts: Timeouts, look_up: LookUp
) -> Streams:
    """Connect to the server of a URL, with TLS if the URL says so.

    Raises:
        SettingsError: A file of `tls` is wrong.
        RelayError: The server cannot be reached, is not to be trusted, or is where no connection
            may go.
    """
    if url.is_tls:
        return await _open_tls(url, tls or TlsOptions(), timeouts, look_up)
    return await _open(url, timeouts, look_up)


async def _open(url: Url, timeouts: Timeouts, look_up: LookUp) -> Streams:
    limit = asyncio.timeout(timeouts.connect_s)
    try:
        async with limit:
            sock = await _connect(url, look_up)
            return await asyncio.open_connection(sock=sock)
    except OSError as error:
        if not limit.expired():
            fail(f"cannot connect to {url.place}", error)
        raise RelayError(f"{url.place} does not answer within {timeouts.connect_s:g} s") from None


async def _open_tls(url: Url, options: TlsOptions, timeouts: Timeouts, look_up: LookUp) -> Streams:
    context = options.context()
    limit_s = timeouts.connect_s + timeouts.tls_s
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            sock = await _connect(url, look_up)
            reader, writer = await asyncio.open_connection(
                sock=sock,
                ssl=context,
                server_hostname=url.host,
                ssl_handshake_timeout=timeouts.tls_s,
                ssl_shutdown_timeout=timeouts.close_s,
            )
    except OSError as error:
        if not limit.expired():
            fail(f"cannot connect to {url.place}", error, explain_handshake(error, url.host))
        raise RelayError(f"{url.place} does not answer within {limit_s:g} s") from None
    try:
        secure: ssl.SSLObject = writer.get_extra_info("ssl_object")
        options.check(url.place, secure.getpeercert(binary_form=True) or b"")
    except RelayError:
        writer.transport.abort()
        raise
    return reader, writer


async def _connect(url: Url, look_up: LookUp) -> socket.socket:
    """Connect to the first address that answers; each gets a head start (RFC 8305)."""
    try:
        found = await look_up(url.host, url.connect_port)
    except NoSuchHost as error:
        raise RelayError(f"cannot connect to {url.place}: {error.reason}") from error
    infos = connectable(found, url.connect_port)
    sock = await start_connection(infos, happy_eyeballs_delay=HEAD_START_S, interleave=1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def fail(what: str, error: OSError, reason: str | None = None) -> NoReturn:
    """Raise the error of the network that people can read; a reason given goes first."""
    reason = reason or reason_of(error)
    raise RelayError(f"{what}: {reason}" if reason else what) from error


def reason_of(error: OSError) -> str | None:
    """Say in words why the network failed, if it tells."""
    # The words of asyncio ("Connect call failed ('127.0.0.1', 1)") are not for people; a name that
    # is not found has words of its own, several addresses that failed have none.
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror
