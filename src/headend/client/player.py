"""This module plays a stream of a server."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headend.client.connection import ClosedError, Connection, connected
from headend.client.timeouts import Timeouts
from headend.codec import TagSource
from headend.media.tag import Tag
from headend.rtmp.client import Ended
from headend.rtmp.events import MediaReceived
from headend.rtmp.url import Url
from headend.server.tls_client import TlsOptions


@asynccontextmanager
async def play(
    url: str | Url,
    *,
    is_enhanced: bool = True,
    tls: TlsOptions | None = None,
    timeouts: Timeouts | None = None,
) -> AsyncIterator["Player"]:
    """Play a stream until it ends, or until the end of the `async with` block.

    Args:
        url: Where from, with the token in its query if the server wants one.
        is_enhanced: Tell the server that we know Enhanced RTMP; without it some send only codecs of
            the old kind.
        tls: Whom to trust with `rtmps://`; None: the authorities of the system.
        timeouts: How long each step may take.

    Raises:
        SettingsError: The URL is wrong, or a file of `tls` is.
        Rejected: The server refuses; holds its code.
        RelayError: The server cannot be reached, is not to be trusted, or went away.
        ProtocolError: The server broke the protocol, or took too long.
    """
    async with connected(
        url, "play", is_enhanced=is_enhanced, tls=tls, timeouts=timeouts or Timeouts()
    ) as connection:
        yield Player(connection)


class Player(TagSource):
    """A stream that we play: its tags, in the order they come; made by `play`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tags: deque[Tag] = deque()
        self._is_over = False

    async def __anext__(self) -> Tag:
        while not self._tags:
            if self._is_over:
                raise StopAsyncIteration
            await self._receive()
        return self._tags.popleft()

    async def _receive(self) -> None:
        try:
            events = await self._connection.receive()
        except ClosedError:
            self._is_over = True
            return
        for event in events:
            if isinstance(event, MediaReceived):
                self._tags.extend(event.tags)
            elif isinstance(event, Ended):
                self._is_over = True
