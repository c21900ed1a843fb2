"""A watch on some folders for changes; more folders may be added later.

It looks at the entries of each folder twice a second, in a thread. Notices of the system would do
without looks, but need a library and a thread of their own, and there are none on network disks.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5

Changed: TypeAlias = Callable[[AbstractSet[str]], None]
Entries: TypeAlias = Mapping[str, tuple[int, int, int]]  # what changes with each of a folder


class FolderWatch:
    """Watches folders, not what is below them.

    What was added stays watched: a folder that has no file of ours any more is only looked at.
    """

    def __init__(self, changed: Changed) -> None:
        """Watch nothing yet.

        Args:
            changed: Gets the paths of what changed, one look later so that a file is whole; none
                at all once a folder that was added late is watched: something may have changed
                there before.
        """
        self._changed = changed
        self._watched: dict[Path, Entries] = {}
        self._added: set[Path] = set()
        self._fresh: set[str] = set()  # changes that are told with the next look
        self._more = asyncio.Event()

    def add(self, folders: Iterable[Path]) -> None:
        """Watch these too."""
        self._added |= set(folders) - self._watched.keys()
        if self._added:
            self._more.set()

    async def run(self) -> None:
        """Watch until cancelled; where nothing has been added, there is nothing to do."""
        if not self._added:
            return
        await self._begin()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._more.wait()
            if self._added:
                await self._begin()
                self._changed(frozenset())
            await self._look()

    async def _begin(self) -> None:
        """Watch what was added from now on; a folder that cannot be read spoils no other."""
        added, self._added = self._added, set()
        self._more.clear()
        for folder in sorted(added):
            try:
                self._watched[folder] = await asyncio.to_thread(entries, folder)
            except OSError as error:
                reason = error.strerror if folder.is_dir() else "no such folder"
                log.warning("changes of files are not noticed in %s: %s", folder, reason)

    async def _look(self) -> None:
        told, self._fresh = self._fresh, set()
        for folder, before in list(self._watched.items()):
            try:
                now = await asyncio.to_thread(entries, folder)
            except OSError:
                continue  # it may come back
            self._watched[folder] = now
            names = {name for name, _ in before.items() ^ now.items()}
            self._fresh |= {str(folder / name) for name in names}
        if told:
            self._changed(told)


def entries(folder: Path) -> Entries:
    """Return what changes with the entries of a folder; of a symbolic link, with the link itself.

    Raises:
        OSError: It cannot be read.
    """
    found: dict[str, tuple[int, int, int]] = {}
    with os.scandir(folder) as scan:
        for entry in scan:
            with suppress(FileNotFoundError):  # it has just been removed
                status = entry.stat(follow_symlinks=False)
                found[entry.name] = (status.st_ino, status.st_ctime_ns, status.st_size)
    return found
