"""The history of sessions: who published and watched what, and until when.

One row for each publish or play, and for each that was refused. A row is written when it starts
and once more when it ends. Servers that share a database have rows and a heartbeat of their own:
one that was killed finds its open rows at the next start, and closes them at its last heartbeat.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import sqlalchemy as sa

from headend.store.audit import fitting
from headend.store.connection import DatabaseConnection
from headend.store.database import Database
from headend.store.records import SessionFilter, StoredSession
from headend.store.tables import NODES, SESSIONS, insert

KILLED: Final = "the server ended without a word"

_LENGTHS: Final = {
    column.name: column.type.length
    for column in SESSIONS.c
    if isinstance(column.type, sa.String) and column.type.length
}


class History:
    """The table. Every method raises DatabaseError when the database fails."""

    def __init__(self, database: Database, node: str) -> None:
        """Take the parts.

        Args:
            database: Where it is kept.
            node: Names this server among those that share the database, up to 32 characters.
        """
        self._database: Final = database
        self._node: Final = node

    async def page(
        self, wanted: SessionFilter, *, limit: int = 100, before: tuple[float, str] | None = None
    ) -> list[StoredSession]:
        """Return records, the newest first.

        Args:
            wanted: Which.
            limit: Most of them.
            before: `started_at` and `id` of the last one seen.
        """
        at, id = SESSIONS.c.started_at, SESSIONS.c.id
        query = _select().where(*_conditions(wanted)).order_by(at.desc(), id.desc())
        if before is not None:
            query = query.where(sa.or_(at < before[0], sa.and_(at == before[0], id < before[1])))
        async with self._database.begin() as connection:
            rows = await connection.execute(query.limit(limit))
            return [StoredSession(**row._mapping) for row in rows]

    async def count(self, wanted: SessionFilter) -> int:
        """Count rows."""
        query = sa.select(sa.func.count()).select_from(SESSIONS).where(*_conditions(wanted))
        async with self._database.begin() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def of_session(self, session: int, since: float) -> list[StoredSession]:
        """Return what this server kept of a session of the API, oldest first.

        Args:
            session: Its number.
            since: Unix seconds: when this server started; numbers begin anew with each start.
        """
        columns = SESSIONS.c
        query = _select().where(
            columns.session == session, columns.node == self._node, columns.started_at >= since
        )
        async with self._database.begin() as connection:
            rows = await connection.execute(query.order_by(columns.started_at, columns.id))
            return [StoredSession(**row._mapping) for row in rows]

    async def write(self, records: Sequence[StoredSession], known: frozenset[str]) -> None:
        """Write records, all or none; see `store`."""
        async with self._database.begin() as connection:
            await self.store(connection, records, known)

    async def store(
        self,
        connection: DatabaseConnection,
        records: Sequence[StoredSession],
        known: frozenset[str],
    ) -> None:
        """Write records as part of a transaction.

        Args:
            connection: Of the transaction.
            records: At most one of each id.
            known: Ids among them whose rows are there already: these are changed.
        """
        new = [self._row(record) for record in records if record.id not in known]
        old = [self._row(record) for record in records if record.id in known]
        if new:
            # Twice the same where the answer to the first attempt was lost.
            await connection.execute(insert(connection, SESSIONS).on_conflict_do_nothing(), new)
        if old:
            ended = SESSIONS.update().where(SESSIONS.c.id == sa.bindparam("of_id"))
            names = ("ended_at", "bytes", "reason")
            values: dict[str, sa.BindParameter[object]] = {
                name: sa.bindparam(f"new_{name}") for name in names
            }
            # A clock that was set back ends nothing before it began.
            end = sa.bindparam("new_ended_at", type_=sa.Float)
            at = sa.case((end < SESSIONS.c.started_at, SESSIONS.c.started_at), else_=end)
            await connection.execute(
                ended.values({**values, "ended_at": at}),
                [{"of_id": row["id"], **{f"new_{n}": row[n] for n in names}} for row in old],
            )

    async def beat(self, now: float) -> None:
        """Say that this server runs; `now` in Unix seconds."""
        async with self._database.begin() as connection:
            seen = NODES.update().where(NODES.c.id == self._node).values(seen_at=now)
            if not (await connection.execute(seen)).rowcount:
                await connection.execute(NODES.insert().values(id=self._node, seen_at=now))

    async def seen_at(self) -> float | None:
        """Return when this server was last seen running, Unix seconds; None: never."""
        seen = sa.select(NODES.c.seen_at).where(NODES.c.id == self._node)
        async with self._database.begin() as connection:
            found: float | None = (await connection.execute(seen)).scalar_one_or_none()
            return found

    async def close_open(self, now: float) -> int:
        """Close the rows that this server left open when it was killed, before it writes others.

        They are all of earlier runs, whatever their times say. A time of the future is bounded by
        now: its clock was wrong.

        Args:
            now: Unix seconds.

        Returns:
            How many there were.
        """
        columns = SESSIONS.c
        seen = sa.select(NODES.c.seen_at).where(NODES.c.id == self._node)
        async with self._database.begin() as connection:
            last = (await connection.execute(seen)).scalar_one_or_none() or 0.0
            # It may have started after the last heartbeat.
            last = min(last, now)
            end = sa.case((columns.started_at > last, columns.started_at), else_=last)
            ours = SESSIONS.update().where(columns.node == self._node)
            future = ours.where(columns.started_at > now)
            await connection.execute(future.values(started_at=now))
            closed = ours.where(columns.ended_at.is_(None))
            return (await connection.execute(closed.values(ended_at=end, reason=KILLED))).rowcount

    async def clean(self, before: float) -> int:
        """Delete what ended before a time in Unix seconds; return how many rows that were."""
        async with self._database.begin() as connection:
            old = SESSIONS.delete().where(SESSIONS.c.ended_at < before)
            return (await connection.execute(old)).rowcount

    def _row(self, record: StoredSession) -> dict[str, object]:
        row = {**asdict(record), "node": self._node}
        return {name: fitting(value, _LENGTHS.get(name)) for name, value in row.items()}


def _select() -> "sa.Select[tuple[object, ...]]":
    return sa.select(*(column for column in SESSIONS.c if column.name != "node"))


def _conditions(wanted: SessionFilter) -> list[sa.ColumnElement[bool]]:
    columns = SESSIONS.c
    conditions: list[sa.ColumnElement[bool]] = [
        columns[name] == value
        for name in ("kind", "protocol", "stream", "address", "subject")
        if (value := getattr(wanted, name)) is not None
    ]
    for column, is_none in (
        (columns.code, None if wanted.is_refused is None else not wanted.is_refused),
        (columns.ended_at, wanted.is_open),
    ):
        if is_none is not None:
            conditions.append(column.is_(None) if is_none else column.is_not(None))
    if wanted.since is not None:
        conditions.append(columns.started_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(columns.started_at < wanted.until)
    return conditions
