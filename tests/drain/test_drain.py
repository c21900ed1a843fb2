"""Tests of a server that drains."""

import asyncio
from pathlib import Path

from tests.harness import KEYFRAME, VIDEO_HEADER, until
from tests.rtmp.peers import command
from tests.web import Web, serve

from headend.drain.drain import Drain


def stops(web: Web) -> list[bool]:
    """Return a list that grows when the drain has the server stop."""
    heard: list[bool] = []
    web.live.services.features[Drain].over = lambda: heard.append(True)
    return heard


async def test_server_that_drains_is_not_ready_and_says_so(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        before = await web.get("/drain")
        assert before.json == {"state": "serving", "left_s": None, "publishers": 0, "players": 0}
        publisher = await web.live.publisher()
        answer = await web.api("POST", "/drain")
        assert (answer.status, answer.json["state"], answer.json["publishers"]) == (
            200,
            "draining",
            1,
        )
        ready = await web.ask("GET", "/readyz")
        assert (ready.status, ready.json) == (503, {"status": "draining"})
        assert (await web.ask("GET", "/healthz")).status == 200
        assert (await web.get("/server")).json["is_draining"]
        assert b"\nheadend_draining 1.0\n" in (await web.ask("GET", "/metrics")).body
        publisher.close()


async def test_nobody_new_is_taken_and_those_that_are_there_go_on(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        live = web.live
        publisher, player = await live.publisher(), await live.player()
        await publisher.send_video(VIDEO_HEADER)
        await web.api("POST", "/drain")
        for what in ("publish", "play"):
            late = await live.connected()
            await late.send(command(what, 3, None, "b", on=1))
            await late.expect(f"NetStream.{what.capitalize()}.Failed")
            await late.expect_close()
        flv = await web.ask("GET", "/live/a.flv")
        assert flv.status == 503
        assert "about to stop" in flv.detail
        await publisher.send_video(KEYFRAME, 40)
        await player.expect_media(2)
        for peer in (publisher, player):
            peer.close()


async def test_drain_is_over_when_all_have_left(tmp_path: Path) -> None:
    async with serve(tmp_path, "cluster.drain_s=3600") as web:
        heard = stops(web)
        publisher, player = await web.live.publisher(), await web.live.player()
        await web.api("POST", "/drain")
        again = await web.api("POST", "/drain")
        assert (again.json["publishers"], again.json["players"]) == (1, 1)
        publisher.close()
        while (await web.get("/drain")).json["publishers"]:
            assert not heard
        assert not heard
        player.close()
        await until(lambda: heard)
        assert heard == [True]


async def test_drain_is_over_after_its_time_whoever_is_left(tmp_path: Path) -> None:
    async with serve(tmp_path, "cluster.drain_s=0") as web:
        heard = stops(web)
        publisher = await web.live.publisher()
        await web.api("POST", "/drain")
        await until(lambda: heard)
        publisher.close()


async def test_drain_that_is_called_off_takes_publishers_again(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        heard = stops(web)
        first = await web.live.publisher()
        assert (await web.api("DELETE", "/drain")).status == 409
        await web.api("POST", "/drain")
        assert (await web.api("DELETE", "/drain")).status == 204
        second = await web.live.publisher("b")
        assert (await web.ask("GET", "/readyz")).status == 200
        for peer in (first, second):
            peer.close()
        await asyncio.sleep(0)
        assert not heard
