"""The ready set and its turns, on a loop and a clock that the test turns."""

import logging
import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from tests.net.loops import FakeLoop, Out

from headend.net import flush_clock
from headend.net import poller as module
from headend.net.flush_clock import FlushMode
from headend.net.poller import Poller, ReadPace
from headend.net.readiness import READ, WRITE


class Reader:
    """A socket's owner that reads, and takes its time over it."""

    def __init__(self, loop: FakeLoop, sock: socket.socket, cost: float = 0.0) -> None:
        self._loop = loop
        self._socket = sock
        self.cost = cost
        self.got: list[bytes] = []
        self.late: list[bool] = []
        self.then: Callable[[], None] | None = None

    def handle_events(self, events: int) -> None:
        self.read_in_turn(is_late=False)

    def slow_down(self) -> None: ...

    def read_in_turn(self, *, is_late: bool) -> None:
        self.late.append(is_late)
        self._loop.now += self.cost
        try:
            self.got.append(self._socket.recv(100))
        except BlockingIOError:
            self.got.append(b"")
        if self.then is not None:
            self.then()


class Fixture:
    def __init__(self, mode: FlushMode = "adaptive", flush_s: float = 0.03) -> None:
        self.loop = FakeLoop()
        self.poller = Poller(cast(AbstractEventLoop, cast(Any, self.loop)), flush_s, mode)
        self.out = Out(self.loop)
        self._sockets: list[socket.socket] = []

    def reader(self, cost: float = 0.0) -> tuple[Reader, socket.socket]:
        """A registered socket, and the other end of it."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._sockets += [ours, theirs]
        reader = Reader(self.loop, ours, cost)
        self.poller.register(ours.fileno(), reader)
        return reader, theirs

    def descriptor(self, index: int = 0) -> int:
        return self._sockets[2 * index].fileno()

    def close(self) -> None:
        self.poller.close()
        for sock in self._sockets:
            sock.close()


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Fixture]]:
    """Make pollers whose clock is the loop's."""
    made: list[Fixture] = []

    def make_one(*arguments: Any) -> Fixture:
        fixture = Fixture(*arguments)
        for each in (module, flush_clock):
            monkeypatch.setattr(each, "perf_counter", fixture.loop.time)
        made.append(fixture)
        return fixture

    yield make_one
    for fixture in made:
        fixture.close()


# ---------------------------------------------------------------------- descriptors


def test_ready_descriptor_is_read_and_the_next_turn_follows_at_once_when_turns_are_cheap(
    make: Callable[..., Fixture],
) -> None:
    fixture = make()
    reader, peer = fixture.reader()
    for data in (b"a", b"b"):
        peer.send(data)
        fixture.loop.turn()
    assert reader.got == [b"a", b"b"]
    assert (fixture.poller.turns, fixture.poller.pause_s) == (2, 0)


def test_descriptor_may_be_watched_for_other_events_and_for_none(
    make: Callable[..., Fixture],
) -> None:
    fixture = make()
    reader, peer = fixture.reader()
    fixture.poller.modify(fixture.descriptor(), WRITE)
    fixture.loop.turn()
    assert reader.got == [b""]
    fixture.poller.modify(fixture.descriptor(), 0)
    peer.send(b"a")
    fixture.loop.turn()
    assert reader.got == [b""]
    fixture.poller.modify(fixture.descriptor(), READ)
    fixture.loop.turn()
    assert reader.got == [b"", b"a"]


def test_descriptor_that_is_forgotten_in_a_turn_is_not_read_in_it(
    make: Callable[..., Fixture],
) -> None:
    fixture = make()
    (first, one), (second, two) = fixture.reader(), fixture.reader()
    one.send(b"a")
    two.send(b"b")
    first.then = lambda: fixture.poller.unregister(fixture.descriptor(1))
    second.then = lambda: fixture.poller.unregister(fixture.descriptor(0))
    fixture.loop.turn()
    assert len(first.got) + len(second.got) == 1


def test_owner_that_raises_is_reported_and_the_others_are_read(
    make: Callable[..., Fixture], caplog: pytest.LogCaptureFixture
) -> None:
    fixture = make()
    (bad, one), (good, two) = fixture.reader(), fixture.reader()

    def fail() -> None:
        raise ZeroDivisionError

    bad.then = fail
    one.send(b"a")
    two.send(b"b")
    with caplog.at_level(logging.ERROR):
        fixture.loop.turn()
    assert good.got == [b"b"]
    assert [record.getMessage() for record in caplog.records] == ["a connection failed: a bug"]
    assert fixture.loop.watched is not None


# ---------------------------------------------------------------------- pauses and flushes


def test_what_is_pushed_in_a_turn_leaves_in_the_same_turn(make: Callable[..., Fixture]) -> None:
    fixture = make()
    reader, peer = fixture.reader(cost=0.0001)
    reader.then = lambda: fixture.poller.clock.wake(fixture.out)
    peer.send(b"a")
    fixture.loop.turn()
    assert fixture.out.times == [0.0001]
    assert (fixture.poller.clock.flushes, fixture.poller.clock.flush_s) == (1, 0)


