"""Recordings that somebody asks for, as they were read last: the database is not asked each time.

What is over is read once in a while, in case another process has deleted it; what runs, once a
second, and then what is new of it.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from headend.errors import DatabaseError
from headend.http.ranges import FileRange, RemoteRange
from headend.record.kept_listing import MIN_SEGMENTS, kept, restored
from headend.record.playlist import SegmentList
from headend.record.values import RecordedFile, Recording

if TYPE_CHECKING:
    from headend.record.index import RecordingIndex

FRESH_S: Final = 0.5  # what runs is read again after so long …
OVER_FRESH_S: Final = 60.0  # … and what is over after so long
WATCHED_S: Final = 60.0  # after its last request a recording is watched so long
MOST: Final = 2000  # recordings that are known
MOST_CHARACTERS: Final = 64 * 1024 * 1024  # of their playlists; a day has 3 million
ADDED: Final = 1000  # segments that become lines in one turn of the loop


@dataclass(slots=True, eq=False)
class KnownRecording:
    """A recording, its files, and its segments as far as somebody wanted them.

    Attributes:
        recording: As it was read last.
        files: Its files, by number.
        listing: Its segments.
        read_at: When recording and files were read, monotonic seconds.
        listed_at: When the listing was read, monotonic seconds.
        is_whole: The listing has all segments; none will be added.
        whole: Files that were asked for, if the recording is over, by number.
        packed: The playlist for all who need no query, compressed, once it is whole.
        used_at: When somebody asked for the recording last, monotonic seconds.
        users: Number of answers that are being sent.
    """

    recording: Recording
    files: dict[int, RecordedFile]
    read_at: float
    used_at: float
    users: int = 0
    listing: SegmentList = field(default_factory=SegmentList)
    listed_at: float = -math.inf
    is_whole: bool = False
    whole: dict[int, FileRange | RemoteRange] = field(default_factory=dict)
    packed: bytes = b""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Count the recording as watched while the block runs."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1

    @property
    def is_flv(self) -> bool:
        return any(not file.path.endswith(".mp4") for file in self.files.values())

    @property
    def is_over(self) -> bool:
        return self.recording.state != "recording"


class KnownRecordings:
    """The recordings that were asked for lately; the longest not asked for are forgotten."""

    def __init__(self, index: "RecordingIndex", clock: Callable[[], float]) -> None:
        """Take the parts.

        Args:
            index: Index from which recordings are read.
            clock: Gives monotonic seconds.
        """
        self._index: Final = index
        self._clock: Final = clock
        self._known: Final[OrderedDict[str, KnownRecording]] = OrderedDict()
        self._size = 0  # characters of all listings
        self._working: Final[set[asyncio.Task[None]]] = set()

    async def get(self, id: str) -> KnownRecording | None:
        """Return a recording of this server by its id; None: there is none.

        Raises:
            DatabaseError: It cannot be read now.
        """
        now = self._clock()
        known = self._known.get(id)
        if known is None or now > known.read_at + (OVER_FRESH_S if known.is_over else FRESH_S):
            known = await self._read(id)
        if known is not None:
            known.used_at = now
            self._known.move_to_end(id)
        return known

    async def listed(self, known: KnownRecording) -> SegmentList:
        """Return the segments of a recording that are in the database.

        Raises:
            DatabaseError: They cannot be read now.
        """
        async with known.lock:
            is_due = known.is_over or self._clock() > known.listed_at + FRESH_S
            if is_due and not known.is_whole:
                is_over = known.is_over  # then these are all that there are
                await self._list(known)
                known.listed_at, known.is_whole = self._clock(), is_over
                if is_over and not known.packed and known.listing.count >= MIN_SEGMENTS:
                    self._work(self._keep(known))
        self._bound(known.recording.id)
        return known.listing

    def prepare(self, id: str) -> None:
        """Have a recording listed that is over, before somebody asks for it."""
        self._work(self._prepare(id))

    def close(self) -> None:
        """Prepare and keep no more listings."""
        for task in self._working:
            task.cancel()

    def is_watched(self, id: str) -> bool:
        """Say whether somebody has asked for a recording lately."""
        known = self._known.get(id)
        if known is None:
            return False
        return known.users > 0 or self._clock() < known.used_at + WATCHED_S

    def forget(self, id: str) -> None:
        """Forget a recording that was deleted or mended: the next request reads it anew."""
        known = self._known.pop(id, None)
        if known is not None:
            self._size -= known.listing.size

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._known)

    async def _read(self, id: str) -> KnownRecording | None:
        tables = self._index.tables()
        recording = await tables.get(id)
        if recording is None:
            self.forget(id)
            return None
        files = {file.number: file for file in await tables.files(id)}
        now = self._clock()
        known = self._known.get(id)
        if known is None:
            known = self._known[id] = KnownRecording(recording, files, now, now)
            self._bound(id)
        else:
            known.recording, known.files, known.read_at = recording, files, now
        return known

    def _work(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work, name="list a recording")
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _prepare(self, id: str) -> None:
        with suppress(DatabaseError):  # it is listed when somebody asks
            known = await self.get(id)
            if known is not None and not known.is_flv:
                await self.listed(known)

    async def _keep(self, known: KnownRecording) -> None:
        """Keep a listing for those who ask after the next start."""
        row = await asyncio.to_thread(kept, known.listing)
        known.packed = row.packed
        with suppress(DatabaseError):  # it is listed again then
            id = known.recording.id
            await self._index.tables().keep_listing(id, row, known.listing.count)

    async def _list(self, known: KnownRecording) -> None:
        id = known.recording.id
        if known.is_over and not known.listing.count:
            row = await self._index.tables().listing(id)
            if row is not None:
                known.listing, known.packed = restored(row), row.packed
                if self._known.get(id) is known:
                    self._size += known.listing.size
                return
        listing, before = known.listing, known.listing.size
        segments = await self._index.tables().segments(id, after=listing.last)
        for start in range(0, len(segments), ADDED):
            listing.add(known.files, segments[start : start + ADDED])
            await asyncio.sleep(0)
        if self._known.get(id) is known:
            self._size += listing.size - before

    def _bound(self, kept: str) -> None:
        """Forget what is too much, but for one that is asked for now."""
        while len(self._known) > MOST or self._size > MOST_CHARACTERS:
            oldest = next(iter(self._known))
            if oldest == kept or self._known[oldest].users:
                break  # the next time, then
            self.forget(oldest)
