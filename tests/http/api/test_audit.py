"""Tests of headend.http.api.audit and what requests leave in the audit trail."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.harness import command
from tests.web import Web, serve_stored


async def trail(web: Web, count: int, query: str = "") -> list[dict[str, Any]]:
    """Return what the trail holds, once it holds so many entries; newest first."""
    while True:
        answer = await web.get(f"/audit{query}")
        if answer.status == 200 and len(answer.json["entries"]) >= count:
            entries: list[dict[str, Any]] = answer.json["entries"]
            return entries
        await asyncio.sleep(0.02)


async def test_what_an_administrator_does_is_noted(tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        player = await web.live.player("a")
        made = (await web.api("POST", "/keys", json={"stream": "live/a"})).json
        await web.api("DELETE", "/sessions/1")
        await web.api("DELETE", "/sessions/77")
        await web.api("POST", "/reload")
        await player.expect_close()
        found = await trail(web, 4)
        assert [(e["action"], e["target"], e["outcome"]) for e in reversed(found)] == [
            ("key.create", made["id"], "done"),
            ("session.kick", "1", "done"),
            ("session.kick", "77", "failed"),
            ("settings.reload", "", "done"),
        ]
        assert {(entry["actor"], entry["address"]) for entry in found} == {
            ("admin token", "127.0.0.1")
        }
        assert found[1]["detail"].startswith("404 Session not found")


async def test_key_in_place_of_its_id_is_not_kept(tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        key = "hk_" + "Ab3dEf7h" * 4
        await web.api("DELETE", f"/keys/{key}")
        (entry,) = await trail(web, 1)
        assert entry["target"] == "hk_***"


async def test_who_signs_in_and_who_is_not_let_in_is_noted(tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        sign_in = "/api/v1/sign-in"
        assert (await web.ask("POST", sign_in, json={"token": "wrong" * 5})).status == 401
        signed_in = await web.ask("POST", sign_in, json={"token": web.token})
        csrf = {"X-CSRF-Token": signed_in.json["csrf"]}
        await web.ask("POST", "/api/v1/reload", headers=csrf)
        for _ in range(3):
            headers = {"Authorization": "Bearer wrong"}
            assert (await web.ask("GET", "/api/v1/server", headers=headers)).status == 401
        found = await trail(web, 4)
        told = [(e["action"], e["actor"], e["outcome"]) for e in reversed(found)]
        assert told[0] == ("sign-in", "", "refused")
        assert ("sign-in", "console", "done") in told
        assert ("settings.reload", "console", "done") in told
        refusals = [entry for entry in found if entry["action"] == "api"]
        assert sum(entry["count"] for entry in refusals) == 3


@pytest.mark.parametrize("shown", ["Basic YTpi", "Bearer", "Digest x", ""])
async def test_actor_is_what_let_a_request_in_whatever_it_says_of_itself(
    shown: str, tmp_path: Path
) -> None:
    async with serve_stored(tmp_path) as web:
        headers = {"Authorization": shown}
        sign_in = "/api/v1/sign-in"
        answer = await web.ask("POST", sign_in, json={"token": web.token}, headers=headers)
        headers["X-CSRF-Token"] = answer.json["csrf"]
        wanted = {"sign-in", "settings.reload", "sign-out"}
        if shown == "Bearer":  # a wrong token is no right session
            assert (await web.ask("POST", "/api/v1/reload", headers=headers)).status == 401
            wanted.remove("settings.reload")
        else:
            assert (await web.ask("POST", "/api/v1/reload", headers=headers)).status == 200
        assert (await web.ask("DELETE", sign_in, headers=headers)).status == 204
        found = await trail(web, len(wanted), "?outcome=done")
        assert {entry["action"] for entry in found} == wanted
        assert {entry["actor"] for entry in found} == {"console"}


async def test_who_signs_out_without_a_session_leaves_nothing(tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        headers = {"Authorization": f"Bearer {web.token}"}
        assert (await web.ask("DELETE", "/api/v1/sign-in", headers=headers)).status == 204
        await web.api("POST", "/reload")
        (entry,) = await trail(web, 1)
        assert (entry["action"], entry["actor"]) == ("settings.reload", "admin token")


async def test_trail_comes_in_pages_and_by_what_is_asked_for(tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        for _ in range(3):
            await web.api("POST", "/reload")
        await web.api("DELETE", "/sessions/77")
        await trail(web, 4)
        first = (await web.get("/audit?limit=3")).json
        rest = (await web.get(f"/audit?limit=3&after={first['next']}")).json
        assert (len(first["entries"]), len(rest["entries"]), rest["next"]) == (3, 1, None)
        assert len(await trail(web, 0, "?action=settings")) == 3
        assert len(await trail(web, 0, "?outcome=failed&target=77")) == 1
        assert await trail(web, 0, "?since=99999999999") == []
        assert await trail(web, 0, "?until=1") == []


@pytest.mark.parametrize(
    "query",
    [
        "audit?outcome=no", "audit?since=soon", "audit?since=-1", "audit?until=nan",
        "audit?after=x",
        "history?kind=no", "history?open=yes", "history?after=1", "history?after=x,y",
        "history?after=5," + "a" * 40,
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_said(query: str, tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        answer = await web.get(f"/{query}")
        while answer.status == 503:
            await asyncio.sleep(0.02)
            answer = await web.get(f"/{query}")
        assert answer.status == 422
        assert answer.detail.endswith("expected.")


async def test_history_comes_in_pages_newest_first(tmp_path: Path) -> None:
    async with serve_stored(tmp_path, "auth.publish=key") as web:
        for name in "abc":
            peer = await web.live.connected()
            await peer.send(command("publish", 3, None, name, "live", on=1))
            await peer.expect("NetStream.Publish.Denied")
        seen: list[str] = []
        while len(seen) < 3:
            answer = await web.get("/history?limit=2&refused=true")
            if answer.status != 200 or answer.json["next"] is None:  # the third is not written yet
                await asyncio.sleep(0.02)
                continue
            page = answer.json
            rest = (await web.get(f"/history?limit=2&refused=true&after={page['next']}")).json
            seen = [each["stream"] for each in (*page["sessions"], *rest["sessions"])]
        assert seen == ["live/c", "live/b", "live/a"]
        found = (await web.get("/history?stream=live/b&kind=publish")).json["sessions"]
        assert [each["code"] for each in found] == ["NetStream.Publish.Denied"]
        assert (await web.get("/history?open=true")).json["sessions"] == []
