"""Tests of headend.net.uring, against the kernel that runs them where it has io_uring."""

import ctypes
import errno
import os
import socket
from array import array
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.e2e.wait import LIMIT_S

from headend.net import uring
from headend.net.uring import ENTRIES, RingBulk

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def bulk() -> Iterator[RingBulk]:
    made = RingBulk()
    if not made.is_ready:
        pytest.skip("no io_uring here")
    yield made
    made.close()


def pairs(opened: ExitStack, count: int) -> list[Pair]:
    """Connect sockets; ours do not block."""
    listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    made = []
    for _ in range(count):
        theirs = opened.enter_context(socket.create_connection(listening.getsockname()))
        ours = opened.enter_context(listening.accept()[0])
        ours.setblocking(False)
        theirs.settimeout(LIMIT_S)
        made.append((ours, theirs))
    return made


def received(theirs: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = theirs.recv(size - len(data))
        assert more
        data += more
    return data


def test_all_sockets_get_the_same_bytes_in_the_order_of_the_calls(
    bulk: RingBulk, opened: ExitStack
) -> None:
    connected = pairs(opened, 20)
    descriptors = [ours.fileno() for ours, _ in connected]
    for _ in range(3 * ENTRIES // 20 + 1):  # the entries are used again and again
        assert bulk.send(descriptors, b"one") == []
        assert bulk.send(descriptors[::-1], b"two") == []
    for _, theirs in connected:
        assert received(theirs, 6 * (3 * ENTRIES // 20 + 1)) == b"onetwo" * (3 * ENTRIES // 20 + 1)


def test_more_sockets_than_entries_take_several_calls(bulk: RingBulk, opened: ExitStack) -> None:
    ((ours, theirs),) = pairs(opened, 1)
    assert bulk.send([ours.fileno()] * (2 * ENTRIES + 3), b"x") == []
    assert received(theirs, 2 * ENTRIES + 3) == b"x" * (2 * ENTRIES + 3)


def test_full_socket_takes_what_it_has_room_for_and_holds_nobody_up(
    bulk: RingBulk, opened: ExitStack
) -> None:
    connected = pairs(opened, 3)
    descriptors = [ours.fileno() for ours, _ in connected]
    data = bytes(range(256)) * (32 * 1024 * 1024 // 256)
    short = dict(bulk.send(descriptors[1:2], data))
    assert 0 < short[0] < len(data)
    assert bulk.send(descriptors, b"more") == [(1, 0)]
    assert received(connected[1][1], short[0]) == data[: short[0]]
    assert received(connected[2][1], 4) == b"more"


def test_socket_that_is_gone_takes_nothing(bulk: RingBulk, opened: ExitStack) -> None:
    (first, theirs), (second, _) = pairs(opened, 2)
    second.shutdown(socket.SHUT_WR)
    assert bulk.send([second.fileno(), first.fileno()], b"hello") == [(0, 0)]
    assert received(theirs, 5) == b"hello"


def test_nobody_is_no_call(bulk: RingBulk) -> None:
    assert bulk.send([], b"hello") == []


def test_ring_is_not_used_where_it_is_not_wanted() -> None:
    bulk = RingBulk()
    bulk.is_wanted = False
    assert not bulk.is_ready


class Kernel:
    """Refuses system calls with an error, the first ones of `_ENTER` apart."""

    def __init__(self, error: int, allowed: int = 0) -> None:
        self._error = error
        self._allowed = allowed
        self._true = uring._libc.syscall

    def syscall(self, number: int, *arguments: object) -> int:
        if number == uring._ENTER and self._allowed > 0:
            self._allowed -= 1
            return int(self._true(number, *arguments))
        ctypes.set_errno(self._error)
        return -1


def test_other_systems_are_asked_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uring, "SYSTEM", "darwin")
    monkeypatch.setattr(uring, "_libc", None)
    assert not RingBulk().is_ready


def test_kernel_that_forbids_io_uring_has_no_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uring, "_libc", Kernel(errno.EPERM))
    bulk = RingBulk()
    assert not bulk.is_ready
    assert not bulk.is_ready
    bulk.close()


class EarlySignal:
    """Ends the wait for answers before any came, as a signal may: those that are there are hidden.

    The tail that the kernel writes is shown as it was before, until the next call.
    """

    def __init__(self, ring: uring.Ring) -> None:
        self._true = uring._libc.syscall
        self._ring = ring
        self._tail = ring._done_tail
        self.calls: list[int] = []

    def syscall(self, number: int, *arguments: int) -> int:
        self.calls.append(arguments[1])
        before = self._tail[0]
        done = int(self._true(number, *arguments))
        is_first = len(self.calls) == 1
        self._ring._done_tail = memoryview(array("I", [before])) if is_first else self._tail
        return done


def test_call_that_a_signal_ends_early_is_made_again_until_all_have_answered(
    bulk: RingBulk, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = bulk._ring
    assert ring is not None
    (first, _), (second, theirs) = pairs(opened, 2)
    first.shutdown(socket.SHUT_WR)
    early = EarlySignal(ring)
    monkeypatch.setattr(uring, "_libc", early)
    assert bulk.send([first.fileno(), second.fileno()], b"x") == [(0, 0)]
    assert early.calls == [2, 0]
    assert received(theirs, 1) == b"x"


def test_kernel_whose_rings_cannot_send_has_no_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uring, "_FAST_POLL", 1 << 31)  # a feature that no kernel has
    open_before = set(os.listdir("/proc/self/fd"))
    assert not RingBulk().is_ready
    assert set(os.listdir("/proc/self/fd")) == open_before


def test_call_that_fails_leaves_its_bytes_to_the_writers_and_is_the_last(
    bulk: RingBulk, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((ours, theirs),) = pairs(opened, 1)
    monkeypatch.setattr(uring, "_libc", Kernel(errno.ENOMEM, allowed=1))
    descriptors = [ours.fileno()] * (ENTRIES + 2)
    assert bulk.send(descriptors, b"x") == [(ENTRIES, 0), (ENTRIES + 1, 0)]
    assert received(theirs, ENTRIES) == b"x" * ENTRIES
    assert not bulk.is_ready
