"""This module resolves names for aiohttp, and gives it only addresses that calls may go to.

Its client asks no resolver about a host that is an address: `check_literal` is for those.
"""

import socket
from collections.abc import Callable
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from headend.access.places import Rules, resolve

_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """See the module's head."""

    def __init__(self, rules: Callable[[], Rules]) -> None:
        """Take what gives the rules in effect."""
        self._rules = rules

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await resolve(host, port, self._rules(), family)
        return [
            ResolveResult(hostname=host, host=text, port=port, family=kind, proto=0, flags=_NUMERIC)
            for kind, text in found
        ]

    async def close(self) -> None:
        """There is nothing to close."""
