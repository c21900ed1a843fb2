"""Tests of headend.http.public, and of headend.live.listing under it."""

from pathlib import Path
from typing import Any

import pytest
from tests.web import Web, serve

from headend.decisions import AccessRequest, Allow, Deny
from headend.live import listing

JSON = {"Accept": "application/json"}
HTML = {"Accept": "text/html,*/*"}


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FRESH_S", 0.0)


async def shown(web: Web, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what a visitor without the admin token is told is live."""
    answer = await web.client.get(f"{web.base}/", headers=JSON | (headers or {}))
    assert answer.status == 200
    document = await answer.json()
    assert isinstance(document, dict)
    return document


async def names(web: Web) -> list[str]:
    return [each["path"] for each in (await shown(web))["streams"]]


async def test_streams_that_everybody_may_watch_are_listed_most_viewers_first(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path) as web:
        assert await shown(web) == {"streams": [], "has_more": False}
        for name in "ab":
            await web.publish(name)
        player = await web.live.player("b")
        await player.expect_media(1)
        first, second = (await shown(web))["streams"]
        assert (first["path"], first["viewers"]) == ("live/b", 1)
        assert (second["path"], second["viewers"]) == ("live/a", 0)
        assert first["state"] == "live"
        assert first["has_picture"]
        assert set(first) == {
            *("path", "title", "description", "state", "viewers", "uptime_s", "has_picture")
        }


@pytest.mark.parametrize(
    "setting",
    [
        "auth.private=live/a",
        "auth.play_not_from=127.0.0.0/8",
        'stream=[{match="live/a", live.listed=false}]',
        'stream=[{match="live/*", auth.private=true}]',
    ],
)
async def test_stream_that_the_visitor_may_not_watch_or_find_is_not_named(
    setting: str, tmp_path: Path
) -> None:
    async with serve(tmp_path, setting) as web:
        await web.publish("a")
        await web.publish("b")
        assert "live/a" not in await names(web)
        page = await web.client.get(f"{web.base}/", headers=HTML)
        assert "live/a" not in await page.text()


async def test_stream_for_tls_only_is_named_to_visitors_over_tls(tmp_path: Path) -> None:
    async with serve(tmp_path, "http.proxies=127.0.0.1") as web:
        await web.publish("a")
        services = web.live.services
        services.gate.policy._require_tls = "always"
        assert await names(web) == []
        told = await shown(web, {"X-Forwarded-Proto": "https"})
        assert [each["path"] for each in told["streams"]] == ["live/a"]


async def test_no_stream_is_named_where_a_program_decides_who_watches(tmp_path: Path) -> None:
    async def decide(request: AccessRequest) -> Allow | Deny:
        raise AssertionError("a visitor of the public page does not ask to watch")

    async with serve(tmp_path) as web:
        await web.publish("a")
        assert await names(web) == ["live/a"]
        web.live.services.gate.authorizers.append(decide)  # type: ignore[arg-type]
        assert await names(web) == []


async def test_no_more_streams_are_listed_than_fit_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SHOWN", 2)
    async with serve(tmp_path) as web:
        for name in "abc":
            await web.publish(name)
        told = await shown(web)
        assert [each["path"] for each in told["streams"]] == ["live/a", "live/b"]
        assert told["has_more"]


async def test_title_is_set_over_the_api_and_seen_on_page_and_player(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish("a")
        change = {"title": "Cup final", "description": "Two teams & <b>one</b> ball"}
        answer = await web.api("PATCH", "/streams/live/a", json=change)
        assert (answer.status, answer.json["title"]) == (200, "Cup final")
        (stream,) = (await shown(web))["streams"]
        assert {name: stream[name] for name in change} == change
        page = await (await web.client.get(f"{web.base}/", headers=HTML)).text()
        assert "Cup final" in page
        assert "<b>one" not in page
        state = await web.client.get(f"{web.base}/watch/live/a", headers=JSON)
        assert {name: (await state.json())[name] for name in change} == change


async def test_only_streams_that_are_there_get_a_title_of_limited_length(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        assert (await web.api("PATCH", "/streams/live/a", json={"title": "x"})).status == 404
        await web.publish("a")
        assert (await web.api("PATCH", "/streams/live/a", json={"title": "x" * 201})).status == 422
        assert (await web.api("PATCH", "/streams/live/a", json={"name": "x"})).status == 422


async def test_console_may_stand_in_place_of_the_public_page(tmp_path: Path) -> None:
    async with serve(tmp_path, "http.page=console") as web:
        root = await (await web.client.get(f"{web.base}/", headers=HTML)).text()
        assert "Admin token" in root
        assert "live/a" not in root
    async with serve(tmp_path, "http.page=off") as web:
        assert (await web.client.get(f"{web.base}/", headers=HTML)).status == 404
        console = await web.client.get(f"{web.base}/console", headers=HTML)
        assert "Admin token" in await console.text()
