"""The directory of names over pipes: supervisor and workers in one process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import pytest

from headend.directory.port import Body
from headend.directory.values import Member, NameWish
from headend.errors import Refusal, Rejected
from headend.events import (
    KINDS,
    Event,
    Events,
    RecordingReady,
    ServerStarted,
    SessionStarted,
    document,
)
from headend.workers import pipe_directory
from headend.workers.board import Board
from headend.workers.pipe import Pipe
from headend.workers.pipe_directory import PipeDirectory
from headend.workers.switch import TableSwitch
from headend.workers.tether import Tether
from headend.workers.told import Forwarder, event_of
from headend.workers.worker import Worker


class Seen:
    """What a directory told."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.messages: list[tuple[int, str, object]] = []

    def owner_changed(self, path: str) -> None:
        self.changed.append(path)

    def message(self, sender: Member, kind: str, body: Body) -> None:
        self.messages.append((sender.worker, kind, body["n"]))


class Ports:
    def path(self, worker: int, name: str) -> Path:
        return Path(f"/nowhere/{worker}.{name}")


class Machine:
    """A supervisor's switch, and its workers; all pipes are served by one task."""

    def __init__(self) -> None:
        self.switch = TableSwitch(Ports(), "here")
        self.board = Board(4)
        self.pipes: dict[int, Pipe] = {}
        self.silent: set[int] = (
            set()
        )  # workers to which nothing is sent and from which nothing comes

    def start(self, number: int) -> Tether:
        member = self.switch.invite(number)
        ours, theirs = map(Pipe, socket.socketpair())
        self.pipes[number] = ours
        self.switch.began(member, ours)
        none: MappingProxyType[str, tuple[()]] = MappingProxyType({})
        worker = Worker(number, 2, member, none, MappingProxyType({}), theirs, self.board, b"")
        return Tether(worker, lambda: None)

    def turn(self) -> None:
        for number, pipe in self.pipes.items():
            if number not in self.silent:
                pipe.flush()
                with suppress(EOFError):  # the test is over
                    for notice in pipe.receive():
                        self.switch.take(number, notice)
        self.switch.tick(0.0)

    async def run(self) -> None:
        while True:
            self.turn()
            await asyncio.sleep(0)

    def end(self, number: int) -> None:
        self.pipes.pop(number).close()
        self.switch.gone(number)


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Machine, AsyncExitStack]]:
    """Run a machine; what is pushed on the stack ends before it."""
    made = Machine()
    task = asyncio.create_task(made.run())
    async with AsyncExitStack() as stack:
        yield made, stack
    task.cancel()
    for pipe in made.pipes.values():
        pipe.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # of several pipes
            await asyncio.sleep(0)


async def test_name_is_owned_by_one_worker_and_the_others_know_which() -> None:
    async with running() as (machine, stack):
        one, other = await crew(machine, stack)
        seen = Seen()
        other.watch(seen)
        claim = await one.claim(NameWish("live/a", "me"))
        await until(lambda: other.find("live/a"))
        owner = other.find("live/a")
        assert owner is not None
        assert (owner.member, owner.epoch) == (one.me, claim.epoch)
        assert one.find("live/a") is None
        with pytest.raises(Rejected) as caught:
            await other.claim(NameWish("live/a", "somebody else"))
        assert caught.value.refusal is Refusal.NAME_TAKEN
        one.release(claim)
        await until(lambda: other.find("live/a") is None)
        assert seen.changed == ["live/a", "live/a"]
        await other.claim(NameWish("live/a", "somebody else"))


async def test_same_publisher_takes_its_name_over_and_the_loser_is_told() -> None:
    async with running() as (machine, stack):
        one, other = await crew(machine, stack)
        seen = Seen()
        one.watch(seen)
        old = await one.claim(NameWish("live/a", "me"))
        await other.claim(NameWish("live/a", "me"))
        await until(lambda: seen.changed)
        one.release(old)  # late: it changes nothing
        await until(lambda: one.find("live/a"))
        with pytest.raises(Rejected):
            await one.claim(NameWish("live/a", "me", takeover="never"))


