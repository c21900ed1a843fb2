"""Files written in threads of their own: a disk that is slow or broken disturbs nothing else.

    tape ─► spool, bounded ─► a thread: write, fdatasync ─► the tape is told in the loop

What a thread finds in the spool of a recording it writes in one go and syncs once, so that a slow
disk is asked the more seldom the slower it is.
"""

import errno
import logging
import math
import os
import threading
import time
from asyncio import AbstractEventLoop, TimerHandle
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple, Protocol

from headend.record import journal
from headend.record.locks import JournalLocks

log = logging.getLogger(__name__)

THREADS: Final = 8  # each waits for the disk on behalf of one recording at a time
QUEUED: Final = 32 * 1024 * 1024  # bytes of one recording that wait: 100 s of 2.65 Mbit/s
QUEUED_IN_ALL: Final = 512 * 1024 * 1024
PIECES: Final = 1000  # that one call of the system may write
CHECK_S: Final = 5.0  # between two looks at the file's place and the room that is left
TELL_S: Final = 0.1  # after which rows follow what is on the disk
SAME_NAME: Final = 1000  # files of one stream that begin within the same second
FILE_MODE: Final = 0o640
FOLDER_MODE: Final = 0o750
BUG: Final = "writing has failed, which is a bug"


class NewFile(NamedTuple):
    """A file to begin; the file before it is whole.

    Attributes:
        path: Path relative to the folder; a number is added if that path is taken.
        head: Its first bytes.
        note: Line for the journal, which gets it with the final path before the file has bytes.
    """

    path: Path
    head: bytes
    note: Mapping[str, object]


class Job(NamedTuple):
    """One write to the files of a recording.

    Attributes:
        file: A file to begin first; None: the current file goes on.
        data: Bytes to write.
        mark: Passed back to the owner with the result.
    """

    file: NewFile | None
    data: Sequence[bytes]
    mark: object = None

    @property
    def size(self) -> int:
        return sum(map(len, self.data)) + (len(self.file.head) if self.file is not None else 0)


class SpoolOwner(Protocol):
    """The owner of a spool, which is called in the loop."""

    def written(self, job: Job, path: str) -> None:
        """Take note that a job is done and on the disk.

        Args:
            job: The job.
            path: Path of its file, relative to the folder.
        """

    def closed(self, failure: str) -> None:
        """Take note that the last file is closed; `failure`: why before the end, else empty."""


class _Done(NamedTuple):
    """What a thread has done for a spool.

    Attributes:
        spool: Whose jobs they were.
        jobs: What it took.
        done: What is on the disk, with the paths of the files.
        end: Why the last file was closed, if it was; empty: it was to be.
    """

    spool: "Spool"
    jobs: Sequence[Job]
    done: Sequence[tuple[Job, str]]
    end: str | None


