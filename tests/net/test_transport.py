"""Tests of headend.net.transport, on a pair of sockets and a loop the test turns."""

import gc
import socket
import struct
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import pytest
from tests.e2e.wait import LIMIT_S
from tests.net.loops import FakeLoop

from headend.net.poller import PROMPT_S, Poller, ReadPace
from headend.net.readiness import WRITE
from headend.net.transport import Transport

MIB = 1024 * 1024


class Owner:
    """Notes what it is told; `on` does something then."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.on: dict[str, Callable[[], None]] = {}

    def data_received(self, data: bytes) -> None:
        self._note(f"data {data[:20].decode()}")

    def write_stalled(self) -> None:
        self._note("stalled")

    def write_drained(self) -> None:
        self._note("drained")

    def connection_lost(self, error: OSError | None) -> None:
        self._note("lost" if error is None else f"lost: {type(error).__name__}")

    def _note(self, what: str) -> None:
        self.told.append(what)
        self.on.get(what, lambda: None)()


class Fixture:
    """A transport, its peer's socket, and the loop between them."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.poller = Poller(cast(AbstractEventLoop, cast(Any, self.loop)), 0.0, "adaptive")
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.peer = socket.create_connection(listening.getsockname())
            self.ours, _ = listening.accept()
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer.settimeout(LIMIT_S)
        self.ours.setblocking(False)
        self.owner = Owner()
        self.transport = Transport(self.ours, self.poller, self.owner)

    def turn(self, until: Callable[[], object] | None = None) -> list[str]:
        """Turn once, or until something is so; return what the owner was told."""
        self.loop.turn()
        while until is not None and not until():
            self.loop.turn()
        told, self.owner.told = self.owner.told, []
        return told

    def fill(self) -> bytes:
        """Write more than the kernel takes; return it."""
        data = bytes(range(256)) * (16 * MIB // 256)
        self.transport.write(data)
        assert self.transport.backlog
        return data

    def receive(self, size: int) -> bytes:
        """Read at the peer while the transport goes on sending."""
        pieces: list[bytes] = []
        while size:
            pieces.append(self.peer.recv(min(size, MIB)))
            assert pieces[-1]
            size -= len(pieces[-1])
            self.loop.turn()
        return b"".join(pieces)

    def reset(self) -> None:
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()


@pytest.fixture
def f() -> Iterator[Fixture]:
    fixture = Fixture()
    yield fixture
    fixture.transport.abort()
    fixture.poller.close()
    fixture.peer.close()


# ---------------------------------------------------------------------- reading


def test_bytes_that_come_are_given_to_the_owner_and_counted(f: Fixture) -> None:
    f.peer.send(b"hello")
    assert f.turn() == ["data hello"]
    assert f.transport.bytes_in == 5
    assert f.turn() == []


def test_one_read_takes_no_more_than_asked_for(f: Fixture) -> None:
    f.transport.read_size = 3
    f.peer.send(b"hello")
    assert f.turn() == ["data hel"]
    assert f.turn() == ["data lo"]
    assert f.transport.read() == 0


def test_owner_may_change(f: Fixture) -> None:
    other = Owner()
    f.transport.hand_over(other)
    f.peer.send(b"a")
    assert f.turn() == []
    assert other.told == ["data a"]


def test_paused_reading_goes_on_where_it_was(f: Fixture) -> None:
    f.transport.pause_reading()
    f.transport.pause_reading()
    assert f.transport.is_paused
    f.peer.send(b"a")
    assert f.turn() == []
    f.transport.resume_reading()
    f.transport.resume_reading()
    assert f.turn() == ["data a"]


def test_paused_transport_is_not_read_in_its_turn_nor_when_its_pace_changes(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    f.transport.pause_reading()
    f.peer.send(b"a")
    f.transport.read_in_turn(is_late=False)
    f.transport.set_pace(ReadPace.PROMPT)
    assert f.turn() == []
    f.transport.resume_reading()
    assert f.turn() == ["data a"]


def test_end_of_the_peer_is_a_loss_in_good_order(f: Fixture) -> None:
    f.peer.close()
    assert f.turn() == ["lost"]
    assert f.transport.is_closed
    assert f.transport.read() == 0


def test_reset_by_the_peer_is_a_loss_with_its_reason(f: Fixture) -> None:
    f.reset()
    assert f.turn() == ["lost: ConnectionResetError"]


# ---------------------------------------------------------------------- reading in turn


def test_lazy_peer_is_read_when_it_is_its_turn(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    f.peer.send(b"a")
    assert f.turn() == []
    f.loop.run_until(f.loop.now + 0.1)
    assert f.turn() == ["data a"]


@pytest.mark.parametrize("pace", [ReadPace.LAZY, ReadPace.FLUSH])
def test_end_of_a_peer_that_is_read_in_turn_is_noticed_at_once(f: Fixture, pace: ReadPace) -> None:
    f.transport.set_pace(pace)
    f.peer.send(b"a")
    f.peer.close()
    assert f.turn() == ["data a"]
    assert f.turn() == ["lost"]


def test_reset_of_a_lazy_peer_is_noticed_at_once(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    f.reset()
    assert f.turn() == ["lost: ConnectionResetError"]


def test_what_a_lazy_peer_has_sent_is_read_when_it_is_lazy_no_more(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    f.transport.set_pace(ReadPace.LAZY)
    f.peer.send(b"a")
    f.transport.set_pace(ReadPace.PROMPT)
    assert f.owner.told == ["data a"]
    f.loop.run_until(f.loop.now + 1)
    assert f.owner.told == ["data a"]


def test_peer_whose_pace_changes_while_it_is_read_is_not_read_within_that(f: Fixture) -> None:
    f.transport.read_size = 1
    f.transport.set_pace(ReadPace.LAZY)
    f.peer.send(b"abc")
    f.owner.on["data a"] = lambda: f.transport.set_pace(ReadPace.PROMPT)
    f.loop.run_until(f.loop.now + 0.1)
    assert f.turn() == ["data a", "data b"]
    assert f.turn() == ["data c"]


def test_turn_of_one_peer_is_limited(f: Fixture) -> None:
    f.transport.read_size = 1
    f.transport.set_pace(ReadPace.LAZY)
    f.peer.send(b"a" * 20)
    f.loop.run_until(f.loop.now + 0.1)
    assert f.turn() == ["data a"] * 16


def test_peer_that_always_has_much_is_lazy_no_more(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    f.peer.setblocking(False)
    for _ in range(20):
        with suppress(BlockingIOError):
            while True:
                f.peer.send(b"x" * 65_536)
        f.loop.run_until(f.loop.now + 0.1)
    f.owner.told.clear()
    assert f.turn() != []  # without waiting for its turn


def flood(f: Fixture) -> None:
    """Have the peer send all that goes, turn after turn."""
    f.peer.setblocking(False)
    for _ in range(20):
        with suppress(BlockingIOError):
            while True:
                f.peer.send(b"x" * 65_536)
        f.loop.run_until(f.loop.now + 0.1)
    while f.turn():
        pass


def test_peer_that_had_much_for_a_moment_is_read_in_turn_again(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    flood(f)
    f.loop.run_until(f.loop.now + PROMPT_S)
    f.owner.told.clear()
    f.peer.send(b"a")
    assert f.turn() == []
    f.loop.run_until(f.loop.now + 0.1)
    assert f.owner.told == ["data a"]


def test_peer_that_had_much_in_late_turns_stays_lazy(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    for _ in range(10):
        f.peer.sendall(b"x" * 70_000)
        f.loop.now += 0.2  # the loop was busy
        f.loop.run_until(f.loop.now + 0.1)
    f.owner.told.clear()
    f.peer.send(b"a")
    assert f.turn() == []


def test_peer_that_had_much_and_is_watched_since_is_read_as_it_comes(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    flood(f)
    f.transport.set_pace(ReadPace.PROMPT)
    f.loop.run_until(f.loop.now + PROMPT_S)
    f.owner.told.clear()
    f.peer.send(b"a")
    assert f.turn() == ["data a"]


def test_peer_that_had_much_and_is_gone_is_not_held(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    flood(f)
    f.transport.abort()
    f.loop.run_until(f.loop.now + PROMPT_S)
    assert f.owner.told[-1] == "lost"


def test_peer_that_has_much_once_stays_lazy(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    for _ in range(10):
        f.peer.sendall(b"k" * 60_000)  # a keyframe, say
        f.loop.run_until(f.loop.now + 0.1)
        f.peer.sendall(b"f" * 1000)
        f.loop.run_until(f.loop.now + 0.1)
    f.owner.told.clear()
    f.peer.send(b"a")
    assert f.turn() == []


def test_pace_of_a_closed_transport_cannot_be_changed(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    f.transport.abort()
    f.transport.set_pace(ReadPace.PROMPT)
    f.loop.run_until(f.loop.now + 1)
    assert f.owner.told == ["lost"]


# ---------------------------------------------------------------------- writing


def test_what_the_kernel_takes_leaves_at_once(f: Fixture) -> None:
    f.transport.write(b"hello")
    f.transport.write(b"")
    assert f.peer.recv(100) == b"hello"
    assert f.transport.bytes_out == 5
    assert f.owner.told == []


def test_what_the_kernel_does_not_take_is_kept_in_order_and_sent_when_it_can(f: Fixture) -> None:
    data = f.fill()
    assert f.owner.told == ["stalled"]
    backlog = f.transport.backlog
    f.transport.write(b"behind")
    assert f.transport.backlog == backlog + 6
    assert f.receive(len(data) + 6) == data + b"behind"
    assert f.turn() == ["stalled", "drained"]
    assert f.transport.backlog == 0
    assert f.transport.drained_bytes == backlog + 6
    assert f.transport.bytes_out == len(data) + 6
    f.transport.write(b"more")
    assert f.peer.recv(100) == b"more"


def test_rest_of_a_send_that_somebody_else_made_is_kept(f: Fixture) -> None:
    f.transport.keep(b"hello", 2)
    assert f.transport.backlog == 3
    assert f.turn() == ["stalled", "drained"]
    assert f.peer.recv(100) == b"llo"


def test_owner_may_write_when_it_is_told_that_everything_is_sent(f: Fixture) -> None:
    f.owner.on["drained"] = lambda: f.transport.write(b" there")
    f.transport.keep(b"hello", 0)
    f.turn()
    assert f.peer.recv(100) == b"hello there"


def test_full_socket_is_read_and_written_in_one_turn(f: Fixture) -> None:
    f.transport.keep(b"x", 0)
    f.peer.send(b"a")
    assert f.turn() == ["stalled", "drained", "data a"]


def test_socket_that_takes_nothing_after_all_is_tried_again(f: Fixture) -> None:
    data = f.fill()
    f.transport.handle_events(WRITE)
    f.transport.handle_events(WRITE)
    assert f.receive(len(data)) == data


@pytest.mark.parametrize("pace", [ReadPace.LAZY, ReadPace.FLUSH, ReadPace.PROMPT])
def test_backlog_leaves_at_any_pace(f: Fixture, pace: ReadPace) -> None:
    f.transport.set_pace(pace)
    f.transport.keep(b"hello", 0)
    f.turn()
    assert f.peer.recv(100) == b"hello"


def test_backlog_of_a_peer_that_is_gone_is_a_loss_once(f: Fixture) -> None:
    f.fill()
    f.transport.pause_reading()
    f.reset()
    told = f.turn(until=lambda: f.transport.is_closed)
    assert told[0] == "stalled"
    assert told[1].startswith("lost: ")
    assert len(told) == 2
    assert f.transport.backlog == 0


def test_write_to_a_peer_that_is_gone_raises_nothing(f: Fixture) -> None:
    f.reset()
    f.transport.write(b"a")
    f.turn(until=lambda: f.transport.is_closed)
    f.transport.write(b"a")
    f.transport.keep(b"a", 0)
    assert f.transport.backlog == 0


# ---------------------------------------------------------------------- the end


def test_close_lets_the_peer_read_our_last_words_and_throws_away_its_own(f: Fixture) -> None:
    f.transport.write(b"goodbye")
    f.peer.send(b"never read")
    f.transport.close()
    f.transport.close()
    assert f.turn() == []
    f.peer.send(b"nor this")
    assert f.turn() == []
    assert f.peer.recv(100) == b"goodbye"
    assert f.peer.recv(100) == b""
    f.peer.close()
    assert f.turn() == ["lost"]
    assert f.transport.bytes_in == 0


def test_close_sends_the_backlog_first_and_takes_no_more(f: Fixture) -> None:
    data = f.fill()
    f.transport.close()
    f.transport.write(b"too late")
    assert f.receive(len(data)) == data
    f.turn()
    assert f.peer.recv(100) == b""
    assert not f.transport.is_closed


def test_close_of_a_paused_transport_still_notices_the_peer_s_end(f: Fixture) -> None:
    f.transport.pause_reading()
    f.transport.close()
    f.peer.close()
    assert f.turn() == ["lost"]


def test_close_of_a_lazy_transport_notices_the_peer_s_end(f: Fixture) -> None:
    f.transport.set_pace(ReadPace.LAZY)
    f.transport.close()
    f.peer.close()
    assert f.turn() == ["lost"]


def test_close_of_a_socket_that_is_reset_is_a_loss(f: Fixture) -> None:
    f.peer.send(b"x")
    f.reset()
    f.transport.close()
    assert f.owner.told == ["lost: OSError"]
    assert f.transport.is_closed


def test_abort_closes_at_once_and_once(f: Fixture) -> None:
    f.fill()
    f.transport.abort()
    f.transport.abort()
    assert f.owner.told == ["stalled", "lost"]
    assert f.transport.backlog == 0
    f.transport.close()
    f.transport.pause_reading()
    assert f.turn() == ["stalled", "lost"]


def test_reset_is_what_the_peer_sees_and_happens_once(f: Fixture) -> None:
    f.transport.reset()
    f.transport.reset()
    assert f.owner.told == ["lost"]
    with pytest.raises(ConnectionResetError):
        f.peer.recv(1)


@pytest.mark.parametrize("is_late", [False, True])
def test_closed_transport_and_its_owner_hold_each_other_no_longer(
    f: Fixture, is_late: bool
) -> None:
    owner = weakref.ref(f.owner)
    if is_late:  # handed over when it is closed already
        f.transport.abort()
        f.transport.hand_over(f.owner)
    gc.disable()
    try:
        f.transport.abort()
        del f.owner
        assert owner() is None
    finally:
        gc.enable()
    f.owner = Owner()


def test_closed_socket_has_no_descriptor_and_whoever_kept_it_is_told(f: Fixture) -> None:
    before = f.poller.bulk.closed
    assert f.transport.descriptor == f.ours.fileno()
    seen: list[tuple[int, int]] = []
    f.owner.on["lost"] = lambda: seen.append((f.transport.descriptor, f.poller.bulk.closed))
    f.transport.abort()
    assert seen == [(-1, before + 1)]
    f.transport.abort()
    assert f.poller.bulk.closed == before + 1
