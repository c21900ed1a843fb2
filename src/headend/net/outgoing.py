"""Calls to servers that a setting or the API names: webhooks and the callback.

They go where `headend.net.places` allows, and follow no redirect.
"""

import asyncio
import errno
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from headend import __version__
from headend.errors import causes
from headend.net.places import Found, OutgoingError, Rules, resolve
from headend.net.resolver import Resolver, checked
from headend.net.tls_client import TlsOptions, explain_handshake

__all__ = ["Answer", "AnswerTooLong", "Outgoing", "OutgoingError", "Rules"]

ANSWER_BYTES: Final = 64 * 1024  # of a body that is read; longer ones are refused
CONNECTIONS: Final = 1000  # at once, all places together
PLACE_CONNECTIONS: Final = 256  # at once to one place


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        status: HTTP status.
        body: At most ANSWER_BYTES.
    """

    status: int
    body: bytes


class AnswerTooLong(OutgoingError):
    """There is an answer, and its body is longer than ANSWER_BYTES.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, host: str, status: int) -> None:
        super().__init__(f"{host}: its answer is longer than {ANSWER_BYTES // 1024} KiB")
        self.status: Final = status


class _Client:
    """A session of aiohttp, with the connections that it keeps.

    Attributes:
        calls: Those that go on.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session: Final = session
        self.calls = 0


class Outgoing:
    """Makes HTTP calls."""

    def __init__(self, rules: Rules, ca: Path | None = None) -> None:
        """Prepare; connections are made when they are needed.

        Args:
            rules: Where calls may go.
            ca: PEM file of the authorities to trust; None: the system's.
        """
        self._rules = rules
        self._ca = ca
        self._client: _Client | None = None
        self._replaced: list[_Client] = []  # with calls of before that still go on

    @property
    def rules(self) -> Rules:
        """Where calls may go; with other rules other connections are used than before."""
        return self._rules

    @rules.setter
    def rules(self, rules: Rules) -> None:
        if rules != self._rules and self._client is not None:
            self._replaced.append(self._client)
            self._client = None
        self._rules = rules

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
            OutgoingError: There is no answer; the place is not allowed.
            AnswerTooLong: It is longer than ANSWER_BYTES.
        """
        host = _host(url)
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
        finally:
            await self._close_replaced()

    async def _post(self, url: str, host: str, body: bytes, headers: dict[str, str]) -> Answer:
        if self._client is None:
            self._client = _Client(self._open())
        client = self._client
        client.calls += 1
        try:
            async with client.session.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return Answer(response.status, await _read(response, host))
        finally:
            client.calls -= 1

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._replaced.append(self._client)
            self._client = None
        while self._replaced:
            await self._replaced.pop().session.close()

    async def _close_replaced(self) -> None:
        """Close what other rules opened, once its calls are over."""
        over = [each for each in self._replaced if not each.calls]
        self._replaced = [each for each in self._replaced if each.calls]
        for each in over:
            await each.session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=Resolver(self._look_up),
            ssl=TlsOptions(ca=self._ca).context(),
            use_dns_cache=False,
            limit=CONNECTIONS,
            limit_per_host=PLACE_CONNECTIONS,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"Headend/{__version__}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trust_env=False,
            auto_decompress=False,  # a small answer could grow without bounds
            middlewares=(checked(self._look_up),),
        )

    async def _look_up(self, host: str, port: int) -> Found:
        return await resolve(host, port, self._rules)


def _host(url: str) -> str:
    """Return the host of a URL, for people."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


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
            raise AnswerTooLong(host, response.status)
    return bytes(body)


def _explain(host: str, error: aiohttp.ClientError) -> str:
    """Say why a call failed, without its URL, which may hold secrets."""
    for cause in causes(error):
        if isinstance(cause, OutgoingError):  # of our resolver
            return str(cause)
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
