"""The bytes of a file of a recording, here or in an object store, for RTMP players; blocks.

Players read a recording from its start to its end, in small pieces. What is in a store is fetched
in large ones.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from headend.objects.object_store import ObjectStore

FETCHED: Final = 1024 * 1024  # bytes that are fetched at once at least


class OpenBytes(Protocol):
    """Bytes that are open for reading."""

    def read(self, at: int, size: int) -> bytes:
        """Return bytes from a place on: fewer only at the end.

        Raises:
            OSError: They cannot be read.
            StoreError: The store does not give them.
        """


class FileBytes(Protocol):
    """The bytes of one file.

    Attributes:
        name: Its name, with the suffix that tells its form.
    """

    name: str

    def opened(self) -> AbstractContextManager[OpenBytes]:
        """Have it open for reading."""


class LocalBytes:
    """Bytes of a file on the disk."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path: Final = path

    @contextmanager
    def opened(self) -> Iterator[OpenBytes]:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield _Descriptor(descriptor)
        finally:
            os.close(descriptor)


class _Descriptor:
    def __init__(self, descriptor: int) -> None:
        self._descriptor: Final = descriptor

    def read(self, at: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, at)


class RemoteBytes:
    """Bytes of an object in a store; what was fetched last is kept."""

    def __init__(self, store: "ObjectStore", key: str, size: int) -> None:
        """Take the parts.

        Args:
            store: Has the object.
            key: Key of the object.
            size: Size of the object, bytes.
        """
        self.name = key
        self._store: Final = store
        self._size: Final = size
        self._at = 0
        self._fetched = b""

    @contextmanager
    def opened(self) -> Iterator[OpenBytes]:
        yield self

    def read(self, at: int, size: int) -> bytes:
        """Return bytes from a place on; see `OpenBytes`."""
        size = min(size, self._size - at)
        if size <= 0:
            return b""
        first = at - self._at
        if first < 0 or first + size > len(self._fetched):
            wanted = min(max(size, FETCHED), self._size - at)
            self._fetched, self._at, first = self._store.read_now(self.name, at, wanted), at, 0
        return self._fetched[first : first + size]