def test_what_is_pushed_outside_of_turns_leaves_with_the_next_turn_of_the_loop(
    make: Callable[..., Fixture],
) -> None:
    fixture = make()
    other = Out(fixture.loop)
    fixture.poller.clock.wake(fixture.out)
    fixture.poller.clock.wake(other)
    assert fixture.out.times == []
    fixture.loop.run_until(100)
    assert (fixture.out.times, other.times) == ([0.0], [0.0])


def test_dear_turns_are_followed_by_pauses_that_grow_up_to_the_budget(
    make: Callable[..., Fixture],
) -> None:
    fixture = make()
    reader, peer = fixture.reader(cost=0.002)
    reader.then = lambda: fixture.poller.clock.wake(fixture.out)
    pauses = []
    for _ in range(30):
        peer.send(b"a")
        if fixture.loop.watched is None:
            fixture.loop.run_until(fixture.loop.now + fixture.poller.pause_s)
        fixture.loop.turn()
        pauses.append(round(fixture.poller.pause_s, 4))
    # A quarter of the newest cost counts: 0.5 ms at first; then four times 2 ms.
    assert pauses[0] == 0.002
    assert pauses == sorted(pauses)
    assert pauses[-1] == 0.008
    reader.cost = 0.02
    for _ in range(30):
        peer.send(b"a")
        fixture.loop.run_until(fixture.loop.now + fixture.poller.pause_s)
        fixture.loop.turn()
    assert round(fixture.poller.pause_s, 4) == 0.01  # from start to start 30 ms


def test_time_that_is_discounted_leads_to_no_pause(make: Callable[..., Fixture]) -> None:
    fixture = make()
    reader, peer = fixture.reader(cost=0.02)
    reader.then = lambda: fixture.poller.discount(0.02)
    peer.send(b"a")
    fixture.loop.turn()
    assert fixture.poller.pause_s == 0
    assert fixture.loop.watched is not None


def test_turn_that_could_not_serve_everybody_is_followed_by_the_next_at_once(
    make: Callable[..., Fixture],
) -> None:
    fixture = make()
    reader, peer = fixture.reader(cost=0.02)
    reader.then = fixture.poller.hurry
    peer.send(b"a")
    fixture.loop.turn()
    assert fixture.loop.watched is not None
    reader.then = lambda: None
    peer.send(b"b")
    fixture.loop.turn()
    assert fixture.loop.watched is None


def test_nothing_is_read_in_a_pause_and_everything_after_it(make: Callable[..., Fixture]) -> None:
    fixture = make()
    reader, peer = fixture.reader(cost=0.01)
    peer.send(b"a")
    fixture.loop.turn()
    end = fixture.loop.now + fixture.poller.pause_s
    peer.send(b"b")
    fixture.poller.clock.wake(fixture.out)
    fixture.loop.turn()
    fixture.loop.run_until(end - 0.001)
    assert (reader.got, fixture.out.times) == ([b"a"], [])
    fixture.loop.run_until(end)
    assert reader.got == [b"a", b"b"]
    assert len(fixture.out.times) == 1


def test_pause_after_which_nothing_is_to_do_ends_in_waiting(make: Callable[..., Fixture]) -> None:
    fixture = make()
    reader, peer = fixture.reader(cost=0.01)
    peer.send(b"a")
    fixture.loop.turn()
    assert fixture.loop.watched is None
    fixture.loop.run_until(fixture.loop.now + 1)
    assert fixture.loop.watched is not None
    peer.send(b"b")
    fixture.loop.turn()
    assert reader.got == [b"a", b"b"]


def test_turn_that_comes_in_a_pause_all_the_same_does_not_make_a_second_one(
    make: Callable[..., Fixture],
) -> None:
    fixture = make()
    reader, peer = fixture.reader(cost=0.01)
    fixture.loop.turn()
    for data in (b"a", b"b"):
        peer.send(data)
        fixture.poller._turn()  # the loop had called it already when the pause began
    fixture.loop.run_until(fixture.loop.now + 1)
    assert reader.got == [b"a", b"b"]
    assert fixture.loop.watched is not None


def test_without_a_budget_there_are_no_pauses(make: Callable[..., Fixture]) -> None:
    fixture = make("fixed", 0.0)
    reader, peer = fixture.reader(cost=0.01)
    reader.then = lambda: fixture.poller.clock.wake(fixture.out)
    for _ in range(3):
        peer.send(b"a")
        fixture.loop.turn()
    assert len(fixture.out.times) == 3


# ---------------------------------------------------------------------- fixed flushes


def held(fixture: Fixture, index: int = 0) -> None:
    """Have a reader's descriptor watched as that of a publisher with viewers."""
    fixture.poller.modify(fixture.descriptor(index), READ, fixture.poller.watched_pace)


