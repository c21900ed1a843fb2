"""The ready set and its turns: when sockets are read, the server's heartbeat.

All sockets stand in one ready set of our own, and the event loop watches its descriptor. At low
load it wakes us for every packet, and what was published leaves in the same turn. As a turn costs
more, the next one comes later, up to the latency budget: then one turn reads many publishers, each
once, and each viewer gets one `send` for all that came meanwhile.

    turn ─► ready peers ─► read each once ─► flush what is due ─► pause: the turn's cost × RATIO

With fixed flushes, publishers are held from the first byte that waits until just before the flush.
When what is pending is flushed, `flush_clock.py` decides.

See docs/decisions/0004-own-epoll-and-turns.md.
"""

import logging
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Sequence
from enum import Enum, auto
from time import perf_counter
from typing import Final, Protocol

from headend.net.flush_clock import FlushClock, FlushMode
from headend.net.readiness import READ, ReadySet, ready_set
from headend.net.uring import RingBulk

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
LATE_S: Final = 1.5 * LAZY_S  # from one turn to the next: what has gathered meanwhile says little
# After so long a publisher that had much in each turn is read in turn again: a machine that was
# busy for a moment must not have all of them read message by message for ever.
PROMPT_S: Final = 20.0


class ReadPace(Enum):
    """When a socket is read."""

    PROMPT = auto()  # when the ready set says so
    FLUSH = auto()  # as PROMPT, but not while a fixed flush is awaited: at its time is soon enough
    LAZY = auto()  # every LAZY_S: nobody waits for what it has
    CALM = auto()  # every LAZY_S, if it has anything: players, who send acknowledgements


class Paced(Protocol):
    """Who is read when it is its turn."""

    def read_in_turn(self, *, is_late: bool) -> None:
        """Read all there is; it may be more than usual if the turn is late. It must not raise."""

    def slow_down(self) -> None:
        """Be read in turn again. It must not raise."""


class Handler(Protocol):
    """Who owns a descriptor. It must not raise."""

    def handle_events(self, events: int) -> None:
        """Read or write: `events` is a mask of READ, WRITE and, on Linux, epoll's error bits."""


