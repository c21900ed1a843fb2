"""A stream published to a server."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Final

from headend.client.negotiation import Ask
from headend.client.outlet import Outlet, open_outlet, parse_destination
from headend.client.reconnect import Reconnect, Retrier, policy_of
from headend.client.timeouts import Timeouts
from headend.codec import TagSink
from headend.errors import HeadendError, ProtocolError, Rejected, RelayError
from headend.hub.headers import Headers
from headend.media.tag import SCRIPT, VIDEO, Tag
from headend.net.places import DialRoute
from headend.net.tls_client import TlsOptions
from headend.rtmp.client_events import Ended, MoveRequested
from headend.rtmp.redirect import follow
from headend.rtmp.url import Url
from headend.srt_url import SrtUrl

log = logging.getLogger(__name__)

LAST_WORDS_S: Final = 0.1  # to read what had already come when the connection was lost
MOVE_INTERVAL_S: Final = 10.0  # a server that asks us to move more often is not heard


@asynccontextmanager
async def publish(
    url: str | Url | SrtUrl,
    *,
    key: str | None = None,
    is_enhanced: bool = False,
    tls: TlsOptions | None = None,
    timeouts: Timeouts | None = None,
    reconnect: bool | Reconnect = False,
) -> AsyncIterator["Publisher"]:
    """Publish a stream until the end of the `async with` block.

    Args:
        url: Where to: `rtmp[s]://[USER:PASSWORD@]HOST/APP/NAME`, with the key in its query if the
            server wants one, or `srt://HOST:PORT?streamid=publish:APP/NAME`.
        key: Stream key of a platform; the URL names server and app only then.
        is_enhanced: Tell the server that codecs of Enhanced RTMP may come, and that we move when it
            asks for it. Some servers refuse to hear of it, most do not need it.
        tls: Whom to trust with `rtmps://`; None: the authorities of the system.
        timeouts: How long each step may take.
        reconnect: Connect again when the connection is lost, and how. Who writes waits meanwhile;
            the stream goes on with its headers at the next keyframe.

    Raises:
        SettingsError: The URL is wrong, or a file of `tls` is.
        Rejected: The server refuses; holds its code.
        RelayError: The server cannot be reached, is not to be trusted, or went away.
        ProtocolError: The server broke the protocol, or took too long.
        SrtError: libsrt is not installed.
        MediaError: From `write`: MPEG-TS over SRT does not carry the codec.
    """
    target = parse_destination(url, key) if isinstance(url, str) else url
    look_up = DialRoute(target.host).look_up
    ask = Ask("publish", is_enhanced, tls, timeouts or Timeouts(), look_up)
    policy = policy_of(reconnect)
    if policy is not None and policy.from_start:
        connection = await policy.retry(lambda: open_outlet(target, ask), f"publish {target.place}")
    else:
        connection = await open_outlet(target, ask)
    publisher = Publisher(connection, target, ask, policy)
    try:
        yield publisher
        await publisher.flush()
    finally:
        await publisher.close()


class Publisher(TagSink):
    """A stream that we publish; made by `publish`.

    Attributes:
        reconnects: How often it was connected again.
        moves: How often it went to another server because one asked it to.
    """

    def __init__(
        self, connection: Outlet, url: Url | SrtUrl, ask: Ask, policy: Reconnect | None = None
    ) -> None:
        self._url = url
        self._ask = ask
        self._again = None if policy is None else Retrier(policy, f"publish {url.place}")
        self._headers = Headers()
        self._has_video = False
        self._needs_keyframe = False
        self._move_to: Url | None = None
        self._moved_at: float | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self.reconnects = 0
        self.moves = 0
        self._adopt(connection)

    def _adopt(self, connection: Outlet) -> None:
        """Publish on this connection from now on."""
        self._connection = connection
        self._failure: Exception | None = None
        self._listening = asyncio.create_task(self._listen(connection))

    # ------------------------------------------------------------------ writing

    async def write(self, tag: Tag) -> None:
        """Send a tag; waits while the server takes less than we send.

        Raises:
            Rejected: The server took the stream away; holds its code.
            RelayError: The connection is gone, or the server takes nothing.
            ProtocolError: The server broke the protocol.
        """
        if tag.is_sequence_header or tag.kind is SCRIPT:
            self._headers.keep(tag)
            self._has_video = self._has_video or tag.kind is VIDEO
        elif self._move_to is not None and self._is_entry(tag):
            await self._move(self._move_to, tag.timestamp)
        while True:
            if self._needs_keyframe and not self._resumes(tag):
                return
            try:
                await self._send(tag)
                return
            except (RelayError, ProtocolError) as error:  # refused now: taken over
                if self._again is None:
                    raise
                await self._reconnect(self._again, error)

    async def write_file(
        self, path: str | Path, *, is_paced: bool = True, is_looped: bool = False
    ) -> None:
        """Send a whole file; what RTMP cannot carry is encoded as H.264 and AAC.

        It also raises what `write` raises.

        Args:
            path: Of an FLV file, which goes out untouched, or of anything that PyAV opens.
            is_paced: In real time; else as fast as the server takes it.
            is_looped: Again and again, on one timeline, for ever.

        Raises:
            MediaError: It cannot be read, or holds neither video nor audio.
        """
        from headend.sources.feed import in_thread
        from headend.sources.files import open_source
        from headend.sources.pacing import Pace, repeated

        source = await asyncio.to_thread(open_source, str(path), None, {})
        batches = repeated(source) if is_looped else source.batches()
        loop = asyncio.get_running_loop()
        pace = Pace(loop.time())
        async with aclosing(in_thread(batches)) as feed:
            async for tags in feed:
                for tag in tags:
                    delay = pace.delay(tag.timestamp, loop.time()) if is_paced else 0.0
                    if delay > 0:
                        await asyncio.sleep(delay)
                    await self.write(tag)

    async def _send(self, tag: Tag) -> None:
        connection = self._connection
        if connection.is_done:
            await asyncio.wait([self._listening])
        if self._failure is not None:
            raise self._failure
        connection.send_tag(tag)
        try:
            await connection.flush()
        except RelayError as error:
            # What the server said before it closed tells more than a broken pipe.
            await asyncio.wait([self._listening], timeout=LAST_WORDS_S)
            if self._failure is None:
                raise
            raise self._failure from error

    # ------------------------------------------------------------------ another connection

    async def _reconnect(self, again: Retrier, error: HeadendError) -> None:
        url = self._connection.url
        await self._leave(self._connection)
        # A server that we were sent to may be gone: the one that was named knows better.
        targets = [url] if url == self._url else [self._url, url]

        async def attempt() -> Outlet:
            targets.append(targets.pop(0))
            return await open_outlet(targets[-1], self._ask)

        self._adopt(await again.retry(attempt, error))
        self.reconnects += 1
        self._needs_keyframe = True

    async def _move(self, url: Url, timestamp: int) -> None:
        """Go where the server wants us; stay if that fails."""
        self._move_to = None
        old = self._connection
        try:
            connection = await open_outlet(url, self._ask)
        except HeadendError as error:
            log.info("%s asks us to move, but %s", old.url.place, error)
            return
        await self._leave(old)
        self._adopt(connection)
        self.moves += 1
        self._send_headers(timestamp)

    async def _leave(self, connection: Outlet) -> None:
        self._listening.cancel()
        await asyncio.wait([self._listening])
        leaving = asyncio.create_task(connection.close())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    def _resumes(self, tag: Tag) -> bool:
        """Say whether a tag may be sent, on a connection that has seen none."""
        if not self._is_entry(tag):
            return False
        self._needs_keyframe = False
        self._send_headers(tag.timestamp)
        return True

    def _send_headers(self, timestamp: int) -> None:
        """Say on a new connection what players need; it leaves with the next tag."""
        connection = self._connection
        if not connection.is_done:  # else it is lost already, as sending the tag will tell
            for header in self._headers.tags():
                connection.send_tag(header._replace(timestamp=timestamp))

    def _is_entry(self, tag: Tag) -> bool:
        """Say whether players can start there."""
        if tag.is_sequence_header or tag.kind is SCRIPT:
            return False
        return tag.is_keyframe or not self._has_video

    # ------------------------------------------------------------------ listening

    async def _listen(self, connection: Outlet) -> None:
        """Take what the server says, until it says or does something that ends the stream."""
        try:
            while True:
                for event in await connection.receive():
                    if isinstance(event, Ended):
                        raise RelayError(f"the server ended the stream ({event.code})")
                    if isinstance(event, MoveRequested):
                        self._plan_move(connection, event)
        except (Rejected, RelayError, ProtocolError) as error:
            self._failure = error

    def _plan_move(self, connection: Outlet, event: MoveRequested) -> None:
        here, now = connection.url, asyncio.get_running_loop().time()
        if not isinstance(here, Url):
            return
        if self._moved_at is not None and now - self._moved_at < MOVE_INTERVAL_S:
            return
        self._moved_at = now
        try:
            self._move_to = follow(here, event.tc_url)
        except ProtocolError as error:
            log.info("%s asks us to move, but %s", here.place, error)

    async def close(self) -> None:
        """End the stream, and listen no more; `publish` calls this."""
        self._listening.cancel()
        await asyncio.wait([self._listening])
        await self._connection.close()
        if self._leaving:
            await asyncio.wait(self._leaving)
