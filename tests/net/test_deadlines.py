"""Tests of headend.net.deadlines."""

import gc
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import cast

import pytest

from headend.net.deadlines import LEAST_DEAD, NEVER, Deadlines


class FakeTimer:
    """What `call_later` gives."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeLoop:
    """A clock that is moved by hand, with one timer."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timer = FakeTimer(0, lambda: None)

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> FakeTimer:
        self.timer = FakeTimer(self.now + delay, callback)
        return self.timer

    def run(self, until: float) -> None:
        """Move the clock, calling the timer whenever it is due."""
        while not self.timer.is_cancelled and self.timer.when <= until:
            self.now = self.timer.when
            self.timer.callback()
        self.now = until


class Item:
    """Something with a deadline; notes when it was called."""

    def __init__(self, deadline: float | None) -> None:
        self.due = NEVER
        self.calls: list[float] = []
        self.next = deadline
        self.then: float | None = None

    def deadline(self) -> float | None:
        return self.next

    def deadline_passed(self, now: float) -> None:
        self.calls.append(now)
        self.next = self.then


def start() -> tuple[FakeLoop, Deadlines]:
    loop = FakeLoop()
    return loop, Deadlines(cast(AbstractEventLoop, loop))


def test_item_is_called_within_a_quarter_of_a_second_of_its_deadline() -> None:
    loop, deadlines = start()
    item = Item(105.1)
    deadlines.update(item)
    loop.run(105.1)
    assert item.calls == []
    loop.run(110)
    assert item.calls == [105.25]


def test_item_without_a_deadline_is_not_called() -> None:
    loop, deadlines = start()
    item = Item(None)
    deadlines.update(item)
    loop.run(1000)
    assert item.calls == []


def test_deadline_that_moved_later_is_kept_without_an_update() -> None:
    loop, deadlines = start()
    item = Item(105)
    deadlines.update(item)
    item.next = 110
    loop.run(109.9)
    assert item.calls == []
    loop.run(111)
    assert item.calls == [110]


def test_deadline_that_came_closer_is_kept_after_an_update() -> None:
    loop, deadlines = start()
    item = Item(110)
    deadlines.update(item)
    item.next = 105
    deadlines.update(item)
    loop.run(200)
    assert item.calls == [105]


def test_deadline_that_went_away_and_came_back_is_kept() -> None:
    loop, deadlines = start()
    item = Item(105)
    deadlines.update(item)
    item.next = None
    loop.run(106)
    item.next = 107
    deadlines.update(item)
    loop.run(200)
    assert item.calls == [107]


def test_item_that_wants_another_call_gets_it() -> None:
    loop, deadlines = start()
    item = Item(105)
    item.then = 107
    deadlines.update(item)
    loop.run(106)
    item.then = None
    loop.run(200)
    assert item.calls == [105, 107]


def test_item_that_updates_itself_while_it_is_called_is_called_once() -> None:
    loop, deadlines = start()

    class Eager(Item):
        def deadline_passed(self, now: float) -> None:
            super().deadline_passed(now)
            deadlines.update(self)

    item = Eager(105)
    item.then = 107
    deadlines.update(item)
    loop.run(106)
    item.then = None
    loop.run(200)
    assert item.calls == [105, 107]


def test_item_whose_deadline_does_not_move_does_not_stop_the_others() -> None:
    loop, deadlines = start()
    stuck, item = Item(105), Item(105)
    stuck.then = 105
    deadlines.update(stuck)
    deadlines.update(item)
    loop.run(105.5)
    assert stuck.calls == [105, 105.25, 105.5]
    assert item.calls == [105]


def test_forgotten_item_is_not_called_whatever_it_says() -> None:
    loop, deadlines = start()
    item = Item(105)
    deadlines.update(item)
    deadlines.forget(item)
    deadlines.update(item)
    loop.run(200)
    assert item.calls == []


def test_item_may_be_forgotten_while_it_is_called() -> None:
    loop, deadlines = start()

    class Last(Item):
        def deadline_passed(self, now: float) -> None:
            super().deadline_passed(now)
            deadlines.forget(self)

    item = Last(105)
    item.then = 106
    deadlines.update(item)
    loop.run(200)
    assert item.calls == [105]


def test_items_are_called_in_the_order_of_their_deadlines() -> None:
    loop, deadlines = start()
    order: list[str] = []

    class Named(Item):
        def __init__(self, name: str, deadline: float) -> None:
            super().__init__(deadline)
            self.name = name

        def deadline_passed(self, now: float) -> None:
            super().deadline_passed(now)
            order.append(self.name)

    for name, deadline in (("c", 105.2), ("a", 105.1), ("b", 105.1)):
        deadlines.update(Named(name, deadline))
    loop.run(106)
    assert order == ["a", "b", "c"]


def test_nothing_is_called_once_it_is_closed() -> None:
    loop, deadlines = start()
    item = Item(105)
    deadlines.update(item)
    deadlines.close()
    loop.run(200)
    assert item.calls == []
    assert loop.timer.is_cancelled


def test_it_may_be_closed_before_it_has_a_timer() -> None:
    loop, deadlines = start()
    deadlines._timer = None
    deadlines.close()
    assert not loop.timer.is_cancelled


@pytest.mark.parametrize("moves", [False, True])
def test_forgotten_item_is_held_no_longer(moves: bool) -> None:
    _, deadlines = start()
    item = Item(110)
    deadlines.update(item)
    if moves:  # the entry of before is there yet
        item.next = 105
        deadlines.update(item)
    held = weakref.ref(item)
    deadlines.forget(item)
    gc.disable()
    try:
        del item
        assert held() is None
    finally:
        gc.enable()


def test_entries_of_the_forgotten_are_never_the_larger_part_of_many() -> None:
    loop, deadlines = start()
    staying = [Item(200.0 + number) for number in range(100)]
    for item in staying:
        deadlines.update(item)
    for _ in range(10_000):
        item = Item(1000)
        deadlines.update(item)
        deadlines.forget(item)
        assert len(deadlines._heap) <= 2 * len(staying) + 1
    loop.run(301)
    assert all(item.calls for item in staying)


def test_item_whose_deadline_comes_closer_again_and_again_has_few_entries() -> None:
    loop, deadlines = start()
    item = Item(1000)
    for number in range(1000):
        item.next = 1000.0 - number / 2
        deadlines.update(item)
    assert len(deadlines._heap) <= 2 * LEAST_DEAD
    loop.run(501)
    assert item.calls == [500.5]


def test_item_forgotten_by_another_that_is_called_with_it_is_not_called() -> None:
    loop, deadlines = start()
    second = Item(105)

    class First(Item):
        def deadline_passed(self, now: float) -> None:
            super().deadline_passed(now)
            deadlines.forget(second)

    first = First(105)
    deadlines.update(first)
    deadlines.update(second)
    loop.run(200)
    assert (first.calls, second.calls) == ([105], [])
