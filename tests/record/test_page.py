"""Tests of headend.record.page."""

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.record.made import begun, recording
from tests.record.served import Served, serve

from headend.errors import DatabaseError
from headend.record.tables import RecordingTables

PAGE = "/watch/recordings/r1"


async def state(web: Served, path: str = PAGE, expected: int = 200) -> dict[str, Any]:
    """Return what the page is given."""
    status, body, headers = await web.get(path)
    assert status == expected
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    found = re.search(r'data-recording="([^"]*)"', body.decode())
    assert found is not None
    told: dict[str, Any] = json.loads(html.unescape(found[1]))
    return told


async def test_page_knows_its_recording(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording(duration_s=10.0, stream="live/<b>"))
        assert await state(web) == {
            "id": "r1", "place": "recordings/r1", "stream": "live/<b>", "started": 100.0,
            "duration_s": 10.0,
            "is_over": True, "problem_title": "", "problem": "", "is_signed_in": False,
            "jumps": [], "needs_token": False,
        }  # fmt: skip
        assert b'<h1 class="name">live/&lt;b&gt;</h1>' in (await web.get(PAGE))[1]
        await web.add(begun("r2"))
        assert (await state(web, "/watch/recordings/r2"))["is_over"] is False


async def test_page_of_a_private_recording_says_so_and_no_more(tmp_path: Path) -> None:
    async with serve(tmp_path, 'auth.private=["live/a"]') as web:
        await web.add(recording())
        told = await state(web)
        assert told["needs_token"] is True
        assert told["problem_title"] == "This recording is private"
        assert told["stream"] == ""


async def test_page_of_no_recording_is_not_found(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        told = await state(web, expected=404)
        assert told["problem_title"] == "There is no such recording"


async def test_page_says_that_the_database_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise DatabaseError("database: gone")

    async with serve(tmp_path) as web:
        monkeypatch.setattr(RecordingTables, "get", refuse)
        assert (await state(web, expected=503))["problem_title"] == "The server is busy"


async def test_player_page_of_a_stream_is_where_it_was(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        assert b"data-stream=" in (await web.get("/watch/live/a"))[1]
        assert b"data-stream=" in (await web.get("/watch/recordings/a/b"))[1]
