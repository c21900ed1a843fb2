"""A stream read as fast as it comes; a slow reader gets the newest of it."""

import asyncio
from typing import Final

from headend.client.reader import TagReader
from headend.media.tag import Tag
from headend.outputs.tag_queue import TagQueue

# What waits at most: a few seconds of a stream.
MAX_WAITING: Final = 512  # tags
MAX_WAITING_BYTES: Final = 32 * 1024 * 1024


class ReadAhead:
    """A reader that reads a stream ahead in a task; `next` gives the tags."""

    def __init__(self, reader: TagReader) -> None:
        self._reader = reader
        self._is_there = asyncio.Event()
        self._failure: Exception | None = None
        self.queue: Final = TagQueue(self._is_there.set, "newest", MAX_WAITING, MAX_WAITING_BYTES)
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while (tags := await self._reader.read()) is not None:
                for tag in tags:
                    self.queue.push(tag)
        except Exception as error:
            self._failure = error  # raised where the tags are taken
        finally:
            self.queue.end()

    async def next(self) -> Tag:
        queue = self.queue
        while not queue.tags:
            if queue.is_over:
                if self._failure is not None:
                    raise self._failure
                raise StopAsyncIteration
            self._is_there.clear()
            await self._is_there.wait()
        return queue.take()

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
