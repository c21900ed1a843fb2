"""The flush clock: when the bytes that wait in fan-outs leave.

    push ─► wake: a picture      ─┬─ adaptive: at the end of the turn
         └► ride: sound beside it │            with the next picture, or after the budget
                                  └─ fixed: a budget after the first byte that waits

A fan-out has everything that waits sent in one go, so each flush that is saved saves a `send` for
every viewer. Sound beside a live picture is worth no flush of its own: nobody sees that it leaves
some milliseconds later, with the picture. The budget counts from the first byte that waits, not on
a grid: a flush then never comes sooner than it must.
"""

import logging
from asyncio import AbstractEventLoop, Handle, TimerHandle
from collections.abc import Callable
from time import perf_counter
from typing import Final, Literal, Protocol

log = logging.getLogger(__name__)

FlushMode = Literal["adaptive", "fixed"]

# Timers count whole milliseconds: one that rings so much too soon is not set once more.
EARLY_S: Final = 0.001


class Flushable(Protocol):
    """What is flushed: a fan-out."""

    def flush(self) -> None:
        """Send what is pending."""


class FlushClock:
    """The clock that says when fan-outs are flushed.

    Attributes:
        is_fixed: Flushes come a budget after the first byte that waits, whatever the load.
        is_expected: Adaptive: a turn is going on or a pause is, at whose end `turn_ended` follows.
        flushes: Number of flushes so far.
        rounds: How often there was something to flush; each is a flush or several.
        flush_s: Time spent in them, seconds.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        budget_s: float,
        mode: FlushMode,
        hold: Callable[[], None],
        release: Callable[[], None],
    ) -> None:
        """Start with nothing to flush.

        Args:
            loop: The running loop.
            budget_s: The longest wait, seconds.
            mode: "adaptive": flush with each turn; "fixed": see `is_fixed`.
            hold: Called when bytes begin to wait for a fixed flush: what publishers send
                meanwhile is early enough just before it.
            release: Called just before that flush: reads what publishers have sent.
        """
        self._loop = loop
        self._hold = hold
        self._release = release
        self._due: dict[Flushable, None] = {}
        self._riding: dict[Flushable, float] = {}  # until when, the first one first
        self._timer: Handle | TimerHandle | None = None  # flushes what is due
        self._ride_timer: TimerHandle | None = None
        self._is_releasing = False
        self.is_expected = False
        self.flushes = 0
        self.rounds = 0
        self.flush_s = 0.0
        self.is_fixed = False
        self._budget = 0.0
        self.configure(budget_s, mode)

    def configure(self, budget_s: float, mode: FlushMode) -> None:
        """Change the budget (seconds) and the mode; what waits now leaves at once."""
        self._budget = budget_s
        self.is_fixed = mode == "fixed" and budget_s > 0
        if self._due or self._riding:
            self._flush_on_time()

    def close(self) -> None:
        """Flush no more by itself."""
        for timer in (self._timer, self._ride_timer):
            if timer is not None:
                timer.cancel()

    @property
    def is_due(self) -> bool:
        """A turn has something to flush at its end."""
        return bool(self._due) and not self.is_fixed

    # ------------------------------------------------------------------ what waits

    def wake(self, fanout: Flushable) -> None:
        """Flush a fan-out as soon as the mode has it."""
        self._riding.pop(fanout, None)
        self._due[fanout] = None
        if self._timer is not None or self._is_releasing:
            return
        if self.is_fixed:
            self._timer = self._loop.call_later(self._budget, self._flush_on_time)
            self._hold()
        elif not self.is_expected:
            self._timer = self._loop.call_soon(self._flush_on_time)

    def ride(self, fanout: Flushable) -> None:
        """Flush a fan-out with its next picture, which wakes it, but after the budget at last."""
        if self.is_fixed or not self._budget:
            self.wake(fanout)
        elif fanout not in self._due and fanout not in self._riding:
            self._riding[fanout] = self._loop.time() + self._budget
            if self._ride_timer is None:
                self._ride_timer = self._loop.call_later(self._budget, self._end_rides)

    def _end_rides(self) -> None:
        """Flush those whose picture did not come, and wait for the next one's time."""
        self._ride_timer = None
        now = self._loop.time()
        late = [each for each, until in self._riding.items() if until - EARLY_S <= now]
        for fanout in late:
            del self._riding[fanout]
        if self._riding:
            first = next(iter(self._riding.values()))
            self._ride_timer = self._loop.call_at(first, self._end_rides)
        self._flush_all(late)

    # ------------------------------------------------------------------ flushes

    def turn_ended(self) -> None:
        """Flush what is due, unless flushes are fixed."""
        if self.is_due:
            self._flush_due()

    def flush(self) -> None:
        """Flush everything that waits, now."""
        riding, self._riding = self._riding, {}
        self._due |= dict.fromkeys(riding)
        self._flush_due()

    def _flush_on_time(self) -> None:
        """Take what publishers have sent, and flush."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._is_releasing = True
        self._release()
        self._is_releasing = False
        self.flush()

    def _flush_due(self) -> None:
        due, self._due = self._due, {}
        self._flush_all(list(due))

    def _flush_all(self, fanouts: list[Flushable]) -> None:
        if not fanouts:
            return
        started = perf_counter()
        for fanout in fanouts:
            try:
                fanout.flush()
            except Exception:
                log.exception("a flush failed: a bug")
        self.flushes += len(fanouts)
        self.rounds += 1
        self.flush_s += perf_counter() - started
