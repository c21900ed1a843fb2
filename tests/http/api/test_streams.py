"""Tests of headend.http.api.streams."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.harness import KEYFRAME, until
from tests.pictures import is_red, picture_tags
from tests.web import serve

from headend.hub.stream import Stream
from headend.live import status
from headend.live.services import Services


async def test_streams_come_by_name_in_pages(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        for name in "cab":
            await web.publish(name)
        first = (await web.get("/streams?limit=2")).json
        assert [each["path"] for each in first["streams"]] == ["live/a", "live/b"]
        assert (first["total"], first["next"]) == (3, "live/b")
        rest = (await web.get("/streams?limit=2&after=live/b")).json
        assert [each["path"] for each in rest["streams"]] == ["live/c"]
        assert (rest["total"], rest["next"]) == (3, None)
        full = (await web.get("/streams?limit=3")).json
        assert (len(full["streams"]), full["next"]) == (3, None)
        assert (await web.get("/streams?after=live/z")).json["streams"] == []
        answer = await web.get(f"/streams?after={'z' * 1101}")
        assert (answer.status, answer.detail) == (422, "after: 1100 characters are allowed.")


@pytest.mark.parametrize("path", ["live/a", "live%2Fa"])
async def test_one_stream_is_shown(path: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        publisher = await web.publish()
        seen = (await web.get(f"/streams/{path}")).json
        assert (seen["path"], seen["state"]) == ("live/a", "live")
        assert seen["publisher"] == publisher.name
        assert seen["tracks"][0]["codec"] == "h264"


async def test_history_goes_second_by_second(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        publisher = await web.publish()
        seen = (await web.get("/rates/live/a")).json
        assert seen.pop("interval_s") == 1
        assert seen == {"bit_rate": [], "bit_rate_out": [], "frame_rate": [], "viewers": []}
        rates = web.live.services.rates
        rates._sample()
        await publisher.send_video(KEYFRAME, 33)
        await until(lambda: web.stream().frames == 2)
        rates._sample()
        seen = (await web.get("/rates/live/a")).json
        assert len(seen["bit_rate"]) == len(seen["frame_rate"]) == len(seen["viewers"]) >= 1
        assert seen["bit_rate"][0] > 0


async def test_stream_is_ended_and_its_publisher_closed(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        publisher = await web.publish()
        player = await web.live.player("a")
        answer = await web.api("DELETE", "/streams/live/a")
        assert (answer.status, answer.body) == (204, b"")
        await publisher.expect_close()
        assert any("UnpublishNotify" in line for line in await player.expect_close())
        assert (await web.get("/streams/live/a")).status == 404
        assert (await web.api("DELETE", "/streams/live/a")).status == 404


async def test_stream_that_is_only_waited_for_is_shown_and_cannot_be_ended(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.live.player("a")
        assert (await web.get("/streams/live/a")).json["state"] == "waiting"
        answer = await web.api("DELETE", "/streams/live/a")
        assert answer.status == 404
        assert answer.detail == "There is no such stream now."


@pytest.mark.parametrize("path", ["live/b", "%00", "..%2F..", "live//a"])
async def test_stream_that_is_not_there_is_not_found(path: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        answer = await web.get(f"/streams/{path}")
        assert answer.status == 404
        assert answer.detail
        assert (await web.get(f"/rates/{path}")).status == 404


async def test_administrator_sees_the_picture_too(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        publisher = await web.live.publisher("a")
        for tag in picture_tags():
            await publisher.send_video(tag.body, tag.timestamp)
        await until(lambda: web.stream().frames)
        answer = await web.get("/thumbnails/live/a?width=320")
        assert answer.type == "image/jpeg"
        assert is_red(answer.body)
        assert answer.headers["Cache-Control"] == "private, max-age=5"
        assert (await web.ask("GET", "/api/v1/thumbnails/live/a")).status == 401
        assert (await web.get("/thumbnails/live/b")).status == 404


async def test_stream_that_is_asked_for_is_the_only_one_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = []
    describe = status._stream

    def note(services: Services, stream: Stream, *more: Any) -> status.StreamStatus:
        described.append(stream.path)
        return describe(services, stream, *more)

    monkeypatch.setattr(status, "_stream", note)
    async with serve(tmp_path) as web:
        for name in "abc":
            await web.publish(name)
        answer = await web.get("/streams/live/b")
        assert (answer.json["path"], described) == ("live/b", ["live/b"])
        described.clear()
        page = await web.get("/streams?limit=2")
        assert page.json["total"] == 3
        assert described == ["live/a", "live/b"]


async def test_many_streams_are_described_over_several_turns_of_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "TURN", 1)
    async with serve(tmp_path) as web:
        for name in "abc":
            await web.publish(name)
        services = web.live.services
        described = asyncio.ensure_future(status.in_turns(services, status.listed(services)))
        await asyncio.sleep(0)  # the first turn
        services.registry.end("live/b")
        await described
        assert [each.path for each in described.result()] == ["live/a", "live/c"]


async def test_encoder_of_a_stream_that_is_ended_is_kept_away(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        assert (await web.api("DELETE", "/streams/live/a?bar_s=60")).status == 404
        assert (await web.get("/bars")).json == {"bars": {}}
        await web.publish()
        assert (await web.api("DELETE", "/streams/live/a?bar_s=0")).status == 422
        assert (await web.api("DELETE", "/streams/live/a?bar_s=60")).status == 204
        assert 0 < (await web.get("/bars")).json["bars"]["live/a"] <= 60
        assert (await web.api("DELETE", "/bars/live/a")).status == 204
        assert (await web.api("DELETE", "/bars/live/a")).status == 404
        await web.publish()
