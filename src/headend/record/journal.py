"""The journal of recordings that run, from which a start after a crash mends their rows.

    FOLDER/.running/ID.json    a line for each file, written before there is anything in it

The journal of a recording is deleted once all its rows are in the database.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final, NamedTuple

from headend.record.values import RecordedFile, Recording

FOLDER: Final = ".running"
SUFFIX: Final = ".json"
MOST_BYTES: Final = 64 * 1024 * 1024  # of a journal: more files than a recording can have


class Noted(NamedTuple):
    """A file of a recording, as its journal has it.

    Attributes:
        file: Row of the file.
        start_s: Its start on the timeline of its recording, seconds.
        date: When its first frame was sent, Unix seconds.
    """

    file: RecordedFile
    start_s: float
    date: float


class Unfinished(NamedTuple):
    """A recording that ran when the server ended.

    Attributes:
        recording: As it began.
        files: In their order.
    """

    recording: Recording
    files: list[Noted]


def note_of(
    recording: Recording, file: RecordedFile, *, start_s: float, date: float
) -> dict[str, object]:
    """Return the journal's line for a file; the path is added when it is known."""
    return {"recording": asdict(recording), "file": asdict(file), "start_s": start_s, "date": date}


def path_of(folder: Path, id: str) -> Path:
    """Return where the journal of a recording is."""
    return folder / FOLDER / f"{id}{SUFFIX}"


def add(folder: Path, id: str, note: Mapping[str, object]) -> None:
    """Add a line to the journal of a recording, and wait until it is on the disk.

    Raises:
        OSError: The journal cannot be written.
    """
    running = folder / FOLDER
    running.mkdir(0o750, exist_ok=True)
    path = path_of(folder, id)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        os.write(descriptor, json.dumps(note).encode() + b"\n")
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(running)


def remove(folder: Path, id: str) -> None:
    """Delete the journal of a recording."""
    with suppress(OSError):
        path_of(folder, id).unlink(missing_ok=True)


def read_all(folder: Path) -> Iterator[Unfinished]:
    """Give the recordings that have a journal; lines that make no sense are passed over."""
    try:
        paths = sorted((folder / FOLDER).iterdir())
    except OSError:
        return
    for path in paths:
        if path.suffix == SUFFIX and path.is_file() and path.stat().st_size <= MOST_BYTES:
            running = _read(path)
            if running is not None:
                yield running


def _read(path: Path) -> Unfinished | None:
    recording: Recording | None = None
    files: list[Noted] = []
    for line in path.read_bytes().splitlines():
        with suppress(ValueError, TypeError, KeyError):
            note = json.loads(line)
            noted = Recording(**note["recording"])
            if noted.id != path.stem:
                continue
            recording = recording or noted
            file = RecordedFile(**{**note["file"], "path": note["path"]})
            files.append(Noted(file, float(note["start_s"]), float(note["date"])))
    return None if recording is None else Unfinished(recording, files)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
