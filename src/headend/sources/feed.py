"""The items of a blocking generator in the event loop, through a thread."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, suppress
from typing import Final, Generic, TypeVar

T = TypeVar("T")

DEPTH: Final = 8  # items that wait at most: a file is not read far ahead of its time
STOP_S: Final = 2.0  # for the generator to end when nobody wants more; a device may hang


async def in_thread(items: Generator[T, None, None]) -> AsyncGenerator[T, None]:
    """Give the items one by one; what the generator raises is raised here.

    The generator runs in a thread of its own and is closed there. Use `contextlib.aclosing`, so
    that the thread ends with the block.
    """
    feed = _Feed(items, asyncio.get_running_loop())
    thread = threading.Thread(target=feed.run, name="feed", daemon=True)
    thread.start()
    try:
        while (item := await feed.get()) is not None:
            yield item[0]
    finally:
        feed.stop()
        await asyncio.to_thread(thread.join, STOP_S)
    if feed.failure is not None:
        raise feed.failure


class _Feed(Generic[T]):
    """What the thread and the event loop share.

    Attributes:
        failure: What the generator raised; there before the last item is.
    """

    def __init__(self, items: Generator[T, None, None], loop: asyncio.AbstractEventLoop) -> None:
        self._items = items
        self._loop = loop
        self._free = threading.Semaphore(DEPTH)
        self._is_wanted = True
        self._queue: asyncio.Queue[tuple[T] | None] = asyncio.Queue()
        self.failure: Exception | None = None

    def run(self) -> None:
        """Give all items to the event loop; runs in the thread."""
        try:
            with closing(self._items):
                for item in self._items:
                    self._free.acquire()
                    if not self._is_wanted:
                        return
                    self._put((item,))
        except Exception as error:
            self.failure = error
        finally:
            self._put(None)

    def _put(self, item: tuple[T] | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: we were waited for long enough
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    async def get(self) -> tuple[T] | None:
        """Wait for the next item; None is the end."""
        item = await self._queue.get()
        self._free.release()
        return item

    def stop(self) -> None:
        self._is_wanted = False
        self._free.release()
