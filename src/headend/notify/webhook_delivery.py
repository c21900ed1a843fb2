"""Delivery of letters to one webhook: in order within a stream, until each has arrived.

    outbox ─► the first letters ─► by stream: one after the other ─┬─► arrived: removed
                                   streams side by side            └─► failed: the stream waits

A letter that fails holds back its stream only. Several failures in a row, of more than one stream
or without any answer, say that the receiver is away: then one letter at a time is tried, at growing
intervals.
"""

import asyncio
import logging
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from time import monotonic, perf_counter, time
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import ConfigDict, Field

from headend.errors import HeadendError
from headend.net.outgoing import Outgoing, OutgoingError
from headend.net.steady import SteadyClock
from headend.settings.webhooks import Webhook
from headend.store.letter import Letter
from headend.webhooks import sign

if TYPE_CHECKING:
    from headend.store.outbox import Outbox

log = logging.getLogger(__name__)

ANSWER_S: Final = 10.0  # a receiver that works longer should do so after its answer
WINDOW: Final = 200  # letters looked at together
STREAMS: Final = 8  # served at once
AWAY_AFTER: Final = 5  # failures in a row
MOST_WAITING: Final = 500  # streams that wait, each remembered; more say that it is away
MOST_FAILING: Final = 1000  # letters of which is known since when they fail
RECENT: Final = 100  # attempts remembered for people
DATABASE_PAUSE_S: Final = 1.0
GONE: Final = 410  # HTTP: it will never want this again

