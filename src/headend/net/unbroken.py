"""Work that is finished although its client has left.

A client that leaves has its request cancelled. What has begun to change something is finished all
the same, and noted; so is what others wait for too.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Unbroken:
    """Tasks of some kind of work, until they are done or the server stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[None, None, T]) -> T:
        """Return what work returns; cancelling the caller does not cancel the work."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        finally:
            del task  # it holds an exception, and that this frame

    async def close(self, patience_s: float = 0.0) -> None:
        """Cancel what is not done within so many seconds."""
        tasks = list(self._tasks)
        if tasks and patience_s:
            await asyncio.wait(tasks, timeout=patience_s)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
