"""This module is the asyncio client: `publish` and `play` one stream of any RTMP server.

async with publish("rtmp://host/app/name") as out:
    await out.write(tag)

async with play("rtmp://host/app/name") as stream:
    async for tag in stream:
        ...
"""

import asyncio
import os
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NoReturn, Self

from headend.errors import ProtocolError, Rejected, RelayError
from headend.media.tag import Tag
from headend.rtmp.client import (
    ClientEvent,
    ClientSession,
    ClientSettings,
    Ended,
    Refused,
    Started,
)
from headend.rtmp.events import MediaReceived
from headend.rtmp.handshake import CLIENT_FILLER_SIZE
from headend.rtmp.requests import Action
from headend.rtmp.url import Url, parse_url
from headend.server.tls_client import TlsOptions, explain, explain_handshake

__all__ = ["Player", "Publisher", "TlsOptions", "play", "publish"]

CONNECT_S: Final = 10.0  # name look-up and TCP, all addresses of a name together
HANDSHAKE_S: Final = 10.0
START_S: Final = 15.0  # from the handshake until publish or play is granted
SEND_S: Final = 20.0  # a server that takes nothing for so long is gone
CLOSE_S: Final = 2.0  # for a server to read our last words and to close
LAST_WORDS_S: Final = 0.1  # to read what had already come when the connection was lost
READ_SIZE: Final = 64 * 1024  # bytes


@asynccontextmanager
async def publish(
    url: str | Url, *, is_enhanced: bool = False, tls: TlsOptions | None = None
) -> AsyncIterator["Publisher"]:
    """Publish a stream until the end of the `async with` block.

    Args:
        url: Where to, with the key in its query if the server wants one.
        is_enhanced: Tell the server that codecs of Enhanced RTMP may come. Some servers refuse to
            hear of it, most do not need it.
        tls: Whom to trust with `rtmps://`; None: the authorities of the system.

    Raises:
        SettingsError: The URL is wrong, or a file of `tls` is.
        Rejected: The server refuses; holds its code.
        RelayError: The server cannot be reached, is not to be trusted, or went away.
        ProtocolError: The server broke the protocol, or took too long.
    """
    async with _connected(url, "publish", is_enhanced=is_enhanced, tls=tls) as connection:
        publisher = Publisher(connection)
        try:
            yield publisher
        finally:
            await publisher.close()


@asynccontextmanager
async def play(
    url: str | Url, *, is_enhanced: bool = True, tls: TlsOptions | None = None
) -> AsyncIterator["Player"]:
    """Play a stream until it ends, or until the end of the `async with` block.

    Args:
        url: Where from, with the token in its query if the server wants one.
        is_enhanced: Tell the server that we know Enhanced RTMP; without it some send only codecs of
            the old kind.
        tls: Whom to trust with `rtmps://`; None: the authorities of the system.

    Raises:
        SettingsError: The URL is wrong, or a file of `tls` is.
        Rejected: The server refuses; holds its code.
        RelayError: The server cannot be reached, is not to be trusted, or went away.
        ProtocolError: The server broke the protocol, or took too long.
    """
    async with _connected(url, "play", is_enhanced=is_enhanced, tls=tls) as connection:
        yield Player(connection)


class Publisher:
    """A stream that we publish; made by `publish`."""

    def __init__(self, connection: "_Connection") -> None:
        self._connection = connection
        self._failure: Exception | None = None
        self._listening = asyncio.create_task(self._listen())

    async def write(self, tag: Tag) -> None:
        """Send a tag; waits while the server takes less than we send.

        Raises:
            Rejected: The server took the stream away; holds its code.
            RelayError: The connection is gone, or the server takes nothing.
            ProtocolError: The server broke the protocol.
        """
        session = self._connection.session
        if session.is_done:
            await asyncio.wait([self._listening])
        if self._failure is not None:
            raise self._failure
        session.send_tag(tag)
        try:
            await self._connection.flush()
        except RelayError as error:
            # What the server said before it closed tells more than a broken pipe.
            await asyncio.wait([self._listening], timeout=LAST_WORDS_S)
            raise self._failure or error from error

    async def _listen(self) -> None:
        """Take what the server says, until it says or does something that ends the stream."""
        try:
            while True:
                for event in await self._connection.receive():
                    if isinstance(event, Ended):
                        raise RelayError(f"the server ended the stream ({event.code})")
        except (Rejected, RelayError, ProtocolError) as error:
            self._failure = error

    async def close(self) -> None:
        """Listen no more; `publish` calls this."""
        self._listening.cancel()
        await asyncio.wait([self._listening])


class Player:
    """A stream that we play: its tags, in the order they come; made by `play`."""

    def __init__(self, connection: "_Connection") -> None:
        self._connection = connection
        self._tags: deque[Tag] = deque()
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Tag:
        while not self._tags:
            if self._is_over:
                raise StopAsyncIteration
            await self._receive()
        return self._tags.popleft()

    async def _receive(self) -> None:
        try:
            events = await self._connection.receive()
        except _ClosedError:
            self._is_over = True
            return
        for event in events:
            if isinstance(event, MediaReceived):
                self._tags.extend(event.tags)
            elif isinstance(event, Ended):
                self._is_over = True


class _ClosedError(RelayError):
    """The server closed the connection in the proper way."""


