"""This module decides when sockets are read and when fan-outs are flushed: the server's heartbeat.

All RTMP sockets stand in one ready set of our own, and the event loop watches its descriptor. At
low load it wakes us for every packet, and what was published leaves in the same turn. As a turn
costs more, the next one comes later, up to the latency budget: then one turn reads many publishers,
each once, and each viewer gets one `send` for all that came meanwhile.

    turn ─► who is ready ─► read each once ─► flush what is due ─► pause: the turn's cost × RATIO

See docs/decisions/0004-own-epoll-and-turns.md.
"""

import logging
from asyncio import AbstractEventLoop, Handle, TimerHandle
from collections.abc import Callable
from time import perf_counter
from typing import Final, Literal, Protocol

from headend.server.readiness import READ, ready_set

log = logging.getLogger(__name__)

# A turn that took c is followed by a pause of RATIO × c: turns take a tenth of a core at most until
# the pause reaches the budget. 50 players (0.4 ms a flush) then wait 4 ms at most.
RATIO: Final = 9.0
# Shorter pauses are not worth a timer: the loop's timers count whole milliseconds.
SHORTEST_PAUSE_S: Final = 0.001
TIMER_SLACK_S: Final = 0.0005  # the loop's timers may fire half a millisecond early
SMOOTHING: Final = 0.25  # weight of the newest turn in the cost of a turn
MAX_EVENTS: Final = 1024  # descriptors of one turn; the rest come with the next

# How often a publisher is read that nobody watches. A tenth of them at each step, so that five
# hundred together stop nobody for long.
LAZY_S: Final = 0.1
LAZY_STEPS: Final = 10

FlushMode = Literal["adaptive", "fixed"]


class Lazy(Protocol):
    """Who is content with being read every LAZY_S."""

    def read_lazily(self) -> None:
        """Read all there is. It must not raise."""


class Handler(Protocol):
    """Who owns a descriptor. It must not raise."""

    def handle_events(self, events: int) -> None:
        """Read or write: `events` is a mask of READ, WRITE and, on Linux, epoll's error bits."""


class Flushable(Protocol):
    """What is flushed: a fan-out."""

    def flush(self) -> None:
        """Send what is pending."""


