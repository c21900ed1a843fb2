"""A watch on some folders for changes; more folders may be added later."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path

log = logging.getLogger(__name__)

Changed = Callable[[AbstractSet[str]], None]


class FolderWatch:
    """Watches folders, not what is below them.

    What was added stays watched: a folder that has no file of ours any more is only looked at.
    """

    def __init__(self, changed: Changed) -> None:
        """Watch nothing yet.

        Args:
            changed: Gets the paths of what changed; none at all once a folder that was
                added late is watched: something may have changed there before.
        """
        self._changed = changed
        self._watched: set[Path] = set()
        self._added: set[Path] = set()
        self._more = asyncio.Event()

    def add(self, folders: Iterable[Path]) -> None:
        """Watch these too."""
        self._added |= set(folders) - self._watched
        if self._added:
            self._more.set()

    async def run(self) -> None:
        """Watch until cancelled; where nothing has been added, there is nothing to do."""
        if not self._added:
            return
        is_late = False
        async with asyncio.TaskGroup() as tasks:
            while True:
                if folders := self._take_added():
                    tasks.create_task(self._watch(folders, is_late=is_late))
                is_late = True
                self._more.clear()
                await self._more.wait()

    def _take_added(self) -> set[Path]:
        """Return what is to be watched from now on; one that is missing spoils no other."""
        added, self._added = self._added, set()
        folders = {each for each in added if each.is_dir()}
        if added - folders:
            _warn(added - folders, "no such folder")
        self._watched |= folders
        return folders

    async def _watch(self, folders: set[Path], *, is_late: bool) -> None:
        # Not loaded by a server without files.
        from watchfiles import awatch

        if is_late:
            # Called once this task waits for changes, so that there is no gap.
            asyncio.get_running_loop().call_soon(self._changed, frozenset())
        try:
            async for changes in awatch(*folders, recursive=False):
                self._changed({path for _, path in changes})
        except (OSError, RuntimeError) as error:  # such as too many that are watched
            self._watched -= folders
            _warn(folders, str(error))


def _warn(folders: Iterable[Path], reason: str) -> None:
    names = ", ".join(sorted(map(str, folders)))
    log.warning("changes of files are not noticed in %s: %s", names, reason)
