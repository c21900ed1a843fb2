"""Files that are made of media files, kept on the disk while there is room for them.

Each is made once, however many ask for it. What nobody has used for the longest time goes first;
what is in use stays.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

MOST: Final = 50_000  # files

Maker = Callable[[Path], Awaitable[None]]


class Cache:
    """A folder with files that can be made again."""

    def __init__(self, folder: Path, most_bytes: Callable[[], int]) -> None:
        """Take the parts; `open` looks at what is there.

        Args:
            folder: Folder for these files, with nothing else in it.
            most_bytes: Returns how much there may be.
        """
        self._folder: Final = folder
        self._most_bytes: Final = most_bytes
        self._sizes: Final[OrderedDict[str, int]] = OrderedDict()  # the one used last at the end
        self._bytes = 0
        self._users: Final[Counter[str]] = Counter()
        self._making: Final[dict[str, asyncio.Task[None]]] = {}

    def open(self) -> None:
        """Look at what an earlier start has left; blocks."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for path in self._folder.iterdir():
            if path.suffix == ".part":
                path.unlink(missing_ok=True)
            else:
                known = path.stat()
                found.append((known.st_mtime, path.name, known.st_size))
        for _, name, size in sorted(found):
            self._add(name, size)
        self._bound()

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return self._bytes

    def path(self, name: str) -> Path:
        """Return where a file is, or will be."""
        return self._folder / name

    @asynccontextmanager
    async def held(self, name: str, make: Maker) -> AsyncIterator[Path]:
        """Give a file, which is made if it is not there, and keep it while the block runs.

        Args:
            name: Name of the file.
            make: Writes it to the path that it is given; goes on if nobody waits any more.

        Raises:
            MediaError: As `make` does.
            OSError: As `make` does, or the file is gone.
        """
        self._users[name] += 1
        try:
            if name not in self._sizes:
                await asyncio.shield(self._maker(name, make))
            if name in self._sizes:
                self._sizes.move_to_end(name)
            yield self.path(name)
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name]
            self._bound()

    def forget(self, name: str) -> None:
        """Drop a file that is not there any more."""
        self._bytes -= self._sizes.pop(name, 0)

    async def close(self) -> None:
        """Stop making files."""
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _maker(self, name: str, make: Maker) -> "asyncio.Task[None]":
        task = self._making.get(name)
        if task is None:
            task = asyncio.create_task(self._make(name, make), name="media file")
            self._making[name] = task
            task.add_done_callback(_looked_at)
        return task

    async def _make(self, name: str, make: Maker) -> None:
        path = self.path(name)
        try:
            await make(path)
            self._add(name, (await asyncio.to_thread(path.stat)).st_size)
        finally:
            del self._making[name]

    def _add(self, name: str, size: int) -> None:
        self.forget(name)
        self._sizes[name] = size
        self._bytes += size

    def _bound(self) -> None:
        """Remove what is too much."""
        most = self._most_bytes()
        while self._bytes > most or len(self._sizes) > MOST:
            oldest = next((name for name in self._sizes if not self._users[name]), None)
            if oldest is None:
                return
            self.forget(oldest)
            with suppress(OSError):
                self.path(oldest).unlink()


def _looked_at(task: "asyncio.Task[None]") -> None:
    """Take note of an error that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