def test_publishers_are_held_from_the_first_byte_that_waits_until_the_flush(
    make: Callable[..., Fixture],
) -> None:
    fixture = make("fixed", 0.25)
    (first, one), (second, two) = fixture.reader(), fixture.reader()
    for reader in (first, second):
        reader.then = lambda: fixture.poller.clock.wake(fixture.out)
    held(fixture, 0)
    held(fixture, 1)
    assert fixture.poller.watched_pace is ReadPace.FLUSH
    one.send(b"a")
    fixture.loop.turn()
    one.send(b"b")
    two.send(b"c")
    fixture.loop.turn()
    fixture.loop.run_until(100.24)
    assert (first.got, second.got, fixture.out.times) == ([b"a"], [], [])
    fixture.loop.run_until(100.25)
    assert (first.got, second.got, fixture.out.times) == ([b"a", b"b"], [b"c"], [0.25])
    fixture.loop.run_until(100.4)
    two.send(b"d")
    fixture.loop.turn()
    assert second.got == [b"c", b"d"]
    fixture.loop.run_until(100.64)
    assert fixture.out.times == [0.25]
    fixture.loop.run_until(100.65)
    assert fixture.out.times == [0.25, 0.65]


def test_others_than_publishers_are_read_while_a_fixed_flush_is_awaited(
    make: Callable[..., Fixture],
) -> None:
    fixture = make("fixed", 0.25)
    (publisher, one), (player, two) = fixture.reader(), fixture.reader()
    publisher.then = lambda: fixture.poller.clock.wake(fixture.out)
    held(fixture, 0)
    one.send(b"a")
    fixture.loop.turn()
    two.send(b"b")
    fixture.loop.turn()
    assert player.got == [b"b"]


def test_held_publisher_may_leave_and_another_kind_of_watching_follow(
    make: Callable[..., Fixture],
) -> None:
    fixture = make("fixed", 0.25)
    (first, one), (second, two) = fixture.reader(), fixture.reader()
    held(fixture, 0)
    held(fixture, 1)
    fixture.poller.unregister(fixture.descriptor(0))
    fixture.poller.modify(fixture.descriptor(1), READ, ReadPace.CALM)
    fixture.poller.modify(fixture.descriptor(1), READ)
    one.send(b"a")
    two.send(b"b")
    fixture.loop.turn()
    assert (first.got, second.got) == ([], [b"b"])


def test_adaptive_publishers_that_are_watched_are_read_as_their_bytes_come(
    make: Callable[..., Fixture],
) -> None:
    assert make().poller.watched_pace is ReadPace.PROMPT


def test_what_waits_when_flushes_become_fixed_leaves_at_once(make: Callable[..., Fixture]) -> None:
    fixture = make("adaptive", 0.25)
    _, peer = fixture.reader(cost=0.1)
    peer.send(b"a")
    fixture.loop.turn()
    fixture.poller.clock.wake(fixture.out)  # in the pause
    fixture.poller.configure(0.25, "fixed")
    assert len(fixture.out.times) == 1
    fixture.loop.run_until(101)
    assert len(fixture.out.times) == 1


# ---------------------------------------------------------------------- lazy reading


def test_lazy_publishers_are_read_ten_times_a_second_a_tenth_of_them_at_a_time(
    make: Callable[..., Fixture],
) -> None:
    fixture = make()
    readers = [fixture.reader()[0] for _ in range(20)]
    for reader in readers:
        fixture.poller.set_pace(reader, ReadPace.LAZY)
    fixture.loop.run_until(100.01)
    assert sum(len(reader.got) for reader in readers) == 2
    fixture.loop.run_until(100.1)
    assert [len(reader.got) for reader in readers] == [1] * 20
    fixture.loop.run_until(101)
    assert [len(reader.got) for reader in readers] == [10] * 20


def test_lazy_publisher_is_told_that_its_turn_is_late(make: Callable[..., Fixture]) -> None:
    fixture = make()
    reader = fixture.reader()[0]
    fixture.poller.set_pace(reader, ReadPace.LAZY)
    fixture.loop.run_until(100.2)
    fixture.loop.now += 0.2  # the loop was busy
    fixture.loop.run_until(100.45)
    assert reader.late == [False, False, True]


def test_publisher_is_lazy_no_more_once_somebody_watches(make: Callable[..., Fixture]) -> None:
    fixture = make()
    (reader, _), (other, _) = fixture.reader(), fixture.reader()
    fixture.poller.set_pace(reader, ReadPace.LAZY)
    fixture.poller.set_pace(other, ReadPace.LAZY)
    fixture.loop.run_until(100.1)
    fixture.poller.set_pace(reader, ReadPace.PROMPT)
    fixture.loop.run_until(101)
    assert (len(reader.got), len(other.got)) == (1, 10)
    fixture.poller.set_pace(other, ReadPace.PROMPT)
    fixture.loop.run_until(102)
    fixture.poller.set_pace(other, ReadPace.LAZY)
    fixture.loop.run_until(103)
    assert len(other.got) == 20
