"""Tests of headend.notify.webhooks and webhook_delivery, with real receivers."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import Any

import pytest
from aiohttp import web
from aiosqlite import Cursor
from pydantic import SecretStr
from tests.access.hanging import Disk
from tests.access.postgres import create_database, postgres_server
from tests.harness import log_lines, run, until
from tests.receiver import Received, Receiver, receiver

from headend.errors import DatabaseError
from headend.events import (
    Event,
    Events,
    RequestRefused,
    ServerStopping,
    StreamActive,
    StreamCreated,
    StreamEnded,
)
from headend.net.outgoing import Outgoing, Rules
from headend.notify import webhook_delivery as delivery_module
from headend.notify import webhooks as module
from headend.notify.webhook_delivery import Endpoint, Retry
from headend.notify.webhooks import Webhooks
from headend.settings.webhooks import Webhook
from headend.store.connection import DatabaseConnection
from headend.store.database import Database
from headend.store.letter import Letter
from headend.store.outbox import Outbox
from headend.webhooks import verify

SECRET = "0123456789abcdef"
QUICK = Retry(first_s=0.01, longest_s=0.03, away_s=0.03)


def webhook(url: str, name: str = "one", *events: str) -> Webhook:
    return Webhook(name=name, url=url, secret=SecretStr(SECRET), events=events or ("*",))


def created(stream: str = "live/a") -> Event:
    return StreamCreated(time=time(), stream=stream)


def active(stream: str = "live/a") -> Event:
    return StreamActive(time=time(), stream=stream)


def refused() -> Event:
    return RequestRefused(
        time=time(),
        action="play",
        stream="live/a",
        protocol="rtmp",
        address=None,
        code="x",
        reason="no",
    )


class Fixture:
    """Webhooks with a database of their own.

    Attributes:
        bus: Where events are emitted.
        made: What is tested.
        database: Its own.
    """

    def __init__(self, database: Database, retry: Retry, node: str) -> None:
        self.bus = Events(lambda event, error: pytest.fail(str(error)))
        self.database = database
        self.outgoing = Outgoing(Rules())
        self.opened = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.made = Webhooks(loop, self.bus, self.outgoing, self._open, retry, node)

    async def _open(self) -> Database:
        await self.opened.wait()
        return self.database

    @property
    def endpoint(self) -> Endpoint:
        return self.made.endpoints[0]

    async def dead(self) -> list[Letter]:
        assert self.made.outbox is not None
        return await self.made.outbox.page(self.endpoint.webhook.name, is_dead=True)


@asynccontextmanager
async def hooked(
    url: str, *webhooks: Webhook, retry: Retry = QUICK, is_open: bool = True, node: str = ""
) -> AsyncIterator[Fixture]:
    database = Database(url, Path("/nowhere"))
    await database.open()
    fixture = Fixture(database, retry, node)
    if is_open:
        fixture.opened.set()
    fixture.made.configure(webhooks)
    fixture.made.start()
    try:
        yield fixture
    finally:
        await fixture.made.close()
        await fixture.outgoing.close()
        await database.close()


def types(documents: Sequence[Any]) -> list[str]:
    return [f"{each['type']} {each['data'].get('stream', '')}" for each in documents]


async def test_event_arrives_signed_with_its_fields(database_url: str) -> None:
    async with receiver() as there, hooked(database_url, webhook(there.url)) as fixture:
        fixture.bus.emit(
            StreamEnded(time=1795622931.25, stream="live/ä", reason="lost", bytes=7, duration_s=1)
        )
        await until(lambda: there.received)
        (got,) = there.received
        assert got.headers["content-type"] == "application/json"
        assert verify(got.body, got.headers, SECRET) == got.document["id"]
        assert got.document == {
            "id": got.headers["webhook-id"],
            "type": "stream.ended",
            "timestamp": "2026-11-25T16:08:51.250Z",
            "sequence": got.document["sequence"],
            "data": {"stream": "live/ä", "reason": "lost", "bytes": 7, "duration_s": 1},
        }
        assert 10**13 < got.document["sequence"] < 10**14
        await until(lambda: fixture.endpoint.held == 0)
        assert fixture.endpoint.delivered == 1


async def test_servers_that_share_a_database_send_their_own_events_each(database_url: str) -> None:
    async with receiver() as there, receiver() as elsewhere:
        there.answer = elsewhere.answer = lambda request: web.Response(status=503)
        async with (
            hooked(database_url, webhook(there.url), node="a") as one,
            # It names another webhook too: what waits for that is not given up by the first.
            hooked(
                database_url, webhook(elsewhere.url), webhook(elsewhere.url, "two"), node="b"
            ) as other,
        ):
            await until(lambda: one.made.outbox and other.made.outbox)
            for number in range(5):
                one.bus.emit(created(f"live/{number}"))
                other.bus.emit(created(f"vip/{number}"))
            await until(lambda: one.endpoint.held == other.endpoint.held == 5)
            there.answer = elsewhere.answer = None
            await until(lambda: not any(each.held for each in one.made.endpoints))
            await until(lambda: not any(each.held for each in other.made.endpoints))
        streams = [
            {each["data"]["stream"].partition("/")[0] for each in side.documents()}
            for side in (there, elsewhere)
        ]
        assert streams == [{"live"}, {"vip"}]


async def test_events_of_a_server_that_is_gone_are_sent_by_another(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiver() as there:
        database = Database(database_url, Path("/nowhere"))
        await database.open()
        long_ago = time() - 400
        left = [
            Letter(number, f"id-{number}", "one", "live/a", "stream.active", "{}", long_ago)
            for number in (1, 2, 3)
        ]
        await Outbox(database, "gone").add(left)
        await database.close()
        with caplog.at_level(logging.INFO):
            async with hooked(database_url, webhook(there.url), node="here") as fixture:
                await until(lambda: len(there.received) == 3)
                await until(lambda: fixture.endpoint.held == 0)
        assert [each["id"] for each in there.documents()] == ["id-1", "id-2", "id-3"]
        assert log_lines(caplog, "3 events of a server that is gone are sent by this one")


async def test_each_webhook_gets_what_its_patterns_name(database_url: str) -> None:
    async with receiver() as there, receiver() as other:
        hooks = (
            webhook(there.url, "one", "stream.created", "server.*"),
            webhook(other.url, "two"),
        )
        async with hooked(database_url, *hooks) as fixture:
            for event in (created(), active(), ServerStopping(time=time())):
                fixture.bus.emit(event)
            await until(lambda: len(other.received) == 3 and len(there.received) == 2)
            assert sorted(types(there.documents())) == [
                "server.stopping ",
                "stream.created live/a",
            ]
            ids = {each["id"] for each in there.documents() + other.documents()}
            assert len(ids) == 5


async def test_order_is_kept_within_a_stream_while_letters_fail(database_url: str) -> None:
    async with receiver() as there, hooked(database_url, webhook(there.url)) as fixture:
        taken: list[Any] = []

        def answer(request: Received) -> web.Response:
            # Every other request fails, also after its event was taken.
            document = request.document
            is_well = len(there.received) % 2 == 0
            if is_well:
                taken.append(document)
            return web.Response(status=204 if is_well else 503)

        there.answer = answer
        for number in range(10):
            for stream in ("live/a", "live/b"):
                fixture.bus.emit(StreamActive(time=time() - 100 + number, stream=stream))
        await until(lambda: fixture.endpoint.delivered == 20)
        for stream in ("live/a", "live/b"):
            of_one = [each for each in taken if each["data"]["stream"] == stream]
            sequences = [each["sequence"] for each in of_one]
            assert sequences == sorted(set(sequences))
            times = [each["timestamp"] for each in of_one]
            assert times == sorted(set(times))
            assert len(times) == 10


async def test_stream_whose_event_is_refused_holds_no_other_back(database_url: str) -> None:
    retry = Retry(first_s=60)
    async with (
        receiver() as there,
        hooked(database_url, webhook(there.url), retry=retry) as fixture,
    ):
        there.answer = lambda request: web.Response(
            status=500 if request.document["data"]["stream"] == "live/bad" else 200
        )
        for event in (created("live/bad"), active("live/bad"), created("live/a"), active()):
            fixture.bus.emit(event)
        await until(lambda: fixture.endpoint.delivered == 2)
        await until(lambda: fixture.endpoint.failures)
        assert types(there.documents()).count("stream.created live/bad") == 1
        assert "stream.active live/bad" not in types(there.documents())
        assert [each.error for each in fixture.endpoint.recent if each.error] == ["HTTP status 500"]


async def test_all_arrives_in_order_once_the_receiver_is_back(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async with receiver() as there:
        url, port = there.url, there.port
    async with hooked(database_url, webhook(url)) as fixture:
        for number in range(30):
            fixture.bus.emit(StreamActive(time=time(), stream=f"live/{number % 7}"))
        await until(lambda: fixture.endpoint.is_away)
        async with receiver(port=port) as back:
            await until(lambda: fixture.endpoint.delivered == 30)
            documents = back.documents()
        for stream in range(7):
            sequences = [
                each["sequence"] for each in documents if each["data"]["stream"] == f"live/{stream}"
            ]
            assert sequences == sorted(set(sequences))
    (away,) = log_lines(caplog, "is away")
    assert "webhook one: the receiver is away (127.0.0.1: Connection refused)" in away
    assert log_lines(caplog, "webhook one: the receiver is back")


async def test_what_an_earlier_run_left_is_delivered_before_what_is_new(database_url: str) -> None:
    async with receiver() as there:
        url, port = there.url, there.port
    async with hooked(database_url, webhook(url)) as first:
        first.bus.emit(created())
        await until(lambda: first.endpoint.held == 1)
    async with receiver(port=port) as back, hooked(database_url, webhook(url)) as second:
        second.bus.emit(active())
        await until(lambda: len(back.received) == 2)
        assert types(back.documents()) == ["stream.created live/a", "stream.active live/a"]


async def test_events_wait_in_memory_while_the_database_is_away_up_to_a_bound(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "QUEUE", 3)

    async with (
        receiver() as there,
        hooked(database_url, webhook(there.url), is_open=False) as fixture,
    ):
        for name in "abcde":
            fixture.bus.emit(created(f"live/{name}"))
        assert fixture.made.queued == 3
        assert fixture.made.lost["queue"] == 2
        (line,) = log_lines(caplog, "events were not kept")
        assert "1 as the database is away" in line
        fixture.opened.set()
        await until(lambda: len(there.received) == 3)
        expected = [f"stream.created live/{name}" for name in "abc"]
        assert sorted(types(there.documents())) == expected


async def test_letters_that_the_database_refused_are_written_later(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.01)
    add, attempts = Outbox.add, list[int]()

    async def fail_twice(outbox: Outbox, letters: Sequence[Letter]) -> None:
        attempts.append(len(letters))
        if len(attempts) <= 2:
            raise DatabaseError("database: no answer within 2 s")
        await add(outbox, letters)

    monkeypatch.setattr(Outbox, "add", fail_twice)
    async with receiver() as there, hooked(database_url, webhook(there.url)) as fixture:
        fixture.bus.emit(created())
        await until(lambda: there.received)
        assert len(attempts) == 3
        assert fixture.made.queued == 0


async def test_letters_whose_answer_was_lost_are_sent_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, begin, adding = Outbox.add, Database.begin, list[object]()

    async def lose(outbox: Outbox, letters: Sequence[Letter]) -> None:
        monkeypatch.setattr(Outbox, "add", add)
        adding.append(asyncio.current_task())
        try:
            await add(outbox, letters)
        except DatabaseError:
            # Meanwhile a courier looks, as it does when others wait or it was hurried.
            assert await outbox.pending("one", [], 10) == []
            raise

    @asynccontextmanager
    async def begin_and_lose(database: Database) -> AsyncIterator[DatabaseConnection]:
        async with begin(database) as connection:
            yield connection
        if asyncio.current_task() in adding:
            adding.clear()
            raise DatabaseError("database: no answer within 2 s")

    monkeypatch.setattr(Outbox, "add", lose)
    monkeypatch.setattr(Database, "begin", begin_and_lose)
    async with receiver() as there, hooked(database_url, webhook(there.url)) as fixture:
        fixture.bus.emit(created())
        await until(lambda: "stream.created live/a" in types(there.documents()))
        fixture.bus.emit(active())
        await until(lambda: "stream.active live/a" in types(there.documents()))
        assert types(there.documents()).count("stream.created live/a") == 1
        assert not adding


async def test_letters_whose_numbers_are_taken_get_others(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Outbox.add

    async def take(outbox: Outbox, letters: Sequence[Letter]) -> None:
        monkeypatch.setattr(Outbox, "add", add)
        await add(outbox, [Letter(letters[0].sequence, "x", "one", "s", "test", "{}", 1)])
        await add(outbox, letters)

    monkeypatch.setattr(Outbox, "add", take)
    async with receiver() as there, hooked(database_url, webhook(there.url)) as fixture:
        fixture.bus.emit(created())
        await until(lambda: len(there.received) == 2)
        fixture.bus.emit(active())
        await until(lambda: "stream.active live/a" in types(there.documents()))
        assert types(there.documents()).count("stream.created live/a") == 1


async def test_letter_is_given_up_when_it_is_old_and_sent_again_when_asked(
    database_url: str,
) -> None:
    retry = Retry(first_s=0.01, longest_s=0.01, away_s=0.01, give_up_s=0, attempts=3)
    async with (
        receiver() as there,
        hooked(database_url, webhook(there.url), retry=retry) as fixture,
    ):
        is_well = False
        there.answer = lambda _: web.Response(status=200 if is_well else 404)
        fixture.bus.emit(created())
        fixture.bus.emit(active())
        await until(lambda: fixture.endpoint.given_up == 2)
        assert len(there.received) == 6
        one, two = await fixture.dead()
        assert (one.event, one.attempts, one.error) == ("stream.created", 3, "HTTP status 404")
        is_well = True
        assert fixture.made.outbox is not None
        assert await fixture.made.outbox.resend("one", time(), id=one.id) == 1
        fixture.endpoint.hurry()
        await until(lambda: fixture.endpoint.delivered == 1)
        assert there.documents()[-1]["id"] == one.id
        assert [each.id for each in await fixture.dead()] == [two.id]


class SetClock:
    """The clock of the machine, which a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_s = 0.0
        for name in ("webhook_delivery", "webhooks"):
            monkeypatch.setattr(f"headend.notify.{name}.time", self)

    def __call__(self) -> float:
        return time() + self.ahead_s


