"""Tests of headend.net.notes: what one address makes the server write has a bound."""

import asyncio
import logging
from collections import Counter
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from tests.harness import command, live_server, log_lines, until
from tests.hls_viewers import hls_viewer
from tests.web import Web, serve_stored

from headend.decisions import Address
from headend.events import Event, Events, PeerNoisy
from headend.hls.streams import HlsStreams
from headend.net import notes
from headend.net.notes import BUDGETS, NOISY, OF_ALL, PERIOD_S, Kind, Notes
from headend.net.peer import Peer
from headend.net.pseudonyms import Pseudonyms
from headend.relay.relays import Relays
from headend.store.recorder import Recorder
from headend.store.records import AuditEntry, AuditFilter, SessionFilter

HOME: Address = ip_address("203.0.113.7")


class Fixture:
    """Notes whose clock the test moves, and what they tell the bus."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.told: list[PeerNoisy] = []
        bus = Events(lambda _event, error: pytest.fail(str(error)))
        bus.subscribe(self._hear)
        loop = Mock(spec=["time"])
        loop.time = lambda: self.now
        self.notes = Notes(bus, loop, Pseudonyms())

    def _hear(self, event: Event) -> None:
        assert isinstance(event, PeerNoisy)
        self.told.append(event)

    def written(self, kind: Kind, count: int, address: Address | None = HOME) -> int:
        """Have an address do something so often; return how often it is written."""
        return sum(self.notes.may_write(kind, address, f"{kind} {n}") for n in range(count))


@pytest.mark.parametrize("kind", BUDGETS)
def test_so_much_of_an_address_is_written_and_more_with_time(kind: Kind) -> None:
    it = Fixture()
    most, per_s = BUDGETS[kind]
    assert it.written(kind, 10_000) == most
    it.now += 2.5 / per_s
    assert it.written(kind, 10_000) == min(2, most)
    it.now += 100 * most / per_s
    assert it.written(kind, 10_000) == most


def test_what_one_address_does_is_not_counted_against_another_nor_another_kind() -> None:
    it = Fixture()
    it.written("refusal", 1000)
    assert it.written("session", 1) == 1
    assert it.written("refusal", 1, ip_address("203.0.113.8")) == 1
    assert it.written("refusal", 1, None) == 1
    it.written("refusal", 1000, ip_address("2001:db8::1"))
    assert it.written("refusal", 1, ip_address("2001:db8::2")) == 0  # of the same customer


def test_the_rest_is_told_once_a_minute_with_its_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = Fixture()
    it.written("refusal", 100)
    it.written("session", 2005)
    it.notes.tick(it.now)
    it.notes.tick(it.now + PERIOD_S - 1)
    assert it.told == []
    it.now += PERIOD_S
    it.notes.tick(it.now)
    it.notes.tick(it.now + PERIOD_S)
    (event,) = it.told
    assert (event.address, event.refusals, event.sessions) == ("203.0.113.7", 40, 5)
    (line,) = log_lines(caplog)
    assert line == (
        "WARNING 203.0.113.7: 40 refusals and faults and 5 sessions more in 60 s, not told one by "
        "one, the last: session 2004"
    )


def test_what_is_not_told_yet_when_the_server_stops_is_told_then() -> None:
    it = Fixture()
    it.written("refusal", 61)
    it.notes.close()
    it.notes.close()
    assert [event.refusals for event in it.told] == [1]


def test_many_addresses_share_one_summary_and_one_budget_of_refusals() -> None:
    it = Fixture()
    customers = [ip_address(f"2001:db8:0:{n:x}::1") for n in range(2000)]
    written = sum(it.written("refusal", 10, each) for each in customers)
    assert written == OF_ALL[0]
    it.notes.close()
    assert len(it.told) == NOISY + 1
    assert it.told[-1].address is None
    assert sum(event.refusals for event in it.told) == 20_000 - written


def test_many_addresses_share_one_budget_of_sessions_apart_from_that_of_refusals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notes, "SESSIONS_OF_ALL", (3000, 5.0))
    it = Fixture()
    customers = [ip_address(f"2001:db8:0:{n:x}::1") for n in range(1000)]
    assert sum(it.written("session", 5, each) for each in customers) == 3000
    assert it.written("refusal", 1, customers[0]) == 1
    it.now += 10
    assert sum(it.written("session", 1, each) for each in customers) == 50
    it.notes.close()
    assert sum(event.sessions for event in it.told) == 2000 + 950


def test_fault_is_logged_as_it_should_be_or_counted(caplog: pytest.LogCaptureFixture) -> None:
    it, peer = Fixture(), Peer(HOME, 4711)
    with caplog.at_level(logging.INFO):
        assert it.notes.fault(peer, f"{peer} sent nonsense", logging.INFO)
        assert sum(it.notes.fault(peer, f"{peer} fails") for _ in range(100)) == 59
    assert log_lines(caplog)[0] == "INFO 203.0.113.7:4711 sent nonsense"
    assert len(log_lines(caplog, "WARNING")) == 59


# ---------------------------------------------------------------------- on a whole server


async def settled(web: Web) -> tuple[list[AuditEntry], int]:
    """Stop counting and return what was written: audit entries, and rows of the history."""
    recorder = web.live.services.features[Recorder]
    web.live.services.notes.close()
    await until(lambda: recorder.trail is not None and not recorder.waiting)
    assert recorder.trail is not None
    assert recorder.history is not None
    return (
        await recorder.trail.page(AuditFilter(), limit=10_000),
        await recorder.history.count(SessionFilter()),
    )


def headers_of(number: int) -> dict[str, str]:
    return {"User-Agent": f"agent {number}", "Host": f"host{number}.example"}


FLOODS: dict[str, Any] = {
    # What a stranger asks for, each time a little differently.
    "private names": lambda n: ("GET", f"/live/{n}.flv", {}),
    "names of HLS": lambda n: ("GET", f"/live/{n}/index.m3u8", headers_of(n)),
    "wrong tokens": lambda n: ("GET", f"/live/a.flv?token={n}", {}),
    "pictures": lambda n: ("GET", f"/live/{n}/thumbnail.jpg", {}),
    "WebSocket": lambda n: (
        "GET", f"/live/{n}.flv",
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
         "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="},
    ),
    "hosts of the API": lambda n: ("GET", "/api/v1/server", headers_of(n)),
    "admin tokens": lambda n: ("GET", "/api/v1/server", {"Authorization": f"Bearer {n}"}),
    "sign-in": lambda n: ("POST", f"/api/v1/sign-in?n={n}", {}),
}  # fmt: skip


@pytest.mark.parametrize("what", FLOODS)
async def test_stranger_who_asks_again_and_again_over_http_is_told_of_in_a_sum(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    count, most = 300, BUDGETS["refusal"][0]

    with caplog.at_level(logging.INFO):
        private = 'auth.private=["live/*"]'
        async with serve_stored(tmp_path, private, "auth.wrong_attempts=1000") as web:
            for number in range(count):
                method, path, headers = FLOODS[what](number)
                body = {"json": {"token": str(number)}} if method == "POST" else {}
                answer = await web.ask(method, path, headers=headers, **body)
                assert 400 <= answer.status < 500
            entries, rows = await settled(web)
            assert len(entries) <= most + 2  # a little comes in while it lasts
            assert rows <= most + 2
            (summary,) = (entry for entry in entries if entry.action == "peer.noisy")
            assert summary.address == "127.0.0.1"
            assert sum(entry.count for entry in entries) >= count / 2
            assert len(log_lines(caplog)) < most + 20


async def test_stranger_who_asks_again_and_again_over_rtmp_is_told_of_in_a_sum(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        settings = ("auth.publish=key", 'auth.private=["live/*"]')
        async with live_server(tmp_path, *settings) as live:
            told: Counter[str] = Counter()
            live.services.events.subscribe(lambda event: told.update([event.name]))
            for number in range(30):
                for what, name in (
                    ("publish", f"a{number}"),
                    ("play", f"b{number}"),
                    ("play", "a*b"),
                ):
                    peer = await live.connected()
                    await peer.send(command(what, 3, None, name, "live", on=1))
                    await peer.expect("NetStream." + what.title())
            assert live.services.counters.rejected == 90
            live.services.notes.close()
            assert told["request.refused"] <= BUDGETS["refusal"][0]
            assert told["peer.noisy"] == 1
            assert len(log_lines(caplog)) < BUDGETS["refusal"][0] + 20


async def test_connections_that_break_the_protocol_are_told_of_in_a_sum(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path) as live:
        for _ in range(100):
            peer = await live.peer()
            await peer.send(b"GET / HTTP/1.1\r\n\r\n")
            await peer.expect_close()
        assert len(log_lines(caplog, "closed: ")) <= BUDGETS["refusal"][0] + 2


def few_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server write of ten sessions of an address."""
    budgets: dict[Kind, tuple[float, float]] = {**BUDGETS, "session": (10, 1e-9)}
    monkeypatch.setattr("headend.net.notes.BUDGETS", budgets)