STATUS: Final = "HTTP status "  # begin of the error of an answer
CONTENT_TYPE: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Retry:
    """When a letter is tried again.

    Attributes:
        first_s: After its first failure; twice as long each time …
        longest_s: … up to this.
        away_s: Most while the receiver is away.
        give_up_s: Given up once it is so old …
        attempts: … and failed so often.
    """

    first_s: float = 1.0
    longest_s: float = 600.0
    away_s: float = 60.0
    give_up_s: float = 3 * 24 * 3600.0
    attempts: int = 5

    def pause_s(self, failures: int) -> float:
        """Return the pause after so many failures, by lot so that not all come at once."""
        longest = min(self.first_s * 2.0 ** min(failures - 1, 30), self.longest_s)
        return longest * random.uniform(0.75, 1.25)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver an event."""

    __pydantic_config__ = ConfigDict(title="WebhookAttempt", extra="forbid")

    time: Annotated[float, Field(description="When it was over, Unix seconds.")]
    id: str
    sequence: int
    event: str
    stream: Annotated[str, Field(description="Empty: the event is about none.")]
    took_s: float
    error: Annotated[str | None, Field(description="Why it failed; null: it arrived.")]


class Endpoint:
    """One webhook and the letters for it.

    Attributes:
        webhook: To whom; may be replaced by one of the same name.
        held: Letters that wait in the outbox, about.
        delivered: Letters that arrived.
        failures: Attempts that failed.
        given_up: Letters that were given up.
        recent: The newest attempts.
    """

    def __init__(
        self,
        webhook: Webhook,
        outgoing: Outgoing,
        retry: Retry,
        clock: SteadyClock | None = None,
        steady: Callable[[], float] = monotonic,
    ) -> None:
        """Make one without letters.

        Args:
            webhook: See the attributes.
            outgoing: Makes the calls.
            retry: When letters are tried again.
            clock: Tells how old letters are.
            steady: Gives monotonic seconds, for waits.
        """
        self.webhook = webhook
        self._outgoing: Final = outgoing
        self._retry: Final = retry
        self.held = 0
        self.delivered = 0
        self.failures = 0
        self.given_up = 0
        self.recent: Final[deque[Attempt]] = deque(maxlen=RECENT)
        self._in_a_row = 0  # failures …
        self._failing: set[str] = set()  # … of these streams …
        self._is_unreachable = False  # … and one of them without an answer
        self._clock: Final = clock or SteadyClock()
        self._steady: Final = steady
        self._again_at = 0.0  # while it is away, monotonic seconds
        self._waiting: dict[str, float] = {}  # streams, until when
        self._failing_since: OrderedDict[int, float] = OrderedDict()  # letters, since when
        self._arrived: list[int] = []  # not removed yet
        self._wake = asyncio.Event()

    @property
    def is_away(self) -> bool:
        """The receiver has taken nothing for a while, and that is not one event's fault."""
        is_general = self._is_unreachable or len(self._failing) > 1
        is_failing = self._in_a_row >= AWAY_AFTER and is_general
        return is_failing or len(self._waiting) >= MOST_WAITING

    def wake(self) -> None:
        """There is something to deliver."""
        self._wake.set()

    def hurry(self) -> None:
        """Try again at once what waits for its time."""
        self._waiting.clear()
        self._again_at = 0.0
        self.wake()

    async def run(self, outbox: "Outbox") -> None:
        """Deliver for ever."""
        while True:
            self._wake.clear()
            try:
                pause = await self._round(outbox)
            except HeadendError as error:
                log.warning("webhook %s: %s; what waits is kept", self.webhook.name, error)
                pause = DATABASE_PAUSE_S
            if pause != 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()

    async def test(self) -> Attempt:
        """Send an event that is no news, once, and tell what came of it."""
        now = time()
        id = f"test-{now:.6f}"
        letter = Letter(int(now * 1e4), id, self.webhook.name, "", "webhook.test", "{}", now)
        return await self._send(letter)

    async def settle(self, outbox: "Outbox") -> None:
        """Have the outbox forget what has arrived.

        Raises:
            DatabaseError: It can't now.
        """
        if self._arrived:
            await outbox.remove(self._arrived)
            self.held -= len(self._arrived)
            self._arrived.clear()

    # ------------------------------------------------------------------ rounds

    async def _round(self, outbox: "Outbox") -> float | None:
        """Deliver the first letters; return how long to wait for more, None: until woken."""
        await self.settle(outbox)
        now = self._steady()
        if self.is_away and now < self._again_at:
            return self._again_at - now
        self._waiting = {stream: at for stream, at in self._waiting.items() if at > now}
        limit = 1 if self.is_away else WINDOW
        letters = await outbox.pending(self.webhook.name, list(self._waiting), limit)
        if not letters:
            first = min(self._waiting.values(), default=None)
            return None if first is None else max(first - now, 0.01)
        by_stream = sorted(letters, key=lambda letter: letter.stream)
        free = asyncio.Semaphore(STREAMS)
        async with asyncio.TaskGroup() as tasks:
            for _, group in groupby(by_stream, key=lambda letter: letter.stream):
                tasks.create_task(self._deliver(outbox, list(group), free))
        return 0

    async def _deliver(
        self, outbox: "Outbox", letters: Sequence[Letter], free: asyncio.Semaphore
    ) -> None:
        """Deliver letters of one stream, up to the first that fails."""
        async with free:
            for letter in letters:
                attempt = await self._send(letter)
                if attempt.error is None:
                    self._succeeded(letter)
                elif not await self._failed(outbox, letter, attempt.error):
                    return

    async def _send(self, letter: Letter) -> Attempt:
        began = perf_counter()
        body = _document(letter)
        secret = self.webhook.secret.get_secret_value()
        headers = CONTENT_TYPE | sign(body, secret, id=letter.id, timestamp=int(time()))
        error: str | None
        try:
            answer = await self._outgoing.post(self.webhook.url, body, headers, ANSWER_S)
            error = None if 200 <= answer.status < 300 else f"{STATUS}{answer.status}"
        except OutgoingError as failure:
            error = str(failure)
        took = round(perf_counter() - began, 4)
        attempt = Attempt(
            time(), letter.id, letter.sequence, letter.event, letter.stream, took, error
        )
        self.recent.append(attempt)
        return attempt

    def _succeeded(self, letter: Letter) -> None:
        self.delivered += 1
        self._failing_since.pop(letter.sequence, None)
        self._arrived.append(letter.sequence)
        if self.is_away:
            log.info("webhook %s: the receiver is back", self.webhook.name)
            self._waiting.clear()
        self._in_a_row = 0
        self._failing.clear()
        self._is_unreachable = False

    async def _failed(self, outbox: "Outbox", letter: Letter, error: str) -> bool:
        """Note a failure; true: the letter is given up, and the next one may go."""
        self.failures += 1
        now = self._steady()
        was_away = self.is_away
        self._in_a_row += 1
        self._failing.add(letter.stream)
        self._is_unreachable |= not error.startswith(STATUS)
        retry = self._retry
        is_old = self._age_s(letter, now) >= retry.give_up_s
        is_tired = is_old and letter.attempts + 1 >= retry.attempts
        is_dead = is_tired or error == f"{STATUS}{GONE}"
        pause_s = retry.pause_s(letter.attempts + 1)
        if not is_dead:
            self._waiting[letter.stream] = now + pause_s
        self._again_at = now + min(retry.pause_s(self._in_a_row), retry.away_s)
        if self.is_away and not was_away:
            log.warning(
                "webhook %s: the receiver is away (%s); events are kept for it",
                self.webhook.name,
                error,
            )
        wall = time()  # for people
        try:
            await outbox.failed(
                letter.sequence,
                error,
                next_at=wall + pause_s,
                dead_at=wall if is_dead else None,
            )
        except HeadendError as failure:  # tried again sooner or later, then
            log.warning("webhook %s: %s", self.webhook.name, failure)
            self._waiting[letter.stream] = now + pause_s
            return False
        if is_dead:
            self._gave_up(letter, error)
        return is_dead

    def _age_s(self, letter: Letter, now: float) -> float:
        """Return how old a letter is: by its time, or as long as it has failed if that is more."""
        since = self._failing_since.setdefault(letter.sequence, now)
        if len(self._failing_since) > MOST_FAILING:
            self._failing_since.popitem(last=False)
        return max(self._clock.age_s(letter.created_at), now - since)

    def _gave_up(self, letter: Letter, error: str) -> None:
        self.given_up += 1
        self._failing_since.pop(letter.sequence, None)
        self.held -= 1
        log.warning(
            "webhook %s: %s %s is given up: %s",
            self.webhook.name,
            letter.event,
            letter.id,
            error,
        )


def _document(letter: Letter) -> bytes:
    """Write what is sent; the letter's own body is JSON already."""
    happened = datetime.fromtimestamp(letter.created_at, UTC)
    timestamp = happened.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return (
        f'{{"id":"{letter.id}","type":"{letter.event}","timestamp":"{timestamp}",'
        f'"sequence":{letter.sequence},"data":{letter.body}}}'
    ).encode()
