"""Tests of headend.http.pages and .watch, over real connections."""

import asyncio
import html
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import aiohttp
import pytest
from tests.harness import KEYFRAME, VIDEO_HEADER, Live, live_server, log_lines, until
from yarl import URL

from headend.http import assets

JSON = {"Accept": "application/json"}


class Web:
    """A server with HTTP, and a client of it."""

    def __init__(self, live: Live, client: aiohttp.ClientSession) -> None:
        self.live = live
        self._client = client

    async def get(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, Mapping[str, str]]:
        """Ask; return status, text and headers."""
        address = self.live.server.addresses["http"][0]
        url = URL(f"http://{address}{path}", encoded=True)
        async with self._client.get(url, headers=headers) as got:
            return got.status, await got.text(), got.headers

    async def state(self, path: str, query: str = "") -> dict[str, Any]:
        """Ask for a stream's state."""
        status, text, _ = await self.get(f"/watch/{path}{query}", JSON)
        assert status == 200
        document = json.loads(text)
        assert isinstance(document, dict)
        return document

    async def publish(self, name: str = "a") -> None:
        """Have a stream with a keyframe."""
        publisher = await self.live.publisher(name)
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        registry = self.live.services.registry
        await until(lambda: (s := registry.stream(f"live/{name}")) and s.tags_in == 2)


@asynccontextmanager
async def serve(data: Path, *settings: str) -> AsyncIterator[Web]:
    async with (
        live_server(data, "http.listen=127.0.0.1:0", *settings) as live,
        aiohttp.ClientSession() as client,
    ):
        yield Web(live, client)


def policy(headers: Mapping[str, str]) -> dict[str, str]:
    """Read a Content-Security-Policy."""
    rules = (rule.split(maxsplit=1) for rule in headers["Content-Security-Policy"].split(";"))
    return {name: " ".join(rest) for name, *rest in rules}


async def test_console_runs_only_its_own_scripts_and_is_not_framed(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        status, text, headers = await web.get("/console")
        assert status == 200
        assert text.startswith("<!doctype html>")
        rules = policy(headers)
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == "'self'"
        assert rules["frame-ancestors"] == "'none'"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("origins", "framing"),
    [
        ("*", "*"),
        ("https://a.example,https://b.example", "'self' https://a.example https://b.example"),
    ],
)
async def test_player_page_may_be_framed_by_pages_that_may_load_streams(
    origins: str, framing: str, tmp_path: Path
) -> None:
    async with serve(tmp_path, f"http.origins={origins}") as web:
        _, _, headers = await web.get("/watch/live/a")
        assert policy(headers)["frame-ancestors"] == framing
        assert policy(headers)["script-src"] == "'self'"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "X-Frame-Options" not in headers


@pytest.mark.parametrize("page", ["/", "/console", "/watch/live/a", "/watch/a/deep/b"])
async def test_everything_a_page_names_is_there_and_kept(page: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        _, text, _ = await web.get(page)
        found = set(re.findall(r'(?:src|href)="(\.[^"]+)"', text))
        assert found
        for name in (urljoin(page, each) for each in found):
            if "/assets/" not in name or "/libraries/" in name:  # the latter need npm
                continue
            status, _, headers = await web.get(name)
            assert status == 200, name
            assert "immutable" in headers["Cache-Control"]


def test_modules_that_import_each_other_are_there(tmp_path: Path) -> None:
    for script in assets.FOLDER.rglob("*.js"):
        for name in re.findall(r"(?:from|import\() ?'(\.[^']+)'", script.read_text()):
            if "/libraries/" not in name:
                assert (script.parent / name).is_file(), f"{script.name} imports {name}"


async def test_start_says_in_one_line_which_libraries_are_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets.Assets, "missing", lambda self: ["hls.js", "mpegts.js"])

    with caplog.at_level(logging.INFO):
        async with serve(tmp_path) as web:
            assert (await web.get("/watch/live/a"))[0] == 200
    assert len(log_lines(caplog, "the player page has no hls.js and no mpegts.js")) == 1


async def test_state_of_a_stream_that_nobody_publishes_is_offline(tmp_path: Path) -> None:
    async with serve(tmp_path, "live.flush=fixed", "hls.start=off") as web:
        state = await web.state("live/a")
        assert (state["path"], state["state"], state["tracks"]) == ("live/a", "offline", [])
        assert (state["delay_s"], state["hls"]) == (0.03, False)


async def test_state_of_a_live_stream_names_its_tracks(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        state = await web.state("live/a")
        assert state["state"] == "live"
        assert [track["codec"] for track in state["tracks"]] == ["h264"]


async def test_patient_answer_comes_with_the_stream(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        waiting = asyncio.create_task(web.state("live/a", "?wait=1"))
        arrivals = web.live.services.arrivals
        await until(lambda: arrivals.waiting)
        await web.publish()
        assert (await waiting)["state"] == "live"


async def test_patient_answer_comes_without_the_stream_after_a_time(tmp_path: Path) -> None:
    async with serve(tmp_path, "live.wait_s=0.05") as web:
        assert (await web.state("live/a", "?wait=1"))["state"] == "offline"


async def test_nobody_more_waits_than_may(tmp_path: Path) -> None:
    async with serve(tmp_path, "limits.waiting_requests=1") as web:
        first = asyncio.create_task(web.state("live/a", "?wait=1"))
        arrivals = web.live.services.arrivals
        await until(lambda: arrivals.waiting)
        status, _, headers = await web.get("/watch/live/a?wait=1", JSON)
        assert (status, headers["Retry-After"]) == (503, "5")
        first.cancel()


async def test_private_stream_says_only_that(tmp_path: Path) -> None:
    async with serve(tmp_path, "rtmp.tls_only=live/*") as web:
        state = await web.state("live/a")
        assert state["state"] == "private"
        assert state["detail"]
        assert state["tracks"] == []
        assert (await web.get("/watch/live/a"))[0] == 200


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "<img src=x>", '"onload="x', "a|b", "a*", "a:b"]
)
async def test_name_that_no_stream_can_have_is_not_repeated(name: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        path = f"live/{quote(name, safe='')}"
        status, text, _ = await web.get(f"/watch/{path}")
        assert status == 404
        assert name not in html.unescape(text)
        assert (await web.state(path))["state"] == "invalid"


@pytest.mark.parametrize("name", ["a'b", "a&lt;b", "{{assets}}", "日本語", "a;b=c", "%3Cb%3E x"])
async def test_name_is_in_the_page_as_text(name: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        status, text, _ = await web.get(f"/watch/live/{quote(name)}")
        assert status == 200
        assert f"<title>{html.escape('live/' + name)} · Headend</title>" in text
        found = re.search(r'data-stream="([^"]*)"', text)
        assert found is not None
        assert json.loads(html.unescape(found[1]))["path"] == f"live/{name}"
