"""Clients that leave in the middle of a request: everything is freed at once, and is no error."""

import asyncio
from pathlib import Path

import pytest
from tests.harness import KEYFRAME, VIDEO_HEADER, Live, log_lines, until
from tests.raw_http import HttpClient, http_server

from headend.hls.streams import HlsStreams
from headend.store.keys import KeyStore
from headend.store.recorder import Recorder
from headend.store.records import AuditEntry

UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
ONE_PLACE = "limits.waiting_requests=1"
LONG = "live.wait_s=300"


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def waiting(live: Live) -> int:
    """Return how many requests wait, for a stream or for the next part of one."""
    return live.services.arrivals.waiting + live.services.features[HlsStreams].waiting


REQUESTS = [
    get("/live/a.flv"),
    get("/live/a.flv", *UPGRADE),
    get("/live/a/index.m3u8"),
    get("/live/a/main.m3u8?_HLS_msn=0"),
    get("/watch/live/a?wait=1", "Accept: application/json"),
]
NAMES = ["flv", "websocket", "hls", "hls part", "watch"]


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("request_text", REQUESTS, ids=NAMES)
async def test_client_that_leaves_while_it_waits_frees_its_place_and_is_no_error(
    request_text: bytes, is_reset: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with http_server(tmp_path, ONE_PLACE, LONG) as live:
        for _ in range(3):  # there is one place
            client = await HttpClient.to(live)
            await client.send(request_text)
            await until(lambda: waiting(live) == 1)
            client.reset() if is_reset else client.close()
            await until(lambda: waiting(live) == 0)
            await until(lambda: not live.services.admission.connections)
        publisher = await live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        await live.received("live/a", 2)
        assert not live.services.sessions.viewers
    assert not log_lines(caplog, "ERROR")
    assert "Traceback" not in caplog.text


async def test_client_that_leaves_a_stream_that_is_packaged_frees_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with http_server(tmp_path, ONE_PLACE, LONG) as live:
        publisher = await live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        await live.received("live/a", 2)
        for _ in range(3):
            client = await HttpClient.to(live)
            await client.send(get("/live/a/index.m3u8"))
            await until(lambda: waiting(live) == 1)
            client.close()
            await until(lambda: waiting(live) == 0)
    assert not log_lines(caplog, "ERROR")


async def test_client_that_leaves_with_requests_behind_it_frees_all(tmp_path: Path) -> None:
    async with http_server(tmp_path, LONG) as live:
        client = await HttpClient.to(live)
        await client.send(get("/live/a/index.m3u8") * 5)
        await until(lambda: waiting(live) == 1)
        client.close()
        await until(lambda: not live.services.admission.connections)
        await until(lambda: waiting(live) == 0)


async def test_change_goes_on_and_is_noted_though_the_client_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the admin token must not be able to hide what was done with it."""

    has_begun, may_go_on = asyncio.Event(), asyncio.Event()
    noted: list[AuditEntry] = []
    create = KeyStore.create

    async def slow(self: KeyStore, *arguments: object) -> object:
        has_begun.set()
        await may_go_on.wait()
        return await create(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(KeyStore, "create", slow)
    async with http_server(tmp_path) as live:
        monkeypatch.setattr(Recorder, "note", lambda _, entry: noted.append(entry))
        token = (live.services.settings.data / "admin.token").read_text().strip()
        body = b'{"stream": "live/a"}'
        head = (
            "POST /api/v1/keys HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {token}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        client = await HttpClient.to(live)
        await client.send("\r\n".join([*head, "", ""]).encode() + body)
        await has_begun.wait()
        client.reset()
        await until(lambda: not live.services.admission.connections)
        may_go_on.set()
        await until(lambda: noted)
        assert [(entry.action, entry.outcome) for entry in noted] == [("key.create", "done")]
        assert await (await live.key_store()).count(stream="live/a") == 1