class Poller:
    """The ready set, and the turns in which it is served.

    Attributes:
        clock: Says when what is pending is flushed.
        bulk: Sends the same bytes to many sockets.
        turns: Number of turns so far.
        pause_s: Pause after the last turn, seconds: what reading waits now.
    """

    def __init__(self, loop: AbstractEventLoop, flush_s: float, mode: FlushMode) -> None:
        """Start watching.

        Args:
            loop: The running loop.
            flush_s: Latency budget in seconds.
            mode: "adaptive": flush with each turn; "fixed": every `flush_s`, whatever the load.
        """
        self._loop = loop
        self._budget = flush_s
        self.clock: Final = FlushClock(loop, flush_s, mode, self._hold, self._release)
        self.bulk: Final = RingBulk()
        self._ready = ready_set()
        self._calm = ready_set()  # is asked, and never wakes us
        self._held = ready_set()  # stands in the ready set itself, so that all can be held at once
        self._elsewhere: dict[int, ReadySet] = {}  # descriptors that are not in the ready set
        self._handlers: dict[int, Handler] = {}
        self._lazy: list[dict[Paced, None]] = [{} for _ in range(LAZY_STEPS)]
        self._lazy_step = 0  # where the last one was added
        self._lazy_now = 0  # which was read last
        self._lazy_at = [loop.time()] * LAZY_STEPS  # when each step was read last, seconds
        self._lazy_timer: TimerHandle | None = None
        self._prompt: dict[Paced, None] = {}  # that were too fast to be read in turn
        self._prompt_timer: TimerHandle | None = None
        self._calm_timer: TimerHandle | None = None
        self._resume_timer: TimerHandle | None = None
        self._cost = 0.0  # of a turn, seconds, smoothed
        self._discount = 0.0  # of this turn, seconds
        self._is_hurried = False
        self._is_watching = False
        self.turns = 0
        self.pause_s = 0.0
        self.register(self._held.fileno(), _Held(self._read_held))
        self._watch(is_on=True)

    def configure(self, flush_s: float, mode: FlushMode) -> None:
        """Change the latency budget (seconds) and the mode, from the next turn on."""
        self._budget = flush_s
        self.clock.configure(flush_s, mode)

    @property
    def watched_pace(self) -> ReadPace:
        """When a publisher is best read that somebody watches."""
        return ReadPace.FLUSH if self.clock.is_fixed else ReadPace.PROMPT

    def close(self) -> None:
        """Stop watching. Descriptors belong to their handlers and stay open."""
        self.clock.close()
        self.bulk.close()
        timers = (self._resume_timer, self._lazy_timer, self._prompt_timer, self._calm_timer)
        for timer in timers:
            if timer is not None:
                timer.cancel()
        self._watch(is_on=False)
        for each in (self._ready, self._calm, self._held):
            each.close()

    # ------------------------------------------------------------------ descriptors

    def register(self, descriptor: int, handler: Handler, events: int = READ) -> None:
        self._handlers[descriptor] = handler
        self._ready.register(descriptor, events)

    def modify(self, descriptor: int, events: int, pace: ReadPace = ReadPace.PROMPT) -> None:
        """Want other events of a descriptor, told at a pace: PROMPT, CALM or FLUSH."""
        wanted = {ReadPace.CALM: self._calm, ReadPace.FLUSH: self._held}.get(pace, self._ready)
        current = self._elsewhere.get(descriptor, self._ready)
        if current is wanted:
            current.modify(descriptor, events)
            return
        current.unregister(descriptor)
        wanted.register(descriptor, events)
        if wanted is self._ready:
            del self._elsewhere[descriptor]
            return
        self._elsewhere[descriptor] = wanted
        if self._calm_timer is None:
            self._calm_timer = self._loop.call_later(LAZY_S, self._read_calm)

    def unregister(self, descriptor: int) -> None:
        """Forget a descriptor; call before it is closed."""
        del self._handlers[descriptor]
        self._elsewhere.pop(descriptor, self._ready).unregister(descriptor)

    def _read_calm(self) -> None:
        """Ask the calm ones what has come."""
        self._calm_timer = None
        if self._elsewhere:
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
        self.clock.is_expected = False
        ready = self._ready.poll(0, MAX_EVENTS)
        if ready or self.clock.is_due:
            self._work(ready)
        else:
            self._watch(is_on=True)

    def _work(self, ready: Sequence[tuple[int, int]]) -> None:
        """Read and write what is ready, flush unless flushes are fixed, and pause."""
        started = perf_counter()
        self.turns += 1
        self.clock.is_expected = True
        self._handle(ready)
        self.clock.turn_ended()
        cost = max(perf_counter() - started - self._discount, 0.0)
        self._discount = 0.0
        self._cost += (cost - self._cost) * SMOOTHING
        self._pause()
        self.clock.is_expected = self._resume_timer is not None

    def _handle(self, ready: Sequence[tuple[int, int]]) -> None:
        handlers = self._handlers
        for descriptor, events in ready:
            handler = handlers.get(descriptor)
            if handler is None:  # an earlier one of this turn has closed it
                continue
            try:
                handler.handle_events(events)
            except Exception:
                log.exception("a connection failed: a bug")

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

    # ------------------------------------------------------------------ fixed flushes

    def _hold(self) -> None:
        """Let publishers wait: what they send now leaves no sooner than the next fixed flush."""
        self._ready.modify(self._held.fileno(), 0)

    def _release(self) -> None:
        """Read what publishers have sent since they were held, and hold them no more."""
        self._read_held()
        self._ready.modify(self._held.fileno(), READ)

    def _read_held(self) -> None:
        self._handle(self._held.poll(0, MAX_EVENTS))

    # ------------------------------------------------------------------ reading in turns

    def set_pace(self, item: Paced, pace: ReadPace) -> None:
        """Have an item read in turn if its pace is LAZY; for all others `modify` is enough."""
        for items in (*self._lazy, self._prompt):
            items.pop(item, None)
        if pace is ReadPace.LAZY:
            self._lazy_step = (self._lazy_step + 1) % LAZY_STEPS  # any step, evenly filled
            self._lazy[self._lazy_step][item] = None
            if self._lazy_timer is None:
                self._lazy_timer = self._loop.call_later(LAZY_S / LAZY_STEPS, self._read_lazy)

    def slow_down_later(self, item: Paced) -> None:
        """Tell an item within PROMPT_S that it may be read in turn again."""
        self._prompt[item] = None
        if self._prompt_timer is None:
            self._prompt_timer = self._loop.call_later(PROMPT_S, self._slow_down)

    def _slow_down(self) -> None:
        self._prompt_timer = None
        items, self._prompt = self._prompt, {}
        for item in items:
            item.slow_down()

    def _read_lazy(self) -> None:
        """Read the items of one step."""
        self._lazy_timer = None
        if not any(self._lazy):
            return
        self._lazy_timer = self._loop.call_later(LAZY_S / LAZY_STEPS, self._read_lazy)
        self._lazy_now = (self._lazy_now + 1) % LAZY_STEPS
        now = self._loop.time()
        is_late = now - self._lazy_at[self._lazy_now] > LATE_S
        self._lazy_at[self._lazy_now] = now
        for item in list(self._lazy[self._lazy_now]):
            item.read_in_turn(is_late=is_late)


class _Held:
    """The set of publishers that are read no sooner than a fixed flush, as one of the ready set."""

    def __init__(self, read: Callable[[], None]) -> None:
        self._read = read

    def handle_events(self, events: int) -> None:
        self._read()
