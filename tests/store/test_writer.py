"""Tests of headend.store.writer."""

import asyncio

import pytest
from tests.harness import log_lines, until

from headend.errors import DatabaseError
from headend.store.writer import BackgroundWriter


class Rows:
    """Rows that wait, and a database that is away or not."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.written: list[int] = []
        self.fault: Exception | None = None
        self.is_open = asyncio.Event()

    async def begin(self) -> None:
        await self.is_open.wait()

    async def write(self) -> None:
        if self.fault is not None:
            raise self.fault
        self.written += self.waiting
        self.waiting.clear()

    def writer(self) -> BackgroundWriter:
        return BackgroundWriter("rows", self.begin, self.write, batch_s=0.01, retry_s=0.01)


async def test_what_waits_is_written_once_the_database_is_open_and_at_the_end() -> None:
    rows = Rows()
    writer = rows.writer()
    writer.start()
    rows.waiting.append(1)
    assert not rows.written
    rows.is_open.set()
    await until(lambda: rows.written == [1])
    rows.waiting.append(2)
    assert await writer.close()
    assert rows.written == [1, 2]


async def test_database_that_fails_is_tried_again_and_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = Rows()
    rows.is_open.set()
    rows.fault = DatabaseError("gone")
    rows.waiting.append(1)
    writer = rows.writer()
    writer.start()
    await until(lambda: writer.is_failing)
    rows.fault = None
    await until(lambda: rows.written == [1])
    assert not writer.is_failing
    await writer.close()
    assert log_lines(caplog) == ["WARNING rows not written yet: gone"]


async def test_bug_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rows = Rows()
    rows.is_open.set()
    rows.fault = KeyError("a")
    writer = rows.writer()
    writer.start()
    await until(lambda: log_lines(caplog, "rows not written: a bug"))
    rows.fault = None
    rows.waiting.append(1)
    await until(lambda: rows.written == [1])
    assert not writer.is_failing
    await writer.close()


async def test_writer_ends_without_a_database_and_before_its_start() -> None:
    rows = Rows()
    writer = rows.writer()
    assert not await writer.close()
    writer.start()
    rows.waiting.append(1)
    assert await writer.close()
    assert rows.waiting == [1]
