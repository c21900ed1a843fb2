"""A stream played from a server."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from headend.client.opening import open_reader, parse_source
from headend.client.read_ahead import ReadAhead
from headend.client.reader import TagReader
from headend.client.reconnect import Reconnect, ReconnectingReader, policy_of
from headend.client.timeouts import Timeouts
from headend.codec import TagSource
from headend.media.tag import Tag
from headend.net.tls_client import TlsOptions
from headend.outputs.tag_queue import Policy
from headend.rtmp.url import Url
from headend.srt_url import SrtUrl


@asynccontextmanager
async def play(
    url: str | Url | SrtUrl,
    *,
    is_enhanced: bool = True,
    tls: TlsOptions | None = None,
    timeouts: Timeouts | None = None,
    policy: Policy = "all",
    reconnect: bool | Reconnect = False,
) -> AsyncIterator["Player"]:
    """Play a stream until it ends, or until the end of the `async with` block.

    Args:
        url: `rtmp[s]://HOST/APP/NAME`, `http[s]://…` or `ws[s]://…` that gives FLV, or
            `http[s]://….m3u8`, with the token in its query if the server wants one, or
            `srt://HOST:PORT?streamid=read:APP/NAME`.
        is_enhanced: Tell a server of RTMP that we know Enhanced RTMP; without it some send only
            codecs of the old kind.
        tls: Whom to trust; None: the authorities of the system.
        timeouts: How long each step may take.
        policy: What happens when the stream is taken more slowly than it comes. `all`: the server
            is read no faster, and does what it does with slow players. `newest`: what waits too
            long is left out, up to the newest keyframe. Memory is bounded in both cases.
        reconnect: Connect again when the connection is lost, and how; the timeline goes on. A
            stream that the server says is over is over.

    Raises:
        SettingsError: The URL is wrong, or a file of `tls` is.
        Rejected: The server refuses; holds its code, or the status of HTTP.
        RelayError: The server cannot be reached, is not to be trusted, or went away.
        ProtocolError: The server broke the protocol, or took too long.
        MediaError: What comes is neither FLV nor HLS.
        SrtError: libsrt is not installed.
    """
    target, limits = parse_source(url), timeouts or Timeouts()

    def opened() -> AbstractAsyncContextManager[TagReader]:
        return open_reader(target, is_enhanced=is_enhanced, tls=tls, timeouts=limits)

    async with AsyncExitStack() as stack:
        again = policy_of(reconnect)
        reader: TagReader
        if again is None:
            reader = await stack.enter_async_context(opened())
        else:
            lasting = reader = ReconnectingReader(opened, again)
            stack.push_async_callback(lasting.close)
            await lasting.start()
        player = Player(reader, policy)
        stack.push_async_callback(player.close)
        yield player


class Player(TagSource):
    """A stream that we play: its tags, in the order they come; made by `play`.

    Attributes:
        skips: How often tags were left out because they were taken too slowly.
    """

    def __init__(self, reader: TagReader, policy: Policy = "all") -> None:
        self._reader = reader
        self._tags: deque[Tag] = deque()
        self._is_over = False
        self._ahead: ReadAhead | None = None
        if policy == "newest":
            self._ahead = ReadAhead(reader)

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

    @property
    def was_cut(self) -> bool:
        """Say, after the end, whether it came without a word of the server."""
        return self._reader.was_cut

    async def close(self) -> None:
        """Read no more; `play` calls this."""
        if self._ahead is not None:
            await self._ahead.close()