async def test_viewer_of_many_names_is_told_of_in_a_sum_and_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_sessions(monkeypatch)

    with caplog.at_level(logging.INFO):
        async with serve_stored(tmp_path, "hls.part_s=0") as web:
            await web.publish()  # the first of ten
            for number in range(15):
                async with web.client.get(
                    f"{web.base}/live/a.flv", headers={"User-Agent": f"agent {number}"}
                ) as viewer:
                    assert viewer.status == 200
            for _ in range(15):
                player = await web.live.player("a")
                await player.expect_media(2)
                player.close()
            stream = web.stream()
            hls = web.live.services.features[HlsStreams]
            packaged = hls.begin(stream)
            for number in range(15):
                hls_viewer(packaged, Peer.at("127.0.0.1", 1), f"agent {number}")
            assert len(packaged.audience) == 15
            packaged.audience.end("they are gone")
            services = web.live.services
            await until(
                lambda: not services.sessions.viewers and len(services.sessions.connections) == 1
            )
            entries, rows = await settled(web)
            assert rows == 10
            (summary,) = (entry for entry in entries if entry.action == "peer.noisy")
            assert summary.count == 1 + 15 + 15 + 15 - 10
            assert len(log_lines(caplog, " play live/a")) <= 2 * 9 + 1


async def test_publisher_who_comes_again_and_again_is_refused_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_sessions(monkeypatch)

    async with live_server(tmp_path) as live:
        for number in range(10):
            publisher = await live.publisher(f"a{number}")
            publisher.close()
        peer = await live.connected()
        await peer.send(command("publish", 3, None, "b", "live", on=1))
        await peer.expect("NetStream.Publish.Denied")
        assert "too many publishers came from your address" in peer.reasons[-1]
        await live.publisher("b", source="127.0.0.2")


async def test_fetches_of_names_that_somebody_invents_are_told_of_in_a_sum(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_sessions(monkeypatch)

    with caplog.at_level(logging.INFO):
        url = "rtmp://127.0.0.1:9/live/{name}"  # nobody is there
        async with live_server(tmp_path, f'relay.in=[{{match="live/*", url="{url}"}}]') as live:
            relays = live.services.features[Relays]
            for number in range(30):
                relays.want(f"live/{number}", HOME)
            await until(
                lambda: all(t.state == "retrying" for r in relays.described() for t in r.targets)
            )
            assert len(log_lines(caplog, "relay in")) == 10


async def test_two_addresses_are_told_of_apart(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        told: list[PeerNoisy] = []
        live.services.events.subscribe(
            lambda event: told.append(event) if isinstance(event, PeerNoisy) else None
        )
        for source in ("127.0.0.2", "127.0.0.3"):
            peers = [await live.peer(source=source) for _ in range(70)]
            for peer in peers:
                await peer.send(b"nonsense")
            await asyncio.gather(*(peer.expect_close() for peer in peers))
        live.services.notes.close()
        assert {event.address for event in told} == {"127.0.0.2", "127.0.0.3"}
