"""This module decides when sockets are read and when fan-outs are flushed: the server's heartbeat.

All sockets stand in one ready set of our own, and the event loop watches its descriptor. At low
load it wakes us for every packet, and what was published leaves in the same turn. As a turn costs
more, the next one comes later, up to the latency budget: then one turn reads many publishers, each
once, and each viewer gets one `send` for all that came meanwhile.

    turn ─► who is ready ─► read each once ─► flush what is due ─► pause: the turn's cost × RATIO

Fixed flushes have a clock of their own, and publishers are read just before them.

See docs/decisions/0004-own-epoll-and-turns.md.
"""

import logging
from asyncio import AbstractEventLoop, Handle, TimerHandle
from collections.abc import Sequence
from enum import Enum, auto
from time import perf_counter
from typing import Final, Literal, Protocol

from headend.server.readiness import READ, ready_set

log = logging.getLogger(__name__)

# A turn that took c is followed by a pause of RATIO × c: turns take a fifth of a core at most until
# the pause reaches the budget. 50 players (0.4 ms a flush) then wait 2 ms at most, and 100 over TLS
# (2 ms) 8 ms.
RATIO: Final = 4.0
# Shorter pauses are not worth a timer: the loop's timers count whole milliseconds.
SHORTEST_PAUSE_S: Final = 0.002
SMOOTHING: Final = 0.25  # weight of the newest turn in the cost of a turn
MAX_EVENTS: Final = 1024  # descriptors of one turn; the rest come with the next

# How often a publisher is read that nobody watches. A tenth of them at each step, so that five
# hundred together stop nobody for long.
LAZY_S: Final = 0.1
LAZY_STEPS: Final = 10

FlushMode = Literal["adaptive", "fixed"]


class Pace(Enum):
    """When a socket is read."""

    PROMPT = auto()  # when the ready set says so
    FLUSH = auto()  # before each fixed flush: sooner would bring its bytes no further
    LAZY = auto()  # every LAZY_S: nobody waits for what it has
    CALM = auto()  # every LAZY_S, if it has anything: players, who send acknowledgements


