"""Tests of headend.http.problem_pages."""

from pathlib import Path

import pytest
from tests.web import serve

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    "path", ["/nothing", "/live/a.flv2", "/live/a/thumbnail.jpg", "/assets/000000000000/x.js"]
)
async def test_browser_that_finds_nothing_gets_a_page(path: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        answer = await web.client.get(f"{web.base}{path}", headers={"Accept": BROWSER})
        text = await answer.text()
        assert (answer.status, answer.content_type) == (404, "text/html")
        assert "There is nothing here" in text
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "Accept" in answer.headers["Vary"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "image/avif,image/webp,*/*;q=0.8"])
async def test_everything_else_gets_a_problem_document(accept: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        answer = await web.client.get(f"{web.base}/nothing", headers={"Accept": accept})
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
        assert "Accept" in answer.headers["Vary"]
        assert (await answer.json(content_type=None))["status"] == 404


async def test_api_answers_browsers_with_problem_documents_too(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        answer = await web.client.get(f"{web.base}/api/v1/none", headers={"Accept": BROWSER})
        assert (answer.status, answer.content_type) == (401, "application/problem+json")


async def test_page_of_a_refusal_keeps_what_its_headers_say(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        answer = await web.client.request(
            "HEAD", f"{web.base}/live/a/index.m3u8", headers={"Accept": BROWSER}
        )
        assert (answer.status, answer.content_type) == (404, "text/html")
        wrong = await web.client.post(f"{web.base}/console", headers={"Accept": BROWSER})
        assert (wrong.status, wrong.content_type) == (405, "application/problem+json")
        assert wrong.headers["Allow"] == "GET,HEAD"


async def test_page_repeats_no_markup_of_the_address(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        address = f"{web.base}/live/%3Cb%3Ex/thumbnail.jpg"
        answer = await web.client.get(address, headers={"Accept": BROWSER})
        assert answer.status == 404
        assert "<b>" not in await answer.text()
