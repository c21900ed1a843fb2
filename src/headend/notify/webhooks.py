"""Webhooks that are told what happens: each event becomes letters that outlive the server.

    bus ─► queue in memory ─► outbox in the database ─► an Endpoint for each webhook
           (bounded)          (from here on it is safe)

A letter is safe once the transaction that writes it is over: some milliseconds after the event, or
as long as the database is away.
"""

import asyncio
import json
import logging
import uuid
from asyncio import AbstractEventLoop
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import islice
from time import time
from typing import TYPE_CHECKING, Final

from headend.errors import HeadendError
from headend.events import NAMES, Event, Events, RequestRefused, document
from headend.logs import Repeats
from headend.net.outgoing import Outgoing
from headend.net.steady import SteadyClock
from headend.notify.webhook_delivery import Endpoint, Retry
from headend.settings.webhooks import Webhook
from headend.store.letter import STREAM_CHARACTERS, Letter

if TYPE_CHECKING:
    from headend.store.database import Database
    from headend.store.outbox import Outbox

log = logging.getLogger(__name__)

QUEUE: Final = 10_000  # letters in memory while the database is away; some 5 MB
BATCH: Final = 500  # letters of one transaction
HELD: Final = 100_000  # letters in the database for one receiver that is away
REFUSALS_PER_S: Final = 20  # request.refused: guessers must not fill the database
FORGET_S: Final = 30 * 24 * 3600.0  # letters that were given up so long ago
TIDY_S: Final = 3600.0  # how often that is looked at
PAUSE_S: Final = 1.0  # before the database is asked again
STOP_S: Final = 3.0  # a server that stops writes what it can within
REPORT_S: Final = 60.0  # between two lines on events that were lost

# Of sequences: numbers of 14 digits, which JavaScript knows too, and more than events a second.
UNITS_PER_S: Final = 10_000

RETRY: Final = Retry()


@dataclass(frozen=True, slots=True)
class _Note:
    """A letter that has no place in the order yet."""

    id: str
    endpoint: str
    stream: str
    event: str
    body: str
    time: float

    def letter(self, sequence: int) -> Letter:
        stream = self.stream[:STREAM_CHARACTERS]
        return Letter(sequence, self.id, self.endpoint, stream, self.event, self.body, self.time)


