"""Tests of headend.store.audit, on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.store.audit_entries import MADE, REFUSED, REVOKED

from headend.store.audit import AuditTrail
from headend.store.database import Database
from headend.store.records import AuditEntry, AuditFilter


@asynccontextmanager
async def trail(url: str) -> AsyncIterator[AuditTrail]:
    database = Database(url, Path("/nowhere"))
    await database.open()
    try:
        yield AuditTrail(database)
    finally:
        await database.close()


async def found(audit: AuditTrail, **wanted: object) -> list[AuditEntry]:
    """Return what is found, without the numbers of the rows."""
    by = AuditFilter(**wanted)  # type: ignore[arg-type]
    entries = [replace(entry, number=0) for entry in await audit.page(by)]
    assert await audit.count(by) == len(entries)
    return entries


async def test_entries_are_found_again_by_what_they_tell(database_url: str) -> None:
    async with trail(database_url) as audit:
        await audit.append([REFUSED, MADE])
        await audit.append([REVOKED])
        await audit.append([])
        assert await found(audit) == [REVOKED, MADE, REFUSED]
        assert await found(audit, actor="console") == [REVOKED]
        assert await found(audit, action="key") == [REVOKED, MADE]
        assert await found(audit, action="key.create") == [MADE]
        assert await found(audit, action="k%") == []
        assert await found(audit, target="pk_2", outcome="done") == [REVOKED, MADE]
        assert await found(audit, address="203.0.113.7") == [REFUSED]
        assert await found(audit, since=6.0, until=7.0) == [MADE]


async def test_pages_follow_each_other_from_the_newest_on(database_url: str) -> None:
    async with trail(database_url) as audit:
        await audit.append([replace(MADE, at=float(at)) for at in range(5)])
        first = await audit.page(AuditFilter(), limit=2)
        second = await audit.page(AuditFilter(), limit=2, before=first[-1].number)
        last = await audit.page(AuditFilter(), limit=2, before=second[-1].number)
        assert [entry.at for entry in (*first, *second, *last)] == [4.0, 3.0, 2.0, 1.0, 0.0]


async def test_what_is_old_goes_and_nothing_else(database_url: str) -> None:
    async with trail(database_url) as audit:
        await audit.append([REFUSED, MADE, REVOKED])
        assert await audit.clean(6.0) == 1
        assert await found(audit) == [REVOKED, MADE]


async def test_what_a_peer_sent_fits_into_its_column(database_url: str) -> None:
    async with trail(database_url) as audit:
        hostile = replace(REFUSED, actor="a\0b" + "x" * 500, detail="\udcff" * 2000)
        await audit.append([hostile])
        (entry,) = await found(audit)
        assert entry.actor == "ab" + "x" * 198
        assert entry.detail == "?" * 1000
