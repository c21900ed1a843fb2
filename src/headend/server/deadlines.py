"""This module wakes sessions when their deadlines pass: one heap and one timer for all of them."""

from asyncio import AbstractEventLoop, TimerHandle
from heapq import heappop, heappush
from itertools import count
from typing import Final, Protocol

CHECK_S: Final = 0.25  # how late a deadline may be noticed


class Timed(Protocol):
    """Something with a deadline; its methods must not raise.

    Attributes:
        due: When its entry in the heap comes up; infinite: it has none. Kept by `Deadlines`.
    """

    due: float

    def deadline(self) -> float | None:
        """Return when it wants to be called, monotonic seconds."""

    def deadline_passed(self, now: float) -> None:
        """The deadline has passed."""


NEVER: Final = float("inf")


class Deadlines:
    """Deadlines that mostly move later: an entry that comes up too soon is put back, not moved."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Timed]] = []
        self._order = count()
        self._timer: TimerHandle | None = None
        self._check()

    def update(self, item: Timed) -> None:
        """Take note of a deadline that may have come closer."""
        when = item.deadline()
        if when is not None and when < item.due:
            item.due = when
            heappush(self._heap, (when, next(self._order), item))

    def forget(self, item: Timed) -> None:
        """Call an item no more. Its entry goes when it comes up."""
        item.due = -NEVER

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._heap.clear()

    def _check(self) -> None:
        self._timer = self._loop.call_later(CHECK_S, self._check)
        now = self._loop.time()
        passed = []  # all first: one that does not move its deadline must not keep us here
        while self._heap and self._heap[0][0] <= now:
            passed.append(heappop(self._heap))
        for when, _, item in passed:
            if item.due != when:
                continue  # forgotten, or another entry comes first
            item.due = NEVER
            deadline = item.deadline()
            if deadline is not None and deadline <= now:
                item.deadline_passed(now)
            if item.due == NEVER:
                self.update(item)