class Webhooks:
    """All webhooks of one server; `start` and `close` once each.

    Attributes:
        lost: Letters that were lost, by cause: queue, held or refusals.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        bus: Events,
        outgoing: Outgoing,
        database: "Callable[[], Awaitable[Database]]",
        retry: Retry = RETRY,
        node: str = "",
    ) -> None:
        """Make it without receivers.

        Args:
            loop: The running loop.
            bus: Tells what happens.
            outgoing: Makes the calls.
            database: Gives the database once it is open.
            retry: When letters are tried again.
            node: Names this server among those that share the database.
        """
        self._loop = loop
        self._bus = bus
        self._outgoing = outgoing
        self._database = database
        self._retry = retry
        self._node = node
        self._endpoints: dict[str, Endpoint] = {}
        self._by_event: dict[str, tuple[Endpoint, ...]] = {}
        self._queue: deque[_Note] = deque()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._opened = asyncio.Event()
        self._outbox: Outbox | None = None
        self._writer: asyncio.Task[None] | None = None
        self._couriers: dict[str, asyncio.Task[None]] = {}
        self._clock: Final = SteadyClock()
        self._last = 0  # sequence
        self._refusals = _Bucket(REFUSALS_PER_S)
        self._reported_at = -REPORT_S
        self._failures = Repeats(log, "webhooks not written")
        self._unsubscribe: Callable[[], None] | None = None
        self.lost: Final[Counter[str]] = Counter()

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """All receivers, in the order of the settings."""
        return tuple(self._endpoints.values())

    @property
    def queued(self) -> int:
        """Letters that are not in the database yet."""
        return len(self._queue)

    @property
    def outbox(self) -> "Outbox | None":
        """The letters in the database; None: it is not open yet."""
        return self._outbox

    def endpoint(self, name: str) -> Endpoint | None:
        """Return a receiver by its name."""
        return self._endpoints.get(name)

    def configure(self, webhooks: Sequence[Webhook]) -> None:
        """Take the receivers of the settings, also while events go on."""
        kept = {}
        for webhook in webhooks:
            known = self._endpoints.get(webhook.name)
            if known is None:
                known = Endpoint(webhook, self._outgoing, self._retry, self._clock)
            known.webhook = webhook
            kept[webhook.name] = known
            for pattern in webhook.events:
                if not any(fnmatchcase(name, pattern) for name in NAMES):
                    log.warning("webhook %s: no event is called %s", webhook.name, pattern)
        for name in self._endpoints.keys() - kept.keys():
            if name in self._couriers:
                self._couriers.pop(name).cancel()
        self._endpoints = kept
        self._by_event = {
            name: tuple(
                each
                for each in kept.values()
                if any(fnmatchcase(name, pattern) for pattern in each.webhook.events)
            )
            for name in NAMES
        }
        if self._outbox is not None:
            self._send_couriers(self._outbox)

    def start(self) -> None:
        """Listen to the bus, and deliver what earlier runs left."""
        self._unsubscribe = self._bus.subscribe(self._note)
        self._writer = self._loop.create_task(self._run())

    async def close(self) -> None:
        """Write what is queued if the database answers, and stop delivering."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._queue and self._writer is not None:
            with suppress(TimeoutError, HeadendError):
                async with asyncio.timeout(STOP_S):
                    await self._opened.wait()
                    assert self._outbox is not None
                    await self._write_all(self._outbox)
        if self._queue:
            log.error("webhooks: %d events are lost: no database", len(self._queue))
        tasks = [*self._couriers.values(), *(() if self._writer is None else (self._writer,))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._outbox is not None:
            with suppress(HeadendError):
                for endpoint in self._endpoints.values():
                    await endpoint.settle(self._outbox)

    # ------------------------------------------------------------------ the bus

    def _note(self, event: Event) -> None:
        endpoints = self._by_event.get(event.name)
        if not endpoints:
            return
        if isinstance(event, RequestRefused) and not self._refusals.take(self._loop.time()):
            self._lose("refusals", len(endpoints))
            return
        data = document(event)
        del data["time"]
        body = json.dumps(data, separators=(",", ":"))
        for endpoint in endpoints:
            if len(self._queue) >= QUEUE:
                self._lose("queue", 1)
                continue
            self._queue.append(
                _Note(
                    str(uuid.uuid4()),
                    endpoint.webhook.name,
                    event.subject_stream,
                    event.name,
                    body,
                    event.time,
                )
            )
        self._wake.set()

    def _lose(self, cause: str, count: int) -> None:
        self.lost[cause] += count
        now = self._loop.time()
        if now - self._reported_at >= REPORT_S:
            self._reported_at = now
            log.error(
                "webhooks: events were not kept so far: %d as the database is away, %d as a "
                "receiver is away for too long, %d refusals as there are too many",
                *(self.lost[each] for each in ("queue", "held", "refusals")),
            )

    # ------------------------------------------------------------------ the database

    async def _run(self) -> None:
        outbox = await self._open()
        self._send_couriers(outbox)
        tidied_at = self._loop.time()
        while True:
            try:
                await self._write_all(outbox)
                if self._loop.time() - tidied_at >= TIDY_S:
                    tidied_at = self._loop.time()
                    await self._tidy(outbox)
            except HeadendError as error:
                waiting = f"webhooks: {error}; {len(self._queue)} events wait for it"
                self._failures.add(waiting, self._loop.time())
                await asyncio.sleep(PAUSE_S)
                continue
            except Exception:
                log.exception("webhooks failed: a bug; %d events wait", len(self._queue))
                await asyncio.sleep(PAUSE_S)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(TIDY_S):
                    await self._wake.wait()
            self._wake.clear()

    async def _open(self) -> "Outbox":
        """Wait for the database, and see what earlier runs left."""
        from headend.store.outbox import Outbox

        outbox = Outbox(await self._database(), self._node)
        while True:
            try:
                self._last = await outbox.newest()
                await outbox.bound_times(time())
                await self._tidy(outbox)
                for endpoint in self._endpoints.values():
                    endpoint.held, _ = await outbox.counts(endpoint.webhook.name)
            except HeadendError as error:
                self._failures.add(f"webhooks: {error}", self._loop.time())
                await asyncio.sleep(PAUSE_S)
            else:
                waiting = sum(endpoint.held for endpoint in self._endpoints.values())
                log.info("webhooks: %d events of earlier wait to be sent", waiting)
                self._outbox = outbox
                self._opened.set()
                return outbox

    async def _tidy(self, outbox: "Outbox") -> None:
        names = list(self._endpoints)
        now = time()
        if adopted := await outbox.adopt(names, now):
            log.info("webhooks: %d events of a server that is gone are sent by this one", adopted)
            for endpoint in self._endpoints.values():
                endpoint.held, _ = await outbox.counts(endpoint.webhook.name)
                endpoint.wake()
        left = await outbox.give_up_others(names, now, "the settings name no such webhook any more")
        if left:
            log.warning("webhooks: %d events are given up, for receivers that are no more", left)
        await outbox.forget_dead(self._clock.now() - FORGET_S)

    async def _write_all(self, outbox: "Outbox") -> None:
        """Write what is queued, in its order; what is not written stays queued."""
        async with self._writing:
            while self._queue:
                await self._write_some(outbox)

    async def _write_some(self, outbox: "Outbox") -> None:
        notes = tuple(islice(self._queue, BATCH))
        letters = []
        for note in notes:
            endpoint = self._endpoints.get(note.endpoint)
            if endpoint is None or endpoint.held >= HELD:
                self._lose("held", 1)
                continue
            # Grows over restarts without being kept anywhere, unless a clock goes back.
            self._last = max(self._last + 1, int(time() * UNITS_PER_S))
            letters.append(note.letter(self._last))
        if letters:
            await self._add(outbox, letters)
        for _ in notes:
            self._queue.popleft()
        for letter in letters:
            endpoint = self._endpoints.get(letter.endpoint)
            if endpoint is not None:
                endpoint.held += 1
                endpoint.wake()

    async def _add(self, outbox: "Outbox", letters: list[Letter]) -> None:
        try:
            await outbox.add(letters)
        except HeadendError:
            newest = await outbox.newest()
            known = await outbox.known([letter.id for letter in letters])
            if not known and newest < letters[0].sequence:
                raise
            # Either the answer was lost and they are there, or another server took the numbers.
            rest = [letter for letter in letters if letter.id not in known]
            self._last = newest + len(rest)
            if rest:
                moved = enumerate(rest, newest + 1)
                await outbox.add([replace(letter, sequence=number) for number, letter in moved])

    def _send_couriers(self, outbox: "Outbox") -> None:
        """Have every receiver served by a task of its own."""
        for name, endpoint in self._endpoints.items():
            if name not in self._couriers:
                self._couriers[name] = self._loop.create_task(_serve(endpoint, outbox))


async def _serve(endpoint: Endpoint, outbox: "Outbox") -> None:
    while True:
        try:
            await endpoint.run(outbox)
        except Exception:
            log.exception("webhook %s failed: a bug", endpoint.webhook.name)
            await asyncio.sleep(PAUSE_S)


class _Bucket:
    """Lets a number of things a second pass."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._level = per_s
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Say whether one more may pass."""
        self._level = min(self._per_s, self._level + (now - self._at) * self._per_s)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
