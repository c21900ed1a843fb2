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
from headend.features.feature import Feature, Label
from headend.hls.past import Past, PastSegments
from headend.live.services import Services
from headend.net.file_piece import FileReads
from headend.record.download import Downloads
from headend.record.dvr import Dvr
from headend.record.index import RecordingIndex
from headend.record.known import KnownRecordings
from headend.record.on_demand import OnDemand
from headend.record.page import RecordingPage
from headend.record.port import RecordingControl
from headend.record.removal import Removal
from headend.record.retention import Keep, Retention
from headend.record.values import RecordedFile
from headend.settings import Settings

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from headend.features.routes import HttpRoute, Route

FOLDER: Final = "recordings"  # in the data folder
DOWNLOADS: Final = "downloads"  # in the data folder
LOOK_S: Final = 60.0  # between two looks at what is to be deleted
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
        recorder: The feature that records; None: this server records nothing.
    """

    name: ClassVar[str] = "recordings"
    ends_last: ClassVar[bool] = True

    def __init__(self, services: Services, node: str) -> None:
        """Take the parts.

        Args:
            services: What features share.
            node: Names this server among those that share the database.
        """
        self.services: Final = services
        self.index: Final = RecordingIndex(services.access.database, node, services.events)
        self.known: Final = KnownRecordings(self.index, services.loop.time)
        self.dvr: Final = Dvr(self.index, services.loop.time)
        self.reads: Final = FileReads(services.loop)
        self.recorder: RecordingControl | None = None
        self._disk: Disk | None = None
        self._disk_at = 0.0
        self.removal: Final = Removal(self.index, lambda: self.folder, services.events)
        self.downloads: Final = Downloads(services.settings.data / DOWNLOADS, self.path_of)
        self.on_demand: Final = OnDemand(self)
        self.retention: Final = Retention(
            self.index, self.known, self.removal, self._keep, time, services.loop.time
        )
        self._retaining: asyncio.Task[None] | None = None
        self.index.changed = self._forget
        services.events.subscribe(self.index.event)

    @property
    def folder(self) -> Path:
        """The folder of all files."""
        return folder_of(self.services.settings)

    def path_of(self, file: RecordedFile) -> Path:
        """Return the path of a file."""
        return self.folder / file.path

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

    def _forget(self, id: str) -> None:
        self.known.forget(id)
        self.downloads.forget(id)

    def _keep(self, path: str) -> Keep:
        """Say what the settings keep of a stream; an empty path: of all together."""
        services = self.services
        if not path:
            return Keep(0, services.settings.record.keep_bytes)
        return Keep(services.rules.of(path).record.keep_days, 0)

    def start(self) -> None:
        self.downloads.close()  # what a kill has left
        self.index.start()
        self._retaining = self.services.loop.create_task(self._keep_house(), name="retention")

    async def _keep_house(self) -> None:
        """Delete what is not kept, and see how much there is, again and again."""
        await self.index.opened()
        while True:
            await self.retention.look_again()
            with suppress(DatabaseError):
                await self.disk()
            await asyncio.sleep(LOOK_S)

    async def stop(self) -> None:
        if self._retaining is not None:
            self._retaining.cancel()
        await self.index.close()
        self.reads.close()
        self.downloads.close()

    async def past(
        self, path: str, seconds: float, dates: Sequence[float], place: str, query: str
    ) -> Past | None:
        return await self.dvr.past(path, seconds, dates, place, query)

    def metrics(self, label: Label) -> "Sequence[Metric]":
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        deleted = CounterMetricFamily(
            "headend_recordings_deleted", "Recordings that were deleted.", labels=["reason"]
        )
        for reason, count in self.removal.deleted.items():
            deleted.add_metric([reason], count)
        found: list[Metric] = [
            deleted,
            GaugeMetricFamily(
                "headend_recordings_waiting",
                "Files and segments that wait for the database.",
                self.index.waiting,
            ),
        ]
        if self._disk is not None:
            text = "Bytes of all recordings."
            found.append(GaugeMetricFamily("headend_recordings_bytes", text, self._disk.used))
            if self._disk.free is not None:
                text = "Bytes that are free where recordings are."
                found.append(
                    GaugeMetricFamily("headend_recordings_free_bytes", text, self._disk.free)
                )
        return found

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
