"""This module tests headend.server.api.sessions."""

import asyncio
from pathlib import Path

import pytest
from tests.live import run, until
from tests.web import serve


def test_sessions_come_oldest_first_in_pages(tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(tmp_path) as web:
            for _ in range(3):
                await web.live.player("a")
            first = (await web.get("/sessions?limit=2")).json
            assert [each["id"] for each in first["sessions"]] == [1, 2]
            assert (first["total"], first["next"]) == (3, "2")
            rest = (await web.get("/sessions?limit=2&after=2")).json
            assert [each["id"] for each in rest["sessions"]] == [3]
            assert rest["next"] is None

    run(main())


def test_sessions_are_chosen_by_stream_and_protocol(tmp_path: Path) -> None:
    async def main() -> None:
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

    run(main())


def test_one_session_is_shown_and_closed(tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(tmp_path) as web:
            player = await web.live.player("a")
            seen = (await web.get("/sessions/1")).json
            assert (seen["id"], seen["peer"], seen["plays"]) == (1, player.name, ["live/a"])
            assert (await web.api("DELETE", "/sessions/1")).status == 204
            answer = await web.get("/sessions/1")
            assert (answer.status, answer.detail) == (404, "There is no session 1 now.")
            assert (await web.api("DELETE", "/sessions/1")).status == 404
            assert (await web.get("/sessions")).json["total"] == 0
            await player.expect_close()

    run(main())


def test_viewer_over_http_is_closed_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(tmp_path) as web:
            await web.publish()
            async with web.client.get(f"{web.base}/live/a.flv") as response:
                (session,) = (await web.get("/sessions?protocol=http-flv")).json["sessions"]
                assert (await web.api("DELETE", f"/sessions/{session['id']}")).status == 204
                async with asyncio.timeout(10):
                    await response.content.read()
            await until(lambda: not web.live.services.viewers)

    run(main())


@pytest.mark.parametrize("id", ["0", "7", "x", "-1", "1" * 16])
def test_session_that_is_not_there_is_not_found(id: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(tmp_path) as web:
            for method in ("GET", "DELETE"):
                assert (await web.api(method, f"/sessions/{id}")).status == 404

    run(main())
