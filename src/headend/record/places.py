"""The places of recordings' files: the folder, or an object store; and how they are read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from headend.http.ranges import FileRange, RemoteRange
from headend.objects.stores import Stores
from headend.record.file_bytes import FileBytes, LocalBytes, RemoteBytes
from headend.record.values import RecordedFile
from headend.settings import Settings


class Places:
    """Finds the files of one server's recordings."""

    def __init__(
        self, settings: Callable[[], Settings], folder: Callable[[], Path], stores: Stores
    ) -> None:
        """Take the parts.

        Args:
            settings: Returns the settings in effect.
            folder: Returns the folder of all files.
            stores: Has the stores.
        """
        self._settings: Final = settings
        self._folder: Final = folder
        self._stores: Final = stores

    def path_of(self, file: RecordedFile) -> Path:
        """Return where a file is, or was before it went to a store."""
        return self._folder() / file.path

    async def whole(self, file: RecordedFile) -> FileRange | RemoteRange:
        """Return all bytes of a file, for an answer over HTTP.

        Raises:
            OSError: It is not there.
        """
        path = self.path_of(file)
        if file.is_local:
            try:
                return FileRange(path, 0, (await asyncio.to_thread(path.stat)).st_size)
            except FileNotFoundError:
                if file.size is None:
                    raise
        if file.size is None:
            raise FileNotFoundError(f"{path} is gone")
        return RemoteRange(partial(self._read, file), 0, file.size)

    def bytes_of(self, file: RecordedFile) -> FileBytes:
        """Return the bytes of a file, for threads that read it.

        Raises:
            StoreError: The store cannot be used.
        """
        path = self.path_of(file)
        if file.size is None or (file.is_local and path.exists()):
            return LocalBytes(path)
        return RemoteBytes(self._stores.get(file.store), file.key, file.size)

    async def _read(self, file: RecordedFile, offset: int, size: int) -> AsyncIterator[bytes]:
        async for piece in self._stores.get(file.store).read(file.key, offset, size):
            yield piece

    def public_url(self, file: RecordedFile, *, is_private: bool) -> str | None:
        """Return the URL from which anybody may fetch a file; None: it is fetched through us.

        What only some may watch is never given so: an address can be passed on.
        """
        record = self._settings().record
        is_there = file.store == record.store != ""
        if is_private or not record.public_url or not is_there:
            return None
        return f"{record.public_url}/{quote(file.key)}"

    async def signed_url(self, file: RecordedFile) -> str | None:
        """Return a URL of the store that is valid for a while; None: none is wanted.

        Raises:
            StoreError: The store gives none.
        """
        seconds = self._settings().record.presigned_s
        if not seconds or not file.store or file.store.startswith("file:"):
            return None
        return await self._stores.get(file.store).sign(file.key, seconds)
