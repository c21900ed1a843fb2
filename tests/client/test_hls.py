"""Tests of headend.client.hls: playlists of files, of our own server, and bad ones."""

from itertools import pairwise
from pathlib import Path

import av
import pytest
from aiohttp import web
from tests.client.peers import HttpHandler, http_server, on_air, our_server, tls_server
from tests.client.servers import fails

from headend.client import TlsOptions, hls, play, publish
from headend.errors import MediaError, Rejected, RelayError
from headend.media import flv
from headend.media.tag import AUDIO, VIDEO, Tag
from headend.testing.clip import make_clip

CLIP = make_clip(2.0, gop=10)
MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=100000
none.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=900000
list.m3u8
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A playlist and its segments."""
    made = tmp_path_factory.mktemp("hls")
    source = made / "clip.flv"
    tags = b"".join(flv.serialize_tag(tag) for tag in CLIP.tags)
    source.write_bytes(flv.serialize_header(has_audio=True, has_video=True) + tags)
    options = {"hls_time": "0.4", "hls_list_size": "0"}
    with (
        av.open(str(source)) as clip,
        av.open(str(made / "list.m3u8"), "w", format="hls", options=options) as hls,
    ):
        streams = {s.index: hls.add_stream_from_template(s) for s in clip.streams}
        for packet in clip.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                hls.mux(packet)
    (made / "master.m3u8").write_text(MASTER)
    (made / "file.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    (made / "empty.m3u8").write_text("#EXTM3U\n#EXT-X-ENDLIST\n")
    (made / "page.m3u8").write_text("<html>")
    return made


def files(folder: Path, without: str = "-") -> HttpHandler:
    async def handler(request: web.Request) -> web.StreamResponse:
        path = folder / request.path.lstrip("/")
        if path.name == without or not path.exists():
            raise web.HTTPNotFound
        return web.FileResponse(path)

    return handler


def payloads(tags: list[Tag], kind: int) -> list[bytes]:
    """Return what is in the frames, without the NAL units that only transport streams hold."""
    found = []
    for tag in tags:
        if tag.kind != kind or tag.is_sequence_header:
            continue
        if kind == AUDIO:
            found.append(tag.body[2:])
            continue
        data, slices, start = tag.body[5:], b"", 0
        while start < len(data):
            size = int.from_bytes(data[start : start + 4], "big")
            if data[start + 4] & 31 in (1, 5):
                slices += data[start + 4 : start + 4 + size]
            start += 4 + size
        found.append(slices)
    return [data for data in found if data]


@pytest.mark.parametrize("name", ["list.m3u8", "master.m3u8"])
async def test_playlist_is_played_to_its_end(name: str, folder: Path) -> None:
    async with http_server(files(folder)) as base, play(f"{base}/{name}") as stream:
        tags = [tag async for tag in stream]
    for kind in (VIDEO, AUDIO):
        assert any(tag.kind == kind and tag.is_sequence_header for tag in tags)
        assert payloads(tags, kind) == payloads(list(CLIP.tags), kind)
    times = [tag.timestamp for tag in tags if tag.kind == VIDEO and len(tag.body) > 5]
    assert {later - time for time, later in pairwise(times[1:])} == {40}


async def test_segment_that_has_gone_is_skipped(folder: Path) -> None:
    async with (
        http_server(files(folder, without="list1.ts")) as base,
        play(f"{base}/list.m3u8") as stream,
    ):
        tags = [tag async for tag in stream]
    pictures = payloads(tags, VIDEO)
    whole = payloads(list(CLIP.tags), VIDEO)
    assert len(pictures) == len(whole) - 10
    assert pictures[:10] + pictures[10:] == whole[:10] + whole[20:]


async def test_time_goes_on_behind_a_discontinuity(folder: Path) -> None:
    whole = (folder / "list.m3u8").read_text()
    segments = "".join(f"#EXTINF:0.4,\nlist{number}.ts\n" for number in range(5))
    twice = whole.partition("#EXTINF")[0] + segments + "#EXT-X-DISCONTINUITY\n" + segments
    (folder / "twice.m3u8").write_text(twice + "#EXT-X-ENDLIST\n")

    async with http_server(files(folder)) as base, play(f"{base}/twice.m3u8") as stream:
        tags = [tag async for tag in stream]
    pictures = payloads(tags, VIDEO)
    once = payloads(list(CLIP.tags), VIDEO)
    assert pictures[: len(once)] == once
    assert len(pictures) > 1.9 * len(once)
    assert pictures[-30:] == once[-30:]
    times = [tag.timestamp for tag in tags if tag.kind == VIDEO and not tag.is_sequence_header]
    assert times == sorted(times)
    assert times[-1] < 5000


async def test_player_may_leave_early(folder: Path) -> None:
    async with http_server(files(folder)) as base, play(f"{base}/list.m3u8") as stream:
        await anext(stream)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("none.m3u8", Rejected, "404: Not Found"),
        ("page.m3u8", MediaError, "Invalid data"),
        ("file.m3u8", MediaError, ""),
        ("empty.m3u8", MediaError, ""),
    ],
)
async def test_playlist_that_cannot_be_played(
    name: str, kind: type, words: str, folder: Path
) -> None:
    async with http_server(files(folder)) as base:
        error = await fails(f"{base}/{name}", play)
        assert type(error) is kind, error
        assert words in str(error)
        assert "\n" not in str(error)


async def test_server_that_fails_is_named() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPBadGateway

    async with http_server(handler) as base:
        error = await fails(f"{base}/a.m3u8", play)
        assert str(error) == f"{base.removeprefix('http://')} answers 502"
    error = await fails(f"{base}/a.m3u8", play)
    assert str(error).endswith(": Connection refused")


async def test_stream_of_our_own_server_is_played(tmp_path: Path) -> None:
    async with (
        our_server(tmp_path) as ours,
        on_air(f"{ours.rtmp}/live/a", CLIP),
        play(f"{ours.http}/live/a/index.m3u8") as stream,
    ):
        tags = [await anext(stream) for _ in range(60)]
    pictures = payloads(tags, VIDEO)
    whole = payloads(list(CLIP.tags), VIDEO) * 9
    assert len(pictures) > 10
    start = whole.index(pictures[0])
    assert pictures == whole[start : start + len(pictures)]


async def test_certificate_is_checked(tmp_path: Path) -> None:
    async with tls_server(tmp_path, "localhost") as (port, trust):
        base = f"localhost:{port}/live/a"
        async with publish(f"rtmps://{base}", tls=trust):
            url = f"https://{base}/none.m3u8"
            error = await fails(url, play)
            assert isinstance(error, RelayError)
            assert "its certificate is not trusted" in str(error)
            error = await fails(url, play, tls=TlsOptions(fingerprint="00" * 32))
            assert "its certificate has another fingerprint" in str(error)
            assert isinstance(await fails(url, play, tls=trust), Rejected)


@pytest.mark.parametrize("kind", ["playlist", "playlist that grows", "segment"])
async def test_answer_without_an_end_is_read_up_to_a_limit(
    kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls, "MAX_PLAYLIST", 100_000)
    monkeypatch.setattr(hls, "MAX_SEGMENT", 200_000)
    sent = asked = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent, asked
        is_list = request.path.endswith(".m3u8")
        asked += is_list
        if not is_list and kind != "segment":
            return web.FileResponse(folder / request.path.lstrip("/"))
        answer = web.StreamResponse()
        await answer.prepare(request)
        piece = (folder / "list0.ts").read_bytes()
        if is_list:
            await answer.write(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\nlist0.ts\n")
            if kind == "segment" or (kind == "playlist that grows" and asked == 1):
                return answer
            piece = b"#EXTINF:0.4,\nlist0.ts\n" * 400
        for _ in range(1000):
            sent += len(piece)
            await answer.write(piece)
        return answer

    async def watch(url: str) -> None:
        async with play(url) as stream:
            async for _ in stream:
                pass

    async with http_server(handler) as base:
        with pytest.raises(MediaError, match=f"a {kind.split()[0]} is over 0.[0-9]+ MiB"):
            await watch(f"{base}/list.m3u8")
    assert sent < 9_000_000
