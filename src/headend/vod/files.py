"""Media files of `vod.folder`, as a feature of the server.

vod.folder ─► library ─┬─► HLS    http.py
                       └─► RTMP   played.py
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from headend.errors import MediaError, Refusal, Rejected
from headend.features.feature import Label
from headend.live.on_demand import Stored, StoredStreams
from headend.live.services import Services
from headend.net.file_piece import FileReads
from headend.vod.cache import Cache
from headend.vod.http import VodRoutes
from headend.vod.library import VodLibrary
from headend.vod.page import VodPage
from headend.vod.played import PlayedFile
from headend.vod.readers import Readers
from headend.vod.values import APP, MediaPath

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from headend.features.routes import HttpRoute

T = TypeVar("T")

log = logging.getLogger(__name__)

FOLDER: Final = "vod"  # in the data folder
THREADS: Final = 4  # that read segments for RTMP players


class MediaFiles(StoredStreams):
    """The feature that plays media files.

    Attributes:
        services: What features share.
        readers: Processes that read files.
        library: Finds files, and has segments made.
        reads: Threads that read files for viewers over HTTP.
    """

    name: ClassVar[str] = "vod"

    def __init__(self, services: Services) -> None:
        """Take what features share."""
        self.services: Final = services
        self._cache: Final = Cache(
            services.settings.data / FOLDER, lambda: services.settings.vod.cache_bytes
        )
        self.readers: Final = Readers()
        self.library: Final = VodLibrary(self._cache, self.readers)
        self.reads: Final = FileReads(services.loop)
        self._threads: Final = ThreadPoolExecutor(THREADS, "vod")
        self._routes: Final = VodRoutes(self)
        self._is_stopped = False

    def start(self) -> None:
        try:
            self._cache.open()
        except OSError as error:
            log.warning("vod: what was cut before cannot be read: %s", error.strerror or error)

    async def find_file(self, path: str) -> MediaPath | None:
        """Return a file by the name of its stream, `vod/PATH`; None: there is none."""
        app, _, name = path.partition("/")
        folder = self.services.settings.vod.folder
        if app != APP or folder is None:
            return None
        return await self.library.find(folder, name)

    # ------------------------------------------------------------------ RTMP

    def is_asked(self, path: str, start_ms: int | None) -> bool:
        if self.services.settings.vod.folder is None or not path.startswith(f"{APP}/"):
            return False
        return self.services.registry.publication(path) is None

    async def find(self, path: str, start_ms: int | None) -> Stored | None:
        media = await self.find_file(path)
        if media is None:
            raise Rejected(Refusal.NOT_FOUND, "there is no such file")
        return PlayedFile(self, media)

    async def read(self, work: Callable[[], T]) -> T:
        """Have a thread read a file.

        Raises:
            MediaError: It cannot be read, or the server stops.
        """
        if self._is_stopped:
            raise MediaError("the server stops")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    # ------------------------------------------------------------------ the server

    def routes(self) -> "Sequence[HttpRoute]":
        return [*self._routes.routes(), *VodPage(self).routes()]

    def metrics(self, label: Label) -> "Sequence[Metric]":
        from prometheus_client.metrics_core import GaugeMetricFamily

        text = "Bytes of indexes and segments that were made of media files."
        return [GaugeMetricFamily("headend_vod_cache_bytes", text, self._cache.bytes)]

    async def stop(self) -> None:
        self._is_stopped = True
        await self._cache.close()
        await self.readers.close()
        self.reads.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
