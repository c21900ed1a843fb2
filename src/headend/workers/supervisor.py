"""The supervisor: starts the workers, and starts those again that end or hang.

    supervisor ──fork──► worker 0 ──ready──► workers 1, 2 …  ──ready──► ready
        ▲                                                        │
        └── pipes, signals, beats on the board ──────────────────┘

It has no event loop, no threads and no media, so that it can fork at any time. Whatever happens to
it, the workers end with it: their pipes do.
"""

import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Final, Protocol

from headend.directory.values import Member
from headend.errors import ProtocolError
from headend.workers.board import Board
from headend.workers.common_drain import CommonDrain
from headend.workers.pipe import Notice, Pipe
from headend.workers.ports import SharedPorts
from headend.workers.post import STACK_SIGNAL, Post
from headend.workers.worker import Worker

log = logging.getLogger(__name__)

TURN_S: Final = 0.25  # between two looks at the clock
HANG_S: Final = 10.0  # a loop that does not turn for so long is not waited for any longer
START_S: Final = 60.0  # until a worker must be ready
STACK_S: Final = 0.5  # for a worker that hangs to write its stacks
SOON_S: Final = 5.0  # a worker that ends so soon after its start is started again after a rest …
REST_S: Final = (0.0, 0.1, 0.2, 0.4, 0.8, 5.0)  # … by how many did so in a row
KILL_S: Final = 1.0  # after `limits.shutdown_s`, for workers that do not stop in time
SECRET_BYTES: Final = 32
WRONG_SETTINGS: Final = 2  # exit code of a worker that no restart can help
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Switch(Protocol):
    """Answers and passes on what workers say to each other."""

    def invite(self, worker: int) -> Member:
        """Return what a worker that is about to start will be to the others."""

    def began(self, member: Member, pipe: Pipe) -> None:
        """Take note of a worker that was started."""

    def gone(self, worker: int) -> None:
        """Take note of a worker that has ended."""

    def take(self, worker: int, notice: Notice) -> None:
        """Take what a worker says."""

    def tick(self, now: float) -> None:
        """Let time pass; `now` in monotonic seconds."""


