"""The queue to the object store, in the tables of recordings: what is to be uploaded or deleted.

Nothing is put into it. A file that is finished and in no store waits, whenever it was written and
whatever happened meanwhile.
"""

from dataclasses import fields
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from headend.record.values import RecordedFile, Recording
from headend.store.database import Database
from headend.store.tables import (
    DELETED_OBJECTS,
    RECORDED_FILES,
    RECORDED_SEGMENTS,
    RECORDINGS,
    insert,
)

_FILE: Final = [RECORDED_FILES.c[field.name] for field in fields(RecordedFile)]
_RECORDING: Final = [RECORDINGS.c[field.name] for field in fields(Recording)]
# As it stands in the index of those that wait: SQLite knows it by no other words.
_IS_WAITING: Final = sa.text("recorded_files.store = ''")


class DeletedObject(NamedTuple):
    """An object that is to be deleted from its store."""

    store: str
    key: str


class StoredTables:
    """The queue of one server. Every method raises DatabaseError when the database fails."""

    def __init__(self, database: Database, node: str) -> None:
        """Take the parts.

        Args:
            database: The database with the tables.
            node: Names this server among those that share the database.
        """
        self._database: Final = database
        self._node: Final = node

    # ------------------------------------------------------------------ files

    async def waiting(self, limit: int) -> list[RecordedFile]:
        """Return finished files that are in no store, the oldest first."""
        query = self._waiting(*_FILE).order_by(RECORDINGS.c.started, RECORDED_FILES.c.number)
        async with self._database.begin() as connection:
            return [RecordedFile(*row) for row in await connection.execute(query.limit(limit))]

    async def count(self) -> int:
        """Return how many files wait."""
        async with self._database.begin() as connection:
            return int((await connection.execute(self._waiting(sa.func.count()))).scalar_one())

    def _waiting(self, *columns: Any) -> "sa.Select[Any]":
        file, recording, segment = RECORDED_FILES.c, RECORDINGS.c, RECORDED_SEGMENTS.c
        is_over = sa.and_(recording.state != "recording", sa.not_(recording.is_torn))
        # Rows are written in their order: all of a file are there with the first of the next.
        is_followed = sa.exists().where(
            segment.recording_id == file.recording_id, segment.file > file.number
        )
        return (
            sa.select(*columns)
            .select_from(RECORDED_FILES.join(RECORDINGS, recording.id == file.recording_id))
            .where(
                _IS_WAITING,
                recording.node == self._node,
                file.is_local,
                sa.or_(is_over, is_followed),
            )
        )

    async def stored(self, file: RecordedFile, store: str, size: int) -> Recording | None:
        """Note that a store has a file.

        Args:
            file: The file.
            store: URL of the store, without secrets.
            size: Bytes of the file.

        Returns:
            Its recording as it is then; None: it was deleted meanwhile, and the object is to be
            deleted too.
        """
        columns, id = RECORDED_FILES.c, file.recording_id
        change = RECORDED_FILES.update().where(
            columns.recording_id == id, columns.number == file.number
        )
        count = (
            sa.select(sa.func.count())
            .where(columns.recording_id == id, columns.store != "")
            .scalar_subquery()
        )
        async with self._database.begin() as connection:
            done = await connection.execute(change.values(store=store, size=size))
            if not done.rowcount:
                new = insert(connection, DELETED_OBJECTS).on_conflict_do_nothing()
                row = {"store": store, "key": file.key, "node": self._node}
                await connection.execute(new, [row])
                return None
            where = RECORDINGS.c.id == id
            await connection.execute(RECORDINGS.update().where(where).values(stored=count))
            return Recording(*(await connection.execute(sa.select(*_RECORDING).where(where))).one())

    async def twice(self, limit: int) -> list[RecordedFile]:
        """Return files that are in a store and in the folder too."""
        file, recording = RECORDED_FILES.c, RECORDINGS.c
        query = (
            sa.select(*_FILE)
            .select_from(RECORDED_FILES.join(RECORDINGS, recording.id == file.recording_id))
            .where(file.store != "", file.is_local, recording.node == self._node)
        )
        async with self._database.begin() as connection:
            return [RecordedFile(*row) for row in await connection.execute(query.limit(limit))]

    async def gone(self, file: RecordedFile) -> None:
        """Note that a file is not in the folder any more."""
        columns = RECORDED_FILES.c
        change = RECORDED_FILES.update().where(
            columns.recording_id == file.recording_id, columns.number == file.number
        )
        async with self._database.begin() as connection:
            await connection.execute(change.values(is_local=False))

    # ------------------------------------------------------------------ objects to delete

    async def deleted(self, limit: int) -> list[DeletedObject]:
        """Return objects that are to be deleted from their store."""
        columns = DELETED_OBJECTS.c
        query = sa.select(columns.store, columns.key).where(columns.node == self._node)
        async with self._database.begin() as connection:
            rows = await connection.execute(query.order_by(columns.store).limit(limit))
            return [DeletedObject(*row) for row in rows]

    async def deleted_count(self) -> int:
        """Return how many objects are to be deleted."""
        query = sa.select(sa.func.count()).where(DELETED_OBJECTS.c.node == self._node)
        async with self._database.begin() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def forget(self, objects: list[DeletedObject]) -> None:
        """Forget objects that are deleted."""
        columns = DELETED_OBJECTS.c
        async with self._database.begin() as connection:
            for each in objects:
                await connection.execute(
                    DELETED_OBJECTS.delete().where(
                        columns.store == each.store, columns.key == each.key
                    )
                )
