"""Requests that wait until a stream has media: one sink for all that wait for one."""

import asyncio
from typing import Final

from headend.errors import LimitExceeded, Refusal, Rejected
from headend.hub.stream import Stream
from headend.media.tag import AUDIO, VIDEO
from headend.net.runtime import Runtime
from headend.outputs.first_media import FirstMedia, Kinds

KEY: Final = "arrival"  # of the sink in its stream


class Arrivals:
    """The requests that wait, by stream; bounded by `limits.waiting_requests`.

    Attributes:
        waiting: Requests that wait now.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._arrivals: dict[str, _Arrival] = {}
        self.waiting = 0

    async def wait(self, stream: Stream, wait_s: float) -> Kinds:
        """Wait until a stream has media; return the kinds of media that it has.

        Args:
            stream: May be one that nobody publishes yet.
            wait_s: How long to wait, seconds; 0: without limit.

        Raises:
            Rejected: Nobody publishes the stream, or its media did not come in time.
            LimitExceeded: Too many requests wait.
        """
        path = stream.path
        arrival = self._arrivals.get(path)
        if arrival is None or arrival.stream is not stream:
            arrival = self._arrivals[path] = _Arrival(stream)
            arrival.attach()
        try:
            if not arrival.is_done:
                await self._wait(arrival, wait_s)
            if arrival.media.is_over:
                raise not_found(path)
            return arrival.kinds
        finally:
            if not arrival.waiters:
                arrival.detach()
                if self._arrivals.get(path) is arrival:
                    del self._arrivals[path]

    async def _wait(self, arrival: "_Arrival", wait_s: float) -> None:
        most = self._runtime.settings.limits.waiting_requests
        if self.waiting >= most:
            raise LimitExceeded("limits.waiting_requests", self.waiting + 1, most)
        waiter: asyncio.Future[None] = self._runtime.loop.create_future()
        self.waiting += 1
        arrival.waiters.add(waiter)
        try:
            async with asyncio.timeout(wait_s or None):
                await waiter
        except TimeoutError:
            raise not_found(arrival.stream.path) from None
        finally:
            self.waiting -= 1
            arrival.waiters.discard(waiter)


def not_found(path: str) -> Rejected:
    """Return the refusal of a request for a stream that nobody publishes."""
    return Rejected(Refusal.NOT_FOUND, f"nobody publishes {path}")


class _Arrival:
    """A stream that is waited for."""

    def __init__(self, stream: Stream) -> None:
        self.stream: Final = stream
        self.media: Final = FirstMedia(self._changed)
        self.waiters: set[asyncio.Future[None]] = set()

    @property
    def is_done(self) -> bool:
        """It is over, or there is media of each kind that is waited for."""
        if self.media.is_over:
            return True
        is_whole = self.kinds == self._sent or not self.stream.is_live
        return self.media.is_there and is_whole

    @property
    def kinds(self) -> Kinds:
        """What is sent, or was declared and may still come."""
        declared = Kinds(False, False) if self.stream.settling.is_over else self.media.kinds
        sent = self._sent
        return Kinds(sent.has_audio or declared.has_audio, sent.has_video or declared.has_video)

    @property
    def _sent(self) -> Kinds:
        return Kinds(self.stream.sends(AUDIO), self.stream.sends(VIDEO))

    def attach(self) -> None:
        if self.stream.sink(KEY) is None:
            self.stream.attach(KEY, self.media)

    def detach(self) -> None:
        self.media.let_go()
        if self.stream.sink(KEY) is self.media:
            self.stream.detach(KEY)

    def _changed(self) -> None:
        if not self.is_done:
            return
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
