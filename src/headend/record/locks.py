"""Locks on journals: which recordings run, also for other servers that use the same folder.

A lock is held by the process, so that none is left behind by a crash: what nobody has locked was
cut short, and whoever starts next mends it.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from headend.record import journal


class JournalLocks:
    """The locks that one server holds, one file for each recording that runs."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}  # descriptors by id

    def take(self, folder: Path, id: str) -> None:
        """Lock the journal of a recording of this server; on a disk without locks nothing is."""
        if id in self._held:
            return
        with suppress(OSError):
            self._held[id] = os.open(journal.path_of(folder, id), os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._held[id], fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self, id: str) -> None:
        """Give up the lock of a recording; one that is not there is no error."""
        descriptor = self._held.pop(id, None)
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Give up all of them."""
        for id in list(self._held):
            self.release(id)

    def is_elsewhere(self, folder: Path, id: str) -> bool:
        """Say whether a recording belongs to another server that runs."""
        if id in self._held:
            return False
        try:
            descriptor = os.open(journal.path_of(folder, id), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a disk without locks
            return False
        finally:
            os.close(descriptor)
        return False