class Poller:
    """See the module's head.

    Attributes:
        turns: Number of turns so far.
        pause_s: Pause after the last turn, seconds: what reading waits now.
        flushes: Number of flushes so far.
        flush_s: Time spent in them, seconds.
    """

    def __init__(self, loop: AbstractEventLoop, flush_s: float, mode: FlushMode) -> None:
        """Start watching.

        Args:
            loop: The running loop.
            flush_s: Latency budget in seconds.
            mode: "adaptive": flush with each turn; "fixed": always wait `flush_s`.
        """
        self._loop = loop
        self.configure(flush_s, mode)
        self._ready = ready_set()
        self._handlers: dict[int, Handler] = {}
        self._dirty: list[Flushable] = []
        self._lazy: list[dict[Lazy, None]] = [{} for _ in range(LAZY_STEPS)]
        self._lazy_step = 0  # where the last one was added
        self._lazy_now = 0  # which was read last
        self._lazy_timer: TimerHandle | None = None
        self._flush_at = 0.0
        self._cost = 0.0  # of a turn, seconds, smoothed
        self._is_watching = False
        self._is_turning = False
        self._next_turn: Handle | TimerHandle | None = None
        self._next_turn_at = 0.0
        self.turns = 0
        self.pause_s = 0.0
        self.flushes = 0
        self.flush_s = 0.0
        self._watch(is_on=True)

    def configure(self, flush_s: float, mode: FlushMode) -> None:
        """Change the latency budget (seconds) and the mode, from the next turn on."""
        self._budget = flush_s
        self._is_fixed = mode == "fixed"

    # ------------------------------------------------------------------ descriptors

    def register(self, descriptor: int, handler: Handler, events: int = READ) -> None:
        self._handlers[descriptor] = handler
        self._ready.register(descriptor, events)

    def modify(self, descriptor: int, events: int) -> None:
        self._ready.modify(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        """Forget a descriptor; call before it is closed."""
        del self._handlers[descriptor]
        self._ready.unregister(descriptor)

    def wake(self, fanout: Flushable) -> None:
        """Flush a fan-out when the time has come."""
        if not self._dirty:
            if self._is_turning and not self._is_fixed:
                pass  # the turn ends with a flush
            elif self._is_fixed:
                self._flush_at = self._loop.time() + self._budget
                self._turn_at(self._flush_at)
            elif self._next_turn is None:
                self._turn_at(0.0)
        self._dirty.append(fanout)

    def flush(self) -> None:
        """Flush everything that is pending, now."""
        started = perf_counter()
        dirty, self._dirty = self._dirty, []
        for fanout in dirty:
            try:
                fanout.flush()
            except Exception:
                log.exception("a flush failed: a bug")
        self.flushes += len(dirty)
        self.flush_s += perf_counter() - started

    # ------------------------------------------------------------------ lazy reading

    def add_lazy(self, item: Lazy) -> None:
        """Have an item read every LAZY_S."""
        self._lazy_step = (self._lazy_step + 1) % LAZY_STEPS  # any step, evenly filled
        self._lazy[self._lazy_step][item] = None
        if self._lazy_timer is None:
            self._lazy_timer = self._loop.call_later(LAZY_S / LAZY_STEPS, self._read_lazy)

    def remove_lazy(self, item: Lazy) -> None:
        """Read an item no more."""
        for items in self._lazy:
            items.pop(item, None)

    def _read_lazy(self) -> None:
        """Read the items of one step."""
        self._lazy_timer = None
        if not any(self._lazy):
            return
        self._lazy_timer = self._loop.call_later(LAZY_S / LAZY_STEPS, self._read_lazy)
        self._lazy_now = (self._lazy_now + 1) % LAZY_STEPS
        for item in list(self._lazy[self._lazy_now]):
            item.read_lazily()

    def close(self) -> None:
        """Stop watching. Descriptors belong to their handlers and stay open."""
        for timer in (self._next_turn, self._lazy_timer):
            if timer is not None:
                timer.cancel()
        self._watch(is_on=False)
        self._ready.close()

    # ------------------------------------------------------------------ turns

    def _watch(self, *, is_on: bool) -> None:
        if is_on != self._is_watching:
            self._is_watching = is_on
            if is_on:
                self._loop.add_reader(self._ready.fileno(), self._turn)
            else:
                self._loop.remove_reader(self._ready.fileno())

    def _turn_at(self, when: float) -> None:
        """See to it that a turn comes at `when` (loop time), or sooner; 0: as soon as possible."""
        if self._next_turn is not None:
            if self._next_turn_at <= when:
                return
            self._next_turn.cancel()
        self._next_turn_at = when
        call: Callable[[], None] = self._timed_turn
        if when <= 0.0:
            self._next_turn = self._loop.call_soon(call)
        else:
            self._next_turn = self._loop.call_at(when, call)

    def _timed_turn(self) -> None:
        self._next_turn = None
        self._turn()

    def _turn(self) -> None:
        started = perf_counter()
        handlers = self._handlers
        self._is_turning = True
        self.turns += 1
        for descriptor, events in self._ready.poll(0, MAX_EVENTS):
            handler = handlers.get(descriptor)
            if handler is None:  # an earlier one of this turn has closed it
                continue
            try:
                handler.handle_events(events)
            except Exception:
                log.exception("a connection failed: a bug")
        self._is_turning = False
        if self._is_fixed:
            cost = perf_counter() - started  # flushes have a clock of their own
            if self._dirty and self._loop.time() >= self._flush_at - TIMER_SLACK_S:
                self.flush()
        else:
            if self._dirty:
                self.flush()
            cost = perf_counter() - started
        self._cost += (cost - self._cost) * SMOOTHING
        self._pause()

    def _pause(self) -> None:
        """Decide when the next turn comes: from start to start never later than the budget."""
        pause = min(self._cost * RATIO, max(self._budget - self._cost, 0.0))
        self.pause_s = pause
        if pause < SHORTEST_PAUSE_S:
            self._watch(is_on=True)
        else:
            self._watch(is_on=False)
            self._turn_at(self._loop.time() + pause)
        if self._dirty:  # fixed: the flush is still to come
            self._turn_at(self._flush_at)
