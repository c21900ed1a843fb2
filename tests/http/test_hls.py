"""Tests of headend.http.hls and hls_streams where packaging goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.harness import Live, Peer, live_server, message, until
from tests.hls.media import audio_header, inter, key, stream, video_header
from tests.wire import wire

from headend.errors import MediaError
from headend.hls import streams as hls_streams
from headend.hls.packager import HlsPackager
from headend.hls.run import Run
from headend.hls.streams import HlsStreams
from headend.live import status
from headend.media.tag import Tag


class Served:
    """A server with HTTP, a client, and a publisher of `live/a`."""

    def __init__(self, live: Live, client: aiohttp.ClientSession) -> None:
        self.live = live
        self.client = client
        self.base = f"http://{live.server.addresses['http'][0]}/live/a"
        self._sent = 0
        self._publisher: Peer

    async def publish(self, *tags: Tag) -> None:
        """Publish tags; the first ones begin the stream."""
        if not self._sent:
            self._publisher = await self.live.publisher("a")
        for kind, timestamp, body, *_ in tags:
            await self._publisher.send(message(6, int(kind), 1, body, timestamp))
        self._sent += len(tags)
        await self.live.received("live/a", self._sent)

    async def get(self, name: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Ask for a playlist or a segment."""
        async with self.client.get(f"{self.base}/{name}", headers=headers) as response:
            return response.status, await response.text(errors="replace")

    def health(self) -> list[str]:
        """Return what an operator is told of the stream."""
        (found,) = status.streams(self.live.services)
        return [each.text for each in found.health]


@asynccontextmanager
async def serve(data: Path, *settings: str) -> AsyncIterator[Served]:
    listen = "http.listen=127.0.0.1:0"
    async with live_server(data, listen, *settings) as live, aiohttp.ClientSession() as client:
        yield Served(live, client)


HEADERS = (video_header(), audio_header())


def break_packager(patch: pytest.MonkeyPatch) -> None:
    """Put a bug into the packager."""

    def push(*_: object) -> None:
        raise RuntimeError("a bug")

    patch.setattr(HlsPackager, "push", push)


def break_runs(patch: pytest.MonkeyPatch) -> None:
    """Have every run fail."""

    def push(*_: object) -> Any:
        raise MediaError("no more")

    patch.setattr(Run, "push", push)


async def test_packager_that_was_lost_is_no_end_of_the_stream_and_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        await web.publish(*HEADERS, *stream(100))
        asked = asyncio.create_task(web.get("main.m3u8"))
        hls = web.live.services.features[HlsStreams]
        await until(lambda: hls.waiting)
        await web.publish(*stream(2500, start=100))
        assert (await asked)[0] == 200
        with monkeypatch.context() as patch:
            break_packager(patch)
            await web.publish(inter(2600))
        for name in ("main.m3u8", "index.m3u8", "main.m3u8?_HLS_msn=1"):
            code, text = await web.get(name)
            assert code == 503, name
            assert "packaging has failed, which is a bug" in text
        assert any("HLS stands still" in line for line in web.health())
        monkeypatch.setattr(hls_streams, "REMAKE_S", 0.0)
        await web.publish(*stream(2100, start=3000))
        asked = asyncio.create_task(web.get("main.m3u8"))
        await until(lambda: hls.waiting)
        await web.publish(*stream(2500, start=5100))
        code, text = await asked
        assert code == 200
        assert "ENDLIST" not in text
        code, text = await web.get("index.m3u8")
        assert 'CODECS="avc1.42c00b,mp4a.40.2"' in text
        assert web.health() == ["all is well"]


async def test_request_that_waits_while_the_packager_is_lost_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path, "hls.start=publish") as web:
        await web.publish(*HEADERS, *stream(100))
        hls = web.live.services.features[HlsStreams]
        await until(lambda: hls.find("live/a"))
        await web.publish(*stream(2500, start=100))
        assert (await web.get("main.m3u8"))[0] == 200
        packaged = hls.find("live/a")
        assert packaged is not None
        following = packaged.playlists.next_sequence + 1
        asked = asyncio.create_task(web.get(f"main.m3u8?_HLS_msn={following}"))
        await until(lambda: hls.waiting)
        break_packager(monkeypatch)
        await web.publish(inter(2600))
        code, text = await asked
        assert (code, "ENDLIST" in text) == (503, False)


