"""This module opens connections to servers, and says in words why one cannot be had."""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeAlias

from headend.client.timeouts import Timeouts
from headend.errors import RelayError
from headend.rtmp.url import Url
from headend.server.tls_client import TlsOptions, explain_handshake

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# Gives the addresses of a host, a name or an address, and a port that may be connected to; raises a
# HeadendError if there are none. Connections go to one of these, as it was given, and to no other.
LookUp: TypeAlias = Callable[[str, int], Awaitable[list[tuple[socket.AddressFamily, str]]]]


async def open_streams(url: Url, tls: TlsOptions | None, timeouts: Timeouts) -> Streams:
    """Connect to the server of a URL, with TLS if the URL says so.

    Raises:
        SettingsError: A file of `tls` is wrong.
        RelayError: The server cannot be reached, or is not to be trusted.
    """
    if url.is_tls:
        return await _open_tls(url, tls or TlsOptions(), timeouts)
    return await _open(url, timeouts)


async def _open(url: Url, timeouts: Timeouts) -> Streams:
    limit = asyncio.timeout(timeouts.connect_s)
    try:
        async with limit:
            return await asyncio.open_connection(url.host, url.connect_port)
    except OSError as error:
        if not limit.expired():
            fail(f"cannot connect to {url.place}", error)
        raise RelayError(f"{url.place} does not answer within {timeouts.connect_s:g} s") from None


async def _open_tls(url: Url, options: TlsOptions, timeouts: Timeouts) -> Streams:
    context = options.context()
    limit_s = timeouts.connect_s + timeouts.tls_s
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            reader, writer = await asyncio.open_connection(
                url.host,
                url.connect_port,
                ssl=context,
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