class Paced(Protocol):
    """Who is read when it is its turn."""

    def read_in_turn(self) -> None:
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
        rounds: How often there was something to flush; each is a flush or several.
        flush_s: Time spent in them, seconds.
    """

    def __init__(self, loop: AbstractEventLoop, flush_s: float, mode: FlushMode) -> None:
        """Start watching.

        Args:
            loop: The running loop.
            flush_s: Latency budget in seconds.
            mode: "adaptive": flush with each turn; "fixed": every `flush_s`, whatever the load.
        """
        self._loop = loop
        self._dirty: list[Flushable] = []
        self.configure(flush_s, mode)
        self._ready = ready_set()
        self._calm = ready_set()  # is asked, and never wakes us
        self._calm_members: set[int] = set()
        self._handlers: dict[int, Handler] = {}
        self._before_flush: dict[Paced, None] = {}
        self._lazy: list[dict[Paced, None]] = [{} for _ in range(LAZY_STEPS)]
        self._lazy_step = 0  # where the last one was added
        self._lazy_now = 0  # which was read last
        self._lazy_timer: TimerHandle | None = None
        self._calm_timer: TimerHandle | None = None
        self._flush_timer: Handle | TimerHandle | None = None
        self._resume_timer: TimerHandle | None = None
        self._cost = 0.0  # of a turn, seconds, smoothed
        self._discount = 0.0  # of this turn, seconds
        self._is_hurried = False
        self._is_watching = False
        self._is_turning = False
        self.turns = 0
        self.pause_s = 0.0
        self.flushes = 0
        self.rounds = 0
        self.flush_s = 0.0
        self._watch(is_on=True)

    def configure(self, flush_s: float, mode: FlushMode) -> None:
        """Change the latency budget (seconds) and the mode, from the next turn on."""
        self._budget = flush_s
        self._is_fixed = mode == "fixed" and flush_s > 0
        if self._dirty:  # a pause would have ended with a flush
            self._schedule_flush()

    @property
    def watched_pace(self) -> Pace:
        """When a publisher is best read that somebody watches."""
        return Pace.FLUSH if self._is_fixed else Pace.PROMPT

    def close(self) -> None:
        """Stop watching. Descriptors belong to their handlers and stay open."""
        timers = (self._resume_timer, self._flush_timer, self._lazy_timer, self._calm_timer)
        for timer in timers:
            if timer is not None:
                timer.cancel()
        self._watch(is_on=False)
        self._ready.close()
        self._calm.close()

    # ------------------------------------------------------------------ descriptors

    def register(self, descriptor: int, handler: Handler, events: int = READ) -> None:
        self._handlers[descriptor] = handler
        self._ready.register(descriptor, events)

    def modify(self, descriptor: int, events: int, *, is_calm: bool = False) -> None:
        """Want other events of a descriptor; of a calm one they are told every LAZY_S."""
        if is_calm != (descriptor in self._calm_members):
            self._move(descriptor, events, is_calm=is_calm)
        else:
            (self._calm if is_calm else self._ready).modify(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        """Forget a descriptor; call before it is closed."""
        del self._handlers[descriptor]
        if descriptor in self._calm_members:
            self._calm_members.remove(descriptor)
            self._calm.unregister(descriptor)
        else:
            self._ready.unregister(descriptor)

    def _move(self, descriptor: int, events: int, *, is_calm: bool) -> None:
        if is_calm:
            self._ready.unregister(descriptor)
            self._calm.register(descriptor, events)
            self._calm_members.add(descriptor)
            if self._calm_timer is None:
                self._calm_timer = self._loop.call_later(LAZY_S, self._read_calm)
        else:
            self._calm_members.remove(descriptor)
            self._calm.unregister(descriptor)
            self._ready.register(descriptor, events)

    def _read_calm(self) -> None:
        """Ask the calm ones what has come."""
        self._calm_timer = None
        if self._calm_members:
            self._calm_timer = self._loop.call_later(LAZY_S, self._read_calm)
            ready = self._calm.poll(0, MAX_EVENTS)
            if ready:
                self._work(ready)

    # ------------------------------------------------------------------ turns

    def _watch(self, *, is_on: bool) -> None:
        if is_on != self._is_watching:
            self._is_watching = is_on
            if is_on:
                self._loop.add_reader(self._ready.fileno(), self._turn)
            else:
                self._loop.remove_reader(self._ready.fileno())

    def _turn(self) -> None:
        self._work(self._ready.poll(0, MAX_EVENTS))

    def _resume(self) -> None:
        """The pause is over: work at once if there is anything to do, else wait for the loop."""
        self._resume_timer = None
        ready = self._ready.poll(0, MAX_EVENTS)
        if ready or (self._dirty and not self._is_fixed):
            self._work(ready)
        else:
            self._watch(is_on=True)

    def _work(self, ready: Sequence[tuple[int, int]]) -> None:
        """Read and write what is ready, flush unless flushes have their own clock, and pause."""
        started = perf_counter()
        self.turns += 1
        self._is_turning = True
        handlers = self._handlers
        for descriptor, events in ready:
            handler = handlers.get(descriptor)
            if handler is None:  # an earlier one of this turn has closed it
                continue
            try:
                handler.handle_events(events)
            except Exception:
                log.exception("a connection failed: a bug")
        self._is_turning = False
        if self._dirty and not self._is_fixed:
            self.flush()
        cost = max(perf_counter() - started - self._discount, 0.0)
        self._discount = 0.0
        self._cost += (cost - self._cost) * SMOOTHING
        self._pause()

    def discount(self, seconds: float) -> None:
        """Leave so much of this turn out of its cost: it will not come again with the next."""
        self._discount += seconds

    def hurry(self) -> None:
        """Have the next turn come at once: somebody could not be served in this one."""
        self._is_hurried = True

    def _pause(self) -> None:
        """Decide when the next turn comes: from start to start never later than the budget."""
        if self._is_hurried:
            self._is_hurried = False
            self._watch(is_on=True)
            return
        pause = min(self._cost * RATIO, max(self._budget - self._cost, 0.0))
        self.pause_s = pause
        if pause < SHORTEST_PAUSE_S:
            self._watch(is_on=True)
        elif self._resume_timer is None:
            self._watch(is_on=False)
            self._resume_timer = self._loop.call_later(pause, self._resume)

    # ------------------------------------------------------------------ flushes

    def wake(self, fanout: Flushable) -> None:
        """Flush a fan-out when the time has come."""
        self._dirty.append(fanout)
        if self._is_fixed:
            self._schedule_flush()
        elif not self._is_turning and self._resume_timer is None and self._flush_timer is None:
            self._flush_timer = self._loop.call_soon(self._flush_on_time)

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
        self.rounds += bool(dirty)
        self.flush_s += perf_counter() - started

    def _schedule_flush(self) -> None:
        """Flush at the end of the running interval, so that a flush's own time adds nothing."""
        if self._flush_timer is None:
            interval = self._budget or LAZY_S
            end = (self._loop.time() // interval + 1) * interval
            self._flush_timer = self._loop.call_at(end, self._flush_on_time)

    def _flush_on_time(self) -> None:
        """Read who is read before a flush, and flush."""
        self._flush_timer = None
        for item in list(self._before_flush):
            item.read_in_turn()
        self.flush()
        if self._before_flush:
            self._schedule_flush()

    # ------------------------------------------------------------------ reading in turns

    def set_pace(self, item: Paced, pace: Pace) -> None:
        """Have an item read in turn, at a pace; PROMPT and CALM: its descriptor's set is enough."""
        self._before_flush.pop(item, None)
        for items in self._lazy:
            items.pop(item, None)
        if pace is Pace.FLUSH:
            self._before_flush[item] = None
            self._schedule_flush()
        elif pace is Pace.LAZY:
            self._lazy_step = (self._lazy_step + 1) % LAZY_STEPS  # any step, evenly filled
            self._lazy[self._lazy_step][item] = None
            if self._lazy_timer is None:
                self._lazy_timer = self._loop.call_later(LAZY_S / LAZY_STEPS, self._read_lazy)

    def _read_lazy(self) -> None:
        """Read the items of one step."""
        self._lazy_timer = None
        if not any(self._lazy):
            return
        self._lazy_timer = self._loop.call_later(LAZY_S / LAZY_STEPS, self._read_lazy)
        self._lazy_now = (self._lazy_now + 1) % LAZY_STEPS
        for item in list(self._lazy[self._lazy_now]):
            item.read_in_turn()
