"""A stream as an RTMP server sends it; the reader moves to another server when asked to."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from headend.client.connection import ClientConnection, ClosedError
from headend.client.continuation import Continuation
from headend.client.negotiation import Ask, connect
from headend.errors import HeadendError
from headend.media.tag import Tag
from headend.rtmp.client_events import Ended, MoveRequested
from headend.rtmp.events import MediaReceived
from headend.rtmp.redirect import follow
from headend.rtmp.url import Url

log = logging.getLogger(__name__)

CLOSED: Final = "NetConnection.Connect.Closed"  # of a server that stops; the stream may go on
MOVE_INTERVAL_S: Final = 10.0  # a server that asks more often is not heard


@asynccontextmanager
async def open_rtmp(url: Url, ask: Ask) -> AsyncIterator["RtmpReader"]:
    """Ask for a stream; it is granted when the block begins."""
    reader = RtmpReader(await connect(url, ask), ask)
    try:
        yield reader
    finally:
        await reader.close()


class RtmpReader:
    """What one server sends, or one after another at their own wish.

    Attributes:
        was_cut: The end came without a word of the server.
    """

    def __init__(self, connection: ClientConnection, ask: Ask) -> None:
        self._connection = connection
        self._ask = ask
        self._continuation = Continuation()
        self._is_over = False
        self._moved_at: float | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self.was_cut = False

    async def read(self) -> Sequence[Tag] | None:
        if self._is_over:
            return None
        try:
            events = await self._connection.receive()
        except ClosedError:
            self._is_over = self.was_cut = True
            return None
        tags: list[Tag] = []
        for event in events:
            if isinstance(event, MediaReceived):
                tags += event.tags
            elif isinstance(event, Ended):
                self._is_over = True
                self.was_cut = event.code == CLOSED
            elif isinstance(event, MoveRequested):
                tags = list(self._continuation.map(tags))
                if await self._move(event.tc_url):
                    return tags
        return self._continuation.map(tags)

    async def _move(self, tc_url: str) -> bool:
        """Connect anew; what is served here is read on if that fails."""
        now = asyncio.get_running_loop().time()
        if self._moved_at is not None and now - self._moved_at < MOVE_INTERVAL_S:
            return False
        self._moved_at = now
        old = self._connection
        try:
            self._connection = await connect(follow(old.url, tc_url), self._ask)
        except HeadendError as error:
            log.info("%s asks us to move, but %s", old.url.place, error)
            return False
        self._continuation.restart()
        leaving = asyncio.create_task(old.close())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        return True

    async def close(self) -> None:
        """Leave."""
        await self._connection.close()
        if self._leaving:
            await asyncio.wait(self._leaving)