class DiskWriter:
    """The threads that write files.

    Attributes:
        queued: Bytes that wait in all spools.
        failures: Number of spools that failed.
        written: Bytes that were written.
        locks: Held on the journals of what is written.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        *,
        threads: int = THREADS,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        """Make the threads with the first spool.

        Args:
            loop: The loop in which owners of spools are called.
            threads: Number of threads.
            sync: Waits until all bytes of a file are on the disk.
        """
        self.loop: Final = loop
        self.sync: Final = sync
        self.queued = 0
        self.failures = 0
        self.written = 0
        self.locks: Final = JournalLocks()
        self.ready: Final[SimpleQueue[Spool | None]] = SimpleQueue()
        self._done: Final[deque[_Done]] = deque()
        self._look: TimerHandle | None = None
        self._count: Final = threads
        self._threads: list[threading.Thread] = []

    def spool(self, id: str, folder: Path, min_free: int, owner: SpoolOwner) -> "Spool":
        """Return the spool of a recording.

        Args:
            id: Id of the recording.
            folder: Folder of its files.
            min_free: Bytes that stay free on the disk.
            owner: Told how its jobs end.
        """
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._work, name=f"disk-{number}", daemon=True)
                for number in range(self._count)
            ]
            for thread in self._threads:
                thread.start()
        return Spool(self, id, folder, min_free, owner=owner)

    def close(self) -> None:
        """End the threads, each after its current job; a thread that hangs is left behind."""
        for _ in self._threads:
            self.ready.put(None)
        self.locks.close()

    def look_soon(self) -> None:
        """Have owners be told of what is done in a moment: many at once wake the loop once."""
        if self._look is None:
            self._look = self.loop.call_later(TELL_S, self._tell)

    def tell(self, done: "_Done") -> None:
        """Have an owner be told, from a thread."""
        self._done.append(done)
        if done.end is not None:
            with suppress(RuntimeError):  # the loop is closed: the server has ended without us
                self.loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        try:
            while self._done:
                done = self._done.popleft()
                done.spool.told(done)
        finally:
            if self.queued:
                self.look_soon()

    def _work(self) -> None:
        while (spool := self.ready.get()) is not None:
            spool.work()


class Spool:
    """The queue of writes for one recording, done in order."""

    def __init__(
        self, disk: DiskWriter, id: str, folder: Path, min_free: int, *, owner: SpoolOwner
    ) -> None:
        self._disk: Final = disk
        self._id: Final = id
        self._folder: Final = folder
        self._min_free: Final = min_free
        self._owner: Final = owner
        self._lock: Final = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._is_scheduled = False
        self._is_ending = False
        self._queued = 0
        # Of the threads, one at a time.
        self._file = -1
        self._path = ""
        self._size = 0  # of the file, up to which it is whole
        self._is_over = False
        self._checked = -math.inf  # when there was room, monotonic seconds

    def put(self, job: Job) -> bool:
        """Add a job; false: too many bytes wait already."""
        size = job.size
        if self._queued + size > QUEUED or self._disk.queued + size > QUEUED_IN_ALL:
            return False
        self._queued += size
        self._disk.queued += size
        self._disk.look_soon()
        self._schedule(job)
        return True

    def end(self) -> None:
        """Close the last file after all jobs; no more jobs may be added."""
        self._is_ending = True
        self._schedule(None)

    def _schedule(self, job: Job | None) -> None:
        with self._lock:
            if job is not None:
                self._jobs.append(job)
            if self._is_scheduled:
                return
            self._is_scheduled = True
        self._disk.ready.put(self)

    # ------------------------------------------------------------------ in a thread

    def work(self) -> None:
        """Do the jobs that wait, and have the owner told."""
        with self._lock:
            jobs, self._jobs = list(self._jobs), deque()
            is_last = self._is_ending
        if self._is_over:
            self._tell(jobs, [], None)
        else:
            done: list[tuple[Job, str]] = []
            failure = self._do(jobs, done)
            if failure or is_last:
                self._close()
                self._tell(jobs, done, failure)
            else:
                self._tell(jobs, done, None)
        with self._lock:
            self._is_scheduled = bool(self._jobs) or self._is_ending > is_last
            if not self._is_scheduled:
                return
        self._disk.ready.put(self)

    def _do(self, jobs: Sequence[Job], done: list[tuple[Job, str]]) -> str:
        """Do jobs; add those that are on the disk, and say why not all are."""
        synced = 0  # how many of them are in files that are whole
        failure = ""
        try:
            self._check()
            for job in jobs:
                if job.file is not None:
                    self._sync()
                    synced = len(done)
                    self._open(job.file)
                self._write(job.data)
                done.append((job, self._path))
        except OSError as error:
            failure = error.strerror or str(error)
        except Exception:  # the thread is needed by others
            log.exception("writing a recording: a bug")
            failure = BUG
        try:
            if failure and self._file >= 0:
                os.ftruncate(self._file, self._size)
            self._sync()
        except OSError as error:
            del done[synced:]
            failure = failure or error.strerror or str(error)
        return failure

    def _check(self) -> None:
        """See now and then that the file is where it belongs, and that there is room."""
        if time.monotonic() < self._checked + CHECK_S:
            return
        if self._file >= 0 and not self._is_there():
            raise OSError(errno.ENOENT, "the file that is written is not in its folder any more")
        if self._min_free:
            self._check_free()
        self._checked = time.monotonic()

    def _is_there(self) -> bool:
        """Say whether the file has its name: one that was deleted takes bytes all the same."""
        try:
            found = os.stat(self._folder / self._path)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self._file))

    def _check_free(self) -> None:
        self._folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        free = os.statvfs(self._folder)
        if free.f_bavail * free.f_frsize < self._min_free:
            raise OSError(
                errno.ENOSPC, "the disk has less free space than record.min_free_bytes asks for"
            )

    def _open(self, file: NewFile) -> None:
        """Begin a file, under a name that no other has."""
        self._close()
        folder = self._folder / file.path.parent
        folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        for number in range(1, SAME_NAME):
            name = file.path.name
            if number > 1:
                name = f"{file.path.stem}-{number}{file.path.suffix}"
            with suppress(FileExistsError):
                self._file = os.open(folder / name, flags, FILE_MODE)
                break
        else:
            raise OSError(errno.EEXIST, f"{SAME_NAME} files are called {file.path}")
        self._path = str(file.path.with_name(name))
        self._size = 0
        try:
            journal.add(self._folder, self._id, {**file.note, "path": self._path})
            self._disk.locks.take(self._folder, self._id)
            self._write([file.head])
            journal.sync_folder(folder)
        except OSError:
            with suppress(OSError):  # a full disk would gather empty ones, with each further try
                (folder / name).unlink()
            raise

    def _write(self, data: Sequence[bytes]) -> None:
        """Write bytes; the file is whole up to them if they don't fit."""
        for start in range(0, len(data), PIECES):
            left = [memoryview(piece) for piece in data[start : start + PIECES]]
            while left:
                written = os.writev(self._file, left)
                while left and written >= len(left[0]):
                    written -= len(left.pop(0))
                if left:
                    left[0] = left[0][written:]
        self._size += sum(map(len, data))

    def _sync(self) -> None:
        if self._file >= 0:
            self._disk.sync(self._file)

    def _close(self) -> None:
        if self._file >= 0:
            with suppress(OSError):  # what is on the disk has been synced
                os.close(self._file)
            self._file = -1

    def _tell(self, jobs: Sequence[Job], done: list[tuple[Job, str]], end: str | None) -> None:
        """Have the owner told in the loop; `end`: why the last file was closed, if it was."""
        self._is_over = self._is_over or end is not None
        self._disk.tell(_Done(self, jobs, done, end))

    # ------------------------------------------------------------------ in the loop

    def told(self, what: _Done) -> None:
        """Take note of what a thread has done, and tell the owner."""
        size = sum(job.size for job in what.jobs)
        self._queued -= size
        self._disk.queued -= size
        for job, path in what.done:
            self._disk.written += job.size
            self._owner.written(job, path)
        if what.end is not None:
            self._disk.failures += bool(what.end)
            self._owner.closed(what.end)
