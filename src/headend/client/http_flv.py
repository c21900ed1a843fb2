"""HTTP-FLV and WebSocket-FLV as they are played."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, NoReturn

import aiohttp
from aiohttp import WSCloseCode, WSMsgType
from yarl import URL

from headend import __version__
from headend.client.reader import TagReader
from headend.client.sockets import fail
from headend.client.timeouts import Timeouts
from headend.errors import HeadendError, ProtocolError, Refusal, Rejected, RelayError, SettingsError
from headend.media import flv
from headend.media.tag import Tag
from headend.net.places import LookUp
from headend.net.resolver import Resolver, checked
from headend.net.tls_client import TlsOptions, explain_handshake

MAX_REDIRECTS: Final = 3
PROBLEM_BYTES: Final = 4096  # of a refusal's body that is looked at
MAX_MESSAGE: Final = flv.MAX_TAG_SIZE + 64  # bytes of a WebSocket message: a tag and its header
PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@asynccontextmanager
async def open_http_flv(
    url: URL, tls: TlsOptions | None, timeouts: Timeouts, look_up: LookUp
) -> AsyncIterator[TagReader]:
    """Ask for a stream; the answer has begun when the block begins.

    Args:
        url: Where.
        tls: Whom to trust; None: the authorities of the system.
        timeouts: How long each step may take.
        look_up: Says where connections may go, those by redirects too.

    Raises:
        SettingsError: A file of `tls` is wrong.
        Rejected: The server refuses; holds the status.
        RelayError: The server cannot be reached, is not to be trusted, fails, or sends us on to
            where no connection may go.
        ProtocolError: The server broke the protocol, or took too long.
    """
    trust = _trust(url, tls or TlsOptions())
    limits = aiohttp.ClientTimeout(
        total=None,
        connect=timeouts.connect_s + timeouts.tls_s,
        sock_connect=timeouts.connect_s,
        sock_read=timeouts.silence_s,
    )
    async with aiohttp.ClientSession(
        timeout=limits,
        connector=aiohttp.TCPConnector(
            ssl=trust,
            force_close=True,
            resolver=Resolver(look_up),
            use_dns_cache=False,
        ),
        headers={"User-Agent": f"Headend/{__version__}", "Accept": "*/*"},
        middlewares=(checked(look_up),),
    ) as session:
        opened = _open_websocket if url.scheme in ("ws", "wss") else _open_http
        async with opened(session, url, timeouts) as source:
            yield source


def place_of(url: URL) -> str:
    """Return HOST:PORT, for people."""
    host = url.host or ""
    return f"{f'[{host}]' if ':' in host else host}:{url.port or PORTS.get(url.scheme, 80)}"


def _trust(url: URL, tls: TlsOptions) -> ssl.SSLContext | aiohttp.Fingerprint | bool:
    if url.scheme not in ("https", "wss"):
        return True
    if tls.fingerprint is not None:
        return aiohttp.Fingerprint(bytes.fromhex(tls.fingerprint.replace(":", "")))
    if tls.insecure:
        tls.check(place_of(url), b"")  # warns
    return tls.context()


@asynccontextmanager
async def _open_http(
    session: aiohttp.ClientSession, url: URL, timeouts: Timeouts
) -> AsyncIterator[TagReader]:
    try:
        response = await session.get(url, max_redirects=MAX_REDIRECTS)
    except (aiohttp.ClientError, OSError) as error:
        _fail(error, url, timeouts)
    async with response:
        await _check_status(response, url)
        yield _HttpReader(response, url, timeouts)


async def _check_status(response: aiohttp.ClientResponse, url: URL) -> None:
    """Raise what a status means that is none of success."""
    status = response.status
    if status < 300:
        return
    reason = response.reason or "no reason given"
    with suppress(aiohttp.ClientError, OSError, ValueError, AttributeError):
        body = await response.content.read(PROBLEM_BYTES)
        if response.content_type == "application/problem+json":
            problem = json.loads(body)
            reason = str(problem.get("detail") or problem.get("title") or reason)
    raise _refusal(status, reason, url)


def _refusal(status: int, reason: str, url: URL) -> HeadendError:
    line = "".join(char if char.isprintable() else " " for char in reason)[:512]
    if 400 <= status < 500:
        return Rejected(Refusal.REMOTE, line, code=str(status))
    return RelayError(f"{place_of(url)} answers {status}: {line}")


class _HttpReader:
    """The body of an answer."""

    was_cut: Final = False  # an end is an end there, or an error

    def __init__(self, response: aiohttp.ClientResponse, url: URL, timeouts: Timeouts) -> None:
        self._response = response
        self._url = url
        self._timeouts = timeouts
        self._reader = flv.Reader()

    async def read(self) -> Sequence[Tag] | None:
        try:
            data = await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            _fail(error, self._url, self._timeouts, is_open=True)
        if not data:
            return None
        self._reader.receive_data(data)
        return self._reader.tags()


@asynccontextmanager
async def _open_websocket(
    session: aiohttp.ClientSession, url: URL, timeouts: Timeouts
) -> AsyncIterator[TagReader]:
    limits = aiohttp.ClientWSTimeout(ws_receive=timeouts.silence_s, ws_close=timeouts.close_s)
    try:
        socket = await session.ws_connect(url, timeout=limits, max_msg_size=MAX_MESSAGE)
    except aiohttp.WSServerHandshakeError as error:
        if error.status < 300:  # it speaks HTTP, and would give the stream so
            raise ProtocolError(f"{place_of(url)} does not speak WebSocket there") from error
        raise _refusal(error.status, _reason(error), url) from error
    except (aiohttp.ClientError, OSError) as error:
        _fail(error, url, timeouts)
    async with socket:
        yield _WebSocketReader(socket, timeouts)


def _reason(error: aiohttp.WSServerHandshakeError) -> str:
    # aiohttp tells nothing of the answer but its status.
    return {401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}.get(error.status, "refused")


class _WebSocketReader:
    """The binary messages of a WebSocket."""

    was_cut: Final = False  # an end is an end there, or an error

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse[bool]", timeouts: Timeouts) -> None:
        self._socket = socket
        self._timeouts = timeouts
        self._reader = flv.Reader()

    async def read(self) -> Sequence[Tag] | None:
        try:
            message = await self._socket.receive()
        except TimeoutError:
            raise ProtocolError(_silence(self._timeouts)) from None
        match message.type:
            case WSMsgType.BINARY:
                self._reader.receive_data(message.data)
                return self._reader.tags()
            case WSMsgType.TEXT:
                return ()
            case WSMsgType.ERROR:
                raise ProtocolError(f"WebSocket: {message.data}")
        # aiohttp forgets the code when the server does not wait for our answer to it.
        code = message.data if message.type is WSMsgType.CLOSE else self._socket.close_code
        if code in (WSCloseCode.OK, WSCloseCode.GOING_AWAY):
            return None
        raise RelayError(f"the connection was lost (WebSocket code {code})")


def _silence(timeouts: Timeouts) -> str:
    return f"the server sent nothing for {timeouts.silence_s:g} s"


def _fail(error: Exception, url: URL, timeouts: Timeouts, *, is_open: bool = False) -> NoReturn:
    """Raise what people can read of what aiohttp or the network says."""
    place = place_of(url)
    what = "the connection was lost" if is_open else f"cannot connect to {place}"
    if isinstance(error, aiohttp.InvalidURL):
        raise SettingsError(f"URL of {place}: it cannot be used") from error
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        got = error.got.hex(":").upper()
        raise RelayError(f"{what}: its certificate has another fingerprint: {got}") from error
    if isinstance(error, aiohttp.TooManyRedirects):
        raise RelayError(f"{place} redirects more than {MAX_REDIRECTS} times") from error
    if isinstance(error, aiohttp.SocketTimeoutError):
        raise ProtocolError(_silence(timeouts)) from error
    if isinstance(error, asyncio.TimeoutError):
        raise RelayError(f"{place} does not answer within {timeouts.connect_s:g} s") from error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ServerDisconnectedError):
        raise ProtocolError(f"{place} does not answer as a server of HTTP does") from error
    if isinstance(error, OSError):
        fail(what, error, explain_handshake(error, url.host or ""))
    raise RelayError(f"{what}: {error or type(error).__name__}") from error
