"""Tests of headend.http.api.events: what consoles are told."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.e2e.wait import LIMIT_S
from tests.harness import until, until_so
from tests.web import Web, serve

from headend.http.api import events
from headend.live import status


async def following(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """Read an event."""
    assert await response.content.readline() == b"event: update\n"
    line = await response.content.readuntil(b"\n")
    assert await response.content.readline() == b"\n"
    document = json.loads(line.removeprefix(b"data: "))
    assert isinstance(document, dict)
    return document


def asked(web: Web, query: str = "") -> "aiohttp.client._RequestContextManager":
    shown = {"Authorization": f"Bearer {web.token}"}
    return web.client.get(f"{web.base}/api/v1/events{query}", headers=shown)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENT_S", 0.02)


async def test_updates_come_again_and_again(tmp_path: Path) -> None:
    async with serve(tmp_path) as web, asked(web) as response:
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        first = await following(response)
        assert first["streams"] == first["sessions"] == []
        assert first["server"]["streams"] == 0
        await web.publish()
        while not (update := await following(response))["streams"]:
            pass
        assert update["streams"][0]["path"] == "live/a"
        assert update["sessions"][0]["publishes"] == ["live/a"]
        assert (update["more_streams"], update["more_sessions"]) == (0, 0)


async def test_so_many_updates_come_as_are_asked_for(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        async with asked(web, "?count=2") as response:
            assert (await response.read()).count(b"event: update\n") == 2
        for count in ("0", "x", "1001", ""):
            async with asked(web, f"?count={count}") as response:
                assert response.status == 422


async def test_what_is_too_much_for_an_update_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STREAMS", 1)
    monkeypatch.setattr(events, "SESSIONS", 1)
    async with serve(tmp_path) as web:
        for name in "abc":
            await web.publish(name)
        async with asked(web, "?count=1") as response:
            update = await following(response)
        assert len(update["streams"]) == len(update["sessions"]) == 1
        assert (update["more_streams"], update["more_sessions"]) == (2, 2)


async def test_consoles_that_look_at_once_are_told_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "EVENT_S", 1000.0)
    async with serve(tmp_path) as web:
        seen = set()
        for _ in range(3):
            async with asked(web, "?count=1") as response:
                seen.add(await response.read())
        assert len(seen) == 1


async def test_streams_are_described_once_for_all_consoles_and_over_several_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "EVENT_S", 1000.0)
    monkeypatch.setattr(status, "TURN", 1)
    made = 0
    describe = status._stream

    def count(*arguments: Any) -> status.StreamStatus:
        nonlocal made
        made += 1
        return describe(*arguments)

    monkeypatch.setattr(status, "_stream", count)
    async with serve(tmp_path) as web:
        for name in "abc":
            await web.publish(name)

        async def read() -> bytes:
            async with asked(web, "?count=1") as response:
                return await response.read()

        texts = await asyncio.gather(*(read() for _ in range(5)))
        assert (len(set(texts)), made) == (1, 3)


async def test_browser_that_signs_out_is_told_nothing_more(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        signed_in = await web.ask("POST", "/api/v1/sign-in", json={"token": web.token})
        csrf = {"X-CSRF-Token": signed_in.json["csrf"]}
        async with web.client.get(f"{web.base}/api/v1/events") as response:
            await following(response)
            await web.ask("DELETE", "/api/v1/sign-in", headers=csrf)
            async with asyncio.timeout(LIMIT_S):
                await response.read()


async def test_consoles_have_a_limit_and_those_that_leave_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LISTENERS", 1)
    async with serve(tmp_path) as web:
        async with asked(web) as response:
            await following(response)
            async with asked(web) as second:
                assert second.status == 503

        async def is_free() -> bool:
            async with asked(web, "?count=1") as response:
                return response.status == 200

        await until_so(is_free)


async def test_server_that_stops_ends_the_updates(tmp_path: Path) -> None:
    async with serve(tmp_path) as web, asked(web) as response:
        await following(response)
        web.live.services.sessions.is_stopping = True
        async with asyncio.timeout(LIMIT_S):
            await response.read()
        await until(lambda: response.closed or response.content.at_eof())
