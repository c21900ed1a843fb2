"""The processes that read media files, as the server starts them, asks them and ends them.

A file that kills its process, or keeps it busy for too long, costs that process only.
"""

import asyncio
import json
import os
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Final

from headend.errors import MediaError
from headend.vod.values import FileJob

MOST: Final = 4  # processes
START_S: Final = 20.0  # until a new process is ready; a quarter of a second on an idle machine
INDEX_S: Final = 600.0  # for an index: a file without one of its own is read as a whole
SEGMENT_S: Final = 30.0  # for a segment; a hundredth of a second is usual
IDLE_S: Final = 60.0  # that a process is kept without work
ANSWER_BYTES: Final = 64 * 1024
SECRETS: Final = "HEADEND_"  # environment variables that begin so hold settings


class Readers:
    """Processes for jobs, as many as are needed and at most MOST; `close` ends them."""

    def __init__(self) -> None:
        self._places: Final = asyncio.Semaphore(MOST)
        self._idle: Final[list[_FileProcess]] = []  # the one used last at the end
        self._all: Final[set[_FileProcess]] = set()
        self._is_closed = False
        self._sweep: asyncio.TimerHandle | None = None

    async def work(self, job: FileJob) -> None:
        """Have a job done.

        Raises:
            MediaError: It cannot be done, took too long, or killed its process.
        """
        async with self._places:
            if self._is_closed:
                raise MediaError("the server stops")
            reader = self._pick(job.path)
            try:
                await reader.work(job)
            except BaseException:
                if reader.is_running:
                    self._keep(reader)
                else:
                    self._all.discard(reader)
                raise
            self._keep(reader)

    def _pick(self, path: str) -> "_FileProcess":
        """Return a process without work: the one that has the file open, if there is one."""
        for reader in reversed(self._idle):
            if reader.path == path:
                self._idle.remove(reader)
                return reader
        if self._idle and len(self._all) >= MOST:
            return self._idle.pop(0)
        reader = _FileProcess()
        self._all.add(reader)
        return reader

    def _keep(self, reader: "_FileProcess") -> None:
        loop = asyncio.get_running_loop()
        reader.idle_since = loop.time()
        self._idle.append(reader)
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_S, self._end_idle)

    def _end_idle(self) -> None:
        loop = asyncio.get_running_loop()
        for reader in tuple(self._idle):
            if loop.time() >= reader.idle_since + IDLE_S:
                self._idle.remove(reader)
                self._all.discard(reader)
                reader.kill()
        self._sweep = loop.call_later(IDLE_S, self._end_idle) if self._idle else None

    async def close(self) -> None:
        """End all processes; what they were asked for fails."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        await asyncio.gather(*(reader.close() for reader in self._all))
        self._all.clear()
        self._idle.clear()

    @property
    def pids(self) -> list[int]:
        """The processes that run."""
        return [pid for each in self._all if (pid := each.pid) is not None]


class _FileProcess:
    """One process, for one job at a time; it is there from its first job on.

    Attributes:
        path: File that it read last.
        idle_since: When it had its last job, monotonic seconds.
    """

    def __init__(self) -> None:
        self.path = ""
        self.idle_since = 0.0
        self._process: Process | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def work(self, job: FileJob) -> None:
        """See `Readers.work`; after a fault that is not its own answer the process is gone."""
        self.path = job.path
        limit_s = INDEX_S if job.number is None else SEGMENT_S
        try:
            if not self.is_running:
                async with asyncio.timeout(START_S):
                    await self._start()
            async with asyncio.timeout(limit_s):
                answer = await self._ask(job)
        except TimeoutError:
            self.kill()
            raise MediaError(f"reading the file took more than {limit_s:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            self.kill()
            raise MediaError("reading the file crashed its process") from None
        except BaseException:  # cancelled amid an answer: the next one would be taken for it
            self.kill()
            raise
        if fault := answer.get("fault"):
            raise MediaError(str(fault))

    def kill(self) -> None:
        """End the process, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()

    async def close(self) -> None:
        """End the process, and wait until it is gone."""
        process = self._process
        self.kill()
        if process is not None:
            await process.wait()

    async def _start(self) -> None:
        environ = {name: v for name, v in os.environ.items() if not name.startswith(SECRETS)}
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "headend.vod.worker"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environ,
            limit=ANSWER_BYTES,
            start_new_session=True,  # Ctrl-C is the server's to handle
        )
        await self._pipes()[1].readuntil(b"\n")

    async def _ask(self, job: FileJob) -> dict[str, object]:
        requests, answers = self._pipes()
        requests.write(json.dumps(job).encode() + b"\n")
        await requests.drain()
        answer = json.loads(await answers.readuntil(b"\n"))
        if not isinstance(answer, dict):
            raise ValueError("an answer is no object")
        return answer

    def _pipes(self) -> tuple[StreamWriter, StreamReader]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise ConnectionResetError("the process was ended")
        return process.stdin, process.stdout
