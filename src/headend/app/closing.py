"""The closing of a server's parts, side by side or in turn, within a time."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Final

log = logging.getLogger(__name__)


class Closing:
    """Closes parts until a given time; a part that is not closed by then is cancelled and left.

    Whoever embeds the server may have no more time: once the caller is cancelled, nothing waits any
    longer, and the rest is closed as far as that goes at once.
    """

    def __init__(self, end: float) -> None:
        """Prepare.

        Args:
            end: When everything must be closed, in seconds of the loop.
        """
        self._loop: Final = asyncio.get_running_loop()
        self._end = end
        self._parts: dict[str, Callable[[], Coroutine[None, None, None]]] = {}
        self._cancelled: asyncio.CancelledError | None = None

    def add(self, name: str, close: Callable[[], Coroutine[None, None, None]] | None) -> None:
        """Have a part closed by the next `run`.

        Args:
            name: Name of the part, for the log.
            close: Closes the part; None: it is not there.
        """
        if close is not None:
            self._parts[name] = close

    async def run(self) -> None:
        """Close the parts that were added, side by side."""
        tasks = {self._loop.create_task(_close(each)): name for name, each in self._parts.items()}
        self._parts.clear()
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, timeout=max(0.0, self._end - self._loop.time()))
        except asyncio.CancelledError as error:
            self._cancelled, self._end = error, self._loop.time()
        for task, name in tasks.items():
            task.add_done_callback(partial(_tell, name))
            if not task.done():
                log.error("%s: not closed within limits.shutdown_s, and left as it is", name)
                task.cancel()

    def finish(self) -> None:
        """End the closing.

        Raises:
            CancelledError: The caller was cancelled meanwhile.
        """
        if self._cancelled is not None:
            raise self._cancelled


async def _close(close: Callable[[], Coroutine[None, None, None]]) -> None:
    """Close a part in a task of its own, also one that fails before it waits."""
    await close()


def _tell(name: str, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s: closing it failed: a bug", name, exc_info=error)
