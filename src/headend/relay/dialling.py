"""Connections to other servers: names, addresses, and addresses that are forbidden."""

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from aiohappyeyeballs import start_connection

from headend.errors import HeadendError
from headend.net.names import connectable
from headend.net.places import (
    DialRoute,
    Found,
    InnerPlace,
    LookUp,
    OutgoingError,
    PlaceForbidden,
    Rules,
)
from headend.relay.backoff import Failure

RESOLVE_S: Final = 5.0
# All addresses of a name together. The kernel asks again after 1 and 3 s: a server that comes back
# in between is found by the next try, which begins 2 s after the last question at most.
CONNECT_S: Final = 1.75
HEAD_START_S: Final = 0.25  # of an address, before the next one of the name is tried too
# Of failures that nothing mends but other settings or another network.
_FOR_GOOD: Final = frozenset({errno.EINVAL, errno.EAFNOSUPPORT})


@dataclass(frozen=True, slots=True)
class Reach:
    """Which addresses a relay may connect to.

    Attributes:
        first: Addresses that its own URL may lead to; None: all, because a setting names the URL.
        onward: Addresses that the other server may send it on to, by a redirect or in a playlist;
            see `DialRoute`.
    """

    first: Rules | None = None
    onward: Rules = field(default_factory=Rules)

    def route(self, named: str) -> DialRoute:
        """Return where one try goes whose URL names a host."""
        return DialRoute(named, self.first, self.onward)


class RelayFailed(HeadendError):
    """A relay's connection could not be made, or is over.

    Attributes:
        failure: Kind of failure.
        reason: One line for people.
        is_over: The other server said that the stream is over: nothing failed.
        code: Code with which the other server refused; empty: it did not refuse.
        redirect: URL to which it redirects, as sent; empty: none. It may hold a secret.
    """

    def __init__(
        self,
        failure: Failure,
        reason: str,
        *,
        is_over: bool = False,
        code: str = "",
        redirect: str = "",
    ) -> None:
        super().__init__(failure, reason)
        self.failure: Final = failure
        self.reason: Final = reason
        self.is_over: Final = is_over
        self.code: Final = code
        self.redirect: Final = redirect

    def __str__(self) -> str:
        return self.reason


async def dial(host: str, port: int, look_up: LookUp, own_ports: Sequence[int]) -> socket.socket:
    """Connect; return a non-blocking socket.

    Args:
        host: Name or IP address, without brackets.
        port: TCP port.
        look_up: Says which addresses may be called.
        own_ports: Ports on which this server listens.

    Raises:
        RelayFailed: There is no connection; says why.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = await _resolve(host, port, look_up)
        async with asyncio.timeout(CONNECT_S):
            return await _connect(found, port, own_ports, place)
    except TimeoutError as error:
        raise RelayFailed(Failure.AWAY, f"{place} does not answer") from error
    except OSError as error:
        kind = Failure.WRONG if error.errno in _FOR_GOOD else Failure.AWAY
        raise RelayFailed(kind, f"cannot connect to {place}: {_words(error)}") from error


async def _resolve(host: str, port: int, look_up: LookUp) -> Found:
    try:
        async with asyncio.timeout(RESOLVE_S):
            return await look_up(host, port)
    except TimeoutError as error:
        reason = f"{host}: DNS does not say within {RESOLVE_S:g} s what its address is"
        raise RelayFailed(Failure.AWAY, reason) from error
    except PlaceForbidden as error:
        raise RelayFailed(Failure.WRONG, why_forbidden(error)) from error
    except OutgoingError as error:
        raise RelayFailed(Failure.AWAY, str(error)) from error


def why_forbidden(error: PlaceForbidden) -> str:
    """Say why connections to a host are forbidden, and what an operator can do about it."""
    hint = "; auth.outgoing can name its network" if isinstance(error, InnerPlace) else ""
    return f"{error}{hint}"


async def _connect(
    addresses: Found,
    port: int,
    own_ports: Sequence[int],
    place: str,
) -> socket.socket:
    """Connect to the first of some addresses that answers; each gets a head start (RFC 8305)."""
    infos = connectable(addresses, port)
    sock = await start_connection(infos, happy_eyeballs_delay=HEAD_START_S, interleave=1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    own, other = sock.getsockname(), sock.getpeername()
    if own[:2] == other[:2] or (port in own_ports and is_own(own[0], other[0])):
        sock.close()
        raise RelayFailed(Failure.WRONG, f"{place} is this server itself: a relay loop")
    return sock


def is_own(own: str, other: str) -> bool:
    """Say whether both ends of a connection are on this machine."""
    return own == other or (ip_address(own).is_loopback and ip_address(other).is_loopback)


def _words(error: OSError) -> str:
    number = error.errno or 0
    return os.strerror(number) if number > 0 else "no answer"
