"""Lines of the log, written by a thread of its own: no caller waits for a reader.

    log call ─► line ─► queue, bounded ─► thread ─► stderr: a pipe, a terminal, a file

A pipe that nobody reads takes 64 KiB and then blocks its writer: a server that wrote its
log itself would stand still. Lines that find no room are counted, and the count is the next line.
Several processes may write into one pipe or file: whole lines leave together, so that none is torn
apart.
"""

import errno
import os
import select
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from time import monotonic
from typing import Final
from weakref import WeakSet

MAX_CHARACTERS: Final = 1024 * 1024  # that wait: some thousand lines
BLOCK: Final = 4096  # bytes of one write: a pipe takes them whole (PIPE_BUF)
CLOSE_S: Final = 1.0  # for the last lines of a process
PRIVATE: Final = 0o600  # of a file of the log: addresses and names are in it
STDERR: Final = 2
CLOSED: Final = -1


class LineWriter:
    """Writes lines to a file descriptor in the order in which they come.

    Attributes:
        fd: Where to.
        dropped: Lines that found no room, in all.
        has_thread: False: there is no thread, so that the process may fork; a line that the file
            doesn't take at once is dropped.
    """

    def __init__(self, fd: int, tell_dropped: Callable[[int], str]) -> None:
        """Prepare; the thread starts with the first line.

        Args:
            fd: Where to; stays open.
            tell_dropped: Writes the line that says how many were dropped.
        """
        self.fd = fd
        self.dropped = 0
        self.has_thread = True
        self.tell_dropped = tell_dropped
        self._untold = 0
        self._changed = Condition()
        self._lines: list[str] = []
        self._waiting = 0  # characters, those being written among them
        self._thread: Thread | None = None
        self._is_closed = False
        _writers.add(self)

    def begin_in_child(self) -> None:
        """Go on in a process that was forked: the thread, and what waits for it, are the parent's.

        A lock may have been held by a thread that is not there.
        """
        self._changed = Condition()
        self._lines = []
        self._waiting = self._untold = 0
        self._thread = None
        self.has_thread = True

    def write(self, line: str) -> None:
        """Have a line written soon; never waits."""
        if not self.has_thread:
            self._write_now(line)
            return
        with self._changed:
            if self._waiting + len(line) > MAX_CHARACTERS:
                self.dropped += 1
                self._untold += 1
                return
            self._lines.append(line)
            self._waiting += len(line)
            if self._thread is None:
                thread = Thread(target=self._run, name="log", daemon=True)
                thread.start()  # it may fail: then the next line tries again
                self._thread = thread
            self._changed.notify_all()

    def _write_now(self, line: str) -> None:
        told = [self.tell_dropped(self._untold)] if self._untold else []
        view = memoryview("\n".join([*told, line, ""]).encode(errors="backslashreplace"))
        while view:
            if not select.select([], [self.fd], [], 0)[1]:
                self.dropped += 1
                self._untold += 1
                return
            with suppress(OSError):  # nobody can read it any more
                os.write(self.fd, view[:BLOCK])
            view = view[BLOCK:]
        self._untold = 0

    def flush(self, timeout_s: float = CLOSE_S) -> bool:
        """Wait until all is written; false: it took too long."""
        end = monotonic() + timeout_s
        with self._changed:
            while self.has_thread and (self._waiting or self._untold):
                left = end - monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def close(self) -> None:
        """Let the thread end when all is written; no line may follow."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._lines or self._untold):
                    if self._is_closed:
                        return
                    self._changed.wait()
                lines, self._lines = self._lines, []
                untold, self._untold = self._untold, 0
            # What was dropped came behind these lines, or among the last of them.
            text = "\n".join([*lines, *([self.tell_dropped(untold)] if untold else []), ""])
            with suppress(OSError):  # nobody can read it any more
                self._put(text.encode(errors="backslashreplace"))
            with self._changed:
                self._waiting -= sum(map(len, lines))
                self._changed.notify_all()

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.fd, view[: _whole_lines(view)]) :]
            except BlockingIOError:  # another program has made the terminal so
                select.select([], [self.fd], [])


class FileWriter(LineWriter):
    """Writes lines to a file, and to a new one of its name once somebody has renamed it.

    While the file takes nothing, as on a disk that is full, lines are dropped; stderr is told once.
    """

    def __init__(self, path: Path, tell_dropped: Callable[[int], str]) -> None:
        """Prepare; the file is opened with the first line.

        Args:
            path: The file.
            tell_dropped: Writes the line that says how many were dropped.
        """
        super().__init__(CLOSED, tell_dropped)
        self.path: Final = path
        self._lost = 0  # lines that the file did not take
        self._is_torn = False  # the last of them in part

    def _run(self) -> None:
        try:
            super()._run()
        finally:
            self._close_file()

    def _write_now(self, line: str) -> None:
        self._put(f"{line}\n".encode(errors="backslashreplace"))

    def _put(self, data: bytes) -> None:
        before = f"{self.tell_dropped(self._lost)}\n".encode() if self._lost else b""
        view = memoryview(b"\n" * self._is_torn + before + data)
        try:
            self._follow()
            while view:
                view = view[os.write(self.fd, view[: _whole_lines(view)]) :]
                self._lost, self._is_torn = 0, False
        except OSError as error:
            lost = min(bytes(view).count(b"\n"), data.count(b"\n"))
            if not self._lost:
                _tell_stderr(f"headend: log file {self.path}: {error.strerror}; its lines are lost")
            self._lost += lost
            self.dropped += lost
            self._is_torn = self.fd != CLOSED

    def _follow(self) -> None:
        """Have the file open that has the name now."""
        if self.fd != CLOSED:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self.path), os.fstat(self.fd)):
                    return
            self._close_file()
        self.fd = open_file(self.path)

    def _close_file(self) -> None:
        if self.fd != CLOSED:
            os.close(self.fd)
            self.fd = CLOSED


def open_file(path: Path) -> int:
    """Open a file of the log, or make it, for its owner only.

    Raises:
        OSError: It cannot be written, or it is no file.
    """
    # Opening a pipe would wait for somebody who reads.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    fd = os.open(path, flags, PRIVATE)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is no file")
    return fd


def _tell_stderr(line: str) -> None:
    """Say something on stderr if it takes that at once."""
    with suppress(OSError, ValueError):
        if select.select([], [STDERR], [], 0)[1]:
            os.write(STDERR, f"{line}\n".encode(errors="backslashreplace"))


def _whole_lines(view: memoryview) -> int:
    """Return how many bytes are the lines that one write takes; of a longer line, a part."""
    return bytes(view[:BLOCK]).rfind(b"\n") + 1 or BLOCK


_writers: Final[WeakSet[LineWriter]] = WeakSet()


def _begin_in_child() -> None:
    for writer in _writers:
        writer.begin_in_child()


os.register_at_fork(after_in_child=_begin_in_child)
