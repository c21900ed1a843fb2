"""Tests of headend.http.api.server."""

import os
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from time import time

import pytest
from tests.harness import until_so
from tests.web import serve

from headend import __version__
from headend.http.api.server import resident_bytes


async def test_server_is_described_with_its_totals(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        player = await web.live.player("a")
        await player.expect_media(2)
        seen = (await web.get("/server")).json
        assert (seen["version"], seen["pid"]) == (__version__, os.getpid())
        assert seen["listeners"] == web.live.server.addresses
        assert (seen["streams"], seen["sessions"], seen["viewers"]) == (1, 2, 1)
        assert seen["bytes_in"] > 6000
        assert seen["bytes_out"] > 6000
        assert not seen["is_stopping"]
        assert 0 <= seen["uptime_s"] < 20
        started = datetime.fromisoformat(seen["started"])
        assert abs((datetime.now(UTC) - started).total_seconds()) < 20
        assert 10_000_000 < seen["memory_bytes"] < 10_000_000_000
        web.live.services.sessions.is_stopping = True
        assert (await web.get("/server")).json["is_stopping"]


async def test_start_is_told_by_the_clock_of_then_however_it_is_set_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(datetime):
        """The clock a day later."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Ahead":
            return cls.fromtimestamp(time() + 86_400, tz)

    async with serve(tmp_path) as web:
        before = (await web.get("/server")).json
        monkeypatch.setattr("headend.http.api.server.datetime", Ahead)
        after = (await web.get("/server")).json
        assert after["started"] == before["started"]
        assert after["uptime_s"] < before["uptime_s"] + 60


async def test_totals_do_not_shrink_when_sessions_end(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        player = await web.live.player("a")
        await player.expect_media(2)
        async with web.client.get(f"{web.base}/live/a.flv") as response:
            await response.content.readexactly(60)
            before = (await web.get("/server")).json
            assert before["sessions"] == 3
        player.close()

        async def has_left() -> bool:
            return bool((await web.get("/server")).json["sessions"] == 1)

        await until_so(has_left)
        after = (await web.get("/server")).json
        assert after["bytes_in"] >= before["bytes_in"] > 0
        assert after["bytes_out"] >= before["bytes_out"] > 0


async def test_settings_are_shown_with_their_sources_and_without_secrets(tmp_path: Path) -> None:
    async with serve(tmp_path, "live.wait_s=7", "log.format=json") as web:
        answer = await web.get("/settings")
        settings = answer.json["settings"]
        assert settings["live.wait_s"] == {"value": 7, "source": "flag --set"}
        assert settings["live.flush_ms"] == {"value": 30, "source": "default"}
        assert settings["data"]["value"] == str(tmp_path)
        assert web.token.encode() not in answer.body


async def test_certificates_are_listed(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        assert (await web.get("/certificates")).json == {"certificates": []}
    async with serve(tmp_path, "tls.listen=127.0.0.1:0") as web:
        (seen,) = (await web.get("/certificates")).json["certificates"]
        assert "localhost" in seen["names"]
        assert seen["self_signed"]


async def test_reload_says_what_happened(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        answer = await web.api("POST", "/reload")
        assert answer.json == {"messages": ["settings reloaded: nothing changed"]}


def test_memory_is_that_of_this_process() -> None:
    assert 10_000_000 < resident_bytes() < 10_000_000_000
