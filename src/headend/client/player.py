"""This module plays a stream of a server."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from headend.client.connection import connected
from headend.client.source import RtmpReader, TagReader
from headend.client.timeouts import Timeouts
from headend.codec import TagSource
from headend.errors import SettingsError
from headend.media.tag import Tag
from headend.outputs.tag_queue import Policy, TagQueue
from headend.rtmp.url import Url, parse_url, redact
from headend.server.tls_client import TlsOptions

if TYPE_CHECKING:
    from yarl import URL

HTTP_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})
# What waits at most for a slow consumer that wants the newest: a few seconds of a stream.
MAX_WAITING: Final = 512  # tags
MAX_WAITING_BYTES: Final = 32 * 1024 * 1024


@asynccontextmanager
async def play(
    url: str | Url,
    *,
    is_enhanced: bool = True,
    tls: TlsOptions | None = None,
    timeouts: Timeouts | None = None,
    policy: Policy = "all",
) -> AsyncIterator["Player"]:
    """Play a stream until it ends, or until the end of the `async with` block.

    Args:
        url: `rtmp[s]://HOST/APP/NAME`, `http[s]://…` or `ws[s]://…` that gives FLV, or
            `http[s]://….m3u8`; with the token in its query if the server wants one.
        is_enhanced: Tell a server of RTMP that we know Enhanced RTMP; without it some send only
            codecs of the old kind.
        tls: Whom to trust; None: the authorities of the system.
        timeouts: How long each step may take.
        policy: What happens when the stream is taken more slowly than it comes. `all`: the server is
            read no faster, and does what it does with slow players. `newest`: what waits too long
            is left out, up to the newest keyframe. Memory is bounded in both cases.

    Raises:
        SettingsError: The URL is wrong, or a file of `tls` is.
        Rejected: The server refuses; holds its code, or the status of HTTP.
        RelayError: The server cannot be reached, is not to be trusted, or went away.
        ProtocolError: The server broke the protocol, or took too long.
        MediaError: What comes is neither FLV nor HLS.
    """
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(
            open_source(url, is_enhanced=is_enhanced, tls=tls, timeouts=timeouts or Timeouts())
        )
        player = Player(reader, policy)
        stack.push_async_callback(player.close)
        yield player


@asynccontextmanager
async def open_source(
    url: str | Url, *, is_enhanced: bool, tls: TlsOptions | None, timeouts: Timeouts
) -> AsyncIterator[TagReader]:
    """Open what a URL names."""
    target = parse_source(url)
    if isinstance(target, Url):
        async with connected(
            target, "play", is_enhanced=is_enhanced, tls=tls, timeouts=timeouts
        ) as connection:
            yield RtmpReader(connection)
        return
    # What speaks HTTP and HLS is loaded for those who need it.
    if target.path.endswith(".m3u8"):
        from headend.client.hls import open_hls as opened
    else:
        from headend.client.http_flv import open_http_flv as opened
    async with opened(target, tls, timeouts) as source:
        yield source


def parse_source(url: str | Url) -> "Url | URL":
    """Take a URL that can be played apart.

    Raises:
        SettingsError: It is none.
    """
    if isinstance(url, Url):
        return url
    if url.strip().partition("://")[0].lower() not in HTTP_SCHEMES:
        return parse_url(url)
    from yarl import URL

    try:
        parsed = URL(url.strip())
        port = parsed.port
    except ValueError:
        raise SettingsError(f"URL {redact(url)}: it cannot be taken apart") from None
    if not parsed.host or not port:
        raise SettingsError(f"URL {redact(url)}: no host in it")
    return parsed


class Player(TagSource):
    """A stream that we play: its tags, in the order they come; made by `play`.

    Attributes:
        skips: How often tags were left out because they were taken too slowly.
    """

    def __init__(self, reader: TagReader, policy: Policy = "all") -> None:
        self._reader = reader
        self._tags: deque[Tag] = deque()
        self._is_over = False
        self._ahead: _ReadAhead | None = None
        if policy == "newest":
            self._ahead = _ReadAhead(reader)

    async def __anext__(self) -> Tag:
        if self._ahead is not None:
            return await self._ahead.next()
        while not self._tags:
            if self._is_over:
                raise StopAsyncIteration
            tags = await self._reader.read()
            if tags is None:
                self._is_over = True
            else:
                self._tags.extend(tags)
        return self._tags.popleft()

    @property
    def skips(self) -> int:
        return 0 if self._ahead is None else self._ahead.queue.skips

    async def close(self) -> None:
        """Read no more; `play` calls this."""
        if self._ahead is not None:
            await self._ahead.close()


class _ReadAhead:
    """Reads a source as fast as it comes, whatever becomes of the tags."""

    def __init__(self, reader: TagReader) -> None:
        self._reader = reader
        self._is_there = asyncio.Event()
        self._failure: Exception | None = None
        self.queue: Final = TagQueue(self._is_there.set, "newest", MAX_WAITING, MAX_WAITING_BYTES)
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while (tags := await self._reader.read()) is not None:
                for tag in tags:
                    self.queue.push(tag)
        except Exception as error:
            self._failure = error  # raised where the tags are taken
        finally:
            self.queue.end()

    async def next(self) -> Tag:
        queue = self.queue
        while not queue.tags:
            if queue.is_over:
                if self._failure is not None:
                    raise self._failure
                raise StopAsyncIteration
            self._is_there.clear()
            await self._is_there.wait()
        return queue.take()

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
