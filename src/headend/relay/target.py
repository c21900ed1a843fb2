"""Targets: the streams of relays, with state, tries, figures and one task each.

    connecting ─► live ─► retrying ─► live …
                    └───► failed: nothing that time mends; tried again now and then

A change of state is one line in the log and one event; a try is neither.
"""

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import time
from typing import Final

from headend.events import RelayChanged
from headend.live.services import Services
from headend.logs import shown
from headend.net.figures import Figures
from headend.redaction import hide
from headend.relay.backoff import STEADY_S, Backoff, Failure
from headend.relay.dialling import RelayFailed
from headend.relay.status import Direction, State, TargetStatus

log = logging.getLogger(__name__)

SMOOTHING: Final = 0.4  # weight of the newest second in a bit rate
# A server that takes us and throws us out again is not live each time: it has to keep us so long.
FLAPS: Final = 3  # short lives in a row
PROBATION_S: Final = 3.0


class Target(ABC):
    """One stream of one relay.

    Attributes:
        relay: Id of the relay.
        path: `APP/NAME` of the stream here.
        state: State, as the module's docstring lists them.
    """

    direction: Direction

    def __init__(self, services: Services, relay: str, path: str, *, is_told: bool = True) -> None:
        """Prepare.

        Args:
            services: What all connections share.
            relay: Id of the relay.
            path: `APP/NAME` of the stream here.
            is_told: Whether log and events are told of changes of its state.
        """
        self._services: Final = services
        self._is_told: Final = is_told
        self.relay: Final = relay
        self.path: Final = path
        self.state: State = "connecting"
        self._reason = ""
        self._since = time()
        self._told: set[tuple[State, str]] = set()  # since it was live
        self._tries = 0
        self._bit_rate = 0.0
        self._sampled = 0
        self._live_since: float | None = None
        self._short_lives = 0
        self._probation: asyncio.TimerHandle | None = None
        self._backoff: Final = Backoff()
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ its task

    def start(self, over: Callable[[], None] | None = None) -> None:
        """Begin; `over` is called when there is nothing more to do."""

        def end(_: asyncio.Task[None]) -> None:
            self._task = None  # one that was cancelled holds its frames, and they us
            if over is not None:
                over()

        self._task = self._services.loop.create_task(self._run_safely())
        self._task.add_done_callback(end)

    @property
    def is_over(self) -> bool:
        return self._task is None or self._task.done()

    async def stop(self) -> None:
        """Tell the other server that the stream ends, and stop."""
        self.say_goodbye()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run_safely(self) -> None:
        try:
            await self.run()
        except Exception:
            log.exception("relay %s %s failed: a bug", self.direction, shown(self.path))
            self.change("failed", "a bug, see the log")
        finally:
            self._cancel_probation()
            self.say_goodbye()

    @abstractmethod
    async def run(self) -> None:
        """Try for ever, until there is nothing more to do."""

    @abstractmethod
    def say_goodbye(self) -> None:
        """End the connection, if there is one."""

    async def rest(self, failed: RelayFailed) -> None:
        """Take note of a failure, and wait until the next try."""
        lived = self.end_life()
        failure = failed.failure
        state: State = "failed" if failure is Failure.WRONG else "retrying"
        self.change(state, failed.reason)
        await asyncio.sleep(self._backoff.pause(failure, lived, random.random()))

    # ------------------------------------------------------------------ its state

    def begin_life(self) -> None:
        """Take note that media flows."""
        self._live_since = self._services.loop.time()
        if self._short_lives < FLAPS:
            self.change("live")
        else:
            self._probation = self._services.loop.call_later(PROBATION_S, self.change, "live")

    def end_life(self) -> float:
        """Take note that media flows no more; return for how long it did, seconds."""
        self._cancel_probation()
        began, self._live_since = self._live_since, None
        if began is None:
            return 0.0
        lived = self._services.loop.time() - began
        if lived >= STEADY_S:
            self._short_lives = 0
        else:
            self._short_lives += 1
        return lived

    def _cancel_probation(self) -> None:
        if self._probation is not None:
            self._probation.cancel()
            self._probation = None

    def change(self, state: State, reason: str = "") -> None:
        """Take another state; the log and the events are told once of each since it was live."""
        reason = shown(hide(reason, self.secrets))
        if (state, reason) == (self.state, self._reason) and self._told:
            return
        if state != self.state:
            self._since = time()
        self.state, self._reason = state, reason
        if state == "live":
            self._told.clear()
        if (state, reason) in self._told:
            return
        self._told.add((state, reason))
        if not self._is_told:
            return
        say = log.info if state in ("live", "connecting") else log.warning
        say(
            "relay %s %s %s %s: %s%s",
            self.direction,
            shown(self.path),
            "to" if self.direction == "out" else "from",
            shown(self.shown_url),
            state,
            f": {reason}" if reason else "",
        )
        self._services.events.emit(
            RelayChanged(
                time=time(),
                relay=self.relay,
                stream=self.path,
                direction=self.direction,
                state=state,
                reason=reason,
            )
        )

    @property
    @abstractmethod
    def shown_url(self) -> str:
        """URL of the other server, secrets hidden."""

    @property
    def secrets(self) -> tuple[str | None, ...]:
        """Secrets that must be hidden even in what the other server says."""
        return ()

    # ------------------------------------------------------------------ its figures

    @property
    @abstractmethod
    def bytes(self) -> int:
        """Bytes of media sent or received so far."""

    @property
    def behind_bytes(self) -> int:
        """Bytes that the other server is still to be given."""
        return 0

    @property
    def drops(self) -> int:
        """How often the stream lost media because the other server was late."""
        return 0

    @property
    def network(self) -> Figures | None:
        """How the network treats the connection; None: it is not known, as but for SRT."""
        return None

    def warnings(self) -> list[str]:
        """Say what an operator should look at."""
        return []

    def sample(self) -> None:
        """Measure the bit rate; called once a second."""
        total = self.bytes
        rate = (total - self._sampled) * 8.0
        self._sampled = total
        self._bit_rate += (rate - self._bit_rate) * SMOOTHING

    def status(self) -> TargetStatus:
        """Describe the stream, for the API."""
        rate = self._bit_rate
        return TargetStatus(
            stream=self.path,
            url=self.shown_url,
            state=self.state,
            reason=self._reason,
            since=round(self._since, 3),
            tries=self._tries,
            bit_rate=int(rate) if self.state == "live" else 0,
            bytes=self.bytes,
            lag_s=round(self.behind_bytes * 8 / rate, 2) if rate > 1000 else 0.0,
            drops=self.drops,
            warnings=self.warnings(),
            network=self.network,
        )
