"""Recordings of one person who published: found and deleted, while no server need run."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from headend.errors import StoreError
from headend.objects.stores import Stores
from headend.record.removal import delete_files
from headend.record.stored_tables import StoredTables
from headend.record.tables import RecordingTables
from headend.record.uploads import delete_objects
from headend.store.database import Database
from headend.store.erasure import Person, is_recorded
from headend.store.tables import RECORDED_PUBLISHERS, RECORDINGS


@dataclass(frozen=True, slots=True)
class DeletedRecordings:
    """Numbers of recordings of a person, after they were to be deleted.

    Attributes:
        deleted: Recordings that were deleted, with their files.
        running: Recordings that still run, and were not deleted.
        elsewhere: Recordings whose files are at other servers that share the database.
        objects: Objects that are in a store still; the server deletes them once the store answers.
    """

    deleted: int
    running: int
    elsewhere: int
    objects: int = 0


async def delete_recordings(
    database: Database, person: Person, folder: Path, node: str, stores: Stores
) -> DeletedRecordings:
    """Delete the recordings of a person that are over and whose files are here.

    Args:
        database: Database with the rows.
        person: The person who published.
        folder: Folder of this server's recordings.
        node: Names this server among those that share the database.
        stores: Object stores that may have files too.

    Raises:
        DatabaseError: The database cannot be read or written now.
        OSError: A file cannot be deleted; its rows are there still.
    """
    columns = RECORDINGS.c
    ids = sa.select(RECORDED_PUBLISHERS.c.recording_id).where(is_recorded(person))
    query = sa.select(columns.id, columns.node, columns.state).where(columns.id.in_(ids))
    async with database.begin() as connection:
        rows = (await connection.execute(query.order_by(columns.started))).all()
    here = [row for row in rows if row.node == node]
    tables, over = (
        RecordingTables(database, node),
        [row for row in here if row.state != "recording"],
    )
    for row in over:
        files = await tables.files(row.id)
        await asyncio.to_thread(delete_files, folder, files)
        await tables.delete(row.id)
    queue = StoredTables(database, node)
    left = 0
    try:
        await delete_objects(queue, stores)
    except StoreError:
        left = await queue.deleted_count()
    return DeletedRecordings(len(over), len(here) - len(over), len(rows) - len(here), left)
