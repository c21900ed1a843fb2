"""Tests of the drain of all workers, as the supervisor sees it."""

import socket
from collections.abc import Iterator

import pytest

from headend.workers.common_drain import GRACE_S, CommonDrain
from headend.workers.pipe import Pipe
from headend.workers.post import Post


class Worker(Post):
    """A post whose worker is the test."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        ours, theirs = socket.socketpair()
        self.pipe, self.end = Pipe(ours), Pipe(theirs)

    @property
    def told(self) -> list[object]:
        return [each["ends_at"] for each in self.end.receive()]


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    workers = [Worker(number) for number in range(3)]
    yield workers
    for each in workers:
        each.close()
        each.end.close()


def test_all_others_drain_with_the_worker_that_was_asked(workers: list[Worker]) -> None:
    drain = CommonDrain(workers)
    assert drain.take(0, {"kind": "drain", "ends_at": 7.5})
    assert [each.told for each in workers] == [[], [7.5], [7.5]]
    assert drain.take(0, {"kind": "drain", "ends_at": None})
    assert [each.told for each in workers] == [[], [None], [None]]


def test_server_stops_once_all_workers_are_done(workers: list[Worker]) -> None:
    drain = CommonDrain(workers)
    drain.take(0, {"kind": "drain", "ends_at": 100.0})
    for number in range(3):
        assert not drain.is_over(1.0)
        drain.take(number, {"kind": "drained"})
    assert drain.is_over(1.0)


def test_worker_that_is_started_meanwhile_drains_too(workers: list[Worker]) -> None:
    drain = CommonDrain(workers)
    drain.began(workers[1])
    assert workers[1].told == []
    drain.take(0, {"kind": "drain", "ends_at": 100.0})
    for number in range(3):
        drain.take(number, {"kind": "drained"})
    workers[2].end.receive()
    drain.began(workers[2])
    assert workers[2].told == [100.0]
    assert not drain.is_over(1.0)


def test_server_does_not_wait_for_a_worker_that_says_nothing(workers: list[Worker]) -> None:
    drain = CommonDrain(workers)
    assert not drain.is_over(1e9)
    drain.take(0, {"kind": "drain", "ends_at": 100.0})
    assert not drain.is_over(100.0)
    assert drain.is_over(100.0 + GRACE_S)


def test_drain_that_was_called_off_stops_nothing(workers: list[Worker]) -> None:
    drain = CommonDrain(workers)
    drain.take(0, {"kind": "drain", "ends_at": 100.0})
    for number in range(3):
        drain.take(number, {"kind": "drained"})
    drain.take(0, {"kind": "drain", "ends_at": None})
    assert not drain.is_over(1e9)


def test_what_is_about_something_else_is_not_taken(workers: list[Worker]) -> None:
    assert not CommonDrain(workers).take(0, {"kind": "event", "event": "drain"})