async def test_stale_playlist_is_not_given_as_live_and_health_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path, "hls.start=publish") as web:
        await web.publish(*HEADERS, *stream(100))
        hls = web.live.services.features[HlsStreams]
        await until(lambda: hls.find("live/a"))
        await web.publish(*stream(2500, start=100))
        assert (await web.get("main.m3u8"))[0] == 200
        monkeypatch.setattr(hls_streams, "STALE_TARGETS", -99)
        assert (await web.get("main.m3u8"))[0] == 503  # nothing new, though all is well
        monkeypatch.setattr(hls_streams, "STALE_TARGETS", 0)
        assert (await web.get("main.m3u8"))[0] == 200
        with monkeypatch.context() as patch:
            break_runs(patch)
            await web.publish(inter(2600), key(3000))
        for name in ("main.m3u8", "index.m3u8"):
            code, text = await web.get(name)
            assert code == 503
            assert "HLS stands still: no more" in text
        assert web.health()[:1] == ["HLS stands still: no more"]
        await web.publish(*stream(2500, start=4000))
        assert (await web.get("main.m3u8"))[0] == 200
        assert web.health() == ["all is well"]


async def test_playlist_of_a_stream_whose_publisher_is_away_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path, "hls.start=publish", "live.reconnect_window_s=30") as web:
        await web.publish(*HEADERS, *stream(100))
        hls = web.live.services.features[HlsStreams]
        await until(lambda: hls.find("live/a"))
        await web.publish(*stream(2500, start=100))
        packaged = hls.find("live/a")
        assert packaged is not None
        monkeypatch.setattr(hls_streams, "STALE_TARGETS", -99)
        monkeypatch.setattr(hls_streams, "QUIET_S", 0.0)  # nothing comes at this moment
        assert (await web.get("main.m3u8"))[0] == 200
        packaged.let_time_pass(1e9)
        monkeypatch.setattr(hls_streams, "QUIET_S", 1e9)
        assert packaged.trouble() is None  # patience begins when media comes again
        web.live.close_peers()
        await until(lambda: not packaged.stream.is_live)
        assert (await web.get("main.m3u8"))[0] == 200


async def test_frames_and_tracks_that_are_left_out_are_counted_and_said(tmp_path: Path) -> None:
    async with serve(tmp_path, "hls.start=publish") as web:
        await web.publish(video_header(), *stream(100, audio=False))
        hls = web.live.services.features[HlsStreams]
        await until(lambda: hls.find("live/a"))
        damaged = key(60)._replace(body=wire("27 01 000000 00000009 41"))
        speex = Tag(*audio_header()[:2], wire("b2 00"), False, False)
        await web.publish(damaged, speex._replace(timestamp=60), inter(80))
        lines = web.health()
        assert "HLS: speex does not go into fmp4" in lines
        fault = "the lengths of NAL units do not fit their frame"
        assert f"frames left out by HLS: 1; newest: {fault}" in lines
        async with web.client.get(web.base.replace("/live/a", "/metrics")) as response:
            assert "headend_hls_frames_left_out_total 1.0" in await response.text()


async def test_stream_that_cannot_be_packaged_is_told_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        vp8 = key(0)._replace(body=wire("91 76703038 00"))
        await web.publish(vp8)
        monkeypatch.setattr("headend.http.hls.READY_S", -1e6)
        code, text = await web.get("index.m3u8")
        assert code == 503
        assert "nothing yet that can be packaged (vp8 does not go into fmp4)" in text


BY_ITSELF = {"Accept-Encoding": "gzip, identity;q=1, *;q=0", "Range": "bytes=0-"}


async def test_playlist_for_chromiums_own_player_waits_for_three_segments(tmp_path: Path) -> None:
    async with serve(tmp_path, "hls.segment_s=1") as web:
        await web.publish(*HEADERS, *stream(100))
        by_script = asyncio.create_task(web.get("main.m3u8"))
        by_itself = asyncio.create_task(web.get("main.m3u8", BY_ITSELF))
        hls = web.live.services.features[HlsStreams]
        await until(lambda: hls.waiting == 2)
        await web.publish(*stream(2200, start=100))
        assert (await by_script)[1].count("#EXTINF") < 3
        assert not by_itself.done()
        await web.publish(*stream(2000, start=2300))
        assert (await by_itself)[1].count("#EXTINF") >= 3


async def test_short_playlist_of_a_stream_that_is_over_is_given_to_chromiums_own_player(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path, "hls.segment_s=1") as web:
        await web.publish(*HEADERS, *stream(100))
        asked = asyncio.create_task(web.get("main.m3u8", BY_ITSELF))
        hls = web.live.services.features[HlsStreams]
        await until(lambda: hls.waiting == 1)
        await web.publish(*stream(2200, start=100))
        await until(lambda: hls.waiting == 1)
        web.live.services.registry.end("live/a")
        assert "#EXT-X-ENDLIST" in (await asked)[1]


async def test_head_of_a_playlist_waits_for_nothing(tmp_path: Path) -> None:
    async with serve(tmp_path, "hls.segment_s=1") as web:
        await web.publish(*HEADERS, *stream(100))
        asked = asyncio.create_task(web.get("main.m3u8"))
        hls = web.live.services.features[HlsStreams]
        await until(lambda: hls.waiting == 1)
        await web.publish(*stream(2200, start=100))
        await asked
        async with web.client.head(f"{web.base}/main.m3u8", headers=BY_ITSELF) as head:
            assert head.status == 200
