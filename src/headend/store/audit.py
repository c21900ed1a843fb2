"""The audit trail: who did what, to what, from where, and how it ended.

Rows are only ever added. They go when they are older than `audit.retention_days`, and what
identifies a person in them is overwritten when that person is to be forgotten (`erasure.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import sqlalchemy as sa

from headend.store.connection import DatabaseConnection
from headend.store.database import Database
from headend.store.records import AuditEntry, AuditFilter
from headend.store.tables import AUDIT

_LENGTHS: Final = {
    column.name: column.type.length
    for column in AUDIT.c
    if isinstance(column.type, sa.String) and column.type.length
}


class AuditTrail:
    """The table. Every method raises DatabaseError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Write entries, all or none."""
        async with self._database.begin() as connection:
            await insert(connection, entries)

    async def page(
        self, wanted: AuditFilter, *, limit: int = 100, before: int = 0
    ) -> list[AuditEntry]:
        """Return entries, the newest first.

        Args:
            wanted: Which.
            limit: Most of them.
            before: Number of the last one seen; 0: none yet.
        """
        query = sa.select(AUDIT).where(*_conditions(wanted)).order_by(AUDIT.c.number.desc())
        if before:
            query = query.where(AUDIT.c.number < before)
        async with self._database.begin() as connection:
            rows = await connection.execute(query.limit(limit))
            return [AuditEntry(**row._mapping) for row in rows]

    async def count(self, wanted: AuditFilter) -> int:
        """Count rows."""
        query = sa.select(sa.func.count()).select_from(AUDIT).where(*_conditions(wanted))
        async with self._database.begin() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def clean(self, before: float) -> int:
        """Delete what is older than a time in Unix seconds; return how many rows that were."""
        async with self._database.begin() as connection:
            return (await connection.execute(AUDIT.delete().where(AUDIT.c.at < before))).rowcount


async def insert(connection: DatabaseConnection, entries: Sequence[AuditEntry]) -> None:
    """Write entries as part of a transaction."""
    if entries:
        await connection.execute(AUDIT.insert(), [_row(entry) for entry in entries])


def _row(entry: AuditEntry) -> dict[str, object]:
    row = {name: value for name, value in asdict(entry).items() if name != "number"}
    return {name: fitting(value, _LENGTHS.get(name)) for name, value in row.items()}


def fitting(value: object, length: int | None) -> object:
    """Cut a text to what its column holds; PostgreSQL takes no zeros and no surrogates."""
    if not isinstance(value, str):
        return value
    text = value.replace("\0", "").encode(errors="replace").decode()
    return text if length is None else text[:length]


def _conditions(wanted: AuditFilter) -> list[sa.ColumnElement[bool]]:
    columns = AUDIT.c
    conditions = [
        columns[name] == value
        for name in ("actor", "target", "address", "outcome")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.action is not None:
        below = columns.action.startswith(f"{wanted.action}.", autoescape=True)
        conditions.append(sa.or_(columns.action == wanted.action, below))
    if wanted.since is not None:
        conditions.append(columns.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(columns.at < wanted.until)
    return conditions
