"""Events for webhooks, kept until they are delivered: a letter for each receiver.

Of servers that share a database each delivers its own letters, in their order. Those of a server
that is gone are adopted by one that names the same receiver.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Final

import sqlalchemy as sa

from headend.store.database import Database
from headend.store.letter import Letter
from headend.store.tables import NODES, OUTBOX

ERROR_CHARACTERS: Final = 500
GONE_S: Final = 300.0  # a server without a heartbeat for so long is gone; far more than between two

_COLUMNS: Final = OUTBOX.c
_Columns = tuple[object, ...]


class Outbox:
    """Letters in the database. Every method raises DatabaseError when that fails."""

    def __init__(self, database: Database, node: str = "") -> None:
        """Take the parts.

        Args:
            database: Where they are kept.
            node: Names this server among those that share the database.
        """
        self._database = database
        self._node = node
        self._is_ours = _COLUMNS.node == node
        self._in_doubt: set[str] = set()  # ids whose commit had no answer yet

    async def add(self, letters: Sequence[Letter]) -> None:
        """Keep letters; all of them, or none unless only the answer was lost: see known().

        None is pending before that is known: one that is delivered and removed meanwhile would
        look like one that was never written.
        """
        rows = [{**asdict(letter), "node": self._node} for letter in letters]
        ids = {letter.id for letter in letters}
        async with self._database.begin() as connection:
            await connection.execute(OUTBOX.insert(), rows)
            self._in_doubt |= ids  # should the answer to the commit be lost
        self._in_doubt -= ids

    async def newest(self) -> int:
        """Return the highest sequence that is kept; 0: none."""
        async with self._database.begin() as connection:
            return int(await connection.scalar(sa.select(sa.func.max(_COLUMNS.sequence))) or 0)

    async def bound_times(self, now: float) -> None:
        """Have no letter be of the future: a clock that went wrong would make it last for ever.

        Args:
            now: Unix seconds.
        """
        change = OUTBOX.update().where(_COLUMNS.created_at > now, self._is_ours)
        async with self._database.begin() as connection:
            await connection.execute(change.values(created_at=now))

    async def known(self, ids: Collection[str]) -> set[str]:
        """Return those of some ids that are kept."""
        query = sa.select(_COLUMNS.id).where(_COLUMNS.id.in_(ids))
        async with self._database.begin() as connection:
            known = set((await connection.scalars(query)).all())
        self._in_doubt -= known
        return known

    async def pending(self, endpoint: str, but_not: Collection[str], limit: int) -> list[Letter]:
        """Return the first letters to deliver, in order.

        Args:
            endpoint: To whom.
            but_not: Streams that have to wait.
            limit: Most of them.
        """
        query = self._select(endpoint, is_dead=False).limit(limit)
        if but_not:
            query = query.where(_COLUMNS.stream.not_in(but_not))
        if self._in_doubt:
            query = query.where(_COLUMNS.id.not_in(list(self._in_doubt)))
        letters = await self._letters(query)
        # Some may have been written, and their answers lost, while this waited for the database.
        return [letter for letter in letters if letter.id not in self._in_doubt]

    async def page(
        self, endpoint: str, *, is_dead: bool, after: int = 0, limit: int = 100
    ) -> list[Letter]:
        """Return letters that wait, or those that were given up, in order."""
        query = self._select(endpoint, is_dead=is_dead)
        return await self._letters(query.where(_COLUMNS.sequence > after).limit(limit))

    async def counts(self, endpoint: str) -> tuple[int, int]:
        """Return how many letters wait, and how many were given up."""
        query = sa.select(sa.func.count(), sa.func.count(_COLUMNS.dead_at)).where(
            _COLUMNS.endpoint == endpoint, self._is_ours
        )
        async with self._database.begin() as connection:
            total, dead = (await connection.execute(query)).one()
        return int(total) - int(dead), int(dead)

    async def remove(self, sequences: Iterable[int]) -> None:
        """Forget letters that were delivered."""
        async with self._database.begin() as connection:
            await connection.execute(OUTBOX.delete().where(_COLUMNS.sequence.in_(list(sequences))))

    async def failed(
        self, sequence: int, error: str, *, next_at: float, dead_at: float | None
    ) -> None:
        """Note an attempt that failed."""
        change = OUTBOX.update().where(_COLUMNS.sequence == sequence)
        async with self._database.begin() as connection:
            await connection.execute(
                change.values(
                    attempts=_COLUMNS.attempts + 1,
                    next_at=next_at,
                    dead_at=dead_at,
                    error=error[:ERROR_CHARACTERS],
                )
            )

    async def resend(self, endpoint: str, now: float, *, id: str | None = None) -> int:
        """Have letters delivered that were given up; return how many.

        Args:
            endpoint: To whom.
            now: Unix seconds: their age counts from now.
            id: Of one of them; None: all.
        """
        change = OUTBOX.update().where(
            _COLUMNS.endpoint == endpoint, _COLUMNS.dead_at.is_not(None), self._is_ours
        )
        if id is not None:
            change = change.where(_COLUMNS.id == id)
        async with self._database.begin() as connection:
            result = await connection.execute(
                change.values(dead_at=None, attempts=0, next_at=now, error=None)
            )
        return result.rowcount

    async def give_up_others(self, endpoints: Sequence[str], now: float, error: str) -> int:
        """Give up what waits for receivers that are not there any more; return how many."""
        change = OUTBOX.update().where(
            _COLUMNS.endpoint.not_in(endpoints), _COLUMNS.dead_at.is_(None), self._is_ours
        )
        async with self._database.begin() as connection:
            result = await connection.execute(
                change.values(dead_at=now, error=error[:ERROR_CHARACTERS])
            )
        return result.rowcount

    async def adopt(self, endpoints: Sequence[str], now: float) -> int:
        """Take letters over that a server has left that is gone; return how many.

        Args:
            endpoints: To whom.
            now: Unix seconds.
        """
        # One that was seen in the future had a clock that went wrong.
        seen = NODES.c.seen_at.between(now - GONE_S, now + GONE_S)
        running = sa.select(NODES.c.id).where(seen)
        change = OUTBOX.update().where(
            _COLUMNS.endpoint.in_(endpoints),
            _COLUMNS.node != self._node,
            _COLUMNS.node.not_in(running),
            sa.not_(_COLUMNS.created_at.between(now - GONE_S, now + GONE_S)),
        )
        async with self._database.begin() as connection:
            return (await connection.execute(change.values(node=self._node))).rowcount

    async def forget_dead(self, before: float) -> None:
        """Forget letters that were given up before a time."""
        async with self._database.begin() as connection:
            await connection.execute(OUTBOX.delete().where(_COLUMNS.dead_at < before))

    def _select(self, endpoint: str, *, is_dead: bool) -> sa.Select[_Columns]:
        columns = [_COLUMNS[name] for name in Letter.__dataclass_fields__]
        dead = _COLUMNS.dead_at
        query = sa.select(*columns).where(_COLUMNS.endpoint == endpoint, self._is_ours)
        query = query.where(dead.is_not(None) if is_dead else dead.is_(None))
        return query.order_by(_COLUMNS.sequence)

    async def _letters(self, query: sa.Select[_Columns]) -> list[Letter]:
        async with self._database.begin() as connection:
            return [_letter(row) for row in await connection.execute(query)]


def _letter(row: sa.Row[_Columns]) -> Letter:
    return Letter(**{str(name): value for name, value in row._mapping.items()})
