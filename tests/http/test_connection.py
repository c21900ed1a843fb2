"""Tests of headend.http.connection: what a client is given time and a place for."""

import asyncio
from pathlib import Path

import pytest
from tests.harness import log_lines, until
from tests.raw_http import HEALTH, HttpClient, http_server

LONG = "limits.handshake_s=300"  # no test waits so long
HALF = b"GET /healthz HTTP/1.1\r\nHo"


def sign_in(size: int) -> bytes:
    """Return the head of a request that is open to all and has a body."""
    lines = (
        "POST /api/v1/sign-in HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {size}",
    )
    return "\r\n".join([*lines, "", ""]).encode()


# ---------------------------------------------------------------------- bodies


@pytest.mark.parametrize("begun", [b"", b'{"token":'])
async def test_client_whose_body_does_not_come_is_told_so(begun: bytes, tmp_path: Path) -> None:
    async with http_server(tmp_path, LONG, "limits.command_s=0.2") as live:
        client = await HttpClient.to(live)
        await client.send(sign_in(100) + begun)
        answer = await client.answer()
        assert answer.status == 408
        assert b"within 0.2 s (limits.command_s)" in answer.body
        await client.expect_close()


async def test_body_that_comes_byte_by_byte_for_ever_has_no_more_time(tmp_path: Path) -> None:
    async with http_server(tmp_path, LONG, "limits.command_s=0.3") as live:
        client = await HttpClient.to(live)
        await client.send(sign_in(60_000))

        async def trickle() -> None:
            while True:
                await client.send(b" ")
                await asyncio.sleep(0)

        trickling = asyncio.create_task(trickle())
        assert (await client.answer()).status == 408
        trickling.cancel()


async def test_body_in_pieces_is_taken_and_the_connection_goes_on(tmp_path: Path) -> None:
    async with http_server(tmp_path, "limits.command_s=300") as live:
        client = await HttpClient.to(live)
        await client.send(sign_in(15))
        for piece in (b'{"tok', b'en": "', b'no"}'):
            await client.send(piece)
        assert (await client.answer()).status == 401
        await client.send(HEALTH)
        assert (await client.answer()).status == 200


# ---------------------------------------------------------------------- heads


@pytest.mark.parametrize(
    "pieces",
    [
        (HALF,),
        (HEALTH + HALF,),
        (HEALTH, HALF),
        (HEALTH[:-1], HEALTH[-1:] + HALF),
        (HEALTH * 3 + b"G",),
        tuple(bytes([byte]) for byte in HEALTH + HALF),
    ],
)
async def test_head_that_does_not_end_has_its_time_behind_whole_requests_too(
    pieces: tuple[bytes, ...], tmp_path: Path
) -> None:
    async with http_server(tmp_path, "limits.handshake_s=0.3") as live:
        client = await HttpClient.to(live)
        for piece in pieces:
            await client.send(piece)
        answers = (await client.expect_close()).count(b'{"status": "ok"}')
        assert answers == b"".join(pieces).count(b"\r\n\r\n")


async def test_head_behind_a_request_that_waits_has_its_time_after_the_answer(
    tmp_path: Path,
) -> None:
    given = ("limits.handshake_s=0.3", "live.wait_s=1")
    async with http_server(tmp_path, *given) as live:
        client = await HttpClient.to(live)
        await client.send(b"GET /live/a/index.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n" + HALF)
        assert (await client.answer()).status == 404
        assert await client.expect_close() == b""


@pytest.mark.parametrize(
    "pieces", [(HEALTH,), (HEALTH[:-1], HEALTH[-1:]), tuple(bytes([b]) for b in HEALTH)]
)
async def test_connection_that_waits_for_its_next_request_is_not_in_the_middle_of_one(
    pieces: tuple[bytes, ...], tmp_path: Path
) -> None:
    async with http_server(tmp_path, "limits.handshake_s=0.3") as live:
        idle = await HttpClient.to(live)
        for piece in pieces:
            await idle.send(piece)
        assert (await idle.answer()).status == 200
        other = await HttpClient.to(live)
        await other.send(HALF)
        await other.expect_close()  # so long a wait would have ended the first one too
        await idle.send(HEALTH)
        assert (await idle.answer()).status == 200