@pytest.mark.parametrize("ahead_s", [86_400.0, -86_400.0])
async def test_letter_that_failed_while_the_clock_was_wrong_waits_no_longer_than_others(
    ahead_s: float, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SetClock(monkeypatch)
    async with receiver() as there, hooked(database_url, webhook(there.url)) as fixture:
        is_well = False
        there.answer = lambda _: web.Response(status=200 if is_well else 500)
        clock.ahead_s = ahead_s
        for stream in ("live/a", "live/b"):  # the receiver counts as away before long
            fixture.bus.emit(created(stream))
        await until(lambda: fixture.endpoint.is_away)
        clock.ahead_s = 0.0
        is_well = True
        await until(lambda: fixture.endpoint.delivered == 2)


async def test_clock_that_jumps_ahead_gives_no_letter_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SetClock(monkeypatch)
    retry = Retry(first_s=0.01, longest_s=0.01, away_s=0.01, attempts=3)
    async with (
        receiver() as there,
        hooked(database_url, webhook(there.url), retry=retry) as fixture,
    ):
        there.answer = lambda _: web.Response(status=500)
        fixture.bus.emit(created())
        await until(lambda: there.received)
        clock.ahead_s = 10 * 24 * 3600.0
        await until(lambda: len(there.received) > 10)
        assert fixture.endpoint.given_up == 0
        assert fixture.endpoint.held == 1


async def test_letter_of_the_future_is_as_old_as_it_has_failed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SetClock(monkeypatch)
    database = Database(database_url, Path("/nowhere"))
    await database.open()
    ahead = time() + 1e9
    letter = Letter(1, "id-1", "one", "live/a", "stream.active", "{}", ahead)
    await Outbox(database).add([letter])
    await database.close()
    assert clock.ahead_s == 0
    retry = Retry(first_s=0.01, longest_s=0.01, away_s=0.01, give_up_s=0.05, attempts=3)
    async with (
        receiver() as there,
        hooked(database_url, webhook(there.url), retry=retry) as fixture,
    ):
        there.answer = lambda _: web.Response(status=500)
        await until(lambda: fixture.endpoint.given_up == 1)
        (dead,) = await fixture.dead()
        assert dead.created_at <= time()  # bounded when it was read


async def test_receiver_that_is_gone_for_good_is_not_asked_twice(database_url: str) -> None:
    async with receiver() as there, hooked(database_url, webhook(there.url)) as fixture:
        there.answer = lambda _: web.Response(status=410)
        fixture.bus.emit(created())
        await until(lambda: fixture.endpoint.given_up == 1)
        assert len(there.received) == 1


def _redirect(there: Receiver) -> web.Response:
    return web.Response(status=302, headers={"Location": there.url})


def _huge(there: Receiver) -> web.Response:
    return web.Response(body=bytes(100_000))


@pytest.mark.parametrize(
    ("make", "error"),
    [(_redirect, "HTTP status 302"), (_huge, "127.0.0.1: its answer is longer than 64 KiB")],
)
async def test_answer_that_is_none_is_a_failure(
    make: Callable[[Receiver], web.Response], error: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    retry = Retry(first_s=60)
    async with receiver() as there, hooked(url, webhook(there.url), retry=retry) as fixture:
        there.answer = lambda _: make(there)
        fixture.bus.emit(created())
        await until(lambda: fixture.endpoint.recent)
        assert fixture.endpoint.recent[0].error == error
        assert len(there.received) == 1


async def test_garbage_in_an_answer_does_not_matter(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    async with receiver() as there, hooked(url, webhook(there.url)) as fixture:
        there.answer = lambda _: web.Response(status=200, body=b"\xff{oops")
        fixture.bus.emit(created())
        await until(lambda: fixture.endpoint.delivered == 1)


async def test_refusals_by_the_thousand_do_not_fill_the_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    async with receiver() as there, hooked(url, webhook(there.url)) as fixture:
        for _ in range(1000):
            fixture.bus.emit(refused())
        await until(lambda: there.received)
        kept = 1000 - fixture.made.lost["refusals"]
        assert 20 <= kept < 40
        await until(lambda: len(there.received) == kept)


async def test_letters_for_a_receiver_that_is_away_too_long_are_lost_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HELD", 2)

    url = f"sqlite:///{tmp_path}/test.db"
    async with receiver() as there, hooked(url, webhook(there.url)) as fixture:
        there.answer = lambda _: web.Response(status=500)
        for _ in range(2):
            fixture.bus.emit(created())
        await until(lambda: fixture.endpoint.held == 2)
        fixture.bus.emit(created())
        await until(lambda: fixture.made.lost["held"] == 1)
        assert fixture.endpoint.held == 2


async def test_settings_that_change_change_the_receivers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    async with receiver() as there, receiver() as other, hooked(url) as fixture:
        fixture.bus.emit(created())
        await until(lambda: fixture.made.outbox)
        fixture.made.configure([webhook(there.url, "one", "stream.*", "streams.*")])
        assert "webhook one: no event is called streams.*" in "".join(log_lines(caplog))
        fixture.bus.emit(created())
        await until(lambda: len(there.received) == 1)
        fixture.made.configure([webhook(other.url, "one"), webhook(other.url, "two")])
        fixture.bus.emit(active())
        await until(lambda: len(other.received) == 2)
        fixture.made.configure([webhook(other.url, "two")])
        assert fixture.made.endpoint("one") is None
        fixture.bus.emit(active())
        await until(lambda: len(other.received) == 3)
        assert len(there.received) == 1


async def test_letters_of_a_webhook_that_is_no_more_are_given_up_at_the_next_start(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiver() as there:
        url = there.url
    async with hooked(database_url, webhook(url)) as first:
        first.bus.emit(created())
        await until(lambda: first.endpoint.held == 1)
    async with hooked(database_url, webhook(url, "two")) as second:
        await until(lambda: second.made.outbox)
        assert second.made.outbox is not None
        (dead,) = await second.made.outbox.page("one", is_dead=True)
        assert dead.error == "the settings name no such webhook any more"
    assert log_lines(caplog, "1 events are given up, for receivers that are no more")


async def test_server_that_stops_writes_what_is_queued(database_url: str) -> None:
    async with receiver() as there:
        url = there.url
    async with hooked(database_url, webhook(url)) as fixture:
        await until(lambda: fixture.made.outbox)
        for _ in range(20):
            fixture.bus.emit(created())
    async with hooked(database_url, webhook(url, "one")) as fixture:
        await until(lambda: fixture.made.outbox)
        assert fixture.endpoint.held == 20


async def test_test_event_is_sent_once_and_its_outcome_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    async with receiver() as there, hooked(url, webhook(there.url)) as fixture:
        attempt = await fixture.endpoint.test()
        assert (attempt.event, attempt.error) == ("webhook.test", None)
        (got,) = there.received
        assert verify(got.body, got.headers, SECRET) == attempt.id
        there.answer = lambda _: web.Response(status=401)
        assert (await fixture.endpoint.test()).error == "HTTP status 401"
        assert json.loads(got.body)["data"] == {}


async def test_database_that_fails_later_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delivery_module, "DATABASE_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "PAUSE_S", 0.01)
    faults = {"newest": 1, "pending": 2, "remove": 1, "failed": 1}
    for name in faults:
        monkeypatch.setattr(Outbox, name, _failing(faults, name, getattr(Outbox, name)))

    url = f"sqlite:///{tmp_path}/test.db"
    async with receiver() as there, hooked(url, webhook(there.url)) as fixture:
        there.answer = lambda _: web.Response(status=500 if len(there.received) < 3 else 204)
        fixture.bus.emit(created())
        fixture.bus.emit(active())
        await until(lambda: fixture.endpoint.delivered >= 2 and fixture.endpoint.held == 0)
        first_seen = list(dict.fromkeys(types(there.documents())))
        assert first_seen == ["stream.created live/a", "stream.active live/a"]
        assert faults == dict.fromkeys(faults, 0)
    assert log_lines(caplog, "webhook one: database: gone; what waits is kept")


def _failing(faults: dict[str, int], name: str, method: Any) -> Any:
    """Wrap a method of the outbox that fails so many times first."""

    async def call(outbox: Outbox, *arguments: Any, **options: Any) -> Any:
        if faults[name]:
            faults[name] -= 1
            raise DatabaseError("database: gone")
        return await method(outbox, *arguments, **options)

    return call


def test_events_of_an_outage_of_the_database_arrive_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery_module, "DATABASE_PAUSE_S", 0.05)
    monkeypatch.setattr(module, "PAUSE_S", 0.05)
    with postgres_server() as postgres:
        url = create_database(postgres.url, "outage")

        async def main() -> None:
            async with receiver() as there, hooked(url, webhook(there.url)) as fixture:
                fixture.bus.emit(created())
                await until(lambda: fixture.endpoint.held == 0 and fixture.endpoint.delivered == 1)
                await asyncio.to_thread(postgres.stop)
                for _ in range(5):
                    fixture.bus.emit(active())
                await asyncio.to_thread(postgres.start)
                await until(lambda: fixture.endpoint.delivered == 6)
                sequences = [each["sequence"] for each in there.documents()]
                assert sequences == sorted(set(sequences))

        run(main())


async def test_one_event_that_is_never_taken_does_not_make_the_receiver_away(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    retry = Retry(first_s=0.01, longest_s=0.01, away_s=60)
    async with (
        receiver() as there,
        hooked(url, webhook(there.url), retry=retry) as fixture,
    ):
        there.answer = lambda request: web.Response(
            status=500 if request.document["data"]["stream"] == "live/bad" else 200
        )
        fixture.bus.emit(created("live/bad"))
        await until(lambda: fixture.endpoint.failures >= 10)
        fixture.bus.emit(created("live/good"))
        await until(lambda: fixture.endpoint.delivered == 1)
        assert not fixture.endpoint.is_away


async def test_server_that_stops_waits_for_no_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver() as there, hooked(f"sqlite:///{tmp_path}/test.db", webhook(there.url)):
        close, is_asked = Cursor.close, asyncio.Event()

        async def notice(cursor: Cursor) -> None:
            is_asked.set()
            await close(cursor)

        monkeypatch.setattr(Cursor, "close", notice)
        await is_asked.wait()  # the server stops when SQLite has a question to answer


async def test_server_that_stops_has_forgotten_what_has_arrived(database_url: str) -> None:
    async with receiver() as there:
        async with hooked(database_url, webhook(there.url)) as fixture:
            slow = asyncio.Event()

            async def answer(request: Received) -> web.Response:
                if request.document["type"] == "stream.active":
                    await slow.wait()  # until the server has stopped
                return web.Response()

            there.answer = answer
            fixture.bus.emit(created())
            fixture.bus.emit(active())
            await until(lambda: len(there.received) == 2)
        slow.set()
        async with hooked(database_url, webhook(there.url)) as fixture:
            await until(lambda: fixture.endpoint.delivered)
        sent = ["stream.created live/a", "stream.active live/a", "stream.active live/a"]
        assert types(there.documents()) == sent


async def test_disk_that_is_full_is_told_once_and_not_each_time_it_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk().use(monkeypatch)
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    tries = 0

    url = f"sqlite:///{tmp_path}/test.db"
    async with receiver() as there, hooked(url, webhook(there.url)) as fixture:
        await until(lambda: fixture.made.outbox is not None)
        outbox = fixture.made.outbox
        assert outbox is not None
        add = outbox.add

        async def count(letters: Sequence[Letter]) -> None:
            nonlocal tries
            tries += 1
            await add(letters)

        monkeypatch.setattr(outbox, "add", count)
        disk.is_full = True
        fixture.bus.emit(StreamEnded(time=1, stream="live/a", reason="lost", bytes=7, duration_s=1))
        await until(lambda: tries >= 5)
        assert len(log_lines(caplog, "disk is full; 1 events wait for it")) == 1
        disk.is_full = False
        await until(lambda: there.received)
