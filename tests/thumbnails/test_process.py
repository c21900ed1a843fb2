"""Tests of headend.thumbnails.process, with processes that crash and hang."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.harness import until
from tests.pictures import is_red, picture

from headend.errors import MediaError
from headend.thumbnails import process as thumbnail_process
from headend.thumbnails.process import DecoderLost, ThumbnailProcess


@asynccontextmanager
async def started() -> AsyncIterator[ThumbnailProcess]:
    process = ThumbnailProcess()
    try:
        yield process
    finally:
        await process.close()


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists()


async def test_process_starts_with_the_first_picture_and_ends_when_closed() -> None:
    async with started() as process:
        assert process.pid is None
        assert is_red(await process.make(picture(), 320))
        first = process.pid
        assert first is not None
        assert is_red(await process.make(picture("vp9"), 320))
        assert process.pid == first
        await process.close()
        assert process.pid is None
        assert not is_there(first)
        await process.close()


async def test_what_cannot_be_decoded_is_told_and_costs_no_process() -> None:
    async with started() as process:
        with pytest.raises(MediaError) as told:
            await process.make(picture()._replace(record=b"", picture=bytes(100)), 320)
        assert not isinstance(told.value, DecoderLost)
        first = process.pid
        assert is_red(await process.make(picture(), 320))
        assert process.pid == first


async def test_crash_is_told_and_the_next_picture_has_a_new_process() -> None:
    async with started() as process:
        await process.make(picture(), 320)
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        asking = asyncio.create_task(process.make(picture(), 320))
        await asyncio.sleep(0)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(DecoderLost, match="crashed"):
            await asking
        assert is_red(await process.make(picture(), 320))
        assert process.pid != first


async def test_process_that_died_idle_is_replaced_and_nobody_is_blamed() -> None:
    async with started() as process:
        await process.make(picture(), 320)
        first = process.pid
        running = process._process
        assert first is not None
        assert running is not None
        os.kill(first, signal.SIGKILL)
        await running.wait()
        assert is_red(await process.make(picture(), 320))
        assert process.pid != first


async def test_process_that_hangs_is_ended_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with started() as process:
        await process.make(picture(), 320)
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        monkeypatch.setattr(thumbnail_process, "DECODE_S", 0.2)
        with pytest.raises(DecoderLost, match="took more than"):
            await process.make(picture(), 320)
        assert not is_there(first)
        monkeypatch.undo()
        assert is_red(await process.make(picture(), 320))


async def test_request_that_is_given_up_leaves_no_answer_to_the_next() -> None:
    async with started() as process:
        await process.make(picture(), 320)
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        asking = asyncio.create_task(process.make(picture("vp9"), 160))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        assert not is_there(first)
        assert is_red(await process.make(picture(), 320))


async def test_process_knows_no_settings_and_its_memory_and_files_have_limits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADEND_AUTH__SECRET", "hk_secret")
    async with started() as process:
        await process.make(picture(), 320)
        folder = Path(f"/proc/{process.pid}")
        assert b"HEADEND_" not in (folder / "environ").read_bytes()
        limits = (folder / "limits").read_text()
        assert f"Max address space         {1 << 30} " in limits
        assert "Max file size             0 " in limits
        assert "Max core file size        0 " in limits
        names = os.listdir(folder / "fd")
        assert len(names) <= 5


async def test_process_ends_with_the_server() -> None:
    async with started() as process:
        await process.make(picture(), 320)
        running = process._process
        assert running is not None
        assert running.stdin is not None
        running.stdin.close()  # as the kernel does when the server is gone
        await until(lambda: running.returncode is not None)
        assert running.returncode == 0
