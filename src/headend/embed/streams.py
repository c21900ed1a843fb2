"""Streams in the process of the server: played and published without a socket.

They have the shape of `headend.client`'s, so that the same code serves a stream here and elsewhere.
"""

import asyncio
from typing import Final, Self

from headend.access.grant import Grant
from headend.codec.sink import TagSink
from headend.codec.source import TagSource
from headend.embed.session import HERE, KICKED, EmbeddedSession
from headend.errors import LimitExceeded, Refusal, Rejected, RelayError, UsageError
from headend.hub.stream import Stream
from headend.live.granted_play import GrantedPlay
from headend.live.publishing import Publishing
from headend.live.services import Services
from headend.live.waiting import longest_wait_s
from headend.media.tag import Tag
from headend.names import stream_path
from headend.outputs.tag_queue import Policy, TagQueue
from headend.rtmp.refusals import told_code

MAX_TAGS: Final = 8192  # of a queue: more than a minute of a stream
MAX_BYTES: Final = 64 * 1024 * 1024  # of a queue: twice what live.log_bytes gives at a join
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
            services: Services of the server.
            path: `APP/NAME`.
            policy: What happens when the tags are taken too slowly.
            limit: How many tags may wait to be taken.

        Raises:
            ProtocolError: No stream can have such a path.
        """
        self.path: Final = stream_path(path)
        self._services = services
        self._queue = TagQueue(self._wake, policy, limit, MAX_BYTES)
        self._limit = limit
        self._stream: Stream | None = None
        self._grant = Grant(self.path, "play")
        self._session: EmbeddedSession | None = None
        self._play = GrantedPlay(services, self, self._grant)
        self._closed = ""  # why it was closed by the server
        self._waiter: asyncio.Future[None] | None = None
        self._taken = 0  # since the loop had its turn

    @property
    def skips(self) -> int:
        """How often tags were left out because they were taken too slowly."""
        return self._queue.skips

    async def __aenter__(self) -> Self:
        """Begin to receive; a stream that nobody publishes yet is waited for.

        Raises:
            Rejected: No source of a relay knows the stream, or too many are fetched or watched.
            UsageError: It has begun before, or the server is stopped.
        """
        if self._stream is not None:
            raise UsageError(f"{self.path} is played already")
        _check_running(self._services)
        services, queue, grant = self._services, self._queue, self._grant
        session = EmbeddedSession(services, grant, lambda: queue.taken, self._close)
        services.gate.enter(session.request, grant)
        try:
            longest_wait_s(services, self.path, None)  # has it fetched, if a relay does
            self._stream = services.registry.play(self.path)
        except Rejected:
            services.gate.leave(grant)
            raise
        session.begin()
        self._play.record(session, "accepted")
        self._session = session
        self._stream.attach(self, queue)
        return self

    def _close(self, reason: str) -> None:
        """Take no more because the server says so; what waits can still be taken."""
        self._end(reason)
        self._closed = reason if reason == KICKED else ""

    async def __aexit__(self, *_: object) -> None:
        self._end("the program left it")

    def _end(self, reason: str) -> None:
        assert self._session is not None
        assert self._stream is not None
        self._play.given = self._queue.taken
        self._play.end(reason, f" ended: {reason}")
        self._session.end()
        self._stream.detach(self)
        self._queue.end()

    def play_ended(self, _: GrantedPlay, why: Rejected | None) -> None:
        """Take note that the grant has ended."""
        self._close("" if why is None else why.description)

    async def __anext__(self) -> Tag:
        """Return the next tag.

        Raises:
            LimitExceeded: More tags waited than the limit, with policy `all`.
            RelayError: An administrator has closed the session.
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
        if self._closed and not queue.tags:
            raise RelayError(f"{self.path}: {self._closed}")
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
            services: Services of the server.
            path: `APP/NAME`.
            key: A publisher with the same key may take the name over, as `live.takeover` says.

        Raises:
            ProtocolError: No stream can have such a path.
        """
        self.path: Final = stream_path(path)
        self._services = services
        self._grant = Grant(self.path, "publish", holder=key)
        self._session: EmbeddedSession | None = None
        self._publishing = Publishing(services, self, self.path, str(HERE), grant=self._grant)
        self._loss: Rejected | RelayError | None = None  # why it is over
        self._given = 0  # since the loop had its turn

    @property
    def is_watched(self) -> bool:
        """Somebody watches; while nobody does, the program need not make pictures."""
        return self._publishing.is_watched

    async def __aenter__(self) -> Self:
        """Begin the stream.

        Raises:
            Rejected: The name is taken or barred, or a limit is reached.
            UsageError: It has begun before, or the server is stopped.
        """
        if self._session is not None:
            raise UsageError(f"{self.path} was published already")
        services, publishing = self._services, self._publishing
        _check_running(services)
        session = EmbeddedSession(services, self._grant, self._size, self._close)
        try:
            await services.gate.admit(session.request, self._grant)
            _check_running(services)  # a name is claimed among servers for a while
            publishing.begin(services.loop.time(), client=session)
        except BaseException as error:
            services.gate.leave(self._grant)
            if isinstance(error, Rejected):
                raise _in_words_of_clients(error) from None
            raise
        session.begin()
        self._session = session
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._loss is None:
            self._end("the program ended it")

    def _size(self) -> int:
        is_live = self._session is not None and self._loss is None
        return self._publishing.bytes_in if is_live else 0

    def _close(self, reason: str) -> None:
        """End stream because the server says so."""
        if self._loss is None:
            self._end(reason)

    def _end(self, reason: str) -> None:
        self._publishing.end(reason, f" ended: {reason}")
        self._over(self._ended(reason))

    def _ended(self, reason: str) -> RelayError:
        return RelayError(f"the stream {self.path} has ended: {reason}")

    def _over(self, loss: Rejected | RelayError) -> None:
        self._loss = loss
        if self._session is not None:
            self._session.end()

    async def write(self, tag: Tag) -> None:
        """Give a tag to everybody who watches.

        Raises:
            Rejected: Somebody else has taken the name over.
            RelayError: The stream was ended by the server, for a limit or by an administrator.
            UsageError: Outside `async with`.
        """
        if self._session is None:
            raise UsageError(f'{self.path}: "async with" goes around "write"')
        if self._loss is not None:
            raise self._loss
        publication = self._publishing.publication
        if publication.is_over:
            raise RelayError(f"the stream {self.path} has ended")
        publication.push((tag,), self._services.loop.time())
        self._given += 1
        if self._given >= TURN:
            self._given = 0
            await asyncio.sleep(0)

    # ------------------------------------------------------------------ what the publication tells

    def watched(self) -> None:
        """Do nothing: `is_watched` tells the program."""

    def publishing_ended(self, publishing: Publishing, why: Rejected) -> None:
        """Take note that another publisher has the name, or that a limit has ended the stream."""
        if why.refusal is Refusal.NAME_TAKEN:
            text = f"another publisher has taken over {self.path}"
            self._over(_in_words_of_clients(Rejected(why.refusal, text)))
        else:
            self._over(self._ended(why.description))


def _in_words_of_clients(rejected: Rejected) -> Rejected:
    """Add the code that `headend.client` would have heard, so that one program fits both."""
    code = told_code(rejected, "publish")
    return Rejected(rejected.refusal, rejected.description, rejected.hint, code=code)


def _check_running(services: Services) -> None:
    if services.sessions.is_stopping:
        raise UsageError("the server is stopped")
