"""Uploads: finished files of recordings go to object storage, and what was deleted goes from there.

    database ─► files that are in no store ─► two at a time ─► store ─► verified ─► row ─► event
                                                                          └─► file deleted here

The queue is the database's own rows, so nothing is lost by a restart. While the store is away, all
waits, and is tried again after 1 s, then later, up to 60 s.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Final

from headend.errors import DatabaseError, StoreError
from headend.events import (
    Event,
    Events,
    RecordingDeleted,
    RecordingFailed,
    RecordingReady,
    RecordingUploaded,
)
from headend.logs import Repeats, shown
from headend.objects.pace import UploadPace
from headend.objects.stores import Stores
from headend.record.removal import delete_files
from headend.record.values import RecordedFile, Recording
from headend.settings import Settings

if TYPE_CHECKING:
    from headend.objects.object_store import ObjectStore
    from headend.record.stored_tables import StoredTables

log = logging.getLogger(__name__)

LOOK_S: Final = 5.0  # between two looks at what waits
RETRY_S: Final = (1.0, 60.0)  # after a failure, and after many in a row
AT_ONCE: Final = 2  # files that are uploaded
SOME: Final = 100  # rows that are looked at at once


class Uploads:
    """What brings the files of one server to their store.

    Attributes:
        files: Number of files that were uploaded.
        bytes: Their size.
        deleted: Number of objects that were deleted.
        failures: Number of attempts that failed.
        waiting: Number of files that wait, when that was looked at last.
        fault: Why the last attempt failed; empty: it did not.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        folder: Callable[[], Path],
        stores: Stores,
        bus: Events,
        changed: Callable[[str], None],
    ) -> None:
        """Take the parts.

        Args:
            settings: Returns the settings in effect.
            folder: Returns the folder of all files.
            stores: Has the store.
            bus: Told of recordings that are in the store.
            changed: Called with the id of a recording whose files are elsewhere now.
        """
        self.files = self.bytes = self.deleted = self.failures = self.waiting = 0
        self.fault = ""
        self._settings: Final = settings
        self._folder: Final = folder
        self._stores: Final = stores
        self._bus: Final = bus
        self._changed: Final = changed
        self._pace: Final = UploadPace(lambda: settings().record.upload_rate)
        self._wake: Final = asyncio.Event()
        self._tried: dict[tuple[str, int], int] = {}  # files that failed, how often
        self._pause = 0.0
        self._reports: Final = Repeats(log, "uploads not done")

    def event(self, event: Event) -> None:
        """Look at once when there may be something to do."""
        if isinstance(event, RecordingReady | RecordingFailed | RecordingDeleted):
            self._wake.set()

    def close(self) -> None:
        """Have uploads end that wait for their rate; they are begun anew after the next start."""
        self._pace.close()

    async def run(self, tables: "StoredTables") -> None:
        """Upload and delete until cancelled."""
        while True:
            self._wake.clear()
            await self._try_round(tables)
            self._reports.tick(asyncio.get_running_loop().time())
            if self._pause:  # nothing that happens here brings the store back
                await asyncio.sleep(self._pause)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()

    async def _try_round(self, tables: "StoredTables") -> None:
        try:
            await self._round(tables)
        except DatabaseError as error:
            self._report(f"the database is away: {error}")
        except Exception:
            log.exception("uploads of recordings: a bug")

    async def _round(self, tables: "StoredTables") -> None:
        """Do what there is to do; a failure of the store ends it."""
        try:
            record = self._settings().record
            if record.store:
                await self._upload_all(tables, self._stores.get(record.store))
                if not record.keep_local:
                    await self._clear(tables)
            else:
                self.waiting = 0
            self.deleted += await delete_objects(tables, self._stores)
        except StoreError as error:
            self._failed(error)
        else:
            if self.fault:
                log.info("the store of recordings works again")
            self.fault, self._pause = "", 0.0

    def _failed(self, error: StoreError) -> None:
        first, most = RETRY_S
        self._pause = min(2 * self._pause, most) if self._pause else first
        self.failures += 1
        self.fault = str(error)
        self._report(f"{error}; it is tried again")

    def _report(self, line: str) -> None:
        self._reports.add(f"recordings: {line}", asyncio.get_running_loop().time())

    # ------------------------------------------------------------------ uploads

    async def _upload_all(self, tables: "StoredTables", store: "ObjectStore") -> None:
        while files := await tables.waiting(SOME):
            self.waiting = await tables.count()
            # What has failed is tried after the others: one bad file holds up nobody.
            files.sort(key=lambda file: self._tried.get((file.recording_id, file.number), 0))
            for start in range(0, len(files), AT_ONCE):
                some = files[start : start + AT_ONCE]
                results = await asyncio.gather(
                    *(self._upload(tables, store, file) for file in some), return_exceptions=True
                )
                self.waiting = max(0, self.waiting - results.count(None))
                for result in results:
                    if result is not None:
                        raise result
        self.waiting = 0
        self._tried.clear()

    async def _upload(
        self, tables: "StoredTables", store: "ObjectStore", file: RecordedFile
    ) -> None:
        path, id = self._folder() / file.path, file.recording_id
        try:
            size = (await asyncio.to_thread(path.stat)).st_size
        except OSError as error:
            log.warning("recording %s: %s cannot be uploaded: %s", id, path, error.strerror)
            await tables.gone(file)
            return
        try:
            await store.put(file.key, path, size, self._pace)
        except StoreError:
            tried = self._tried.get((id, file.number), 0)
            self._tried[id, file.number] = tried + 1
            raise
        self._tried.pop((id, file.number), None)
        recording = await tables.stored(file, store.url, size)
        self.files += 1
        self.bytes += size
        self._changed(id)
        if recording is not None:
            self._tell(recording, store.url)

    def _tell(self, recording: Recording, url: str) -> None:
        """Say that all of a recording is in the store, once it is."""
        if recording.state == "recording" or recording.stored < recording.files:
            return
        log.info("recording %s of %s is in the store", recording.id, shown(recording.stream))
        self._bus.emit(
            RecordingUploaded(
                time=time(),
                recording=recording.id,
                stream=recording.stream,
                store=url,
                files=recording.files,
                bytes=recording.bytes,
            )
        )

    async def _clear(self, tables: "StoredTables") -> None:
        """Delete files here that are in a store."""
        while files := await tables.twice(SOME):
            for file in files:
                try:
                    await asyncio.to_thread(delete_files, self._folder(), [file])
                except OSError as error:
                    self._report(f"{file.path} stays here: {error.strerror}")
                    return
                await tables.gone(file)
                self._changed(file.recording_id)


async def delete_objects(tables: "StoredTables", stores: Stores) -> int:
    """Delete what is in stores and not wanted any more; return how many objects that were.

    Raises:
        DatabaseError: The database fails.
        StoreError: A store fails; what is left is deleted later.
    """
    count = 0
    while objects := await tables.deleted(SOME):
        url = objects[0].store
        some = [each for each in objects if each.store == url]
        await stores.get(url).delete([each.key for each in some])
        await tables.forget(some)
        count += len(some)
    return count
