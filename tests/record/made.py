"""Recordings that tests make up."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from headend.decisions import AccessRequest, Allow, Decision
from headend.events import Event, Events
from headend.record.index import RecordingIndex
from headend.record.tables import RecordingTables
from headend.record.values import RecordedFile, RecordedSegment, Recording
from headend.store.database import Database


def recording(id: str = "r1", **changes: Any) -> Recording:
    """Return a recording of `live/a` that is over, from 100 s to 160 s."""
    values = {
        "stream": "live/a", "state": "ready", "started": 100.0, "ended": 160.0, "bytes": 0,
        "files": 0, "duration_s": 0.0,
    }  # fmt: skip
    return Recording(id, **{**values, **changes})


def begun(id: str = "r1", **changes: Any) -> Recording:
    """Return a recording that begins."""
    return recording(id, **{"state": "recording", "ended": None, **changes})


def file(number: int = 0, id: str = "r1") -> RecordedFile:
    path = f"live/a/{id}-{number}.mp4"
    return RecordedFile(id, number, path, 1000, number > 0, "avc1.42c00b", 640, 360)


def segment(number: int, file: int = 0) -> RecordedSegment:
    """Return a segment of 2 s and 5000 bytes; number counts from the file's start."""
    start = 2.0 * number + 100.0 * file
    return RecordedSegment(file, 1000 + 5000 * number, 5000, start, 2.0, 100.0 + start, True)


@asynccontextmanager
async def tables(url: str, *nodes: str) -> AsyncIterator[list[RecordingTables]]:
    """Give the tables as each server sees them."""
    database = Database(url, Path("/nowhere"))
    await database.open()
    try:
        yield [RecordingTables(database, node) for node in nodes or ("here",)]
    finally:
        await database.close()


@asynccontextmanager
async def index(
    url: str, told: list[Event] | None = None
) -> AsyncIterator[tuple[RecordingIndex, RecordingTables]]:
    """Run an index on an open database; `told` gets its events."""
    database = Database(url, Path("/nowhere"))
    await database.open()
    made = RecordingIndex(
        given(database), "here", bus([] if told is None else told), batch_s=0.01, retry_s=0.02
    )
    made.start()
    try:
        yield made, await made.opened()
    finally:
        await made.close()
        await database.close()


def bus(told: list[Event]) -> Events:
    """Return a bus whose events are put into a list."""

    def report(event: Event, error: Exception) -> None:
        raise error

    events = Events(report)
    events.subscribe(told.append)
    return events


def given(database: Database) -> Callable[[], Awaitable[Database]]:
    async def give() -> Database:
        return database

    return give


class Elsewhere:
    """Shows `live/b` to whoever asks for `live/a`."""

    async def authorize(self, request: AccessRequest) -> Decision:
        return Allow(stream="live/b" if request.path == "live/a" else None)
