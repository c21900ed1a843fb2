"""This module says what a player reads from, and reads RTMP so."""

from collections.abc import Sequence
from typing import Protocol

from headend.client.connection import ClosedError, Connection
from headend.media.tag import Tag
from headend.rtmp.client import Ended
from headend.rtmp.events import MediaReceived


class TagReader(Protocol):
    """A stream as it comes in. Nothing is read ahead, so who takes slowly is sent slowly."""

    async def read(self) -> Sequence[Tag] | None:
        """Return the tags that have come, perhaps none yet; None: the stream is over.

        Raises:
            HeadendError: It cannot go on.
        """
        ...


class RtmpReader:
    """What a server of RTMP sends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_over = False

    async def read(self) -> Sequence[Tag] | None:
        if self._is_over:
            return None
        try:
            events = await self._connection.receive()
        except ClosedError:
            self._is_over = True
            return None
        tags: list[Tag] = []
        for event in events:
            if isinstance(event, MediaReceived):
                tags += event.tags
            elif isinstance(event, Ended):
                self._is_over = True
        return tags
