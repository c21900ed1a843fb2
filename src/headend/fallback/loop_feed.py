"""The feed that reads a file, or another source, over and over in real time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from headend.errors import HeadendError
from headend.fallback.stand_in import Push
from headend.logs import shown
from headend.sources.feed import in_thread
from headend.sources.files import MediaSource
from headend.sources.pacing import Pace, repeated

log = logging.getLogger(__name__)


class LoopFeed:
    """The feed of a source that is read over and over in real time."""

    def __init__(
        self, label: str, path: str, open_source: Callable[[], Awaitable[MediaSource]]
    ) -> None:
        """Prepare.

        Args:
            label: Name of the source, for the log.
            path: Path of the stream that is fed, for the log.
            open_source: Opens the source, each time that it goes on air.
        """
        self._name = f"stream {shown(path)}: {shown(label)}"
        self._open = open_source
        self._task: asyncio.Task[None] | None = None

    def start(self, push: Push) -> None:
        self.stop()
        self._task = asyncio.create_task(self._run(push))

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, push: Push) -> None:
        try:
            source = await self._open()
            async with aclosing(in_thread(repeated(source))) as feed:
                loop = asyncio.get_running_loop()
                pace = Pace(loop.time())
                async for tags in feed:
                    for tag in tags:
                        if (delay := pace.delay(tag.timestamp, loop.time())) > 0:
                            await asyncio.sleep(delay)
                        push(tag)
        except HeadendError as error:
            log.error("%s cannot stand in: %s", self._name, shown(str(error)))
        except Exception:
            log.exception("%s failed: a bug", self._name)
