"""Tests that no server outside leads a client to addresses inside, on any protocol."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.client.peers import HttpHandler, http_server
from tests.client.redirects import PLAYED, PUBLISHED, moving, pictures, redirecting
from tests.client.servers import fails, other_server, saying
from tests.harness import until
from tests.outside import FORMS, INNER, inner_server, stand_outside

from headend.client import Timeouts, play, publish
from headend.media.tag import VIDEO, Tag

HASTY = Timeouts(connect_s=3, silence_s=3, close_s=0.1)
SENT = "a server outside sends us there"


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_outside(monkeypatch)


def sending(location: str, path: str) -> HttpHandler:
    """Redirect everything below a path, literally."""

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.path.startswith(path)
        return web.Response(status=302, headers={"Location": location})

    return handler


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("action", [play, publish])
async def test_redirect_of_rtmp_does_not_lead_inside(form: str, action: Any) -> None:
    async with inner_server() as inner:
        for name in ("redirect", "redirect2"):
            said = redirecting(f"rtmp://{form}:{inner.port}/secret", name)
            async with other_server(saying(said)) as url:
                error = await fails(url, action, timeouts=HASTY)
                assert SENT in str(error)
                assert "secret" not in str(error)
        assert inner.visits == 0


@pytest.mark.parametrize("form", [INNER, "127.2", "inner.test"])
async def test_redirect_of_rtmps_does_not_lead_inside(form: str) -> None:
    async with inner_server() as inner:
        said = redirecting(f"rtmps://{form}:{inner.port}/live")
        async with other_server(saying(said)) as url:
            assert SENT in str(await fails(url, play, timeouts=HASTY))
        assert inner.visits == 0


@pytest.mark.parametrize("form", [INNER, "0x7f.2", "inner.test"])
async def test_player_that_is_asked_to_move_inside_stays(
    form: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with inner_server() as inner:
        said = PLAYED + pictures(0, 2) + moving(f"rtmp://{form}:{inner.port}/live")
        async with other_server(saying(said)) as url, play(url) as stream:
            with caplog.at_level(logging.INFO):
                tags = [await anext(stream) for _ in range(2)]
                task = asyncio.ensure_future(anext(stream))
                await until(lambda: SENT in caplog.text)
                task.cancel()
            assert len(tags) == 2
        assert inner.visits == 0


@pytest.mark.parametrize("form", [INNER, "0x7f.2", "inner.test"])
async def test_publisher_that_is_asked_to_move_inside_stays(
    form: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with inner_server() as inner:
        said = PUBLISHED + moving(f"rtmp://{form}:{inner.port}/live")
        async with other_server(saying(said)) as url, publish(url, is_enhanced=True) as out:

            async def write_on() -> None:
                while True:
                    await out.write(Tag(VIDEO, 0, b"\x17\x01\0\0\0", True, False))
                    await asyncio.sleep(0)

            with caplog.at_level(logging.INFO):
                writing = asyncio.create_task(write_on())
                await until(lambda: SENT in caplog.text)
                writing.cancel()
        assert inner.visits == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("scheme", "file"), [("http", "a.flv"), ("ws", "a.flv"), ("http", "a.m3u8")]
)
async def test_redirect_of_http_does_not_lead_inside(form: str, scheme: str, file: str) -> None:
    async with inner_server() as inner:
        location = f"http://{form}:{inner.port}/api/{file}"
        async with http_server(sending(location, "/live")) as base:
            url = f"{base.replace('http', scheme)}/live/{file}"
            error = await fails(url, play, timeouts=HASTY)
            assert SENT in str(error) or not form.isascii()
        assert inner.visits == 0


LISTS = {
    "segment": "#EXTINF:1,\n{there}/s.ts\n",
    "key": '#EXT-X-KEY:METHOD=AES-128,URI="{there}/k"\n#EXTINF:1,\ns.ts\n',
    "init": '#EXT-X-MAP:URI="{there}/i.mp4"\n#EXTINF:1,\ns.m4s\n',
}


def playlist(items: str) -> str:
    head = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
    return head + items + "#EXT-X-ENDLIST\n"


@pytest.mark.parametrize("form", [INNER, "127.2", "2130706434", "inner.test"])
@pytest.mark.parametrize("kind", LISTS)
async def test_what_a_playlist_names_inside_is_not_fetched(kind: str, form: str) -> None:
    async with inner_server() as inner:
        there = f"http://{form}:{inner.port}"

        async def handler(request: web.Request) -> web.StreamResponse:
            if request.path.endswith(".m3u8"):
                return web.Response(text=playlist(LISTS[kind].format(there=there)))
            return web.Response(body=bytes(16 * 188))

        async with http_server(handler) as base:
            error = await fails(f"{base}/live/a.m3u8", play, timeouts=HASTY)
            assert SENT in str(error)
        assert inner.visits == 0


async def test_variant_or_redirected_segment_inside_is_not_fetched() -> None:
    async with inner_server() as inner:
        there = f"http://{INNER}:{inner.port}"
        variant = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n{there}/v.m3u8\n"

        async def handler(request: web.Request) -> web.StreamResponse:
            if request.path.endswith("v.m3u8"):
                return web.Response(text=variant)
            if request.path.endswith(".m3u8"):
                return web.Response(text=playlist("#EXTINF:1,\ns.ts\n"))
            return web.Response(status=302, headers={"Location": f"{there}/s.ts"})

        async with http_server(handler) as base:
            for file in ("v.m3u8", "a.m3u8"):
                error = await fails(f"{base}/live/{file}", play, timeouts=HASTY)
                assert SENT in str(error)
        assert inner.visits == 0


async def test_inside_redirects_are_followed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()  # this machine counts as itself
    async with inner_server() as inner:
        for form in (INNER, "127.2"):
            said = redirecting(f"rtmp://{form}:{inner.port}/live")
            async with other_server(saying(said)) as url:
                await fails(url, play, timeouts=HASTY)
        location = f"http://{INNER}:{inner.port}/a.flv"
        async with http_server(sending(location, "/live")) as base:
            for file in ("a.flv", "a.m3u8"):
                await fails(f"{base}/live/{file}", play, timeouts=HASTY)
        assert inner.visits >= 4
