"""Values of media files: which one is meant, what its reader is asked for, what was found in it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from headend.codec.file_index import FileIndex, IndexedTrack

APP: Final = "vod"  # in the names of files


class FileJob(NamedTuple):
    """What the process that reads files is asked for.

    Attributes:
        path: The file.
        identity: Device, inode, size and time of change that it must have.
        target: File that is written.
        index_path: File with the index of the media file; not there yet for a job without a number.
        number: Number of the segment that is wanted; None: the index is.
        tracks: Numbers of the tracks that are wanted.
    """

    path: str
    identity: Sequence[int]
    target: str
    index_path: str
    number: int | None = None
    tracks: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class MediaPath:
    """A file below `vod.folder`, as it is now.

    Attributes:
        name: Its name seen from the folder.
        path: Where it lies, without links.
        identity: Device, inode, size and time of change.
    """

    name: str
    path: Path
    identity: tuple[int, ...]

    @property
    def key(self) -> str:
        """Begins the names of all that is made of it; a changed file has another one."""
        return sha256(f"{self.path}\0{self.identity}".encode()).hexdigest()[:32]

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.identity[2]


def index_of(data: bytes) -> FileIndex:
    """Read an index that was written down.

    Raises:
        ValueError: It cannot be read.
        TypeError: It has other fields.
    """
    fields = json.loads(data)
    tracks = [IndexedTrack(**each) for each in fields.pop("tracks")]
    return FileIndex(tracks=tracks, **fields)
