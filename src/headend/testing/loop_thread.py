"""An event loop in a thread, for code that is not asynchronous."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from headend.app.process import loop_factory

T = TypeVar("T")

WITHIN_S: Final = 20.0  # for what should happen at once, on a machine that does other things too
LOOK_S: Final = 0.01


class LoopThread:
    """An event loop that runs in a thread of its own; `close` ends it."""

    def __init__(self, name: str) -> None:
        """Start it.

        Args:
            name: Of the thread.
        """
        self._loop = loop_factory()()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine there; `result()` waits for it, `cancel()` ends it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T], within_s: float = WITHIN_S) -> T:
        """Run a coroutine there, and return what it returns or raise what it raises.

        Raises:
            TimeoutError: It is not done in time, and cancelled.
        """
        return self.start(asyncio.wait_for(coroutine, within_s)).result()

    def call(self, function: Callable[[], T]) -> T:
        """Call a function there, and return what it returns."""

        async def called() -> T:
            return function()

        return self.start(called()).result()

    def close(self) -> None:
        """Cancel what still runs, and end the thread."""
        if not self._loop.is_closed():
            self.start(_cancel_all()).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


def wait_for(look: Callable[[], T], what: Callable[[], str], within_s: float = WITHIN_S) -> T:
    """Look again and again until there is something; return it.

    Args:
        look: Returns something true once it has happened.
        what: Says what was waited for and what was seen instead.
        within_s: Seconds to wait at most.

    Raises:
        AssertionError: The time is over.
    """
    end = time.monotonic() + within_s
    while not (seen := look()):
        if time.monotonic() >= end:
            raise AssertionError(f"not within {within_s:g} s: {what()}")
        time.sleep(LOOK_S)
    return seen