class _Connection:
    """A session on its socket."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: ClientSession
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._refusal: Rejected | None = None
        self._pending: list[ClientEvent] = []  # came behind Started in the same read
        self.session: Final = session

    async def start(self) -> None:
        """Go on until publish or play is granted."""
        await self.flush()
        while True:
            events = await self.receive()
            for index, event in enumerate(events):
                if isinstance(event, Started):
                    self._pending = events[index + 1 :]
                    return

    async def receive(self) -> list[ClientEvent]:
        """Read once; return what it told. A refusal is raised, after what came before it."""
        if self._pending:
            events, self._pending = self._pending, []
            return events
        if self._refusal is not None:
            raise self._refusal
        data = await self._read()
        if data:
            self.session.receive_data(data, _now())
            if not self.session.is_done:
                await self.flush()
        events = self.session.events()
        if events and isinstance(refused := events[-1], Refused):
            self._refusal = Rejected(
                refused.code or "refused", refused.description or "no reason given"
            )
            if len(events) == 1:
                raise self._refusal
        return events

    async def _read(self) -> bytes:
        """Read once; nothing where it was the session's turn to act on time."""
        limit = asyncio.timeout_at(self.session.deadline())
        try:
            async with limit:
                data = await self._reader.read(READ_SIZE)
        except OSError as error:
            if not limit.expired():
                _fail("the connection was lost", error, explain(error))
            self.session.handle_timeout(_now())
            await self.flush()
            return b""
        if not data:
            raise _ClosedError("the server closed the connection")
        return data

    async def flush(self) -> None:
        """Send what the session has to send; waits while the socket's buffer is full."""
        if self._writer.is_closing():
            raise RelayError("the connection was lost")
        self._writer.writelines(self.session.data_to_send())
        limit = asyncio.timeout(SEND_S)
        try:
            async with limit:
                await self._writer.drain()
        except OSError as error:
            if not limit.expired():
                _fail("the connection was lost", error, explain(error))
            raise RelayError(f"the server took nothing for {SEND_S:g} s") from None

    async def close(self) -> None:
        """Say goodbye, and give the server time to hear it: bytes left unread would reset it."""
        self.session.finish()
        writer = self._writer
        try:
            if not writer.is_closing():
                writer.writelines(self.session.data_to_send())
                if writer.can_write_eof():  # with TLS `close` is what tells the end, and waits
                    writer.write_eof()
                    async with asyncio.timeout(CLOSE_S):
                        while await self._reader.read(READ_SIZE):
                            pass
            writer.close()
            async with asyncio.timeout(CLOSE_S):
                await writer.wait_closed()
        except OSError:
            pass  # it is closed, if not in the proper way
        finally:
            writer.transport.abort()


@asynccontextmanager
async def _connected(
    url: str | Url, action: Action, *, is_enhanced: bool, tls: TlsOptions | None
) -> AsyncIterator[_Connection]:
    """Connect, and ask for the stream; it is granted when the block begins."""
    if isinstance(url, str):
        url = parse_url(url)
    reader, writer = await (_open_tls(url, tls or TlsOptions()) if url.is_tls else _open(url))
    settings = ClientSettings(
        url, action, is_enhanced=is_enhanced, handshake_s=HANDSHAKE_S, start_s=START_S
    )
    session = ClientSession(settings, os.urandom(CLIENT_FILLER_SIZE), _now())
    connection = _Connection(reader, writer, session)
    try:
        await connection.start()
        yield connection
    finally:
        await connection.close()


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _open(url: Url) -> _Streams:
    place = _place(url)
    limit = asyncio.timeout(CONNECT_S)
    try:
        async with limit:
            return await asyncio.open_connection(url.host, url.connect_port)
    except OSError as error:
        if not limit.expired():
            _fail(f"cannot connect to {place}", error)
        raise RelayError(f"{place} does not answer within {CONNECT_S:g} s") from None


async def _open_tls(url: Url, options: TlsOptions) -> _Streams:
    place = _place(url)
    context = options.context()
    limit = asyncio.timeout(CONNECT_S + HANDSHAKE_S)
    try:
        async with limit:
            reader, writer = await asyncio.open_connection(
                url.host,
                url.connect_port,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=CLOSE_S,
            )
    except OSError as error:
        if not limit.expired():
            _fail(f"cannot connect to {place}", error, explain_handshake(error, url.host))
        raise RelayError(f"{place} does not answer within {CONNECT_S + HANDSHAKE_S:g} s") from None
    try:
        secure: ssl.SSLObject = writer.get_extra_info("ssl_object")
        options.check(place, secure.getpeercert(binary_form=True) or b"")
    except RelayError:
        writer.transport.abort()
        raise
    return reader, writer


def _place(url: Url) -> str:
    """Say where a URL leads, for people."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.connect_port}"


def _fail(what: str, error: OSError, reason: str | None = None) -> NoReturn:
    """Raise the error of the network that people can read; a reason given goes first."""
    # The words of asyncio ("Connect call failed ('127.0.0.1', 1)") are not for people; a name that
    # is not found has words of its own, several addresses that failed have none.
    number = error.errno or 0
    reason = reason or (os.strerror(number) if number > 0 else error.strerror)
    raise RelayError(f"{what}: {reason}" if reason else what) from error


def _now() -> float:
    return asyncio.get_running_loop().time()
