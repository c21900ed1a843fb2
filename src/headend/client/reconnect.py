"""Whether and when a client connects again, and a stream that goes on through it."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

from headend.client.continuation import Continuation
from headend.client.reader import TagReader
from headend.errors import HeadendError, ProtocolError, Rejected, RelayError
from headend.media.tag import Tag

log = logging.getLogger(__name__)

T = TypeVar("T")

STEADY_S: Final = 10.0  # a connection that lasted so long was a good one
MAX_DOUBLINGS: Final = 16

# Refusals that may not last: the publisher comes back too, the server has not noticed that our
# old connection is gone, or it is just starting.
PASSING: Final = frozenset(
    {
        "NetStream.Play.StreamNotFound",
        "NetStream.Publish.BadName",
        "404",
        "429",  # of HTTP
        "1402",
        "1404",
        "1409",
        "1503",
        "BACKLOG",  # of SRT
    }
)


@dataclass(frozen=True, slots=True)
class Reconnect:
    """How a connection that was lost is made again: with growing pauses, a bit at random.

    Attributes:
        first_s: The first pause, at most; each is twice as long as the one before.
        longest_s: No pause is longer, but for `jitter_s`.
        jitter_s: Up to so much is added to each, so that not all clients come at once.
        give_up_s: Fail when it took longer than so much; None: never give up.
        from_start: The first connection is tried again too; else its failure is raised at once.
    """

    first_s: float = 0.2
    longest_s: float = 10.0
    jitter_s: float = 0.5
    give_up_s: float | None = 60.0
    from_start: bool = False

    async def retry(self, action: Callable[[], Awaitable[T]], what: str = "") -> T:
        """Do something until it is done.

        Args:
            action: Fails with a HeadendError, or does it.
            what: For the log.

        Raises:
            HeadendError: The last failure, when it was given up, or when trying again is no use.
        """
        loop = asyncio.get_running_loop()
        began, losses = loop.time(), 0
        while True:
            try:
                return await action()
            except HeadendError as error:
                pause = self.pause(losses)
                is_late = self.give_up_s is not None and (
                    loop.time() + pause - began > self.give_up_s
                )
                if is_late or not is_passing(error):
                    raise
                log.info("%s: %s; trying again in %.1f s", what, error, pause)
            losses += 1
            await asyncio.sleep(pause)

    def pause(self, losses: int) -> float:
        """Return the seconds to wait after so many failures before this one."""
        pause = min(self.longest_s, self.first_s * 2.0 ** min(losses, MAX_DOUBLINGS))
        return pause + random.uniform(0, self.jitter_s)


class Retrier:
    """Connects again, with pauses also between connections that are lost as soon as they are made.

    Without these a server that closes after each connect would be asked without end.
    """

    def __init__(self, policy: Reconnect, what: str) -> None:
        """Start with a connection that has just been made.

        Args:
            policy: When to try again.
            what: For the log.
        """
        self._policy = policy
        self._what = what
        self._made_at = self._steady_at = asyncio.get_running_loop().time()
        self._losses = 0  # since a connection was steady

    async def retry(self, action: Callable[[], Awaitable[T]], error: HeadendError) -> T:
        """Connect again.

        Args:
            action: Connects.
            error: Why the last connection was lost.

        Raises:
            HeadendError: It was given up.
        """
        log.info("%s: %s; connecting again", self._what, error)
        policy, loop = self._policy, asyncio.get_running_loop()
        now = loop.time()
        if now - self._made_at >= STEADY_S:
            self._losses, self._steady_at = 0, now
        if policy.give_up_s is not None and now - self._steady_at > policy.give_up_s:
            raise error
        if self._losses:
            await asyncio.sleep(policy.pause(self._losses))
        self._losses += 1
        result = await policy.retry(action, self._what)
        self._made_at = loop.time()
        log.info("%s: connected again", self._what)
        return result


def is_passing(error: Exception) -> bool:
    """Say whether it makes sense to try again."""
    if isinstance(error, Rejected):
        return error.code in PASSING
    return isinstance(error, RelayError | ProtocolError)


def policy_of(reconnect: bool | Reconnect) -> Reconnect | None:
    """Take the two forms in which callers say it."""
    if isinstance(reconnect, Reconnect):
        return reconnect
    return Reconnect() if reconnect else None


class ReconnectingReader:
    """A stream that is read from one connection after another, on one timeline.

    Attributes:
        reconnects: How often it was connected again.
    """

    was_cut: Final = False

    def __init__(
        self, opened: Callable[[], AbstractAsyncContextManager[TagReader]], policy: Reconnect
    ) -> None:
        """Prepare; `start` connects, `close` leaves.

        Args:
            opened: Makes a connection.
            policy: When to try again.
        """
        self._opened = opened
        self._policy = policy
        self._continuation = Continuation()
        self._stack = AsyncExitStack()
        self._reader: TagReader | None = None
        self.reconnects = 0

    async def start(self) -> None:
        """Connect for the first time."""
        await (self._policy.retry(self._open, "play") if self._policy.from_start else self._open())
        self._again = Retrier(self._policy, "play")

    async def _open(self) -> None:
        self._reader = await self._stack.enter_async_context(self._opened())

    async def read(self) -> Sequence[Tag] | None:
        assert self._reader is not None
        try:
            tags = await self._reader.read()
        except HeadendError as failure:
            if not is_passing(failure):
                raise
            await self._reconnect(failure)
            return ()
        if tags is not None:
            return self._continuation.map(tags)
        if not self._reader.was_cut:
            return None
        await self._reconnect(RelayError("the server closed the connection"))
        return ()

    async def _reconnect(self, error: HeadendError) -> None:
        await self._stack.aclose()
        await self._again.retry(self._open, error)
        self._continuation.restart()
        self.reconnects += 1

    async def close(self) -> None:
        """Leave."""
        await self._stack.aclose()
