"""Tests of headend.http.bodies, over real connections."""

import gzip
from pathlib import Path

import pytest
from tests.harness import Live
from tests.raw_http import HEALTH, HttpClient, http_server

KEYS = "/api/v1/keys"
BOMB = gzip.compress(bytes(1_000_000), mtime=0)


def post(path: str, body: bytes, *headers: str, size: int | None = None) -> bytes:
    """Write a request whose body says it has a size, its own if none is given."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Length: {size or len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def bearer(live: Live) -> str:
    folder = live.services.settings.data
    return f"Authorization: Bearer {(folder / 'admin.token').read_text().strip()}"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", BOMB),
        ("GZIP", BOMB),
        ("deflate", b"x\x9cc\x00\x00\x00\x01\x00\x01"),
        ("br", b"\x0b\x02\x80abc\x03"),
        ("identity, gzip", BOMB),
        ("gzip\r\nContent-Encoding: identity", b"no gzip"),
    ],
)
@pytest.mark.parametrize("path", [KEYS, "/api/v1/sign-in", "/nothing", "/live/a/index.m3u8"])
async def test_body_that_would_have_to_be_decoded_is_not_taken_anywhere(
    path: str, coding: str, body: bytes, tmp_path: Path
) -> None:
    async with http_server(tmp_path) as live:
        client = await HttpClient.to(live)
        json = "Content-Type: application/json"
        await client.send(post(path, body, json, f"Content-Encoding: {coding}", bearer(live)))
        answer = await client.answer()
        assert (answer.status, answer.headers["accept-encoding"]) == (415, "identity")
        assert b"without Content-Encoding" in answer.body
        await client.send(HEALTH)  # all of the body was there: the connection goes on
        assert (await client.answer()).status == 200


@pytest.mark.parametrize("path", [KEYS, "/nothing"])
async def test_transfer_coding_that_is_not_known_is_refused(path: str, tmp_path: Path) -> None:
    async with http_server(tmp_path) as live:
        client = await HttpClient.to(live)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
        await client.send(f"{head}Transfer-Encoding: gzip, chunked\r\n\r\n".encode())
        await client.send(b"3\r\nabc\r\n0\r\n\r\n")
        assert (await client.answer()).status == 501


async def test_body_that_is_what_it_is_is_taken(tmp_path: Path) -> None:
    async with http_server(tmp_path) as live:
        client = await HttpClient.to(live)
        headers = ("Content-Type: application/json", "Content-Encoding: identity", bearer(live))
        await client.send(post(KEYS, b'{"stream": "live/a"}', *headers))
        assert (await client.answer()).status == 201


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (KEYS, ("Content-Encoding: gzip",), 415),
        (KEYS, (), 401),
        (KEYS, ("bearer", "Content-Type: text/plain"), 415),
        (KEYS, ("bearer", "Content-Type: application/json"), 413),
        ("/healthz", (), 405),
        ("/nothing", (), 404),
    ],
)
async def test_rest_of_a_body_that_is_refused_is_not_waited_for(
    path: str, headers: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    async with http_server(tmp_path) as live:
        client = await HttpClient.to(live)
        told = (bearer(live) if each == "bearer" else each for each in headers)
        await client.send(post(path, bytes(70_000), *told, size=10**9))
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        await client.expect_close()


async def test_body_that_nobody_reads_does_not_end_the_connection_if_it_is_there(
    tmp_path: Path,
) -> None:
    async with http_server(tmp_path) as live:
        client = await HttpClient.to(live)
        await client.send(post("/nothing", b"a short one"))
        answer = await client.answer()
        assert (answer.status, answer.headers.get("connection")) == (404, None)
        await client.send(HEALTH)
        assert (await client.answer()).status == 200
