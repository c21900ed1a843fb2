"""The newest picture of a stream as JPEG, made by processes of their own.

    request ─► kept and young enough ─► it
                 └─ else the newest keyframe ─► a process ─► JPEG, kept for `http.thumbnail_s`

Requests for one stream wait for each other, so that a picture is made once for all of them. Few
processes run at once, a few more requests wait, and the rest are turned away.
"""

import asyncio
import hashlib
import logging
from asyncio import TimerHandle
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from headend.codec.still import Still, still
from headend.errors import LimitExceeded, MediaError
from headend.features.feature import Feature, Label
from headend.hub.stream import Stream
from headend.logs import shown
from headend.media.tag import Tag
from headend.net.runtime import Runtime
from headend.net.unbroken import Unbroken
from headend.thumbnails.process import DecoderLost, ThumbnailProcess

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

log = logging.getLogger(__name__)

WIDTHS: Final = (160, 320, 640, 960, 1280)
DEFAULT_WIDTH: Final = 640
PROCESSES: Final = 2
WAITING: Final = 100  # requests; one picture takes some hundredths of a second
IDLE_S: Final = 60.0  # a process that nobody needed for so long ends
KEPT_BYTES: Final = 32 * 1024 * 1024
KEPT: Final = 4096  # faults have hardly any bytes
ANSWER_S: Final = 1.0  # requests get so long when the server stops
LOST_S: Final = 60.0  # a stream that crashed or hung a decoder is not tried for so long


class NoPicture(MediaError):
    """There is no keyframe to be shown now; a later request may find one."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture: its bytes, and what names them."""

    jpeg: bytes
    etag: str


@dataclass(slots=True)
class _Kept:
    """What a keyframe came to.

    Attributes:
        picture: The picture, or why there is none.
        keyframe: Which one: its timestamp and size.
        life_s: How long it is given without another look; None: `http.thumbnail_s`.
        stale_at: When that is over, monotonic seconds.
    """

    picture: Thumbnail | str
    keyframe: tuple[int, int]
    life_s: float | None = None
    stale_at: float = 0.0

    @property
    def size(self) -> int:
        return 0 if isinstance(self.picture, str) else len(self.picture.jpeg)


Key = tuple[str, float, int]  # path, beginning and width


