"""Sessions woken when their deadlines pass: one heap and one timer for all of them."""

from asyncio import AbstractEventLoop, TimerHandle
from heapq import heapify, heappop, heappush
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


LEAST_DEAD: Final = 64  # entries of forgotten items that are not worth clearing up


class _Entry:
    """What the heap holds of an item: nothing, once the item is forgotten or comes up sooner."""

    __slots__ = ("item",)

    def __init__(self, item: Timed) -> None:
        self.item: Timed | None = item


class Deadlines:
    """Deadlines that mostly move later: an entry that comes up too soon is put back, not moved.

    What is forgotten is let go at once, and entries that stand for nothing are never more than
    half of the heap.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, _Entry]] = []
        self._entries: dict[Timed, _Entry] = {}  # those that stand for something
        self._order = count()
        self._timer: TimerHandle | None = None
        self._check()

    def update(self, item: Timed) -> None:
        """Take note of a deadline that may have come closer."""
        when = item.deadline()
        if when is not None and when < item.due:
            self._drop(item)
            item.due = when
            entry = self._entries[item] = _Entry(item)
            heappush(self._heap, (when, next(self._order), entry))

    def forget(self, item: Timed) -> None:
        """Call an item no more, and hold it no longer."""
        item.due = -NEVER
        self._drop(item)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._heap.clear()
        self._entries.clear()

    def _drop(self, item: Timed) -> None:
        """Have an item's entry stand for nothing."""
        entry = self._entries.pop(item, None)
        if entry is None:
            return
        entry.item = None
        if len(self._heap) - len(self._entries) > max(LEAST_DEAD, len(self._entries)):
            self._heap = [each for each in self._heap if each[2].item is not None]
            heapify(self._heap)

    def _check(self) -> None:
        self._timer = self._loop.call_later(CHECK_S, self._check)
        now = self._loop.time()
        passed: list[Timed] = []  # all first: one that does not move its deadline must not keep us
        while self._heap and self._heap[0][0] <= now:
            item = heappop(self._heap)[2].item
            if item is not None:
                del self._entries[item]
                item.due = NEVER
                passed.append(item)
        for item in passed:
            if item.due == -NEVER:
                continue  # forgotten meanwhile
            deadline = item.deadline()
            if deadline is not None and deadline <= now:
                item.deadline_passed(now)
            if item.due == NEVER:
                self.update(item)