class Supervisor:
    """The supervisor of one server."""

    def __init__(
        self,
        ports: SharedPorts,
        count: int,
        switch: Switch,
        *,
        shutdown_s: float,
        ready: Callable[[Mapping[str, Sequence[str]]], None],
        hang_s: float = HANG_S,
    ) -> None:
        """Prepare; `run` follows.

        Args:
            ports: Sockets of all workers; closed by `run`.
            count: How many workers there are.
            switch: Answers and passes on what workers say.
            shutdown_s: How long a worker may take to stop.
            ready: Called once all workers serve, with the addresses that worker 0 tells.
            hang_s: See HANG_S.
        """
        self._ports: Final = ports
        self._switch: Final = switch
        self._shutdown_s: Final = shutdown_s
        self._ready: Final = ready
        self._hang_s: Final = hang_s
        self._board: Final = Board(count)
        self._secret: Final = os.urandom(SECRET_BYTES)
        self._addresses: dict[str, list[str]] = {}
        self._posts: Final = [Post(number) for number in range(count)]
        self._drains: Final = CommonDrain(self._posts)
        self._selector: Final = selectors.DefaultSelector()
        self._wakes: Final = socket.socketpair()  # a signal writes into the second
        self._heard: list[int] = []
        self._is_ready = False
        self._kill_at: float | None = None  # while it stops
        self._code = 0

    def run(self) -> Worker | int:
        """Supervise until SIGTERM or SIGINT.

        Returns:
            The exit code; and in each process of a worker, what it is.
        """
        self._listen()
        gc.collect()
        gc.freeze()  # what all workers share is not written to by a collector
        try:
            worker = self._start(self._posts[0])
            while worker is None and not self._is_over:
                worker = self._turn()
        except BaseException:
            for post in self._posts:
                post.signal(signal.SIGKILL)
            self._close()
            raise
        if worker is None:
            self._close()
            return self._code
        return worker

    # ------------------------------------------------------------------ turns

    @property
    def _is_over(self) -> bool:
        return self._kill_at is not None and not any(post.pid for post in self._posts)

    def _turn(self) -> Worker | None:
        """Wait for what happens, and act; in a new process return its worker."""
        for key, events in self._selector.select(TURN_S):
            if key.data is None:
                with suppress(BlockingIOError):
                    self._wakes[0].recv(4096)
            else:
                self._serve(key.data, events)
        while self._heard:
            self._act_on(self._heard.pop(0))
        now = time.monotonic()
        for post in self._posts:
            code = post.reap()
            if code is not None:
                self._ended(post, code, now)
            self._look_at(post, now)
        self._switch.tick(now)
        if self._kill_at is None and self._drains.is_over(now):
            self._stop()
        for post in self._posts:
            self._register(post)
            if post.due is not None and post.due <= now and self._kill_at is None:
                worker = self._start(post)
                if worker is not None:
                    return worker
        return None

    def _serve(self, post: Post, events: int) -> None:
        """Read what a worker says, and send what waits for it."""
        pipe = post.pipe
        if pipe is None:
            return
        if events & selectors.EVENT_WRITE:
            pipe.flush()
        if not events & selectors.EVENT_READ:
            return
        try:
            for notice in pipe.receive():
                self._take(post, notice)
        except EOFError:
            self._forget(post)  # it ends: `reap` has the rest
        except ProtocolError as error:
            log.error("worker %d: %s; it is replaced", post.number, error)
            self._forget(post)
            post.signal(signal.SIGKILL)

    def _take(self, post: Post, notice: Notice) -> None:
        if notice.get("kind") != "ready":
            if not self._drains.take(post.number, notice):
                self._switch.take(post.number, notice)
            return
        post.is_ready = True
        self._drains.began(post)
        log.info("worker %d is ready (process %d)", post.number, post.pid)
        if post.number == 0 and not self._is_ready:
            self._addresses = notice["addresses"]
            now = time.monotonic()
            for other in self._posts[1:]:
                if other.starts == 0:
                    other.due = now
        if not self._is_ready and all(each.is_ready for each in self._posts):
            self._is_ready = True
            self._ready(self._addresses)

    def _register(self, post: Post) -> None:
        """Have the selector wait for what the pipe of a worker needs."""
        pipe = post.pipe
        if pipe is None:
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if pipe.has_backlog else 0)
        known = self._selector.get_map().get(pipe.fileno())
        if known is None:
            self._selector.register(pipe, wanted, post)
        elif known.events != wanted:
            self._selector.modify(pipe, wanted, post)

    def _forget(self, post: Post) -> None:
        """Take nothing from a worker any more."""
        if post.pipe is not None:
            with suppress(KeyError):
                self._selector.unregister(post.pipe)
            post.pipe.close()
            post.pipe = None
            self._switch.gone(post.number)

    # ------------------------------------------------------------------ starts and ends

    def _start(self, post: Post) -> Worker | None:
        now = time.monotonic()
        self._board.beat(post.number, now)
        member = self._switch.invite(post.number)
        pipe = post.fork(now)
        if pipe is None:
            assert post.pipe is not None
            self._switch.began(member, post.pipe)
            self._register(post)
            return None
        self._leave(post)
        number, ports = post.number, self._ports
        return Worker(
            number,
            len(self._posts),
            member,
            ports.of(number),
            ports.peers_of(number),
            pipe,
            self._board,
            self._secret,
        )

    def _leave(self, post: Post) -> None:
        """Give up, in a new worker, what is the supervisor's and what is other workers'."""
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the supervisor stops us
        self._selector.close()
        for sock in self._wakes:
            sock.close()
        for other in self._posts:
            if other is not post:
                other.close()
        self._ports.leave_to(post.number)

    def _ended(self, post: Post, code: int, now: float) -> None:
        """Take note of a worker that is gone, and see to the next one."""
        self._drain(post)
        was_ready = post.is_ready
        stack = post.stack() if code < 0 else []
        self._forget(post)
        post.empty()
        if self._kill_at is not None:
            return
        if code == WRONG_SETTINGS or not (was_ready or self._is_ready):
            self._code = code if code > 0 else 1
            if code < 0:
                log.error("worker %d %s before it was ready", post.number, _how(code))
            self._stop()
            return
        post.deaths = post.deaths + 1 if now - post.began < SOON_S else 0
        rest = REST_S[min(post.deaths, len(REST_S) - 1)]
        post.due = now + rest
        log.error("worker %d %s; another is started", post.number, _how(code))
        for line in stack:
            log.error("worker %d: %s", post.number, line)

    def _drain(self, post: Post) -> None:
        """Take the last words of a worker that is gone."""
        while post.pipe is not None:
            self._serve(post, selectors.EVENT_READ)

    def _look_at(self, post: Post, now: float) -> None:
        """See whether a worker hangs."""
        if not post.pid:
            return
        if post.kill_at is not None:
            if now >= post.kill_at:
                post.signal(signal.SIGKILL)
            return
        silent_s = now - self._board.last_beat(post.number)
        if silent_s >= (self._hang_s if post.is_ready else START_S):
            text = "worker %d hangs: nothing for %.1f s; it is replaced"
            log.error(text, post.number, silent_s)
            post.signal(STACK_SIGNAL)
            post.kill_at = now + STACK_S

    # ------------------------------------------------------------------ signals

    def _listen(self) -> None:
        for sock in self._wakes:
            sock.setblocking(False)
        self._selector.register(self._wakes[0], selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wakes[1].fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._heard.append(number)

    def _act_on(self, number: int) -> None:
        if number == signal.SIGHUP:
            for post in self._posts:
                post.signal(signal.SIGHUP)
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stop()

    def _stop(self) -> None:
        """Have all workers stop; asked for again, at once."""
        self._ports.stop_listening()
        now = time.monotonic()
        is_again = self._kill_at is not None
        self._kill_at = now if is_again else now + self._shutdown_s + KILL_S
        for post in self._posts:
            post.due = None
            post.kill_at = self._kill_at
            if not is_again:
                post.signal(signal.SIGTERM)

    def _close(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for post in self._posts:
            self._forget(post)
            post.close()
        self._selector.close()
        for sock in self._wakes:
            sock.close()
        self._ports.close()


def _how(code: int) -> str:
    """Say how a worker ended."""
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"
