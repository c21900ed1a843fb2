"""This module guards calls to servers that a setting or the API names: webhooks, callback, relays.

Whoever may name a URL could otherwise have the server ask what only the server can reach, such as
the metadata of a cloud, where credentials are (SSRF). A name is resolved once, each address it has
is checked, and the connection goes to the address that was checked; no redirect is followed.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from headend import __version__
from headend.errors import HeadendError
from headend.server.tls_client import TlsOptions, explain_handshake

ANSWER_BYTES: Final = 64 * 1024  # of a body that is read; longer ones are refused
CONNECTIONS: Final = 1000  # at once, all places together
PLACE_CONNECTIONS: Final = 256  # at once to one place

# Where clouds answer the machines that they run, besides the link-local networks.
METADATA: Final = tuple(
    ip_network(text)
    for text in (
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle Cloud
        "fd00:ec2::/32",  # AWS
        "fd20:ce::254/128",  # Google Cloud
    )
)
# Addresses of IPv6 that stand for one of IPv4: RFC 6052 (NAT64), by any router that offers it.
_NAT64: Final = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class OutgoingError(HeadendError):
    """A call to another server failed, or may not be made; shows its host, never its whole URL."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Where calls may go.

    Attributes:
        hosts: Names, or patterns such as `*.example.com`, in lower case.
        networks: Addresses, whatever they are called: also those that are refused otherwise.
    """

    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, entries: Sequence[str]) -> "Rules":
        """Sort the entries of `auth.outgoing` into names and networks."""
        hosts, networks = list[str](), list[Network]()
        for entry in entries:
            try:
                networks.append(ip_network(entry, strict=False))
            except ValueError:
                hosts.append(entry.lower())
        return cls(tuple(hosts), tuple(networks))

    def allow(self, host: str, address: Address) -> bool:
        """Say whether an address may be called, which a name has, or which is the name."""
        real = _real(address)
        if any(real in network or address in network for network in self.networks):
            return True
        if is_forbidden(real) or is_forbidden(address):
            return False
        if not self.hosts and not self.networks:
            return True
        return any(fnmatchcase(host.lower().rstrip("."), pattern) for pattern in self.hosts)


def is_forbidden(address: Address) -> bool:
    """Say whether an address is none that a server of ours has business with."""
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address == IPv4Address("255.255.255.255")
        or any(address in network for network in METADATA)
    )


def _real(address: Address) -> Address:
    """Return the IPv4 address that one of IPv6 stands for, else the address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


async def resolve(
    host: str, port: int, rules: Rules, family: socket.AddressFamily = socket.AF_UNSPEC
) -> list[tuple[socket.AddressFamily, str]]:
    """Return the addresses of a host to connect to: those that are allowed.

    Args:
        host: Name or IP address, without brackets.
        port: TCP port.
        rules: What is allowed.
        family: Only addresses of this one.

    Raises:
        OutgoingError: There is no such host, or none of its addresses is allowed.
    """
    loop = asyncio.get_running_loop()
    try:
        infos = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutgoingError(
            f"{host}: {getattr(error, 'strerror', None) or 'no such host'}"
        ) from error
    found = dict.fromkeys((info[0], str(info[4][0])) for info in infos)
    allowed: list[tuple[socket.AddressFamily, str]] = [
        (kind, text)
        for kind, text in found
        if rules.allow(host, ip_address(text.partition("%")[0]))
    ]
    if not allowed:
        raise OutgoingError(f"{host} is not allowed; name it in auth.outgoing if it should be")
    return allowed


class _Resolver(AbstractResolver):
    """Resolves names for aiohttp; gives only addresses that are allowed."""

    def __init__(self, outgoing: "Outgoing") -> None:
        self._outgoing = outgoing

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await resolve(host, port, self._outgoing.rules, family)
        return [
            ResolveResult(hostname=host, host=text, port=port, family=kind, proto=0, flags=_NUMERIC)
            for kind, text in found
        ]

    async def close(self) -> None:
        """There is nothing to close."""


