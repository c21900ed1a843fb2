"""A pipe between supervisor and worker."""

import socket
from collections.abc import Iterator

import pytest

from headend.errors import ProtocolError
from headend.workers import pipe
from headend.workers.pipe import Notice, Pipe

Pair = tuple[Pipe, Pipe]


@pytest.fixture
def ends() -> Iterator[Pair]:
    one, other = map(Pipe, socket.socketpair())
    yield one, other
    one.close()
    other.close()


def drain(one: Pipe, other: Pipe) -> list[Notice]:
    found: list[Notice] = []
    while True:
        one.flush()
        messages = other.receive()
        found += messages
        if not messages and not one.has_backlog:
            return found


def test_messages_arrive_whole_and_in_order(ends: Pair) -> None:
    one, other = ends
    for number in range(3):
        assert one.send({"kind": "n", "number": number, "text": "ü"})
    assert [each["number"] for each in other.receive()] == [0, 1, 2]


def test_message_larger_than_a_read_arrives(ends: Pair) -> None:
    one, other = ends
    assert one.send({"text": "x" * 1_000_000})
    assert one.has_backlog
    found = drain(one, other)
    assert [len(each["text"]) for each in found] == [1_000_000]
    assert not one.has_backlog


def test_full_pipe_loses_what_is_over_the_limit_says_so_and_heals(ends: Pair) -> None:
    one, other = ends
    sent = 0
    while one.send({"text": "x" * 500_000}):
        sent += 1
    assert one.lost == 1
    assert sent * 500_000 < pipe.MOST_WAITING + 2 * 500_000
    assert len(drain(one, other)) == sent
    assert one.send({"text": "again"})
    assert drain(one, other) == [{"text": "again"}]


def test_message_over_the_limit_is_not_sent(ends: Pair) -> None:
    one, _ = ends
    assert not one.send({"text": "x" * pipe.MOST_MESSAGE})
    assert not one.has_backlog


def test_end_of_the_other_side_is_told(ends: Pair) -> None:
    one, other = ends
    one.send({"kind": "last words"})
    one.close()
    assert other.receive() == [{"kind": "last words"}]
    with pytest.raises(EOFError):
        other.receive()
    other.send({"kind": "nobody hears it"})
    assert not other.has_backlog


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff\xff", b"\0\0\0\1x", b"\0\0\0\2[]"],
    ids=["size over the limit", "no JSON", "no object"],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        end = Pipe(ours)
        theirs.sendall(data)
        with pytest.raises(ProtocolError):
            end.receive()
        end.close()
