"""The load of `headend bench`: players and publishers, and what they saw.

                    ┌─ settle ─┬─────── window ───────┬─ grace ─┐
    publisher ──────┼──────────┼── stamped pictures ──┼─────────┤
    players join ───┘          └── those are counted ─┴─────────┘

All of it runs in one process and one loop, so players' stamps are compared with the clock that made
them. What the loop itself costs is told too: near 100 % the load is what is measured.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from headend import client
from headend.cli.bench_server import cpu_s
from headend.cli.bench_stream import StampedStream, headers, stamp_of
from headend.client import TlsOptions
from headend.errors import HeadendError, ProtocolError, Rejected, RelayError
from headend.media.tag import Tag
from headend.rtmp.url import Url

JOINING_AT_ONCE = 32  # a server's queue of connections that wait may be as short as 128
SETTLE_S = 1.0  # TCP finds its windows, an adaptive server its pace
GRACE_S = 1.0  # what was sent within the window may come that much later

_LOSSES = (Rejected, RelayError, ProtocolError)


@dataclass(frozen=True, slots=True)
class Plan:
    """What load to make.

    Attributes:
        url: Where one publishes; many add a number to the name.
        count: Players, or publishers.
        seconds: Length of the window.
        kbps: Bit rate of a stream.
        tls: Whom to trust with `rtmps://`.
        pid: Process of the server, for its CPU, if it is one of ours.
    """

    url: Url
    count: int
    seconds: float
    kbps: int
    tls: TlsOptions | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU within the window, in percent of a core; None where it is not to be had."""

    load: float
    server: float | None


@dataclass(slots=True)
class MeasuredWindow:
    """What counts: pictures stamped from `start_ns` to `end_ns`."""

    start_ns: float = float("inf")
    end_ns: float = float("inf")

    def holds(self, stamp_ns: int) -> bool:
        return self.start_ns <= stamp_ns < self.end_ns


@dataclass(slots=True)
class Seen:
    """What one player received of the window; sizes of bodies in bytes, times in ns."""

    frames: int = 0
    size: int = 0
    ages: list[int] = field(default_factory=list)
    longest_gap: int = 0
    loss: HeadendError | None = None
    decided: asyncio.Event = field(default_factory=asyncio.Event)  # it plays, or never will
    _last: int | None = None

    def take(self, tag: Tag, now_ns: int, window: MeasuredWindow) -> None:
        stamp = stamp_of(tag)
        if stamp is None or not window.holds(stamp):
            return
        self.frames += 1
        self.size += len(tag.body)
        self.ages.append(now_ns - stamp)
        if self._last is not None:
            self.longest_gap = max(self.longest_gap, now_ns - self._last)
        self._last = now_ns


@dataclass(slots=True)
class Sent:
    """What one publisher sent within the window; sizes in bytes, times in seconds."""

    frames: int = 0
    size: int = 0
    longest_delay: float = 0.0
    loss: HeadendError | None = None
    decided: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, tag: Tag, stamp_ns: int, delay: float, window: MeasuredWindow) -> None:
        if not window.holds(stamp_ns):
            return
        self.longest_delay = max(self.longest_delay, delay)
        if stamp_of(tag) is not None:
            self.frames += 1
            self.size += len(tag.body)


@dataclass(frozen=True, slots=True)
class Load:
    """What was sent, what was seen, and what it cost."""

    plan: Plan
    sent: Sequence[Sent]
    seen: Sequence[Seen]
    usage: Usage


async def play_many(plan: Plan) -> Load:
    """Publish one stream and let players play it.

    Raises:
        HeadendError: The stream cannot be published, or nobody can play it.
    """
    window, sent = MeasuredWindow(), Sent()
    seen = [Seen() for _ in range(plan.count)]
    gate = asyncio.Semaphore(JOINING_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_publish(plan.url, plan, sent, window, 0.0))]
        await sent.decided.wait()
        if sent.loss is not None:
            raise sent.loss
        url = replace(plan.url, query=_without_key(plan.url.query))
        tasks += [group.create_task(_play(url, plan, each, window, gate)) for each in seen]
        usage = await _watch(plan, window, [each.decided for each in seen])
        for task in tasks:
            task.cancel()
    if sent.loss is not None:
        raise sent.loss
    _raise_if_all_lost([each.loss for each in seen])
    return Load(plan, [sent], seen, usage)


async def publish_many(plan: Plan) -> Load:
    """Publish streams that nobody plays.

    Raises:
        HeadendError: None of them can be published.
    """
    window = MeasuredWindow()
    sent = [Sent() for _ in range(plan.count)]
    async with asyncio.TaskGroup() as group:
        tasks = []
        for number, each in enumerate(sent):
            url = replace(plan.url, name=f"{plan.url.name}-{number}")
            phase = number / plan.count / 30  # encoders are not in step
            tasks.append(group.create_task(_publish(url, plan, each, window, phase)))
            if number % JOINING_AT_ONCE == JOINING_AT_ONCE - 1:
                await each.decided.wait()
        usage = await _watch(plan, window, [each.decided for each in sent])
        for task in tasks:
            task.cancel()
    _raise_if_all_lost([each.loss for each in sent])
    return Load(plan, sent, [], usage)


async def _watch(plan: Plan, window: MeasuredWindow, decided: Sequence[asyncio.Event]) -> Usage:
    """Wait until all have begun, open the window, and close it."""
    for event in decided:
        await event.wait()
    await asyncio.sleep(SETTLE_S)
    started, load, server = time.monotonic(), time.process_time(), cpu_s(plan.pid)
    window.start_ns = time.monotonic_ns()
    await asyncio.sleep(plan.seconds)
    window.end_ns = time.monotonic_ns()
    per_s = 100 / (time.monotonic() - started)
    load, after = time.process_time() - load, cpu_s(plan.pid)
    await asyncio.sleep(GRACE_S)
    spent = None if server is None or after is None else (after - server) * per_s
    return Usage(load * per_s, spent)


async def _publish(url: Url, plan: Plan, sent: Sent, window: MeasuredWindow, phase: float) -> None:
    """Publish in real time until cancelled."""
    loop = asyncio.get_running_loop()
    timeline = StampedStream(plan.kbps)
    try:
        async with client.publish(url, tls=plan.tls) as out:
            for tag in headers():
                await out.write(tag)
            sent.decided.set()
            start = loop.time() + phase
            while True:
                due = start + timeline.due_s
                await asyncio.sleep(max(0.0, due - loop.time()))
                stamp = time.monotonic_ns()
                tag = timeline.next(stamp)
                await out.write(tag)
                sent.take(tag, stamp, loop.time() - due, window)
    except _LOSSES as error:
        sent.loss = error
    finally:
        sent.decided.set()


async def _play(
    url: Url, plan: Plan, seen: Seen, window: MeasuredWindow, gate: asyncio.Semaphore
) -> None:
    """Play until cancelled."""
    try:
        async with AsyncExitStack() as stack:
            async with gate:
                stream = await stack.enter_async_context(client.play(url, tls=plan.tls))
            seen.decided.set()
            async for tag in stream:
                seen.take(tag, time.monotonic_ns(), window)
        seen.loss = RelayError("the stream ended")
    except _LOSSES as error:
        seen.loss = error
    finally:
        seen.decided.set()


def _raise_if_all_lost(losses: Sequence[HeadendError | None]) -> None:
    found = [loss for loss in losses if loss is not None]
    if len(found) == len(losses):
        raise found[0]


def _without_key(query: str) -> str:
    """A publish key is not for players."""
    return "&".join(part for part in query.split("&") if not part.startswith("key="))
