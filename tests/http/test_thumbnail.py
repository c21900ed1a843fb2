"""Tests of headend.http.thumbnail and headend.thumbnails.thumbnails, over HTTP."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from tests.harness import KEYFRAME, VIDEO_HEADER, Live, Peer, live_server, message, until
from tests.pictures import BLUE, decode_jpeg, is_blue, is_red, picture_tags
from tests.wire import wire

from headend.hub.stream import Stream
from headend.media.tag import Tag
from headend.thumbnails import process as thumbnail_process
from headend.thumbnails import thumbnails
from headend.thumbnails.process import ThumbnailProcess
from headend.thumbnails.thumbnails import Thumbnails

AUDIO = wire("af 01 2110045f")


class Watched:
    """A server with HTTP, and a client of it."""

    def __init__(self, live: Live, client: aiohttp.ClientSession) -> None:
        self.live = live
        self._client = client
        self.base = f"http://{live.server.addresses['http'][0]}"

    @property
    def thumbnails(self) -> Thumbnails:
        return self.live.services.features[Thumbnails]

    def age(self, seconds: float) -> None:
        """Let time go by for what is kept."""
        for kept in self.thumbnails._kept.values():
            kept.stale_at -= seconds

    def stream(self, name: str = "a") -> Stream:
        found = self.live.services.registry.stream(f"live/{name}")
        assert found is not None
        return found

    async def publish(self, tags: Sequence[Tag], name: str = "a") -> Peer:
        publisher = await self.live.publisher(name)
        await self.go_on(publisher, tags, name)
        return publisher

    async def go_on(self, publisher: Peer, tags: Sequence[Tag], name: str = "a") -> None:
        wanted = self.stream(name).tags_in + len(tags)
        for tag in tags:
            await publisher.send_video(tag.body, tag.timestamp)
        await until(lambda: self.stream(name).tags_in >= wanted)

    async def get(
        self, query: str = "", name: str = "a", **headers: str
    ) -> tuple[int, bytes, aiohttp.ClientResponse]:
        address = f"{self.base}/live/{name}/thumbnail.jpg{query}"
        async with self._client.get(address, headers=headers) as response:
            return response.status, await response.read(), response

    async def detail(self, query: str = "", name: str = "a") -> tuple[int, str]:
        """Ask for what cannot be given; return status and words."""
        status, body, response = await self.get(query, name)
        assert response.content_type == "application/problem+json", body
        return status, (await response.json())["detail"]

    async def method(self, method: str) -> aiohttp.ClientResponse:
        address = f"{self.base}/live/a/thumbnail.jpg"
        async with self._client.request(method, address) as response:
            await response.read()
            return response


@asynccontextmanager
async def serve(data: Path, *settings: str) -> AsyncIterator[Watched]:
    async with (
        live_server(data, "http.listen=127.0.0.1:0", *settings) as live,
        aiohttp.ClientSession() as client,
    ):
        yield Watched(live, client)


def is_there(pid: int | None) -> bool:
    return Path(f"/proc/{pid}/stat").exists()


async def test_newest_keyframe_is_shown_and_kept_for_a_while(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        publisher = await web.publish(picture_tags())
        status, body, response = await web.get()
        assert status == 200
        assert decode_jpeg(body)[0] == (640, 352)
        assert is_red(body)
        assert response.content_type == "image/jpeg"
        assert response.headers["Cache-Control"] == "public, max-age=5"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        later = [tag._replace(timestamp=1000) for tag in picture_tags(color=BLUE)]
        await web.go_on(publisher, later)
        assert (await web.get())[1] == body
        assert web.thumbnails.made == 1
        web.age(5.1)
        assert is_blue((await web.get())[1])
        assert web.thumbnails.made == 2


async def test_picture_of_the_same_keyframe_is_not_made_again(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish(picture_tags())
        _, body, response = await web.get()
        web.age(5.1)
        _, same, again = await web.get()
        assert same == body
        assert again.headers["ETag"] == response.headers["ETag"]
        assert web.thumbnails.made == 1


async def test_client_that_has_the_picture_is_told_so(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish(picture_tags())
        etag = (await web.get())[2].headers["ETag"]
        status, body, response = await web.get(**{"If-None-Match": f'"x", {etag}'})
        assert (status, body) == (304, b"")
        assert response.headers["ETag"] == etag
        assert (await web.get(**{"If-None-Match": '"x"'}))[0] == 200
        head = await web.method("HEAD")
        assert (head.status, head.headers["ETag"]) == (200, etag)
        assert (await web.method("OPTIONS")).status == 204


@pytest.mark.parametrize(
    ("width", "made"), [("1", 160), ("160", 160), ("161", 320), ("99999", 640), ("500", 640)]
)
async def test_width_is_the_next_of_a_few(width: str, made: int, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish(picture_tags())
        assert decode_jpeg((await web.get(f"?width={width}"))[1])[0][0] == made


@pytest.mark.parametrize("width", ["", "0", "-1", "x", "1e3", "100000", "٣"])
async def test_width_that_is_none_is_refused(width: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish(picture_tags())
        status, words = await web.detail(f"?width={width}")
        assert (status, words) == (400, "width: a number of pixels is expected.")


async def test_what_has_no_picture_is_said_in_words(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        assert await web.detail() == (404, "nobody publishes live/a.")
        await web.live.player("a")
        assert await web.detail() == (404, "nobody publishes live/a.")
        publisher = await web.live.publisher("a")
        status, words = await web.detail()
        assert (status, words) == (503, "The stream has no keyframe that could be shown.")
        await publisher.send(message(4, 8, 1, AUDIO))
        await until(lambda: web.stream().sounds)
        assert await web.detail() == (404, "The stream has sound only.")
        await web.publish([tag for tag in picture_tags() if not tag.is_sequence_header], "b")
        status, words = await web.detail(name="b")
        assert status == 404
        assert "no sequence header of h264" in words


async def test_garbage_is_refused_in_words_and_the_server_goes_on(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        dice = random.Random(7)
        header, *_ = picture_tags("hevc")
        garbage = wire("93 68766331") + dice.randbytes(2000)
        await web.publish([header, header._replace(body=garbage)], "garbage")
        status, words = await web.detail(name="garbage")
        assert status == 404
        assert words.startswith("The newest keyframe cannot be shown: ")
        assert await web.detail(name="garbage") == (status, words)
        assert web.thumbnails.failed == 1
        publisher = await web.live.publisher("fake")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        await until(lambda: web.stream("fake").frames)
        assert (await web.get(name="fake"))[0] == 404
        await web.publish(picture_tags())
        assert is_red((await web.get())[1])


async def test_stream_that_hangs_the_decoder_is_left_alone_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        await web.publish(picture_tags())
        blue = picture_tags(color=BLUE)
        publisher = await web.publish(blue, "b")
        assert is_red((await web.get())[1])
        (process,) = web.thumbnails._idle
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        monkeypatch.setattr(thumbnail_process, "DECODE_S", 0.2)
        status, words = await web.detail(name="b")
        assert status == 404
        assert "the decoder took more than" in words
        monkeypatch.undo()
        web.age(30)
        assert (await web.get(name="b"))[0] == 404
        assert web.thumbnails.lost == 1
        assert is_red((await web.get("?width=320"))[1])
        web.age(31)
        await web.go_on(publisher, [each._replace(timestamp=99) for each in blue], "b")
        assert is_blue((await web.get(name="b"))[1])


async def test_many_who_ask_at_once_have_one_picture_made(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish(picture_tags())
        bodies = {body for _, body, _ in await asyncio.gather(*(web.get() for _ in range(30)))}
        assert len(bodies) == 1
        assert web.thumbnails.made == 1


async def test_few_processes_run_and_what_waits_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    running: list[ThumbnailProcess] = []

    async def make(self: ThumbnailProcess, *_: object) -> bytes:
        running.append(self)
        await gate.wait()
        return b"jpeg"

    monkeypatch.setattr(ThumbnailProcess, "make", make)
    monkeypatch.setattr(thumbnails, "WAITING", 4)
    async with serve(tmp_path) as web:
        for name in "abcde":
            await web.publish(picture_tags(), name)
        asked = [asyncio.create_task(web.get(name=name)) for name in "abcd"]
        await until(lambda: web.thumbnails.waiting == 4)
        status, words = await web.detail(name="e")
        assert status == 503
        assert "thumbnail requests that wait" in words
        assert len(running) == len(set(running)) == 2
        gate.set()
        assert [(await each)[1] for each in asked] == [b"jpeg"] * 4
        assert len(set(running)) == 2
        assert web.thumbnails.waiting == 0


async def test_processes_end_when_nobody_needs_them_and_with_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        await web.publish(picture_tags())
        monkeypatch.setattr(thumbnails, "IDLE_S", 0.01)
        await web.get()
        await until(lambda: not web.thumbnails._idle and not web.thumbnails._endings)
        monkeypatch.undo()
        await web.get("?width=160")
        (process,) = web.thumbnails._idle
        pid = process.pid
        assert is_there(pid)
    assert not is_there(pid)


async def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(tmp_path) as web:
        await web.publish(picture_tags())
        small = len((await web.get("?width=160"))[1])
        monkeypatch.setattr(thumbnails, "KEPT_BYTES", small)
        await web.get("?width=320")
        assert web.thumbnails._kept_bytes == sum(
            each.size for each in web.thumbnails._kept.values()
        )
        assert web.thumbnails._kept_bytes <= small


async def test_stream_of_the_same_name_is_another(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        publisher = await web.publish(picture_tags())
        assert is_red((await web.get())[1])
        web.live.services.registry.end_all()
        assert (await web.detail())[0] == 404
        publisher.close()
        await until(lambda: not web.live.services.sessions.connections)
        await web.publish(picture_tags(color=BLUE))
        assert is_blue((await web.get())[1])


async def test_who_shows_a_token_gets_what_no_cache_may_give_to_others(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish(picture_tags())
        response = (await web.get("?token=x"))[2]
        assert response.headers["Cache-Control"] == "private, max-age=5"
        web.live.services.sessions.is_stopping = True
        assert await web.detail() == (503, "The server is stopping.")
