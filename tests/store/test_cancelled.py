"""Tests of headend.store.database and lines, with questions that are cancelled at any moment."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from headend.store.database import Database

CHANGE = sa.text("DELETE FROM audit")
LOOK = sa.text("SELECT count(*) FROM audit")
LIMIT_S = 10.0  # never reached

Question = Coroutine[Any, Any, None]
Ending = Callable[[Question, int], Coroutine[Any, Any, bool]]


class Interrupted:
    """A coroutine in which something is done when it begins to wait for the nth time.

    Attributes:
        waits: How often it has begun to wait.
    """

    def __init__(self, coroutine: Question, moment: int, act: Callable[[], object]) -> None:
        self._coroutine = coroutine
        self._moment = moment
        self._act = act
        self.waits = 0

    def __await__(self) -> Generator[Any, None, None]:
        step = partial(self._coroutine.send, None)
        while True:
            try:
                future = step()
            except StopIteration:
                return
            self.waits += 1
            if self.waits == self._moment:
                self._act()
            try:
                yield future
            except BaseException as error:
                step = partial(self._coroutine.throw, error)
            else:
                step = partial(self._coroutine.send, None)


async def cancelled(question: Question, moment: int) -> bool:
    """Cancel the running task at a moment; false: all was over before."""
    task = asyncio.current_task()
    assert task is not None
    interrupted = Interrupted(question, moment, task.cancel)
    await interrupted
    return interrupted.waits >= moment


async def out_of_time(question: Question, moment: int) -> bool:
    """Have a limit of whoever asks end at a moment; false: all was over before."""
    async with asyncio.timeout(None) as limit:
        interrupted = Interrupted(question, moment, lambda: limit.reschedule(0))
        await interrupted
        return interrupted.waits >= moment


async def told(end: Ending, ask: Callable[[], Question]) -> set[str]:
    """Ask again and again, ended one moment later each time; return what was told of that."""
    tasks = []  # with their errors, which hold on to whatever was in use
    outcomes = set()
    for moment in itertools.count(1):
        tasks.append(asyncio.create_task(end(ask(), moment)))
        (outcome,) = await asyncio.gather(tasks[-1], return_exceptions=True)
        if outcome is False:
            break
        outcomes.add(f"{type(outcome).__name__} {outcome}".strip())
    return outcomes


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, Path("/nowhere"))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def question(database: Database) -> None:
    async with database.begin(LIMIT_S) as connection:
        await connection.execute(CHANGE)
        assert (await connection.execute(LOOK)).scalar_one() == 0


async def test_question_that_is_cancelled_at_any_moment_is_cancelled(database_url: str) -> None:
    async with opened(database_url) as database:
        assert await told(cancelled, lambda: question(database)) == {"CancelledError"}
        await question(database)


async def test_limit_of_whoever_asks_ends_a_question_at_any_moment(database_url: str) -> None:
    async with opened(database_url) as database:
        assert await told(out_of_time, lambda: question(database)) == {"TimeoutError"}
        await question(database)


async def test_question_whose_time_is_over_at_any_moment_is_told_as_such(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[asyncio.Timeout] = []

    def limit(delay: float | None, make: Callable[..., asyncio.Timeout] = asyncio.timeout) -> Any:
        limits.append(make(delay))
        return limits[-1]

    async def end(question: Question, moment: int) -> bool:
        limits.clear()
        interrupted = Interrupted(question, moment, lambda: limits[0].reschedule(0))
        await interrupted
        return interrupted.waits >= moment

    async with opened(database_url) as database:
        monkeypatch.setattr(asyncio, "timeout", limit)
        expected = "DatabaseError database: no answer within 10 s"
        assert await told(end, lambda: question(database)) == {expected}


async def test_opening_that_is_cancelled_at_any_moment_is_cancelled(database_url: str) -> None:
    async with opened(database_url) as database:
        assert await told(cancelled, database.open) == {"CancelledError"}


async def test_question_that_was_cancelled_does_not_keep_sqlite_locked(tmp_path: Path) -> None:
    held = []
    async with opened(f"sqlite:///{tmp_path}/test.db") as database:
        for moment in itertools.count(1):
            held.append(asyncio.create_task(cancelled(question(database), moment)))
            await asyncio.wait(held)
            await question(database)
            if not held[-1].cancelled():
                break
        assert len(held) > 3
