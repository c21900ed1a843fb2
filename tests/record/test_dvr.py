"""Tests of headend.record.dvr and headend.hls.past, over HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from tests.harness import Live, Peer, live_server, message, until, until_so
from tests.hls.media import audio_header, stream, video_header

from headend.errors import DatabaseError
from headend.hls.streams import HlsStreams
from headend.http import hls as hls_module
from headend.record import dvr as dvr_module
from headend.record.recordings import Recordings
from headend.record.tables import RecordingTables

SETTINGS = (
    "http.listen=127.0.0.1:0",
    "hls.segment_s=0.5",
    "hls.segments=3",
    "record.min_free_bytes=0",
    "record.part_s=0.5",
)


class Watched:
    """A server with a publisher of `live/a`, and a client."""

    def __init__(self, live: Live, client: aiohttp.ClientSession, publisher: Peer) -> None:
        self.live = live
        self.client = client
        self.base = f"http://{live.server.addresses['http'][0]}/live/a/"
        self._publisher = publisher
        self._sent = 0
        self._at = 0

    async def publish(self, seconds: float) -> None:
        """Publish so much, with a keyframe each second, in real time as far as dates tell."""
        tags = [] if self._sent else [video_header(), audio_header()]
        tags += stream(round(1000 * seconds), start=self._at)
        for kind, timestamp, body, *_ in tags:
            await self._publisher.send(message(6, int(kind), 1, body, timestamp))
        self._at += round(1000 * seconds)
        self._sent += len(tags)
        await self.live.received("live/a", self._sent)

    async def first(self, name: str) -> tuple[int, str]:
        """Ask for a playlist of a stream that begins."""
        await self.publish(0.1)
        asked = asyncio.create_task(self.get(name))
        hls = self.live.services.features[HlsStreams]
        await until(lambda: asked.done() or hls.find("live/a"))
        await self.publish(3.9)
        return await asked

    async def recorded(self) -> None:
        """Wait until all that is packaged is written and in the index."""
        index = self.live.services.features[Recordings].index
        stream = self.live.services.features[HlsStreams].find("live/a")
        assert stream is not None

        async def is_there() -> bool:
            id = index.running_of("live/a")
            if id is None:
                return False
            rows = await (await index.opened()).segments(id)
            newest = stream.playlists.dates[-1]
            return bool(rows) and abs(rows[-1].date - newest) < 0.001

        await until_so(is_there)

    async def get(self, name: str) -> tuple[int, str]:
        async with self.client.get(self.base + name) as response:
            return response.status, await response.text(errors="replace")


@asynccontextmanager
async def watched(data: Path, *settings: str) -> AsyncIterator[Watched]:
    async with (
        live_server(data, *SETTINGS, *settings) as live,
        aiohttp.ClientSession() as client,
    ):
        yield Watched(live, client, await live.publisher("a"))


def number(text: str, tag: str) -> int:
    found = re.search(rf"#EXT-X-{tag}:(\d+)", text)
    assert found is not None, text
    return int(found[1])


def names(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


async def test_multivariant_playlist_passes_on_how_far_it_reaches_back(tmp_path: Path) -> None:
    async with watched(tmp_path) as web:
        status, text = await web.first("index.m3u8?dvr=60&token=t")
        assert status == 200
        assert "\nmain.m3u8?dvr=60&token=t\n" in text


@pytest.mark.parametrize("value", ["0", "86401", "x", ""])
async def test_distance_that_makes_no_sense_is_refused(tmp_path: Path, value: str) -> None:
    async with watched(tmp_path) as web:
        assert (await web.first(f"main.m3u8?dvr={value}"))[0] == 400


async def test_stream_that_is_not_recorded_is_live_alone(tmp_path: Path) -> None:
    async with watched(tmp_path) as web:
        status, text = await web.first("main.m3u8?dvr=60")
        assert status == 200
        assert "BYTERANGE" not in text
        assert "#EXT-X-PART" not in text
        assert "CAN-SKIP" not in text


async def test_playlist_is_of_the_recording_with_the_numbers_of_the_live_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dvr_module, "FRESH_S", -1.0)
    async with watched(tmp_path, 'record.match=["live/*"]') as web:
        await web.first("main.m3u8")
        for _ in range(2):
            await web.publish(10)
            await web.recorded()
            _, live = await web.get("main.m3u8")
            status, text = await web.get("main.m3u8?dvr=600")
            assert status == 200
            count = text.count("#EXT-X-BYTERANGE:")
            assert count > live.count("#EXTINF")
            end = number(live, "MEDIA-SEQUENCE") + live.count("#EXTINF")
            assert number(text, "MEDIA-SEQUENCE") + count == end
            assert len(names(text)) == count
            assert "EXT-X-PART" not in text
            assert text.count("#EXT-X-MAP:") == 1
            assert text.startswith("#EXTM3U\n#EXT-X-VERSION:7\n")
            assert (await web.get(names(text)[0]))[0] == 200
        for seconds in (1, 4):  # segments last a second
            _, text = await web.get(f"main.m3u8?dvr={seconds}")
            assert text.count("#EXT-X-BYTERANGE:") == seconds


async def test_segment_keeps_its_number_and_address_as_the_list_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dvr_module, "FRESH_S", -1.0)
    numbers: dict[str, int] = {}
    async with watched(tmp_path, 'record.match=["live/*"]') as web:
        await web.first("main.m3u8")
        for _ in range(5):
            await web.publish(2)
            await web.recorded()
            _, text = await web.get("main.m3u8?dvr=600")
            ranges = re.findall(r"#EXT-X-BYTERANGE:(\S+)", text)
            for at, each in enumerate(ranges, start=number(text, "MEDIA-SEQUENCE")):
                assert numbers.setdefault(each, at) == at
        assert sorted(numbers.values()) == list(range(min(numbers.values()), at + 1))


async def test_player_is_told_to_wait_while_the_database_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise DatabaseError("database: gone")

    async with watched(tmp_path, 'record.match=["live/*"]') as web:
        await web.first("main.m3u8")
        await web.publish(10)
        await web.recorded()
        monkeypatch.setattr(RecordingTables, "segments", refuse)
        monkeypatch.setattr(hls_module, "PAST_S", 0.0)
        status, text = await web.get("main.m3u8?dvr=600")
        assert status == 503
        assert "The recording has nothing yet." in text
        assert (await web.get("main.m3u8"))[0] == 200
