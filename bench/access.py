"""The cost of deciding: keys in SQLite, tokens, and guesses of keys."""

import asyncio
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import uvloop

from bench.endurance import Figure
from bench.proc import rss_kib
from headend.access.access import Access
from headend.access.tokens import Token
from headend.decisions import AccessRequest
from headend.errors import Rejected
from headend.events import Events
from headend.net.pseudonyms import Pseudonyms
from headend.settings import RuleBook, load_settings
from headend.store.keys import KeyStore
from headend.store.publish_key import KeyOptions, NewKey
from headend.store.tables import PUBLISH_KEYS

MOST_MS: Final = 1.0  # a decision may add, median (issue 5)
LEAST_TOKENS: Final = 2000  # plays with a token a second on one core (ibidem)
HERE: Final = IPv4Address("203.0.113.7")
TICK_S: Final = 0.002  # how often a stream beside the guesses wants its turn


@dataclass
class Guesses:
    """What came of guesses: how many got in, and the longest wait of who runs beside them."""

    let_in: int = 0
    longest_s: float = 0.0


def access(keys: int, requests: int, guesses: int) -> Iterator[Figure]:
    """Time of decisions, tokens a second, and what guesses of keys do.

    Args:
        keys: In the database.
        requests: Decisions of each kind.
        guesses: Wrong keys from one address, and as many from a thousand.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        yield from runner.run(measure(Path(folder), keys, requests, guesses))


async def measure(data: Path, keys: int, requests: int, guesses: int) -> list[Figure]:
    """Measure with one server's access, without the server."""
    given = ("auth.publish=key", "auth.private=vip/*", f"data={data}")
    settings = load_settings(None, given, environ={}).settings
    made = Access(asyncio.get_running_loop(), settings, Events(raise_error), Pseudonyms())
    made.configure(RuleBook(settings), "rtmps://")
    made.start()
    try:
        database = await made.database()
        store = await made.keys.store()
        new = [store._make(f"live/{number}", KeyOptions(), time.time()) for number in range(keys)]
        async with database.begin(600) as connection:
            await connection.execute(PUBLISH_KEYS.insert(), rows(store, new))
        label = f"{keys} keys in SQLite"
        publish = await by_key(made, new, requests)
        figures = [
            Figure(
                label, f"publish with a key, median (at most {MOST_MS:g})", median(publish), "ms"
            ),
            Figure(label, "publish with a key, 99 of 100", late(publish), "ms"),
        ]
        return [*figures, *by_token(made, requests), *await guessing(made, guesses)]
    finally:
        await made.close()


def rows(store: KeyStore, new: list[NewKey]) -> list[dict[str, object]]:
    return [store._row(each) for each in new]


async def by_key(made: Access, keys: list[NewKey], count: int) -> list[float]:
    """Return how long each decision took, seconds."""
    times = []
    for number in range(count):
        new = keys[number * 7919 % len(keys)]
        request = AccessRequest("publish", new.key.stream, HERE, key=new.secret)
        started = time.perf_counter()
        grant = await made.gate.decide(request)
        times.append(time.perf_counter() - started)
        made.gate.leave(grant)
    return times


def by_token(made: Access, count: int) -> Iterator[Figure]:
    """Measure plays with tokens never seen before, with one seen before, and open ones."""
    now = time.time()
    token = Token("", "vip/*", "play", now + 3600)
    tokens = [made.tokens.sign(token, now) for _ in range(count)]

    def request(number: int) -> AccessRequest:
        return AccessRequest("play", "vip/a", HERE, token=tokens[number])

    fresh = timed(made, count, request)
    again = timed(made, count, lambda number: request(0))
    opened = timed(made, count, lambda number: AccessRequest("play", "live/a", HERE))
    yield Figure("tokens", "play with a new one, median", median(fresh), "ms")
    yield Figure("tokens", f"plays a second (at least {LEAST_TOKENS})", count / sum(fresh), "1/s")
    yield Figure("tokens", "play with one seen before, median", median(again), "ms")
    yield Figure("no token", "play of an open stream, median", median(opened), "ms")


def timed(made: Access, count: int, request: Callable[[int], AccessRequest]) -> list[float]:
    times = []
    for number in range(count):
        asked = request(number)
        started = time.perf_counter()
        grant = made.gate.decide_now(asked)
        times.append(time.perf_counter() - started)
        assert grant is not None
        made.gate.leave(grant)
    return times


async def guessing(made: Access, count: int) -> list[Figure]:
    """Guess keys from one address, and from a thousand, beside something that wants its turns."""
    found = []
    for addresses in (1, 1000):
        before = rss_kib([os.getpid()])
        started = time.perf_counter()
        seen = await guess(made, count, addresses)
        label = f"{count} wrong keys, {addresses} addresses"
        grown = rss_kib([os.getpid()]) - before
        found += [
            Figure(label, "let in (at most 0)", seen.let_in, ""),
            Figure(label, "answered in", time.perf_counter() - started, "s"),
            Figure(label, "longest wait of a stream beside", seen.longest_s * 1000, "ms"),
            Figure(label, "memory grown by", grown / 1024, "MiB"),
        ]
    return found


async def guess(made: Access, count: int, addresses: int) -> Guesses:
    seen = Guesses()
    ticking = asyncio.create_task(tick(seen))

    async def one(number: int) -> None:
        address = IPv4Address(f"198.18.{number % addresses // 250}.{number % addresses % 250}")
        key = f"hk_{secrets.token_hex(16)}"
        try:
            await made.gate.decide(AccessRequest("publish", "live/1", address, key=key))
            seen.let_in += 1
        except Rejected:
            pass

    # As many at once as connections are taken in one turn.
    for first in range(0, count, 64):
        await asyncio.gather(*(one(number) for number in range(first, min(first + 64, count))))
    ticking.cancel()
    return seen


async def tick(seen: Guesses) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(TICK_S)
        seen.longest_s = max(seen.longest_s, time.perf_counter() - before - TICK_S)


def median(times: list[float]) -> float:
    return statistics.median(times) * 1000


def late(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100] * 1000


def raise_error(event: object, error: Exception) -> None:
    raise error
