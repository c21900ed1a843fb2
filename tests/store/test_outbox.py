"""Tests of headend.store.outbox, on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from headend.errors import DatabaseError
from headend.store.connection import DatabaseConnection
from headend.store.database import Database
from headend.store.history import History
from headend.store.letter import Letter
from headend.store.outbox import GONE_S, Outbox


@asynccontextmanager
async def outbox(url: str, *letters: Letter) -> AsyncIterator[Outbox]:
    """An outbox with letters in it."""
    database = Database(url, Path("/nowhere"))
    await database.open()
    try:
        made = Outbox(database)
        if letters:
            await made.add(letters)
        yield made
    finally:
        await database.close()


def letter(number: int, stream: str = "live/a", endpoint: str = "one") -> Letter:
    # Of the size that sequences have.
    return Letter(
        17956229310000 + number, f"id-{number}", endpoint, stream, "stream.created", "{}", 7.5
    )


def numbers(letters: Sequence[Letter]) -> list[int]:
    return [each.sequence - 17956229310000 for each in letters]


async def test_letters_are_given_back_as_they_were(database_url: str) -> None:
    async with outbox(database_url, letter(1)) as made:
        assert await made.pending("one", (), 10) == [letter(1)]
        assert await made.newest() == letter(1).sequence


async def test_outbox_is_empty_at_first(database_url: str) -> None:
    async with outbox(database_url) as made:
        assert await made.newest() == 0
        assert await made.counts("one") == (0, 0)
        assert await made.known(["id-1"]) == set()


async def test_letters_wait_in_order_but_for_streams_that_are_held_back(database_url: str) -> None:
    letters = (letter(2, "live/b"), letter(1), letter(3), letter(4, endpoint="two"))
    async with outbox(database_url, *letters) as made:
        assert numbers(await made.pending("one", (), 10)) == [1, 2, 3]
        assert numbers(await made.pending("one", (), 2)) == [1, 2]
        assert numbers(await made.pending("one", ("live/a",), 10)) == [2]
        await made.remove([letter(1).sequence, letter(2).sequence])
        assert numbers(await made.pending("one", (), 10)) == [3]
        assert await made.known(["id-1", "id-3", "id-4"]) == {"id-3", "id-4"}


async def test_each_server_has_its_own_letters_until_it_is_gone(database_url: str) -> None:
    async with outbox(database_url) as unused:
        database = unused._database
        one, other = Outbox(database, "a"), Outbox(database, "b")
        await one.add([letter(1), letter(3)])
        await other.add([letter(2)])
        assert numbers(await one.pending("one", (), 10)) == [1, 3]
        assert await other.counts("one") == (1, 0)
        assert await other.give_up_others(["two"], 8, "none") == 1
        assert await one.counts("one") == (2, 0)
        assert await one.newest() == letter(3).sequence
        now = letter(1).created_at + GONE_S
        assert await other.adopt(["one"], now) == 0  # they are too young
        await History(database, "a").beat(now)
        assert await other.adopt(["one"], now + 1) == 0  # it runs
        assert await other.adopt(["two"], now + GONE_S + 1) == 0
        assert await other.adopt(["one"], now + GONE_S + 1) == 2
        assert numbers(await other.pending("one", (), 10)) == [1, 3]
        assert await one.counts("one") == (0, 0)


async def test_server_whose_clock_was_ahead_is_gone_no_later_than_others(database_url: str) -> None:
    now = 1000.0 + GONE_S
    ahead = replace(letter(1), created_at=now + 86_400)

    async with outbox(database_url) as unused:
        database = unused._database
        one, other = Outbox(database, "a"), Outbox(database, "b")
        await one.add([ahead])
        await History(database, "a").beat(now + 86_400)
        assert await other.adopt(["one"], now) == 1
        await other.bound_times(now)
        (adopted,) = await other.pending("one", (), 10)
        assert adopted.created_at == now


async def test_letter_whose_writing_came_to_be_in_doubt_during_a_look_is_not_pending(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Database.begin
    looking = asyncio.current_task()

    async def write_with_a_lost_answer() -> None:
        with pytest.raises(DatabaseError):
            await made.add([letter(1)])

    @asynccontextmanager
    async def last_or_lost(database: Database) -> AsyncIterator[DatabaseConnection]:
        is_look = asyncio.current_task() is looking
        if is_look:
            await asyncio.create_task(write_with_a_lost_answer())
        async with begin(database) as connection:
            yield connection
        if not is_look:
            raise DatabaseError("database: no answer within 2 s")

    async with outbox(database_url) as made:
        monkeypatch.setattr(Database, "begin", last_or_lost)
        assert await made.pending("one", (), 10) == []
        monkeypatch.setattr(Database, "begin", begin)
        assert await made.known(["id-1"]) == {"id-1"}
        assert await made.pending("one", (), 10) == [letter(1)]


async def test_all_letters_are_added_or_none(database_url: str) -> None:
    async with outbox(database_url, letter(1)) as made:
        with pytest.raises(DatabaseError):
            await made.add([letter(2), letter(1)])
        assert numbers(await made.pending("one", (), 10)) == [1]


async def test_letter_that_is_given_up_waits_no_more_and_can_be_sent_again(
    database_url: str,
) -> None:
    async with outbox(database_url, letter(1), letter(2), letter(3)) as made:
        for number in (1, 2):
            sequence = letter(number).sequence
            await made.failed(sequence, "HTTP status 500", next_at=9, dead_at=None)
            await made.failed(sequence, "x" * 600, next_at=9.5, dead_at=10)
        assert numbers(await made.pending("one", (), 10)) == [3]
        dead = await made.page("one", is_dead=True)
        assert numbers(dead) == [1, 2]
        assert (dead[0].attempts, dead[0].next_at, dead[0].dead_at) == (2, 9.5, 10)
        assert dead[0].error == "x" * 500
        assert numbers(await made.page("one", is_dead=True, after=dead[0].sequence)) == [2]
        assert await made.counts("one") == (1, 2)
        assert await made.resend("one", 11, id="id-2") == 1
        assert await made.resend("one", 11, id="id-2") == 0
        assert await made.resend("two", 11) == 0
        (again,) = [each for each in await made.page("one", is_dead=False) if each.next_at]
        assert (again.attempts, again.next_at, again.error) == (0, 11, None)
        assert await made.resend("one", 12) == 1
        assert numbers(await made.pending("one", (), 10)) == [1, 2, 3]


async def test_letters_for_nobody_are_given_up_and_old_ones_forgotten(database_url: str) -> None:
    async with outbox(database_url, letter(1), letter(2, endpoint="two")) as made:
        assert await made.give_up_others(["one"], 20, "no such webhook") == 1
        assert await made.give_up_others(["one"], 21, "no such webhook") == 0
        (dead,) = await made.page("two", is_dead=True)
        assert (dead.dead_at, dead.error) == (20, "no such webhook")
        await made.forget_dead(20)
        assert await made.counts("two") == (0, 1)
        await made.forget_dead(20.5)
        assert await made.counts("two") == (0, 0)
        assert await made.counts("one") == (1, 0)