_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        status: HTTP status.
        body: At most ANSWER_BYTES.
    """

    status: int
    body: bytes


class Outgoing:
    """Makes HTTP calls.

    Attributes:
        rules: Where they may go; may be replaced.
    """

    def __init__(self, rules: Rules, ca: Path | None = None) -> None:
        """Prepare; connections are made when they are needed.

        Args:
            rules: Where calls may go.
            ca: PEM file of the authorities to trust; None: the system's.
        """
        self.rules = rules
        self._ca = ca
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: str, body: bytes, headers: dict[str, str], timeout_s: float
    ) -> Answer:
        """Send a body; return the answer, whatever its status.

        Args:
            url: http or https.
            body: Sent as it is.
            headers: Besides those that every call has.
            timeout_s: For everything, resolving the name included.

        Raises:
            OutgoingError: There is no answer, or one that is too long; the place is not allowed.
        """
        host = urlsplit(url).hostname or ""
        self._check_literal(host)
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    return await self._post(url, host, body, headers)
                except aiohttp.ClientConnectionError as error:
                    if not _was_closed(error):
                        raise
                    # Most likely a connection kept from an earlier call, which it just closed.
                    return await self._post(url, host, body, headers)
        except TimeoutError as error:
            raise OutgoingError(f"{host}: no answer within {timeout_s:g} s") from error
        except aiohttp.ClientError as error:
            raise OutgoingError(_explain(host, error)) from error
        except ValueError as error:  # an answer that is no HTTP, or a URL that is none
            raise OutgoingError(f"{host}: its answer makes no sense") from error

    async def _post(self, url: str, host: str, body: bytes, headers: dict[str, str]) -> Answer:
        async with self._open().post(
            url, data=body, headers=headers, allow_redirects=False
        ) as response:
            return Answer(response.status, await _read(response, host))

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _check_literal(self, host: str) -> None:
        """Check a host that is an address: aiohttp asks no resolver about it."""
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return
        if not self.rules.allow(host, address):
            raise OutgoingError(f"{host} is not allowed; name it in auth.outgoing if it should be")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_Resolver(self),
                ssl=TlsOptions(ca=self._ca).context(),
                use_dns_cache=False,
                limit=CONNECTIONS,
                limit_per_host=PLACE_CONNECTIONS,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"Headend/{__version__}"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                trust_env=False,
                auto_decompress=False,  # a small answer could grow without bounds
            )
        return self._session


def _was_closed(error: aiohttp.ClientConnectionError) -> bool:
    """Say whether a connection that was there was closed before the answer."""
    number = getattr(error, "errno", None)
    return isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError) or (
        number in (errno.ECONNRESET, errno.EPIPE)
    )


async def _read(response: aiohttp.ClientResponse, host: str) -> bytes:
    """Read a body to its end, or refuse it."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > ANSWER_BYTES:
            response.close()
            raise OutgoingError(f"{host}: its answer is longer than {ANSWER_BYTES // 1024} KiB")
    return bytes(body)


def _explain(host: str, error: aiohttp.ClientError) -> str:
    """Say why a call failed, without its URL, which may hold secrets."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OutgoingError):  # of our resolver
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        inner = error.certificate_error
        text = explain_handshake(inner, host) if isinstance(inner, ssl.SSLError) else None
        return f"{host}: {text or 'its certificate is not trusted'}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"{host}: {explain_handshake(error.os_error, host) or 'TLS failed'}"
    if isinstance(error, aiohttp.ClientOSError):
        return f"{host}: {os.strerror(error.errno) if error.errno else 'the connection failed'}"
    if isinstance(error, aiohttp.InvalidURL):
        return f"{host}: the URL is none that can be called"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return f"{host}: it closed the connection without an answer"
    return f"{host}: its answer makes no sense"
