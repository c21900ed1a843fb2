"""The tables of recordings in the database: their questions and changes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from headend.record.values import (
    KeptListing,
    RecordedFile,
    RecordedPublisher,
    RecordedSegment,
    Recording,
)
from headend.store.connection import DatabaseConnection
from headend.store.database import Database
from headend.store.tables import (
    DELETED_OBJECTS,
    RECORDED_FILES,
    RECORDED_LISTINGS,
    RECORDED_PUBLISHERS,
    RECORDED_SEGMENTS,
    RECORDINGS,
    insert,
)

MEND_S: Final = 30.0  # to write a recording of a day anew
BATCH: Final = 2000  # rows of one statement

_OF_MEDIA: Final = (RECORDED_FILES, RECORDED_SEGMENTS, RECORDED_LISTINGS)
_RECORDING: Final = [RECORDINGS.c[field.name] for field in fields(Recording)]
_FILE: Final = [RECORDED_FILES.c[field.name] for field in fields(RecordedFile)]
_SEGMENT: Final = [RECORDED_SEGMENTS.c[name] for name in RecordedSegment._fields]
_CHANGES: Final = ("state", "ended", "bytes", "files", "duration_s", "is_torn")  # as it goes on


class PageEnd(NamedTuple):
    """Where a page of the list ends: its last recording."""

    started: float
    id: str


@dataclass(frozen=True, slots=True)
class RecordingFilter:
    """Which recordings are wanted; `None`: all.

    Attributes:
        stream: Pattern of their streams, such as `live/*`.
        name: Their stream, `APP/NAME`.
        since: Unix seconds: recordings that ended after this time, or run.
        until: Unix seconds: recordings that began before this time.
    """

    stream: str | None = None
    name: str | None = None
    since: float | None = None
    until: float | None = None


class RecordingTables:
    """The tables of recordings. Every method raises DatabaseError when the database fails."""

    def __init__(self, database: Database, node: str) -> None:
        """Take the parts.

        Args:
            database: The database with the tables.
            node: Names this server among those that share the database, up to 32 characters.
        """
        self._database: Final = database
        self._node: Final = node

    # ------------------------------------------------------------------ questions

    async def get(self, id: str) -> Recording | None:
        """Return a recording of this server."""
        query = self._select().where(RECORDINGS.c.id == id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Recording(*row)

    async def page(
        self, wanted: RecordingFilter, *, limit: int, before: PageEnd | None = None
    ) -> list[Recording]:
        """Return recordings of this server, the newest first.

        Args:
            wanted: Which recordings.
            limit: How many at most.
            before: End of the page before; None: this is the first page.
        """
        found: list[Recording] = []
        async with self._database.begin() as connection:
            while len(found) < limit:
                rows = await self._some(connection, wanted, limit, before)
                # SQL's patterns say less: SQLite's know no case, and neither knows sets.
                found += [each for each in rows if _fits(each.stream, wanted.stream)]
                if len(rows) < limit:
                    break
                before = PageEnd(rows[-1].started, rows[-1].id)
        return found[:limit]

    async def _some(
        self,
        connection: DatabaseConnection,
        wanted: RecordingFilter,
        limit: int,
        before: PageEnd | None,
    ) -> list[Recording]:
        columns = RECORDINGS.c
        # An index has all that this asks for: few of many are found without a look at the table.
        ids = _newest(sa.select(columns.id).where(columns.node == self._node))
        ids = ids.where(*_conditions(wanted)).limit(limit)
        if before is not None:
            ids = ids.where(sa.tuple_(columns.started, columns.id) < sa.tuple_(*before))
        some = ids.subquery()
        query = sa.select(*_RECORDING).join(some, columns.id == some.c.id)
        return [Recording(*row) for row in await connection.execute(_newest(query))]

    async def files(self, id: str) -> list[RecordedFile]:
        """Return the files of a recording, in their order."""
        columns = RECORDED_FILES.c
        query = sa.select(*_FILE).where(columns.recording_id == id).order_by(columns.number)
        async with self._database.begin() as connection:
            return [RecordedFile(*row) for row in await connection.execute(query)]

    async def segments(
        self,
        id: str,
        *,
        after: tuple[int, int] | None = None,
        between: tuple[float, float] | None = None,
        limit: int | None = None,
    ) -> list[RecordedSegment]:
        """Return the segments of a recording, in their order.

        Args:
            id: Id of the recording.
            after: File and offset of the last segment that is known; None: none is.
            between: Segments with media between two times, Unix seconds; None: all segments.
            limit: How many at most; None: all.
        """
        columns = RECORDED_SEGMENTS.c
        query = (
            sa.select(*_SEGMENT)
            .where(columns.recording_id == id)
            .order_by(columns.file, columns.offset)
            .limit(limit)
        )
        if after is not None:
            file, offset = after
            in_file = sa.and_(columns.file == file, columns.offset > offset)
            query = query.where(sa.or_(columns.file > file, in_file))
        if between is not None:
            since, until = between
            is_later = columns.date + columns.duration_s > since
            query = query.where(is_later, columns.date < until)
        async with self._database.begin() as connection:
            return list(map(RecordedSegment._make, await connection.execute(query)))

    async def listing(self, id: str) -> KeptListing | None:
        """Return what `keep_listing` keeps of a recording."""
        columns = RECORDED_LISTINGS.c
        query = sa.select(columns.packed, columns.about).where(columns.recording_id == id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else KeptListing(*row)

    async def segments_at(self, id: str, start_s: float, end_s: float) -> list[RecordedSegment]:
        """Return the segments with media between two places on the timeline, in their order."""
        columns = RECORDED_SEGMENTS.c
        query = sa.select(*_SEGMENT).where(
            columns.recording_id == id,
            columns.start_s + columns.duration_s > start_s,
            columns.start_s < end_s,
        )
        query = query.order_by(columns.file, columns.offset)
        async with self._database.begin() as connection:
            return list(map(RecordedSegment._make, await connection.execute(query)))

    async def publishers(self, id: str) -> list[RecordedPublisher]:
        """Return the publishers whose media is in a recording."""
        query = sa.select(RECORDED_PUBLISHERS).where(RECORDED_PUBLISHERS.c.recording_id == id)
        async with self._database.begin() as connection:
            return [RecordedPublisher(*row) for row in await connection.execute(query)]

    async def last_segment(self, id: str, until_s: float | None = None) -> RecordedSegment | None:
        """Return the newest segment of a recording.

        Args:
            id: Id of the recording.
            until_s: Seconds on its timeline: the newest segment until then that begins with a
                keyframe; None: the newest of all.
        """
        columns = RECORDED_SEGMENTS.c
        query = sa.select(*_SEGMENT).where(columns.recording_id == id)
        if until_s is not None:
            query = query.where(columns.is_keyframe, columns.start_s <= until_s)
        query = query.order_by(columns.file.desc(), columns.offset.desc()).limit(1)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else RecordedSegment._make(row)

    async def unfinished(self) -> list[Recording]:
        """Return the recordings to mend: those that have not ended, or that miss rows."""
        columns = RECORDINGS.c
        query = self._select().where(sa.or_(columns.state == "recording", columns.is_torn))
        async with self._database.begin() as connection:
            rows = await connection.execute(query.order_by(columns.started, columns.id))
            return [Recording(*row) for row in rows]

    async def oldest(self, *, limit: int, after: PageEnd | None = None) -> list[Recording]:
        """Return recordings of this server that are over, the oldest first; clips are none."""
        columns = RECORDINGS.c
        query = self._select().where(columns.ended.is_not(None), columns.kind == "recording")
        if after is not None:
            place = sa.tuple_(columns.started, columns.id)
            query = query.where(place > sa.tuple_(*after))
        async with self._database.begin() as connection:
            rows = await connection.execute(
                query.order_by(columns.started, columns.id).limit(limit)
            )
            return [Recording(*row) for row in rows]

    async def total_bytes(self) -> int:
        """Return the size of all recordings of this server."""
        total = sa.select(sa.func.coalesce(sa.func.sum(RECORDINGS.c.bytes), 0))
        total = total.where(RECORDINGS.c.node == self._node)
        async with self._database.begin() as connection:
            return int((await connection.execute(total)).scalar_one())

    async def bytes_of_streams(self) -> dict[str, int]:
        """Return the size of all recordings of each stream of this server; clips do not count."""
        columns = RECORDINGS.c
        query = sa.select(columns.stream, sa.func.sum(columns.bytes)).group_by(columns.stream)
        query = query.where(columns.node == self._node, columns.kind == "recording")
        async with self._database.begin() as connection:
            return {stream: int(size) for stream, size in await connection.execute(query)}

    def _select(self) -> "sa.Select[Any]":
        return sa.select(*_RECORDING).where(RECORDINGS.c.node == self._node)

    # ------------------------------------------------------------------ changes

    async def write(
        self,
        recordings: Mapping[Recording, bool],
        files: Sequence[RecordedFile],
        segments: Sequence[tuple[str, RecordedSegment]],
        publishers: Sequence[RecordedPublisher],
    ) -> None:
        """Write new rows, all or none; rows that are there already stay as they are.

        Args:
            recordings: Recordings as they are now, and whether rows of each are missing.
            files: New files of any recordings.
            segments: New segments of any recordings, each with the id of its recording.
            publishers: New publishers of any recordings.
        """
        async with self._database.begin() as connection:
            await self._put_recordings(connection, recordings)
            await _add(connection, RECORDED_FILES, [asdict(file) for file in files])
            await _add(connection, RECORDED_SEGMENTS, [_row(*each) for each in segments])
            await _add(connection, RECORDED_PUBLISHERS, [asdict(each) for each in publishers])

    async def mend(
        self,
        recording: Recording,
        files: Sequence[RecordedFile],
        segments: Sequence[RecordedSegment],
        last: int,
    ) -> None:
        """Write the rows of a recording anew, as its files have it; none is missing then.

        Args:
            recording: As it is now.
            files: Its files.
            segments: Their segments.
            last: Number of a file: rows of those behind it stay.
        """
        async with self._database.begin(MEND_S) as connection:
            await _forget(connection, recording.id, (RECORDED_LISTINGS,))
            for table, number in (
                (RECORDED_FILES, RECORDED_FILES.c.number),
                (RECORDED_SEGMENTS, RECORDED_SEGMENTS.c.file),
            ):
                is_old = sa.and_(table.c.recording_id == recording.id, number <= last)
                await connection.execute(table.delete().where(is_old))
            await self._put_recordings(connection, {recording: False})
            await _add(connection, RECORDED_FILES, [asdict(file) for file in files])
            rows = [_row(recording.id, segment) for segment in segments]
            await _add(connection, RECORDED_SEGMENTS, rows)

    async def keep_listing(self, id: str, kept: KeptListing, count: int) -> None:
        """Keep the listing of a recording, unless that has changed since it was listed.

        Args:
            id: Id of a recording that is over.
            kept: Its listing.
            count: Number of segments in the listing.
        """
        segments = sa.select(sa.func.count()).where(RECORDED_SEGMENTS.c.recording_id == id)
        whole = sa.select(RECORDINGS.c.id).where(
            RECORDINGS.c.id == id, RECORDINGS.c.ended.is_not(None), sa.not_(RECORDINGS.c.is_torn)
        )
        async with self._database.begin() as connection:
            is_whole = (await connection.execute(whole)).one_or_none() is not None
            if is_whole and (await connection.execute(segments)).scalar_one() == count:
                row = {"recording_id": id, **kept._asdict()}
                await _add(connection, RECORDED_LISTINGS, [row])

    async def delete(self, id: str) -> None:
        """Delete all rows of a recording; what is in a store is noted, to be deleted there."""
        in_store = sa.select(*_FILE).where(
            RECORDED_FILES.c.recording_id == id, RECORDED_FILES.c.store != ""
        )
        async with self._database.begin(MEND_S) as connection:
            files = [RecordedFile(*row) for row in await connection.execute(in_store)]
            objects = [{"store": file.store, "key": file.key, "node": self._node} for file in files]
            await _add(connection, DELETED_OBJECTS, objects)
            await _forget(connection, id, (*_OF_MEDIA, RECORDED_PUBLISHERS))
            await connection.execute(RECORDINGS.delete().where(RECORDINGS.c.id == id))

    async def _put_recordings(
        self, connection: DatabaseConnection, recordings: Mapping[Recording, bool]
    ) -> None:
        rows = [
            {**asdict(recording), "node": self._node, "is_torn": is_torn}
            for recording, is_torn in recordings.items()
        ]
        if rows:
            new = insert(connection, RECORDINGS)
            changes = {name: new.excluded[name] for name in _CHANGES}
            changed = new.on_conflict_do_update(index_elements=["id"], set_=changes)
            await connection.execute(changed, rows)


async def _add(
    connection: DatabaseConnection, table: sa.Table, rows: Sequence[Mapping[str, object]]
) -> None:
    """Add rows; they are there already where the answer to an earlier attempt was lost."""
    for start in range(0, len(rows), BATCH):
        new = insert(connection, table).on_conflict_do_nothing()
        await connection.execute(new, rows[start : start + BATCH])


async def _forget(connection: DatabaseConnection, id: str, tables: Sequence[sa.Table]) -> None:
    for table in tables:
        await connection.execute(table.delete().where(table.c.recording_id == id))


def _row(id: str, segment: RecordedSegment) -> dict[str, object]:
    return {"recording_id": id, **segment._asdict()}


def _newest(query: "sa.Select[Any]") -> "sa.Select[Any]":
    return query.order_by(RECORDINGS.c.started.desc(), RECORDINGS.c.id.desc())


def _conditions(wanted: RecordingFilter) -> list[sa.ColumnElement[bool]]:
    columns = RECORDINGS.c
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.stream is not None:
        conditions.append(_matches(columns.stream, wanted.stream))
    if wanted.name is not None:
        conditions.append(columns.stream == wanted.name)
    if wanted.since is not None:
        conditions.append(sa.or_(columns.ended > wanted.since, columns.ended.is_(None)))
    if wanted.until is not None:
        conditions.append(columns.started < wanted.until)
    return conditions


def _matches(column: sa.Column[object], pattern: str) -> sa.ColumnElement[bool]:
    """Return what is so of all that a pattern matches, and of few others."""
    first = min((pattern.find(each) for each in "*?[" if each in pattern), default=-1)
    if first < 0:
        return column == pattern
    text, rest = pattern[:first], pattern[first:]
    escaped = "".join(f"\\{each}" if each in "\\%_" else each for each in text)
    like = "%" if "[" in rest else rest.replace("\\", "\\\\").replace("%", "\\%")
    like = like.replace("_", "\\_").replace("*", "%").replace("?", "_")
    return column.like(escaped + like, escape="\\")


def _fits(stream: str, pattern: str | None) -> bool:
    return pattern is None or fnmatchcase(stream, pattern)
