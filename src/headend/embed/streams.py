"""Streams in the process of the server: played and published without a socket.

They have the shape of `headend.client`'s, so that the same code serves a stream here and elsewhere.
"""

import asyncio
from typing import Final, Self

from headend.codec.sink import TagSink
from headend.codec.source import TagSource
from headend.errors import LimitExceeded, Refusal, Rejected, RelayError, UsageError
from headend.hub.publication import Publication
from headend.hub.stream import Stream
from headend.live.services import Services
from headend.live.waiting import longest_wait_s
from headend.media.tag import Tag
from headend.names import stream_path
from headend.outputs.tag_queue import Policy, TagQueue

PEER: Final = "this process"  # where a publisher is, for people
MAX_TAGS: Final = 8192  # of a queue: more than a minute of a stream
MAX_BYTES: Final = 64 * 1024 * 1024  # of a queue: twice what live.log_bytes gives who joins
# Tags taken or given until the loop may do something else: a fraction of a millisecond.
TURN: Final = 64


class EmbeddedPlayer(TagSource):
    """A stream of this server: its tags, from the newest keyframe on, until it ends.

    It goes on when a lost publisher comes back. `async with` begins and ends it.

    Attributes:
        path: `APP/NAME`.
    """

    def __init__(self, services: Services, path: str, policy: Policy, limit: int) -> None:
        """Prepare; `headend.Server.stream` does so.

        Args:
            services: Of the server.
            path: `APP/NAME`.
            policy: What happens when the tags are taken too slowly.
            limit: Most tags that wait to be taken.

        Raises:
            ProtocolError: No stream can have such a path.
        """
        self.path: Final = stream_path(path)
        self._services = services
        self._queue = TagQueue(self._wake, policy, limit, MAX_BYTES)
        self._limit = limit
        self._stream: Stream | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._taken = 0  # since the loop had its turn

    @property
    def skips(self) -> int:
        """How often tags were left out because they were taken too slowly."""
        return self._queue.skips

    async def __aenter__(self) -> Self:
        """Begin to receive; a stream that nobody publishes yet is waited for.

        Raises:
            Rejected: No source of a relay knows the stream, or too many are fetched.
            UsageError: It has begun before, or the server is stopped.
        """
        if self._stream is not None:
            raise UsageError(f"{self.path} is played already")
        _check_running(self._services)
        longest_wait_s(self._services, self.path, None)  # has it fetched, if a relay does
        self._stream = self._services.registry.play(self.path)
        self._stream.attach(self, self._queue)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._stream is not None
        self._stream.detach(self)
        self._queue.end()

    async def __anext__(self) -> Tag:
        """Return the next tag.

        Raises:
            LimitExceeded: More tags waited than the limit, with policy `all`.
            UsageError: Outside `async with`, or another task waits for a tag of it.
        """
        queue = self._queue
        if not queue.tags:
            await self._wait()
            if not queue.tags:
                raise StopAsyncIteration
        elif self._taken >= TURN:
            self._taken = 0
            await asyncio.sleep(0)
        self._taken += 1
        return queue.take()

    async def _wait(self) -> None:
        """Wait for a tag or for the end."""
        queue = self._queue
        if self._stream is None:
            raise UsageError(f'{self.path}: "async with" goes around "async for"')
        if self._waiter is not None:
            raise UsageError(f"{self.path}: two tasks take tags from one player")
        while not queue.tags and not queue.is_over:
            self._waiter = self._services.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._taken = 0
        if queue.has_overflowed and not queue.tags:
            raise LimitExceeded(f"waiting tags of {self.path}", self._limit + 1, self._limit)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class EmbeddedPublisher(TagSink):
    """A stream that this process publishes. `async with` begins and ends it.

    Attributes:
        path: `APP/NAME`.
    """

    def __init__(self, services: Services, path: str, key: str | None) -> None:
        """Prepare; `headend.Server.publish` does so.

        Args:
            services: Of the server.
            path: `APP/NAME`.
            key: Who shows the same may take the name over, as `live.takeover` says.

        Raises:
            ProtocolError: No stream can have such a path.
        """
        self.path: Final = stream_path(path)
        self._services = services
        self._key = key
        self._origin = _Origin()
        self._publication: Publication | None = None
        self._given = 0  # since the loop had its turn

    @property
    def is_watched(self) -> bool:
        """Somebody watches; while nobody does, pictures need not be made."""
        return self._origin.is_watched

    async def __aenter__(self) -> Self:
        """Begin the stream.

        Raises:
            Rejected: The name is taken, or the server holds too many streams.
            UsageError: It has begun before, or the server is stopped.
        """
        if self._publication is not None:
            raise UsageError(f"{self.path} was published already")
        services = self._services
        _check_running(services)
        self._publication = services.registry.publish(
            self.path, self._origin, self._key, services.loop.time()
        )
        services.counters.publishes += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._publication is not None
        self._publication.end(self._services.loop.time())

    async def write(self, tag: Tag) -> None:
        """Give a tag to everybody who watches.

        Raises:
            Rejected: Somebody else has taken the name over.
            RelayError: The stream was ended by the server.
            UsageError: Outside `async with`.
        """
        publication = self._publication
        if publication is None:
            raise UsageError(f'{self.path}: "async with" goes around "write"')
        if publication.is_over:
            raise self._loss()
        publication.push((tag,), self._services.loop.time())
        self._given += 1
        if self._given >= TURN:
            self._given = 0
            await asyncio.sleep(0)

    def _loss(self) -> Rejected | RelayError:
        if self._origin.is_replaced:
            text = f"another publisher has taken over {self.path}"
            return Rejected(Refusal.NAME_TAKEN, text)
        return RelayError(f"the stream {self.path} has ended")


class _Origin:
    """This process as the hub sees it.

    Attributes:
        is_watched: Somebody watches.
        is_replaced: Another publisher has the name now.
    """

    __slots__ = ("is_replaced", "is_watched")

    def __init__(self) -> None:
        self.is_watched = False
        self.is_replaced = False

    @property
    def peer(self) -> str:
        return PEER

    def watched(self, *, is_watched: bool) -> None:
        self.is_watched = is_watched

    def replaced(self) -> None:
        self.is_replaced = True


def _check_running(services: Services) -> None:
    if services.sessions.is_stopping:
        raise UsageError("the server is stopped")
