"""HLS requests that wait for a part or a segment, and playlists compressed once for all who ask.

request ─► wait ─► (the packager makes a part) ─► changed ─► woken ─► playlist ─► packed
"""

import asyncio
import zlib
from typing import Final

from headend.errors import LimitExceeded
from headend.hls.streams import HlsStream, HlsStreams
from headend.net.runtime import Runtime

PACKED: Final = 16  # compressed playlists kept of one stream: queries are the clients' own

Wanted = tuple[int, int | None]  # media sequence number, and part


class _Desk:
    """The requests of one stream that wait, and its playlists as they are sent."""

    def __init__(self) -> None:
        self.waiters: dict[Wanted, set[asyncio.Future[None]]] = {}
        self.packed: dict[str, bytes] = {}

    def wake(self, stream: HlsStream) -> None:
        """Wake the requests that can be answered now; all of them if nothing follows."""
        has = stream.playlists.has
        for wanted in [each for each in self.waiters if stream.is_closed or has(*each)]:
            for waiter in self.waiters.pop(wanted):
                if not waiter.done():
                    waiter.set_result(None)


class HlsWaiting:
    """Requests for all streams that are packaged."""

    def __init__(self, runtime: Runtime, hls: HlsStreams) -> None:
        self._runtime = runtime
        self._hls = hls
        self._desks: dict[HlsStream, _Desk] = {}
        hls.observers.append(self)

    def changed(self, stream: HlsStream) -> None:
        desk = self._desks.get(stream)
        if desk is None:
            return
        desk.packed.clear()
        desk.wake(stream)
        if stream.is_closed:
            del self._desks[stream]

    async def wait(self, stream: HlsStream, wanted: Wanted, timeout_s: float) -> bool:
        """Wait for a part or a segment of a stream; false: it did not come in time.

        Raises:
            LimitExceeded: Too many requests wait.
        """
        if stream.playlists.has(*wanted):
            return True
        most = self._runtime.settings.limits.waiting_requests
        if self._hls.waiting >= most:
            raise LimitExceeded("limits.waiting_requests", self._hls.waiting + 1, most)
        if not stream.is_closed:
            await self._wait(stream, wanted, timeout_s)
        return stream.playlists.has(*wanted)

    async def _wait(self, stream: HlsStream, wanted: Wanted, timeout_s: float) -> None:
        waiter: asyncio.Future[None] = self._runtime.loop.create_future()
        waiting = self._desk(stream).waiters
        waiters = waiting.setdefault(wanted, set())
        waiters.add(waiter)
        try:
            with stream.one_more_waiting():
                async with asyncio.timeout(timeout_s):
                    await waiter
        except TimeoutError:
            pass
        finally:
            waiters.discard(waiter)
            if not waiters and waiting.get(wanted) is waiters:
                del waiting[wanted]

    async def wait_ready(self, stream: HlsStream, timeout_s: float) -> bool:
        """Wait until a playlist can be given; false: it took too long."""
        first = stream.first.sequence, None
        return stream.playlists.is_ready or await self.wait(stream, first, timeout_s)

    def packed(self, stream: HlsStream, text: str) -> bytes:
        """Return a playlist of a stream compressed; the same one is compressed once."""
        kept = self._desk(stream).packed if not stream.is_closed else {}
        found = kept.get(text)
        if found is None:
            made = zlib.compressobj(6, zlib.DEFLATED, 31)  # 31: as gzip
            found = made.compress(text.encode()) + made.flush()
            if len(kept) < PACKED:
                kept[text] = found
        return found

    def _desk(self, stream: HlsStream) -> _Desk:
        return self._desks.setdefault(stream, _Desk())
