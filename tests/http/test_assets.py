"""Tests of headend.http.assets."""

import asyncio
import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from headend.http.assets import FRESH, Assets, root_of

SCRIPT = "export const a = 1;\n" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "player").mkdir()
    (tmp_path / "player" / "main.js").write_text(SCRIPT)
    (tmp_path / "small.css").write_text("a{}")
    (tmp_path / "page.html").write_text("<p data-x='{{state}}'>{{title}} {{assets}} {{title}}</p>")
    (tmp_path / "notes.md").write_text("no asset")
    return tmp_path


def ask(
    assets: Assets, name: str, version: str = "", headers: Mapping[str, str] | None = None
) -> web.Response:
    request = make_mocked_request("GET", "/", headers=dict(headers or {}))
    return asyncio.run(assets.response(request, version, name))


def page(folder: Path, values: Mapping[str, str], path: str = "/") -> str:
    request = make_mocked_request("GET", path)
    return asyncio.run(Assets(folder).page(request, "page.html", values))


def version(folder: Path) -> str:
    return page(folder, {"title": "t", "state": "s"}).partition("/assets/")[2][:12]


def test_script_is_given_with_its_type(folder: Path) -> None:
    response = ask(Assets(folder), "player/main.js")
    assert response.body == SCRIPT.encode()
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_file_under_the_current_version_is_kept_for_good(folder: Path) -> None:
    response = ask(Assets(folder), "small.css", version(folder))
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_file_under_another_version_is_given_and_not_kept(folder: Path) -> None:
    assert ask(Assets(folder), "small.css", "0" * 12).headers["Cache-Control"] == FRESH


def test_version_changes_with_any_file(folder: Path) -> None:
    before = version(folder)
    assert version(folder) == before
    (folder / "small.css").write_text("b{}")
    assert version(folder) != before


def test_file_that_the_browser_has_is_not_sent_again(folder: Path) -> None:
    etag = ask(Assets(folder), "player/main.js").headers["ETag"]
    response = ask(Assets(folder), "player/main.js", headers={"If-None-Match": etag})
    assert (response.status, response.body) == (304, None)


def test_large_file_is_compressed_for_who_can_read_it(folder: Path) -> None:
    response = ask(Assets(folder), "player/main.js", headers={"Accept-Encoding": "br, gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert isinstance(response.body, bytes)
    assert gzip.decompress(response.body) == SCRIPT.encode()
    small = ask(Assets(folder), "small.css", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers
    assert small.body == b"a{}"


@pytest.mark.parametrize("name", ["page.html", "notes.md", "none.js", "../test_assets.py", ""])
def test_what_is_no_asset_is_not_given(name: str, folder: Path) -> None:
    with pytest.raises(web.HTTPNotFound):
        ask(Assets(folder), name)


def test_blanks_of_a_page_are_escaped_and_filled_once(folder: Path) -> None:
    values = {"title": "<script>{{state}}", "state": "'\"&"}
    text = page(folder, values)
    assert text.startswith("<p data-x='&#x27;&quot;&amp;'>&lt;script&gt;{{state}} ./assets/")


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/", "./"),
        ("/console", "./"),
        ("/watch/live/a", "../../"),
        ("/watch/live/deep/a?token=x/y", "../../../"),
        ("/watch/live/a%2Fb", "../../"),
    ],
)
def test_page_finds_files_and_addresses_from_where_it_is(
    path: str, root: str, folder: Path
) -> None:
    text = page(folder, {"title": "t", "state": "s"}, path)
    assert f" {root}assets/" in text
    assert root_of(make_mocked_request("GET", path)) == root


def test_libraries_that_are_missing_are_named(folder: Path) -> None:
    assert Assets(folder).missing() == ["hls.js", "mpegts.js"]
    (folder / "libraries").mkdir()
    (folder / "libraries" / "hls.mjs").touch()
    assert Assets(folder).missing() == ["mpegts.js"]
