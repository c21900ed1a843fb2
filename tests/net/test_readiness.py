"""Tests of headend.net.readiness: both kinds of sets say the same."""

import select
import selectors
import socket
from collections.abc import Iterator

import pytest

from headend.net.readiness import HANG_UP, READ, WRITE, ReadySet, SelectorSet, ready_set


@pytest.fixture(params=["epoll", "selector", "platform"])
def ready(request: pytest.FixtureRequest) -> Iterator[ReadySet]:
    made: ReadySet
    if request.param == "epoll":
        made = select.epoll()
    elif request.param == "selector":
        made = SelectorSet(selectors.EpollSelector())
    else:
        made = SelectorSet()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def test_a_descriptor_with_bytes_is_ready_to_read(
    ready: ReadySet, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    ready.register(left.fileno(), READ)
    assert ready.poll(0, 10) == []
    right.send(b"x")
    assert ready.poll(0, 10) == [(left.fileno(), READ)]


def test_events_can_be_changed_to_none_and_back(
    ready: ReadySet, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    right.send(b"x")
    ready.register(left.fileno(), HANG_UP)
    assert ready.poll(0, 10) == []
    ready.modify(left.fileno(), READ | WRITE)
    assert ready.poll(0, 10) == [(left.fileno(), READ | WRITE)]
    ready.modify(left.fileno(), WRITE)
    assert ready.poll(0, 10) == [(left.fileno(), WRITE)]


def test_an_unregistered_descriptor_is_never_ready(
    ready: ReadySet, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    right.send(b"x")
    ready.register(left.fileno(), READ)
    ready.unregister(left.fileno())
    assert ready.poll(0, 10) == []


def test_no_more_descriptors_are_returned_than_asked_for(ready: ReadySet) -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    for left, right in pairs:
        right.send(b"x")
        ready.register(left.fileno(), READ)
    assert len(ready.poll(0, 2)) == 2
    for left, right in pairs:
        left.close()
        right.close()


def test_a_set_is_readable_itself_while_one_of_it_is_ready(
    ready: ReadySet, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    ready.register(left.fileno(), READ)
    assert select.select([ready.fileno()], [], [], 0)[0] == []
    right.send(b"x")
    assert select.select([ready.fileno()], [], [], 0)[0] == [ready.fileno()]


def test_a_platform_without_epoll_gets_a_selector(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(ready_set(), select.epoll)
    monkeypatch.delattr(select, "epoll")
    assert isinstance(ready_set(), SelectorSet)
