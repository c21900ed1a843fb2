"""The guard of aiohttp's clients: they connect only where calls may go, by redirects too.

A client asks its resolver about names, and nobody about hosts that it takes for addresses: those
are looked at before each request. Both ways end in the same look-up.
"""

import socket
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from headend.net.addresses import address_of
from headend.net.places import LookUp, NoSuchHost

_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """Gives aiohttp the addresses that it may connect to."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=text, port=port, family=kind, proto=0, flags=_NUMERIC)
            for kind, text in await self._look_up(host, port)
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """There is nothing to close."""


def checked(look_up: LookUp) -> aiohttp.ClientMiddlewareType:
    """Return what looks at each request, those of redirects too, before it is connected."""

    async def check(
        request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        host = request.url.raw_host or ""
        try:
            is_address = address_of(host) is not None
        except ValueError as error:
            raise NoSuchHost(host, "no such host") from error
        if is_address:
            await look_up(host, request.url.port or 0)
        return await send(request)

    return check
