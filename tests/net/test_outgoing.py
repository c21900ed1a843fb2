"""Tests of headend.net.outgoing, with real servers and without leaving this machine."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from tests.outside import FORMS, inner_server, stand_outside
from tests.receiver import Received, receiver

from headend.net.outgoing import ANSWER_BYTES, Outgoing, OutgoingError, Rules
from headend.net.places import resolve


@asynccontextmanager
async def calls(*entries: str, ca: Path | None = None) -> AsyncIterator[Outgoing]:
    outgoing = Outgoing(Rules.of(entries), ca)
    try:
        yield outgoing
    finally:
        await outgoing.close()


async def test_body_and_headers_arrive_and_the_answer_comes_back() -> None:
    async with receiver() as there, calls() as outgoing:
        there.answer = lambda _: web.Response(status=418, body=b"short")
        answer = await outgoing.post(f"{there.url}a?b=c", b"hello", {"X-One": "1"}, 5)
        assert (answer.status, answer.body) == (418, b"short")
        (got,) = there.received
        assert (got.path, got.body) == ("/a?b=c", b"hello")
        assert got.headers["x-one"] == "1"
        assert got.headers["user-agent"].startswith("Headend/")


async def test_redirect_is_given_back_and_not_followed() -> None:
    async with receiver() as there, calls() as outgoing:
        there.answer = lambda _: web.Response(status=307, headers={"Location": there.url})
        assert (await outgoing.post(there.url, b"", {}, 5)).status == 307
        assert len(there.received) == 1


async def test_name_is_called_at_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: object) -> list[object]:
        # Rebinding: the name leads somewhere else whenever it is asked for again.
        asked.append(host)
        text = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))]

    async with receiver() as there, calls("hooks.example") as outgoing:
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        url = f"http://hooks.example:{there.port}/"
        assert (await outgoing.post(url, b"", {}, 5)).status == 204
        assert there.received[0].headers["host"] == f"hooks.example:{there.port}"
        assert asked == ["hooks.example"]
        await outgoing.close()
        with pytest.raises(OutgoingError, match=r"hooks\.example is not allowed"):
            await outgoing.post(url, b"", {}, 5)
        assert len(there.received) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",  # the same as one number
        "http://0xa9fea9fe/",
        "http://169.254.43518/",
        "http://\uff11\uff16\uff19.254.169.254/",  # digits that Unicode turns into an address
        "http://169\u3002254\u3002169\u3002254/",
        "http://\u2460\u2465\u2468.254.169.254/",
        "http://0251.0376.0251.0376/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://[::169.254.169.254]/",
        "http://169.254.169.254./",
    ],
)
async def test_address_that_is_not_allowed_is_not_called_however_it_is_written(url: str) -> None:
    async with calls() as outgoing:
        with pytest.raises(OutgoingError, match=r"not allowed|none that can be called"):
            await outgoing.post(url, b"", {}, 5)


@pytest.mark.parametrize("form", FORMS)
async def test_host_that_is_not_on_the_list_is_not_called_however_it_is_written(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_outside(monkeypatch)

    async with inner_server() as inner, calls("hooks.example", "10.0.0.0/8") as outgoing:
        with pytest.raises(OutgoingError, match=r"not allowed|none that can be called"):
            await outgoing.post(f"http://{form}:{inner.port}/", b"", {}, 5)
        assert inner.visits == 0


@pytest.mark.parametrize("url", ["http://[::1", "http://\u2100.example/", "http:///", "ftp://a/"])
async def test_url_that_is_none_is_told(url: str) -> None:
    async with calls() as outgoing:
        with pytest.raises(OutgoingError):
            await outgoing.post(url, b"", {}, 5)


async def test_connections_of_before_are_not_used_once_the_rules_are_others() -> None:
    async with receiver() as there, calls() as outgoing:
        url = f"http://localhost:{there.port}/"
        assert (await outgoing.post(url, b"", {}, 5)).status == 204
        outgoing.rules = Rules.of(["other.example"])
        with pytest.raises(OutgoingError, match="localhost is not allowed"):
            await outgoing.post(url, b"", {}, 5)
        assert len(there.received) == 1


async def test_call_that_goes_on_is_answered_when_the_rules_change() -> None:
    async with receiver() as there, calls() as outgoing:
        asked, may_answer = asyncio.Event(), asyncio.Event()

        async def late(_: Received) -> web.StreamResponse:
            asked.set()
            await may_answer.wait()
            return web.Response(status=201)

        there.answer = late
        call = asyncio.create_task(outgoing.post(there.url, b"", {}, 5))
        await asked.wait()
        outgoing.rules = Rules.of(["other.example"])
        may_answer.set()
        assert (await call).status == 201


async def test_host_that_is_not_on_the_list_is_not_called() -> None:
    async with receiver() as there, calls("hooks.example") as outgoing:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(OutgoingError, match=f"{host} is not allowed; name it in auth"):
                await outgoing.post(f"http://{host}:{there.port}/?t=s3cret", b"", {}, 5)
        assert there.received == []
        outgoing.rules = Rules.of(["localhost"])
        assert (await outgoing.post(f"http://localhost:{there.port}/", b"", {}, 5)).status


async def test_slow_answer_is_not_waited_for() -> None:
    async with receiver() as there, calls() as outgoing:

        async def never(_: Received) -> web.StreamResponse:
            await asyncio.sleep(60)
            return web.Response()

        there.answer = never
        with pytest.raises(OutgoingError, match=r"127\.0\.0\.1: no answer within 0.2 s"):
            await outgoing.post(there.url, b"", {}, 0.2)


async def test_huge_answer_is_refused() -> None:
    async with receiver() as there, calls() as outgoing:
        there.answer = lambda _: web.Response(body=bytes(ANSWER_BYTES + 1))
        with pytest.raises(OutgoingError, match="its answer is longer than 64 KiB"):
            await outgoing.post(there.url, b"", {}, 5)
        there.answer = lambda _: web.Response(body=bytes(ANSWER_BYTES))
        assert len((await outgoing.post(there.url, b"", {}, 5)).body) == ANSWER_BYTES


async def _speak(said: bytes) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "its answer makes no sense"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "closed the connection"),
    ],
)
async def test_what_is_no_answer_is_told_in_words(said: bytes, words: str) -> None:
    async with await _speak(said) as server, calls() as outgoing:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OutgoingError, match=f"127.0.0.1: .*{words}") as failure:
            await outgoing.post(f"http://127.0.0.1:{port}/?key=s3cret", b"", {}, 5)
        assert "s3cret" not in str(failure.value)


async def test_place_where_nobody_listens_is_told() -> None:
    async with receiver() as there:
        url = there.url
    async with calls() as outgoing:
        with pytest.raises(OutgoingError, match=r"127\.0\.0\.1: Connection refused"):
            await outgoing.post(url, b"", {}, 5)
        with pytest.raises(OutgoingError, match=r"nowhere\.invalid: "):
            await resolve("nowhere.invalid", 80, Rules())


async def test_https_is_verified_by_the_authorities_of_the_setting(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(other)
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)

    async with receiver(context) as there, receiver(other) as misnamed:
        async with calls(ca=ca) as outgoing:
            assert (await outgoing.post(there.url, b"", {}, 5)).status == 204
            with pytest.raises(OutgoingError, match=r"its certificate is not for 127\.0\.0\.1"):
                await outgoing.post(misnamed.url, b"", {}, 5)
        async with calls() as outgoing:
            with pytest.raises(OutgoingError, match="its certificate is not trusted"):
                await outgoing.post(there.url, b"", {}, 5)
        assert len(there.received) == 1


async def test_connection_that_the_server_has_just_closed_is_replaced() -> None:
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Answers once, and closes when it is asked again: what it kept open for too long.
        connections.append(0)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await reader.read(1)
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, calls() as outgoing:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for _ in range(3):
            assert (await outgoing.post(url, b"", {}, 5)).status == 204
        assert len(connections) == 3


async def test_place_that_never_answers_is_asked_twice_at_most() -> None:
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(0)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, calls() as outgoing:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(OutgoingError, match="closed the connection without an answer"):
            await outgoing.post(url, b"", {}, 5)
        assert len(connections) == 2
