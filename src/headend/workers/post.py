"""The post of one worker: who fills it now, and how it fares."""

import ctypes
import faulthandler
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from headend.workers.pipe import Pipe

STACK_SIGNAL: Final = signal.SIGUSR2
MOST_STACK: Final = 64 * 1024  # bytes of stack traces that are read …
MOST_LINES: Final = 40  # … and lines that are shown
_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG of prctl(2)

if sys.platform == "linux":
    _prctl: Callable[[int, int], int] | None = ctypes.CDLL(None, use_errno=True).prctl
else:
    _prctl = None


class Post:
    """The post of one worker, which the supervisor fills again when the worker ends.

    Attributes:
        number: Number of the worker.
        pid: Process of the worker that fills it; 0: it is empty.
        pipe: The supervisor's end of the pipe.
        is_ready: The worker serves.
        began: When the worker was started, monotonic seconds.
        due: When it is to be filled, monotonic seconds; None: it is not.
        kill_at: When the worker is killed if it is still there, monotonic seconds.
        deaths: Workers that ended here soon after their start, in a row.
        starts: Workers that were started here.
    """

    def __init__(self, number: int) -> None:
        self.number: Final = number
        self.pid = 0
        self.pipe: Pipe | None = None
        self.is_ready = False
        self.began = 0.0
        self.due: float | None = None
        self.kill_at: float | None = None
        self.deaths = 0
        self.starts = 0
        self._stack: Final = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # as long as the supervisor

    def fork(self, now: float) -> Pipe | None:
        """Start a worker.

        Returns:
            In the new process its end of the pipe; None in the supervisor.
        """
        self._stack.seek(0)
        self._stack.truncate()
        ours, theirs = socket.socketpair()
        supervisor = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            ours.close()
            self._end_with(supervisor)
            self._write_stacks()
            return Pipe(theirs)
        theirs.close()
        self.pipe = Pipe(ours)
        self.is_ready = False
        self.began, self.due, self.kill_at = now, None, None
        self.starts += 1
        return None

    def _end_with(self, supervisor: int) -> None:
        """Have the system end this process with the supervisor, where it can."""
        if _prctl is not None:
            _prctl(_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != supervisor:  # it ended before that
            os._exit(0)

    def _write_stacks(self) -> None:
        """Have all stacks written where the supervisor finds them, by a signal or a crash."""
        faulthandler.enable(self._stack)
        faulthandler.register(STACK_SIGNAL, self._stack)

    def signal(self, number: int) -> None:
        """Send a signal to the worker, if there is one."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stack(self) -> list[str]:
        """Return the stack of the loop that the worker has left, a line each."""
        self._stack.seek(0)
        stacks = self._stack.read(MOST_STACK).decode(errors="replace").split("\n\n")
        fault = stacks[0] if stacks[0].startswith("Fatal") else ""
        # `faulthandler` begins with the newest thread: that of the loop is the last.
        return [*fault.splitlines(), *stacks[-1].splitlines()][:MOST_LINES]

    def reap(self) -> int | None:
        """Return the exit code of the worker, or minus its signal; None: it runs."""
        if not self.pid:
            return None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0
        return os.waitstatus_to_exitcode(status) if pid else None

    def empty(self) -> None:
        """Take note that the worker is gone."""
        self.pid = 0
        self.is_ready = False
        self.kill_at = None
        if self.pipe is not None:
            self.pipe.close()
            self.pipe = None

    def close(self) -> None:
        """Close what the post holds; in a worker, posts of others."""
        if self.pipe is not None:
            self.pipe.close()
        self._stack.close()