async def test_names_of_a_worker_that_is_gone_are_free() -> None:
    async with running() as (machine, stack):
        one, other = await crew(machine, stack)
        await one.claim(NameWish("live/a", "me"))
        await until(lambda: other.find("live/a"))
        machine.end(0)
        await until(lambda: other.find("live/a") is None)
        assert [each.worker for each in other.members()] == [1]
        await other.claim(NameWish("live/a", "somebody else"))


async def test_worker_that_starts_later_knows_what_the_others_have() -> None:
    async with running() as (machine, stack):
        one, _ = await crew(machine, stack)
        await one.claim(NameWish("live/a", "me"))
        third = machine.start(2)
        directory = PipeDirectory(third.worker.member, third)
        third.start()
        stack.callback(third.close)
        await until(lambda: directory.find("live/a"))
        assert {each.worker for each in directory.members()} == {0, 1, 2}


async def test_messages_reach_one_or_all_others() -> None:
    async with running() as (machine, stack):
        one, other = await crew(machine, stack)
        seen, own = Seen(), Seen()
        other.watch(seen)
        one.watch(own)
        await until(lambda: len(one.members()) == 2)
        one.tell(None, "all", {"n": 1})
        one.tell(other.me, "one", {"n": 2})
        await until(lambda: len(seen.messages) == 2)
        assert seen.messages == [(0, "all", 1), (0, "one", 2)]
        assert own.messages == []


async def test_supervisor_that_does_not_answer_denies_names_and_heals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipe_directory, "ANSWER_S", 0.01)
    async with running() as (machine, stack):
        one, other = await crew(machine, stack)
        machine.silent = {0}
        with pytest.raises(Rejected) as caught:
            await one.claim(NameWish("live/a", "me"))
        assert caught.value.refusal is Refusal.UNDECIDED
        assert one.is_away
        machine.silent = set()
        monkeypatch.setattr(pipe_directory, "ANSWER_S", 60.0)
        # The late answer gives the name back, before what is said after it.
        await one.claim(NameWish("live/b", "me"))
        await one.claim(NameWish("live/c", "me"))
        assert not one.is_away
        await other.claim(NameWish("live/a", "somebody else"))


async def test_worker_that_did_not_read_is_told_how_all_stands() -> None:
    async with running() as (machine, stack):
        one, _ = await crew(machine, stack)
        deaf = machine.start(2)
        machine.silent = {2}
        for number in range(40):
            machine.pipes[2].send({"kind": "filler", "text": f"{number}" + "x" * 300_000})
        await one.claim(NameWish("live/a", "me"))
        assert machine.pipes[2].lost
        machine.silent = set()
        directory = PipeDirectory(deaf.worker.member, deaf)
        deaf.start()
        stack.callback(deaf.close)
        await until(lambda: directory.find("live/a"))


def test_each_kind_of_event_passes_through_a_pipe_unchanged() -> None:
    for event in (
        SessionStarted(
            time=1.0,
            id="x",
            session=3,
            action="play",
            stream="live/a",
            protocol="rtmp",
            address=None,
            tags=(("a", "b"),),
        ),
        RecordingReady(time=1.0, stream="live/a", recording="r", bytes=1, duration_s=2.0),
    ):
        notice = {"event": event.name, "fields": document(event)}
        assert event_of(notice) == event
    assert len({kind.name for kind in KINDS}) == len(KINDS)


async def test_events_reach_worker_0_in_order_also_while_it_is_started_again() -> None:
    async with running() as (machine, stack):
        machine.start(0)
        second = machine.start(1)
        second.start()
        stack.callback(second.close)
        bus = Events(lambda event, error: None)
        Forwarder(second, bus)
        machine.end(0)
        bus.emit(ServerStarted(time=0.0, version="x"))  # of itself: not passed on
        for number in range(3):
            bus.emit(RecordingReady(time=number, stream="s", recording="r", bytes=1, duration_s=1))
        heard: list[Event] = []
        first = machine.start(0)
        first.on("event", lambda notice: heard.append(event_of(notice)))
        first.start()
        stack.callback(first.close)
        await until(lambda: len(heard) == 3)
        assert [each.time for each in heard] == [0, 1, 2]


async def crew(machine: Machine, stack: AsyncExitStack) -> list[PipeDirectory]:
    made = []
    for number in range(2):
        tether = machine.start(number)
        made.append(PipeDirectory(tether.worker.member, tether))
        tether.start()
        stack.callback(tether.close)
    return made
