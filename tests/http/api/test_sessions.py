"""Tests of headend.http.api.sessions."""

import asyncio
from pathlib import Path

import pytest
from tests.e2e.wait import LIMIT_S
from tests.harness import command, log_lines, until
from tests.web import serve


async def test_sessions_come_oldest_first_in_pages(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        for _ in range(3):
            await web.live.player("a")
        first = (await web.get("/sessions?limit=2")).json
        assert [each["id"] for each in first["sessions"]] == [1, 2]
        assert (first["total"], first["next"]) == (3, "2")
        rest = (await web.get("/sessions?limit=2&after=2")).json
        assert [each["id"] for each in rest["sessions"]] == [3]
        assert rest["next"] is None


async def test_sessions_are_chosen_by_stream_and_protocol(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        await web.live.player("a")
        await web.live.player("b")
        async with web.client.get(f"{web.base}/live/a.flv") as response:
            assert response.status == 200

            async def ids(query: str) -> list[int]:
                found = (await web.get(f"/sessions?{query}")).json
                assert found["total"] == len(found["sessions"])
                return [each["id"] for each in found["sessions"]]

            assert await ids("stream=live/a") == [1, 2, 4]
            assert await ids("stream=live/b") == [3]
            assert await ids("protocol=http-flv") == [4]
            assert await ids("protocol=rtmp&stream=live/a") == [1, 2]
            assert await ids("protocol=nothing") == []


async def test_one_session_is_shown_and_closed(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        player = await web.live.player("a")
        seen = (await web.get("/sessions/1")).json
        assert (seen["id"], seen["peer"], seen["plays"]) == (1, player.name, ["live/a"])
        assert (await web.api("DELETE", "/sessions/1")).status == 204
        over = (await web.get("/sessions/1")).json
        assert (over["state"], over["plays"], over["code"]) == ("over", ["live/a"], None)
        assert over["reason"] == "The session was closed by an administrator."
        assert (await web.get("/sessions")).json["sessions"] == []
        assert (await web.get("/sessions?state=over")).json["sessions"] == [over]
        assert (await web.api("DELETE", "/sessions/1")).status == 404
        assert (await web.get("/sessions")).json["total"] == 0
        await player.expect_close()


async def test_refused_session_tells_what_its_peer_and_the_log_were_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(tmp_path, "auth.publish=key") as web:
        peer = await web.live.connected()
        await peer.send(command("publish", 3, None, "a", "live", on=1))
        await peer.expect("NetStream.Publish.Denied")
        refused = (await web.get("/sessions/1")).json
        assert refused["state"] == "refused"
        assert refused["code"] == "NetStream.Publish.Denied"
        assert refused["reason"].encode() in peer.heard
        (line,) = log_lines(caplog, "publish live/a refused")
        assert f"{refused['reason']} ({refused['code']})" in line
        assert refused["publishes"] == ["live/a"]
        (listed,) = (await web.get("/sessions?state=refused&stream=live/a")).json["sessions"]
        assert listed == refused
        assert (await web.get("/sessions?state=no")).status == 422


async def test_viewer_refused_over_http_is_found_with_what_the_answer_said(tmp_path: Path) -> None:
    async with serve(tmp_path, "rtmp.tls_only=vip/*") as web:
        answer = await web.ask("GET", "/vip/a.flv")
        (refused,) = (await web.get("/sessions?state=refused")).json["sessions"]
        assert refused["reason"] == answer.detail
        assert refused["code"] == "NetStream.Play.Failed"
        assert (await web.get(f"/sessions/{refused['id']}")).json == refused


async def test_viewer_over_http_is_closed_too(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        async with web.client.get(f"{web.base}/live/a.flv") as response:
            (session,) = (await web.get("/sessions?protocol=http-flv")).json["sessions"]
            assert (await web.api("DELETE", f"/sessions/{session['id']}")).status == 204
            async with asyncio.timeout(LIMIT_S):
                await response.content.read()
        await until(lambda: not web.live.services.sessions.viewers)


@pytest.mark.parametrize("id", ["0", "7", "x", "-1", "1" * 16])
async def test_session_that_is_not_there_is_not_found(id: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        for method in ("GET", "DELETE"):
            assert (await web.api(method, f"/sessions/{id}")).status == 404
