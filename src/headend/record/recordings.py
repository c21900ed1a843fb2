"""Recordings, as a feature of the server: their index, and how they are played, kept and deleted.

recorder ─► index ─► database ─► known ─► playlists, files, API
                                   └────► retention
"""

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from headend.errors import DatabaseError
from headend.events import Event, RecordingReady
from headend.features.feature import Feature, Label, Values
from headend.hls.past import Past, PastSegments
from headend.hub.stream import Stream
from headend.live.services import Services
from headend.net.file_piece import FileReads
from headend.objects.stores import Stores
from headend.record.clips import Clips
from headend.record.download import Downloads
from headend.record.dvr import Dvr
from headend.record.index import RecordingIndex
from headend.record.known import KnownRecordings
from headend.record.on_demand import OnDemand
from headend.record.page import RecordingPage
from headend.record.places import Places
from headend.record.port import RecordingControl
from headend.record.removal import Removal
from headend.record.retention import Keep, Retention
from headend.record.uploads import Uploads
from headend.settings import Settings
from headend.settings.extras import require

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from headend.features.routes import HttpRoute, Route

FOLDER: Final = "recordings"  # in the data folder
DOWNLOADS: Final = "downloads"  # in the data folder
LOOK_S: Final = 60.0  # between two looks at what is to be deleted
LONG_S: Final = 1800.0  # of a recording whose playlist is made before it is asked for
DISK_S: Final = 5.0  # between two looks at how much they take


class Disk(NamedTuple):
    """The room on the disk of recordings.

    Attributes:
        used: Bytes of all recordings.
        free: Bytes that are free; None: not known.
    """

    used: int
    free: int | None


class Recordings(Feature, PastSegments):
    """The feature that knows, plays and deletes recordings.

    Attributes:
        services: What features share.
        index: The rows of all recordings.
        known: Recordings that somebody asked for.
        dvr: The past of recordings that run.
        reads: Threads that read files for viewers.
        removal: Deletes recordings.
        retention: Deletes recordings that are not kept any longer.
        on_demand: HTTP routes of recordings.
        downloads: Heads of recordings that are downloaded as one MP4 file.
        stores: Object stores.
        places: Finds files, here and in stores.
        uploads: Brings files to the store.
        clips: Cuts clips.
        recorder: The feature that records; None: this server records nothing.
    """

    name: ClassVar[str] = "recordings"
    ends_last: ClassVar[bool] = True

    def __init__(self, services: Services, node: str, *, keeps_house: bool = True) -> None:
        """Take the parts.

        Args:
            services: What features share.
            node: Names this server among those that share the database.
            keeps_house: It uploads and deletes, which one of several workers does for all.
        """
        self._keeps_house: Final = keeps_house
        self.services: Final = services
        self.index: Final = RecordingIndex(services.access.database, node, services.events)
        self.known: Final = KnownRecordings(self.index, services.loop.time)
        self.dvr: Final = Dvr(self.index, services.loop.time)
        self.reads: Final = FileReads(services.loop)
        self.recorder: RecordingControl | None = None
        self._disk: Disk | None = None
        self._disk_at = 0.0
        self.removal: Final = Removal(self.index, lambda: self.folder, services.events)
        self.stores: Final = Stores(lambda: services.settings)
        self.places: Final = Places(lambda: services.settings, lambda: self.folder, self.stores)
        self.uploads: Final = Uploads(
            lambda: services.settings,
            lambda: self.folder,
            self.stores,
            services.events,
            self.known.forget,
        )
        self.clips: Final = Clips(self.index, self.places, lambda: self.folder, services.events)
        self.downloads: Final = Downloads(services.settings.data / DOWNLOADS, self.places)
        self.on_demand: Final = OnDemand(self)
        self.retention: Final = Retention(
            self.index, self.known, self.removal, self._keep, time, services.loop.time
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.index.changed = self._forget
        services.events.subscribe(self.index.event)
        services.events.subscribe(self.uploads.event)
        services.events.subscribe(self._event)

    @property
    def folder(self) -> Path:
        """The folder of all files."""
        return folder_of(self.services.settings)

    async def disk(self) -> "Disk":
        """Return how much room recordings take, and how much is left.

        Raises:
            DatabaseError: The database cannot tell now.
        """
        now = self.services.loop.time()
        if self._disk is None or now > self._disk_at + DISK_S:
            used = await self.index.tables().total_bytes()
            self._disk = Disk(used, await asyncio.to_thread(_free, self.folder))
            self._disk_at = now
        return self._disk

    @property
    def disk_seen(self) -> "Disk | None":
        """How much room there was when that was asked last."""
        return self._disk

    def _forget(self, id: str) -> None:
        self.known.forget(id)
        self.downloads.forget(id)

    def _event(self, event: Event) -> None:
        """List a long recording once it is ready, before somebody asks for it."""
        if isinstance(event, RecordingReady) and event.duration_s >= LONG_S:
            self.known.prepare(event.recording)

    def _keep(self, path: str) -> Keep:
        """Say what the settings keep of a stream; an empty path: of all together."""
        services = self.services
        if not path:
            return Keep(0, services.settings.record.keep_bytes)
        record = services.rules.of(path).record
        rule = services.rules.explain(path)["record.keep_bytes"].rule
        return Keep(record.keep_days, 0 if rule is None else record.keep_bytes, rule)

    def check(self, settings: Settings) -> None:
        if settings.record.store:
            require("obstore", "record.store")

    def start(self) -> None:
        self.check(self.services.settings)
        self.downloads.close()  # what a kill has left
        self.index.start()
        if self._keeps_house:
            for work, name in ((self._keep_house(), "retention"), (self._upload(), "uploads")):
                self._tasks.append(self.services.loop.create_task(work, name=name))

    async def _upload(self) -> None:
        await self.uploads.run(await self.index.stored())

    async def _keep_house(self) -> None:
        """Delete what is not kept, and see how much there is, again and again."""
        await self.index.opened()
        while True:
            await self.retention.look_again()
            with suppress(DatabaseError):
                await self.disk()
            await asyncio.sleep(LOOK_S)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.known.close()
        self.uploads.close()
        await self.index.close()
        self.reads.close()
        self.stores.close()
        self.downloads.close()

    async def past(
        self, path: str, seconds: float, dates: Sequence[float], place: str, query: str
    ) -> Past | None:
        return await self.dvr.past(path, seconds, dates, place, query)

    def findings(self, stream: Stream) -> Sequence[str]:
        is_concerned = self.uploads.fault and self.index.running_of(stream.path) is not None
        if not is_concerned:
            return ()
        return (f"recordings wait for their store: {self.uploads.fault}",)

    def status(self) -> Values:
        uploads = self.uploads
        return {"uploads_waiting": uploads.waiting, "store_fault": uploads.fault}

    def metrics(self, label: Label) -> "Sequence[Metric]":
        from headend.record.metrics import collect

        return collect(self)

    def routes(self) -> "Sequence[HttpRoute]":
        return [*self.on_demand.routes(), *RecordingPage(self).routes()]

    def api_routes(self) -> "Sequence[Route]":
        from headend.record.api import routes

        return routes(self)


def folder_of(settings: Settings) -> Path:
    """Return the folder of recordings, by the settings."""
    return settings.record.folder or settings.data / FOLDER


def _free(folder: Path) -> int | None:
    """Return how many bytes are free where a folder is, or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