class Thumbnails(Feature):
    """The feature: the newest pictures of all streams.

    Attributes:
        made: Pictures made.
        failed: Keyframes that could not be shown.
        lost: Of these, those that took the decoder with them.
        waiting: Requests that wait now.
    """

    name = "thumbnails"

    def __init__(self, runtime: Runtime) -> None:
        """Prepare; a process is begun with the first picture."""
        self._runtime = runtime
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._kept_bytes = 0
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._slots = asyncio.Semaphore(PROCESSES)
        self._idle: list[ThumbnailProcess] = []
        self._idle_timer: TimerHandle | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._unbroken = Unbroken()  # a process whose picture is cancelled has to be killed
        self.made = 0
        self.failed = 0
        self.lost = 0
        self.waiting = 0

    async def get(self, stream: Stream, width: int) -> Thumbnail:
        """Return the newest picture of a stream.

        Args:
            stream: One that has begun.
            width: One of WIDTHS; the picture is never larger than its keyframe.

        Raises:
            NoPicture: There is no keyframe.
            MediaError: It cannot be decoded; says why.
            LimitExceeded: Too many requests wait.
        """
        key = (stream.path, stream.began or 0.0, width)
        kept = self._young(key)
        if kept is None:
            kept = await self._unbroken.run(self._wait(stream, key))
        if isinstance(kept.picture, str):
            raise MediaError(kept.picture)
        return kept.picture

    def metrics(self, label: Label) -> "Sequence[Metric]":
        """Return how many keyframes were decoded, by result."""
        from prometheus_client.metrics_core import CounterMetricFamily

        results = CounterMetricFamily(
            "headend_thumbnails", "Keyframes that were decoded.", labels=["result"]
        )
        results.add_metric(["made"], self.made)
        results.add_metric(["failed"], self.failed - self.lost)
        results.add_metric(["decoder_lost"], self.lost)
        return (results,)

    async def stop(self) -> None:
        """End all processes, once the requests that wait have what is being made."""
        self._is_closed = True
        await self._unbroken.close(ANSWER_S)
        self._end_idle()
        if self._endings:
            await asyncio.wait(self._endings)

    # ------------------------------------------------------------------ what is kept

    def _young(self, key: Key) -> _Kept | None:
        kept = self._kept.get(key)
        return kept if kept is not None and self._runtime.loop.time() < kept.stale_at else None

    async def _wait(self, stream: Stream, key: Key) -> _Kept:
        """Have a picture made once all that came first are served."""
        if self.waiting >= WAITING:
            raise LimitExceeded("thumbnail requests that wait", self.waiting + 1, WAITING)
        self.waiting += 1
        try:
            # A variable holds the lock, for the dictionary does not.
            lock = self._locks.setdefault(stream.path, asyncio.Lock())
            async with lock:
                return self._young(key) or await self._renew(stream, key)
        finally:
            self.waiting -= 1

    async def _renew(self, stream: Stream, key: Key) -> _Kept:
        """Make a picture of the newest keyframe, unless the one that is kept shows it."""
        found = stream.keyframe()
        kept = self._kept.get(key)
        if found is None:
            if kept is None:
                raise NoPicture("The stream has no keyframe that could be shown.")
        else:
            headers, keyframe = found
            name = (keyframe.timestamp, len(keyframe.body))
            if kept is None or kept.keyframe != name:
                kept = self._keep(key, await self._look(stream, headers, keyframe, key[2]))
        life = self._runtime.settings.http.thumbnail_s if kept.life_s is None else kept.life_s
        kept.stale_at = self._runtime.loop.time() + life
        return kept

    async def _look(
        self, stream: Stream, headers: Sequence[Tag], keyframe: Tag, width: int
    ) -> _Kept:
        name = (keyframe.timestamp, len(keyframe.body))
        try:
            jpeg = await self._make(still(headers, keyframe), width)
        except MediaError as error:
            self.failed += 1
            if not isinstance(error, DecoderLost):
                return _Kept(f"The newest keyframe cannot be shown: {error}.", name)
            self.lost += 1
            log.warning("thumbnail %s: %s", shown(stream.path), error)
            return _Kept(f"The newest keyframe cannot be shown: {error}.", name, LOST_S)
        self.made += 1
        return _Kept(Thumbnail(jpeg, hashlib.sha256(jpeg).hexdigest()[:32]), name)

    def _keep(self, key: Key, made: _Kept) -> _Kept:
        known = self._kept.pop(key, None)
        self._kept_bytes += made.size - (0 if known is None else known.size)
        self._kept[key] = made
        while self._kept_bytes > KEPT_BYTES or len(self._kept) > KEPT:
            self._kept_bytes -= self._kept.popitem(last=False)[1].size
        return made

    # ------------------------------------------------------------------ processes

    async def _make(self, picture: Still, width: int) -> bytes:
        """Have a process make a picture, once one is free."""
        async with self._slots:
            if self._is_closed:
                raise MediaError("the server is stopping")
            process = self._idle.pop() if self._idle else ThumbnailProcess()
            try:
                return await process.make(picture, width)
            finally:
                self._idle.append(process)
                if self._idle_timer is not None:
                    self._idle_timer.cancel()
                self._idle_timer = self._runtime.loop.call_later(IDLE_S, self._end_idle)
                if self._is_closed:
                    self._end_idle()

    def _end_idle(self) -> None:
        """End the processes that nobody needs now."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        while self._idle:
            ending = self._runtime.loop.create_task(self._idle.pop().close())
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