@pytest.mark.parametrize("request_first", [False, True])
async def test_connection_that_asks_for_nothing_ends(request_first: bool, tmp_path: Path) -> None:
    async with http_server(tmp_path, LONG, "limits.idle_s=1", "live.wait_s=2") as live:
        client = await HttpClient.to(live)
        if request_first:  # one that takes longer than the first wait for a request
            await client.send(b"GET /live/a/index.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await client.answer()).status == 404
        await client.expect_close()


# ---------------------------------------------------------------------- answers


async def test_client_that_takes_nothing_of_an_answer_is_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with http_server(tmp_path, "limits.late_close_s=1") as live:
        page = await HttpClient.to(live)
        await page.send(b"GET /watch/live/a HTTP/1.1\r\nHost: a\r\n\r\n")
        version = (await page.answer()).body.partition(b"/assets/")[2][:12].decode()
        client = await HttpClient.to(live, receive_buffer=4096)
        line = f"GET /assets/{version}/libraries/mpegts.js HTTP/1.1\r\nHost: a\r\n\r\n"
        await client.send(line.encode() * 30)
        await until(lambda: log_lines(caplog, "took nothing"))
        line = f"INFO http {client.name} closed: it took nothing for 1 s (limits.late_close_s)"
        assert log_lines(caplog, "took nothing") == [line]
        assert live.services.counters.late_closed == 1
        await client.expect_close()
        await page.send(HEALTH)
        assert (await page.answer()).status == 200


async def test_client_that_takes_its_time_gets_all(tmp_path: Path) -> None:
    """The time for the next request begins when the answer is taken, not when it is given."""

    async with http_server(tmp_path, "limits.idle_s=1", "limits.late_close_s=2") as live:
        page = await HttpClient.to(live)
        await page.send(b"GET /watch/live/a HTTP/1.1\r\nHost: a\r\n\r\n")
        version = (await page.answer()).body.partition(b"/assets/")[2][:12].decode()
        client = await HttpClient.to(live, receive_buffer=4096)
        line = f"GET /assets/{version}/libraries/mpegts.js HTTP/1.1\r\nHost: a\r\n\r\n"
        await client.send(line.encode() * 4)
        await page.expect_close()  # idle from its answer on: 2 s
        for _ in range(4):
            answer = await client.answer()
            assert len(answer.body) == int(answer.headers["content-length"])


# ---------------------------------------------------------------------- places


async def test_idle_connections_give_way_to_a_publisher_the_oldest_first(tmp_path: Path) -> None:
    async with http_server(tmp_path, "limits.connections=4", "live.wait_s=300") as live:
        waiting = await HttpClient.to(live)
        await waiting.send(b"GET /live/a.flv HTTP/1.1\r\nHost: a\r\n\r\n")
        arrivals = live.services.arrivals
        await until(lambda: arrivals.waiting == 1)
        silent = await HttpClient.to(live)
        answered = await HttpClient.to(live)
        await answered.send(HEALTH)
        assert (await answered.answer()).status == 200
        half = await HttpClient.to(live)
        await half.send(HALF)
        await until(lambda: live.services.admission.connections == 4)
        await live.publisher("b")
        await silent.expect_close()
        await live.player("b")
        await answered.expect_close()
        await half.send(HEALTH[len(HALF) :])
        assert (await half.answer()).status == 200
        assert live.services.counters.refused == 0
        await live.connected()
        await half.expect_close()
        refused = await live.peer()  # nobody is idle any more
        await refused.expect_close()
        assert (live.services.counters.refused, arrivals.waiting) == (1, 1)


async def test_nothing_is_kept_of_connections_that_could_have_given_way(tmp_path: Path) -> None:
    async with http_server(tmp_path) as live:
        for text in (b"", HALF, HEALTH, b"no HTTP\r\n\r\n", HEALTH.replace(b"1.1", b"1.0")):
            client = await HttpClient.to(live)
            await client.send(text)
            if text.endswith(b"\r\n\r\n"):
                await client.answer()
            client.reset()
        await until(lambda: not live.services.admission.connections)
        assert not live.services.admission._spare
