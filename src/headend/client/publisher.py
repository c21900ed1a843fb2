"""This module publishes a stream to a server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from headend.client.connection import Connection, connected
from headend.client.timeouts import Timeouts
from headend.codec import TagSink
from headend.errors import ProtocolError, Rejected, RelayError
from headend.media.tag import Tag
from headend.rtmp.client import Ended
from headend.rtmp.url import Url
from headend.server.tls_client import TlsOptions

LAST_WORDS_S: Final = 0.1  # to read what had already come when the connection was lost


@asynccontextmanager
async def publish(
    url: str | Url,
    *,
    is_enhanced: bool = False,
    tls: TlsOptions | None = None,
    timeouts: Timeouts | None = None,
) -> AsyncIterator["Publisher"]:
    """Publish a stream until the end of the `async with` block.

    Args:
        url: Where to, with the key in its query if the server wants one.
        is_enhanced: Tell the server that codecs of Enhanced RTMP may come. Some servers refuse to
            hear of it, most do not need it.
        tls: Whom to trust with `rtmps://`; None: the authorities of the system.
        timeouts: How long each step may take.

    Raises:
        SettingsError: The URL is wrong, or a file of `tls` is.
        Rejected: The server refuses; holds its code.
        RelayError: The server cannot be reached, is not to be trusted, or went away.
        ProtocolError: The server broke the protocol, or took too long.
    """
    async with connected(
        url, "publish", is_enhanced=is_enhanced, tls=tls, timeouts=timeouts or Timeouts()
    ) as connection:
        publisher = Publisher(connection)
        try:
            yield publisher
            await publisher.flush()
        finally:
            await publisher.close()


class Publisher(TagSink):
    """A stream that we publish; made by `publish`."""

    def __init__(self, connection: Connection) -> None:
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
