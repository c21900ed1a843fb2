"""A task that writes to the database what waits in memory, a batch at a time.

It starts before the database is open, goes on trying while it is away, and says so once a minute.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from headend.errors import DatabaseError
from headend.logs import Repeats

log = logging.getLogger(__name__)

CLOSE_S: Final = 5.0  # a server that stops waits no longer for its database


class BackgroundWriter:
    """Writes until `close`.

    Attributes:
        is_failing: What waited could not be written when that was tried last.
    """

    def __init__(
        self,
        what: str,
        begin: Callable[[], Awaitable[None]],
        write: Callable[[], Awaitable[None]],
        *,
        batch_s: float,
        retry_s: float,
    ) -> None:
        """Take the parts; `start` follows.

        Args:
            what: What is written, for the log.
            begin: Waits until the database is open, which may take any time.
            write: Writes what waits; raises `DatabaseError` when something was not written.
            batch_s: Seconds that entries gather.
            retry_s: Seconds until the next attempt after one that failed.
        """
        self.is_failing = False
        self._what: Final = what
        self._begin: Final = begin
        self._write: Final = write
        self._batch_s: Final = batch_s
        self._retry_s: Final = retry_s
        self._has_begun = False
        self._task: asyncio.Task[None] | None = None
        self._stop: Final = asyncio.Event()
        self._failures: Final = Repeats(log, f"{what} not written")

    def start(self) -> None:
        """Write from now on."""
        self._task = asyncio.create_task(self._run(), name=self._what)

    async def close(self) -> bool:
        """Write what waits, if the database answers in time, and end.

        Returns:
            Whether it was started.
        """
        if self._task is None:
            return False
        self._stop.set()
        if not self._has_begun:
            self._task.cancel()  # there is nothing to write to
        with suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._task
        return True

    async def _run(self) -> None:
        await self._begin()
        self._has_begun = True
        is_last = False
        while not is_last:
            is_last = self._stop.is_set()
            pause = self._batch_s if await self._try_to_write() else self._retry_s
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stop.wait()

    async def _try_to_write(self) -> bool:
        now = asyncio.get_running_loop().time
        try:
            await self._write()
        except DatabaseError as error:
            self.is_failing = True
            self._failures.add(f"{self._what} not written yet: {error}", now())
            return False
        except Exception:
            log.exception("%s not written: a bug", self._what)
            return False
        else:
            self.is_failing = False
            return True
        finally:
            self._failures.tick(now())
