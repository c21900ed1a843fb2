"""Deletion of recordings: their files first, then their rows.

A deletion that is cut short is begun anew, by whoever wanted it: what has no files can be deleted.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import time
from typing import Final, Literal, get_args

from headend.errors import HeadendError
from headend.events import Events, RecordingDeleted
from headend.logs import shown
from headend.record.index import RecordingIndex
from headend.record.values import RecordedFile, Recording

log = logging.getLogger(__name__)

Reason = Literal["deleted", "days", "bytes"]
WORDS: Final[Mapping[Reason, str]] = {
    "deleted": "somebody asked for it",
    "days": "record.keep_days",
    "bytes": "record.keep_bytes",
}


class RecordingRuns(HeadendError):
    """A recording cannot be deleted while it runs."""


class Removal:
    """Deletes recordings of one server.

    Attributes:
        deleted: Number of recordings that it deleted, by reason.
    """

    def __init__(self, index: RecordingIndex, folder: Callable[[], Path], bus: Events) -> None:
        """Take the parts.

        Args:
            index: Index with the rows.
            folder: Returns the folder of the files.
            bus: Told of each deletion.
        """
        self.deleted: Final = dict.fromkeys(get_args(Reason), 0)
        self._index: Final = index
        self._folder: Final = folder
        self._bus: Final = bus

    async def remove(self, recording: Recording, reason: Reason = "deleted") -> None:
        """Delete a recording that is over.

        Raises:
            RecordingRuns: The recording still runs.
            DatabaseError: Its rows are there still; its files may be gone.
            OSError: A file is there still.
        """
        if recording.state == "recording":
            raise RecordingRuns("this recording goes on: end it first")
        files = await self._index.tables().files(recording.id)
        await asyncio.to_thread(delete_files, self._folder(), files)
        await self._index.delete(recording.id)
        self.deleted[reason] += 1
        log.info(
            "recording %s of %s was deleted: %s",
            recording.id,
            shown(recording.stream),
            WORDS[reason],
        )
        self._bus.emit(
            RecordingDeleted(
                time=time(), recording=recording.id, stream=recording.stream, reason=reason
            )
        )


def delete_files(folder: Path, files: Sequence[RecordedFile]) -> None:
    """Delete files, and folders that are empty then.

    Raises:
        OSError: A file cannot be deleted.
    """
    root = folder.resolve()
    for file in files:
        path = (root / file.path).resolve()
        if not path.is_relative_to(root):  # nothing outside is ours
            raise OSError(errno.EPERM, "it is outside of the folder of recordings, by a link")
        path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == root or not parent.is_relative_to(root):
                break
            try:
                os.rmdir(parent)
            except OSError:
                break  # there are others in it, or it is gone
