"""An event loop and fan-outs for tests that turn the clock themselves."""

import heapq
from collections.abc import Callable


class Timer:
    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when = when
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None

    def __lt__(self, other: "Timer") -> bool:
        return self.when < other.when


class FakeLoop:
    """As much of an event loop as a poller needs; `run_until` lets time pass."""

    def __init__(self) -> None:
        self.now = 100.0
        self.watched: Callable[[], None] | None = None
        self._timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def add_reader(self, descriptor: int, call: Callable[[], None]) -> None:
        assert self.watched is None
        self.watched = call

    def remove_reader(self, descriptor: int) -> None:
        assert self.watched is not None
        self.watched = None

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        timer = Timer(when, call)
        heapq.heappush(self._timers, timer)
        return timer

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        return self.call_at(self.now + delay, call)

    def call_soon(self, call: Callable[[], None]) -> Timer:
        return self.call_at(self.now, call)

    def run_until(self, when: float) -> None:
        while self._timers and self._timers[0].when <= when + 1e-9:
            timer = heapq.heappop(self._timers)
            self.now = max(self.now, timer.when)
            if timer.call is not None:
                timer.call()
        self.now = max(self.now, when)

    def turn(self) -> None:
        """What the loop does when the poller's descriptor is readable."""
        if self.watched is not None:
            self.watched()


class Out:
    """A fan-out that notes when it is flushed."""

    def __init__(self, loop: FakeLoop) -> None:
        self._loop = loop
        self.times: list[float] = []

    def flush(self) -> None:
        self.times.append(round(self._loop.now - 100, 6))
