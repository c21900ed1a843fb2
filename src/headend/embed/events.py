"""Events of a server, given to a program one by one."""

import asyncio
import weakref
from collections import deque
from typing import Final, Generic, Self, TypeVar

from headend.errors import UsageError
from headend.events import Event, Events

E = TypeVar("E", bound=Event)

MAX_WAITING: Final = 10_000  # events that wait to be taken: a few MB


class EventStream(Generic[E]):
    """Events of some kinds, from now until the server stops; one that is dropped ends by itself.

    Attributes:
        missed: Events left out, the oldest first, because they were taken too slowly.
    """

    def __init__(self, events: Events, kinds: tuple[type[E], ...], limit: int) -> None:
        """Begin to receive.

        Args:
            events: Bus of the server.
            kinds: Kinds that are wanted; other kinds are left out.
            limit: How many events may wait.
        """
        self.missed = 0
        self._kinds = kinds
        self._waiting: deque[E] = deque(maxlen=limit)
        self._waiter: asyncio.Future[None] | None = None
        self._is_over = False
        itself = weakref.ref(self)

        def receive(event: Event) -> None:
            stream = itself()
            if stream is not None:
                stream._receive(event)

        # `break` in a loop leaves nothing behind: the bus does not hold its listeners.
        self._unsubscribe = weakref.finalize(self, events.subscribe(receive))

    def close(self) -> None:
        """End after the events that wait already."""
        self._unsubscribe()
        self._is_over = True
        self._wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        """Return the next event.

        Raises:
            UsageError: Another task waits for one.
        """
        if self._waiter is not None:
            raise UsageError("two tasks take events from one stream of events")
        while not self._waiting:
            if self._is_over:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._waiting.popleft()

    def _receive(self, event: Event) -> None:
        if isinstance(event, self._kinds):
            self.missed += len(self._waiting) == self._waiting.maxlen
            self._waiting.append(event)
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
