"""Signals of the system: SIGTERM and SIGINT stop the process, SIGHUP has it reload.

The first SIGTERM or SIGINT asks the server to stop, and starts a clock. When that has run down, the
process ends, whatever it still waits for: a disk, a name server, a loop that does not turn. A
second signal ends the process at once, as it ends programs that know nothing of signals.

Where a server drains first, the first signal begins the drain. The next one, of a person or of the
drain that is over, asks it to stop.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from types import FrameType
from typing import Final, Self

from headend import logs

log = logging.getLogger(__name__)

STOPS: Final = (signal.SIGTERM, signal.SIGINT)
LEAST_S: Final = 1.0  # that a stop may take, whatever `limits.shutdown_s` is
LAST_WORDS_S: Final = 0.2  # for a line in a log that may hang too


class Signals:
    """Hears signals while the `with` block runs, in the main thread.

    Attributes:
        limit_s: Gives the seconds that a stop may take; asked when it begins.
    """

    def __init__(self, end: Callable[[int], object] = os._exit, *, is_worker: bool = False) -> None:
        """Prepare.

        Args:
            end: Ends the process with an exit code, at once.
            is_worker: The supervisor says when workers stop, and ends those that do not. SIGINT,
                which comes to all processes of a terminal, and a second SIGTERM are not heard.
        """
        self.limit_s: Callable[[], float] = lambda: LEAST_S
        self._end: Final = end
        self._stops: Final = STOPS[:1] if is_worker else STOPS
        self._again: Final = signal.SIG_IGN if is_worker else signal.SIG_DFL
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._reload: Callable[[], object] | None = None
        self._drain: Callable[[], object] | None = None
        self._drain_s: Callable[[], float] = lambda: 0.0
        self._is_asked_to_stop = False
        self._is_draining = False
        self._is_asked_to_reload = False
        # Seconds until the process ends, anew; None: the block is over. Signal handlers may put one
        # into a SimpleQueue wherever they interrupt the program.
        self._clock: Final[SimpleQueue[float | None]] = SimpleQueue()

    def __enter__(self) -> Self:
        self._before = [(each, signal.getsignal(each)) for each in (*self._stops, signal.SIGHUP)]
        for number in self._stops:
            signal.signal(number, self._hear_stop)
        signal.signal(signal.SIGHUP, self._hear_reload)
        Thread(target=self._watch, name="stop", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._clock.put(None)
        for number, before in self._before:
            signal.signal(number, before)

    def attach(self) -> asyncio.Event:
        """Return an event that is set in the running loop once the server is asked to stop."""
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._is_asked_to_stop:
            self._stop.set()
        return self._stop

    def reload_by(self, reload: Callable[[], object]) -> None:
        """Have SIGHUP call a function in the loop; at once if the signal came before."""
        self._reload = reload
        if self._is_asked_to_reload:
            reload()

    def drain_by(self, drain: Callable[[], object], seconds: Callable[[], float]) -> None:
        """Have the first signal to stop begin a drain.

        Args:
            drain: Begins it, in the loop.
            seconds: Gives how long it may take; asked when the signal comes. 0: there is none.
        """
        self._drain, self._drain_s = drain, seconds

    def stop(self) -> None:
        """Ask the server to stop, as SIGTERM does."""
        os.kill(os.getpid(), signal.SIGTERM)

    def _hear_stop(self, number: int, frame: FrameType | None) -> None:
        drain_s = 0.0 if self._is_draining else self._drain_s()
        if self._drain is not None and drain_s:
            self._is_draining = True
            self._clock.put(drain_s + max(self.limit_s(), LEAST_S))
            self._call(self._drain)
            return
        for each in self._stops:
            signal.signal(each, self._again)
        self._is_asked_to_stop = True
        self._clock.put(max(self.limit_s(), LEAST_S))
        if self._stop is not None:
            self._call(self._stop.set)

    def _hear_reload(self, number: int, frame: FrameType | None) -> None:
        self._is_asked_to_reload = True
        if self._reload is not None:
            self._call(self._reload)

    def _call(self, what: Callable[[], object]) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is closed: the process is about to end
            self._loop.call_soon_threadsafe(what)

    def _watch(self) -> None:
        """End the process if it has not stopped in time."""
        limit_s = self._clock.get()
        try:
            while limit_s is not None:
                limit_s = self._clock.get(timeout=limit_s)
        except Empty:
            words = Thread(target=_tell, args=(limit_s,), daemon=True)
            words.start()
            words.join(LAST_WORDS_S)
            self._end(0)


def _tell(limit_s: float) -> None:
    log.error("not stopped within %g s (limits.shutdown_s): what still runs is cut off", limit_s)
    logs.flush(LAST_WORDS_S)
