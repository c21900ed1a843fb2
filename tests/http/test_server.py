"""Tests of headend.http.server, over real connections."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.harness import KEYFRAME, VIDEO_HEADER, Live, live_server, log_lines, until

from headend.http.server import HttpServer


class Web:
    """A server with HTTP, and a client of it."""

    def __init__(self, live: Live, client: aiohttp.ClientSession) -> None:
        self.live = live
        self._client = client

    async def get(
        self, path: str, authorization: str | None = None, method: str = "GET"
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        """Ask; return status, document (JSON or text) and the response."""
        headers = {} if authorization is None else {"Authorization": authorization}
        address = self.live.server.addresses["http"][0]
        async with self._client.request(method, f"http://{address}{path}", headers=headers) as got:
            text = await got.text()
            return got.status, await got.json() if "json" in got.content_type else text, got


@asynccontextmanager
async def serve(data: Path, *settings: str) -> AsyncIterator[Web]:
    async with (
        live_server(data, "http.listen=127.0.0.1:0", *settings) as live,
        aiohttp.ClientSession() as client,
    ):
        yield Web(live, client)


def token(data: Path) -> str:
    return (data / "admin.token").read_text().strip()


async def test_health_and_readiness_are_told_to_everybody(tmp_path: Path) -> None:
    async with serve(tmp_path) as http:
        assert (await http.get("/healthz"))[:2] == (200, {"status": "ok"})
        assert (await http.get("/readyz"))[:2] == (200, {"status": "ready"})


async def test_server_that_stops_is_not_ready(tmp_path: Path) -> None:
    async with serve(tmp_path) as http:
        http.live.services.sessions.is_stopping = True
        assert (await http.get("/readyz"))[:2] == (503, {"status": "stopping"})
        assert (await http.get("/healthz"))[0] == 200


async def test_metrics_are_in_prometheus_text_form(tmp_path: Path) -> None:
    async with serve(tmp_path) as http:
        status, text, response = await http.get("/metrics")
        assert status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert "\nheadend_connections 0.0\n" in text


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer t\xf6ken"],
)
@pytest.mark.parametrize("path", ["/api/v1/streams", "/api/v1/nothing", "/api/"])
async def test_api_without_the_admin_token_is_refused_and_says_where_it_is(
    authorization: str | None, path: str, tmp_path: Path
) -> None:
    async with serve(tmp_path) as http:
        shown = authorization and authorization.replace("{token}", token(tmp_path))
        status, problem, response = await http.get(path, shown)
        assert status == 401
        assert response.content_type == "application/problem+json"
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert problem["status"] == 401
        assert "admin.token" in problem["detail"]
        assert token(tmp_path) not in str(problem)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
async def test_streams_are_listed_for_the_admin_token(scheme: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as http:
        bearer = f"{scheme} {token(tmp_path)}"
        nothing = {"streams": [], "total": 0, "next": None}
        assert (await http.get("/api/v1/streams", bearer))[:2] == (200, nothing)
        publisher = await http.live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        stream = http.live.services.registry.stream("live/a")
        assert stream is not None
        await until(lambda: stream.tags_in == 2)
        _, document, _ = await http.get("/api/v1/streams", bearer)
        assert [each["path"] for each in document["streams"]] == ["live/a"]
        _, document, _ = await http.get("/api/v1/sessions", bearer)
        assert [each["publishes"] for each in document["sessions"]] == [["live/a"]]


async def test_unknown_addresses_and_methods_are_errors(tmp_path: Path) -> None:
    async with serve(tmp_path) as http:
        assert (await http.get("/nothing"))[0] == 404
        status, problem, response = await http.get("/healthz", method="POST")
        assert (status, response.headers["Allow"]) == (405, "GET,HEAD")
        assert problem["detail"] == "POST is not possible here; use GET,HEAD."
        status, _, response = await http.get("/live/a/index.m3u8", method="DELETE")
        assert (status, response.headers["Allow"]) == (405, "GET,HEAD,OPTIONS")
        bearer = f"Bearer {token(tmp_path)}"
        assert (await http.get("/api/v1/nothing", bearer))[0] == 404


async def test_reload_is_asked_for_and_answers_what_happened(tmp_path: Path) -> None:
    async with serve(tmp_path) as http:
        bearer = f"Bearer {token(tmp_path)}"
        status, document, _ = await http.get("/api/v1/reload", bearer, "POST")
        assert status == 200
        assert document == {"messages": ["settings reloaded: nothing changed"]}


@pytest.mark.parametrize("target", ["/" + "a" * 9000, "/a b"])
async def test_request_that_cannot_be_read_is_no_error_and_its_bytes_are_not_logged(
    target: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with serve(tmp_path) as http:
            host, _, port = http.live.server.addresses["http"][0].rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET {target}?token=hush-hush HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert (await reader.readline()).split()[1] == b"400"
            writer.close()
        assert "sent no HTTP: " in "\n".join(log_lines(caplog))
        assert "hush" not in caplog.text
        assert not log_lines(caplog, "ERROR")


async def test_request_that_does_not_end_delays_the_stop_by_seconds_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun = asyncio.Event()

    async def hang(self: HttpServer, request: web.Request) -> web.Response:
        has_begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(HttpServer, "_health", hang)
    async with serve(tmp_path) as http:
        asking = asyncio.create_task(http.get("/healthz"))
        await has_begun.wait()
        started = time.monotonic()
        await http.live.server.stop()
        assert time.monotonic() - started < 45
        await asyncio.wait([asking])
        assert isinstance(asking.exception(), aiohttp.ClientError)
