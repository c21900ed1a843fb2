"""A server with a feature of its own: it says which streams nobody has watched for a minute.

Run it with `python unwatched.py`, publish to rtmp://HOST/live/NAME, and watch nothing. What the
feature needs is this class and one line where the server is made; its setting is an argument of it.
"""

import asyncio
import logging
from asyncio import TimerHandle
from contextlib import suppress
from functools import partial

from headend import Feature, Server
from headend.hub.stream import Stream
from headend.live.services import Services
from headend.settings import StreamRules

log = logging.getLogger("headend.unwatched")

LOOK_S = 1.0


class Unwatched(Feature):
    """The feature: one line of the log for each stream that nobody watches for too long."""

    name = "unwatched"

    def __init__(self, services: Services, after_s: float = 60.0) -> None:
        """Prepare.

        Args:
            services: Of the server.
            after_s: Seconds without a viewer until the line is written.
        """
        self._loop = services.loop
        self._after_s = after_s
        self._watched: dict[Stream, float] = {}  # when somebody watched last, monotonic seconds
        self._told: set[Stream] = set()
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        """Look at all streams once a second."""
        self._timer = self._loop.call_later(LOOK_S, self.start)
        self.look(self._loop.time())

    def stream_began(self, stream: Stream, rules: StreamRules) -> None:
        """Count from now on."""
        self._watched[stream] = self._loop.time()

    def look(self, now: float) -> None:
        """Tell of the streams that nobody has watched for too long, once each time."""
        for stream, watched in list(self._watched.items()):
            if not stream.has_begun:
                del self._watched[stream]
                self._told.discard(stream)
            elif stream.is_watched:
                self._watched[stream] = now
                self._told.discard(stream)
            elif now - watched >= self._after_s and stream not in self._told:
                self._told.add(stream)
                log.warning("stream %s: no viewer for %.0f s", stream.path, now - watched)

    async def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()


async def main() -> None:
    """Serve until the program is interrupted."""
    logging.basicConfig(level=logging.INFO)
    unwatched = partial(Unwatched, after_s=60.0)
    async with Server(rtmp={"listen": ":1935"}, features=[unwatched]) as server:
        print("publish to", server.url("live/NAME"))
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
