"""The feature that puts live segments into object storage, where a CDN fetches them.

    window ─► a segment is whole ─► store ─► playlists name it by hls.public_url
                                      └─► off all lists for a while ─► deleted

A playlist never waits for the store. What is not there yet, or never will be, is listed as ever and
fetched through this server. Segments in both places are the same, so a player may take either.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

from headend.cdn.stored_stream import StoredStream
from headend.errors import SettingsError, StoreError
from headend.features.feature import Feature, Label
from headend.hls.streams import HlsStream, HlsStreams
from headend.hub.stream import Stream
from headend.live.services import Services
from headend.logs import Repeats
from headend.objects.stores import Stores
from headend.settings import Settings
from headend.settings.extras import require

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

log = logging.getLogger(__name__)

AT_ONCE: Final = 8  # segments that are uploaded
LEAST_S: Final = 4.0  # for an upload …
TARGETS: Final = 2.0  # … or so many target durations, where these are longer
REST_S: Final = (1.0, 30.0)  # after a failure, and after many in a row
SWEEP_S: Final = 5.0
STOP_S: Final = 3.0  # to delete what there is when the server stops
LEFT_S: Final = 86_400.0  # what is older is of a server that was killed
KEPT: Final = "public, max-age=31536000, immutable"
TYPES: Final = {"mp4": "video/mp4", "m4s": "video/iso.segment", "ts": "video/mp2t"}


class LiveSegments(Feature):
    """Puts segments into the store.

    Attributes:
        segments: Number of files that were uploaded.
        bytes: Their size.
        failures: Number of uploads that failed.
        fault: Why the last one failed; empty: it did not.
    """

    name: ClassVar[str] = "cdn"

    def __init__(self, services: Services, node: str) -> None:
        """Take the parts.

        Args:
            services: What features share.
            node: Names this server among those that share the store.
        """
        self.segments = self.bytes = self.failures = 0
        self.fault = ""
        self._services: Final = services
        self._node: Final = node
        self._stores: Final = Stores(lambda: services.settings)
        self._streams: Final[dict[HlsStream, StoredStream]] = {}
        self._places: Final = asyncio.Semaphore(AT_ONCE)
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._rest_s = 0.0
        self._resting_until = 0.0
        self._reports: Final = Repeats(log, "segments not stored")

    # ------------------------------------------------------------------ the feature

    def check(self, settings: Settings) -> None:
        if settings.hls.store:
            require("obstore", "hls.store")
            if not settings.hls.public_url:
                raise SettingsError("hls.store needs hls.public_url: where players fetch segments")

    def start(self) -> None:
        self.check(self._services.settings)
        self._services.features[HlsStreams].observers.append(self)
        self._begin(self._sweep())
        self._begin(self._delete_left())

    def findings(self, stream: Stream) -> Sequence[str]:
        if not self.fault or self._services.features[HlsStreams].find(stream.path) is None:
            return ()
        return (f"segments are given by this server, not by hls.public_url: {self.fault}",)

    def metrics(self, label: Label) -> "Sequence[Metric]":
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        return (
            CounterMetricFamily(
                "headend_hls_stored_segments", "Segments put into the store.", self.segments
            ),
            CounterMetricFamily("headend_hls_stored_bytes", "Bytes of those.", self.bytes),
            CounterMetricFamily(
                "headend_hls_store_failures", "Failures of the store.", self.failures
            ),
            GaugeMetricFamily(
                "headend_hls_store_up", "1: the store works; 0: it fails.", not self.fault
            ),
        )

    async def stop(self) -> None:
        """Delete what is in the store, as far as that goes quickly."""
        for task in self._tasks:
            task.cancel()
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(STOP_S):
                for stored in self._streams.values():
                    await self._delete(stored, stored.names())
        self._stores.close()

    # ------------------------------------------------------------------ segments

    def changed(self, stream: HlsStream) -> None:
        """Take note of a stream that has more; each part tells of it, so there is little to do."""
        url = self._services.settings.hls.store
        stored = self._streams.get(stream)
        if not url or stream.is_closed:
            return
        if stored is None:
            stored = self._streams[stream] = StoredStream(stream.stream.path, url)
        if stored.has_more(stream.playlists) and not stored.is_uploading:
            stored.is_uploading = True
            self._begin(self._upload_all(stream, stored))

    def _is_public(self, path: str) -> bool:
        """Whoever has its address may fetch what a CDN has: only what everybody may watch."""
        return self._services.gate.is_open(path)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._services.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _upload_all(self, stream: HlsStream, stored: StoredStream) -> None:
        try:
            # What comes while the store rests after a failure is given by this server for good.
            while self._services.loop.time() >= self._resting_until:
                name = stored.next(stream.playlists)
                if name is None:
                    break
                stored.tried(name)
                if self._is_public(stored.path):
                    async with self._places:
                        await self._upload(stream, stored, name)
        except Exception:
            log.exception("live segments: a bug")
        finally:
            stored.is_uploading = False

    async def _upload(self, stream: HlsStream, stored: StoredStream, name: str) -> None:
        found = stream.playlists.resource(name)
        if found is None:
            return
        headers = {"Content-Type": found.content_type, "Cache-Control": KEPT}
        key = self._key(stored, name)
        limit = max(LEAST_S, TARGETS * stream.playlists.target_s)
        try:
            async with asyncio.timeout(limit):
                await self._stores.get(stored.store).put_bytes(key, found.body, headers)
        except TimeoutError:
            self._failed(f"the store took more than {limit:g} s")
        except StoreError as error:
            self._failed(str(error))
        else:
            self._worked(len(found.body))
            public = self._services.settings.hls.public_url
            if public:
                stream.playlists.moved(name, f"{public}/{quote(key)}")

    def _key(self, stored: StoredStream, name: str) -> str:
        return f"{self._node}/{stored.path}/{name}"

    def _worked(self, size: int) -> None:
        self.segments += 1
        self.bytes += size
        if self.fault:
            log.info("the store of live segments works again")
        self.fault, self._rest_s = "", 0.0

    def _failed(self, fault: str) -> None:
        now = self._services.loop.time()
        first, most = REST_S
        self._rest_s = min(2 * self._rest_s, most) if self._rest_s else first
        self._resting_until = now + self._rest_s
        self.failures += 1
        self.fault = fault
        self._reports.add(f"live segments: {fault}; this server gives them meanwhile", now)

    # ------------------------------------------------------------------ what is over

    async def _sweep(self) -> None:
        """Delete what players cannot ask for any more, again and again."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._services.loop.time()
            self._reports.tick(now)
            for stream, stored in list(self._streams.items()):
                try:
                    await self._delete(stored, stored.due(stream, now))
                except StoreError as error:
                    self._failed(str(error))
                    break
                if stream.is_closed and stored.is_empty:
                    del self._streams[stream]

    async def _delete(self, stored: StoredStream, names: Sequence[str]) -> None:
        if names:
            keys = [self._key(stored, name) for name in names]
            await self._stores.get(stored.store).delete(keys)
            stored.deleted(names)

    async def _delete_left(self) -> None:
        """Delete what a server of this name has left that was killed."""
        url = self._services.settings.hls.store
        if not url:
            return
        try:
            store = self._stores.get(url)
            await store.delete(await store.older_than(self._node, time() - LEFT_S))
        except StoreError as error:
            self._failed(str(error))
