"""Tests of where relays connect to, whatever DNS and the other side say."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import pytest
from aiohttp import web
from tests.client.peers import http_server
from tests.harness import until
from tests.outside import FORMS, INNER, inner_server, stand_outside
from tests.relay.destinations import destination, redirector
from tests.relay.servers import into, out, publish_pictures, server, states, targets

from headend.media import flv
from headend.testing.clip import make_clip

CLIP = make_clip(2.0, gop=10)
METADATA = "169.254.169.254"


def clip_file() -> bytes:
    tags = b"".join(flv.serialize_tag(tag) for tag in CLIP.tags)
    return flv.serialize_header(has_audio=True, has_video=True) + tags


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream as FLV, and as HLS that does not end."""
    made = tmp_path_factory.mktemp("media")
    (made / "a.flv").write_bytes(clip_file())
    with (
        av.open(str(made / "a.flv")) as clip,
        av.open(str(made / "a.m3u8"), "w", format="hls", options={"hls_time": "0.4"}) as hls,
    ):
        streams = {s.index: hls.add_stream_from_template(s) for s in clip.streams}
        for packet in clip.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                hls.mux(packet)
    playlist = (made / "a.m3u8").read_text().replace("#EXT-X-ENDLIST\n", "")
    # How often a player asks for what follows, and for how long.
    (made / "a.m3u8").write_text(playlist.replace("TARGETDURATION:0", "TARGETDURATION:2"))
    return made


class Origin:
    """A server of HTTP that gives a stream, and stays.

    Attributes:
        hosts: What requests called it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.hosts: set[str] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.hosts.add(request.host)
        file = self._folder / request.path.rpartition("/")[2]
        if not file.exists():
            raise web.HTTPNotFound
        if file.suffix != ".flv":
            return web.FileResponse(file)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(file.read_bytes())
        await asyncio.Event().wait()
        return response


class Rebinding:
    """DNS that says of a name first what is allowed, and then something else.

    Attributes:
        asked: How often it was asked about each name.
    """

    def __init__(self, *names: str) -> None:
        self._names = names
        self._real: Callable[..., Sequence[object]] = socket.getaddrinfo
        self.asked: Counter[str] = Counter()

    def getaddrinfo(
        self, host: str, port: int, *more: object, **others: object
    ) -> Sequence[object]:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in self._names:
            return self._real(host, port, *more, **others)
        self.asked[name] += 1
        address = "127.0.0.1" if self.asked[name] == 1 else METADATA
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))]


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Rebinding:
    made = Rebinding("origin.test")
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    return made


def always(url: str) -> str:
    return into(url, match="live/a", more=", on_demand=false")


@pytest.mark.parametrize("name", ["a.flv", "a.m3u8"])
async def test_origin_over_http_is_where_its_name_was_checked(
    name: str, folder: Path, tmp_path: Path, dns: Rebinding
) -> None:
    origin = Origin(folder)
    async with http_server(origin.handle) as base:
        url = base.replace("127.0.0.1", "origin.test")
        async with server(tmp_path, "edge", always(f"{url}/{name}")) as edge:
            await until(lambda: states(edge) == ["live"])
            assert origin.hosts == {url.removeprefix("http://")}
            assert dns.asked == {"origin.test": 1}


@pytest.mark.parametrize("name", ["a.flv", "a.m3u8"])
@pytest.mark.parametrize("host", [METADATA, "origin.test"])
async def test_origin_over_http_sends_nobody_on_to_where_calls_may_not_go(
    name: str, host: str, tmp_path: Path, dns: Rebinding
) -> None:
    dns.asked["origin.test"] = 1  # it is the wrong address that is named from now on

    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"http://{host}/latest/{name}")

    async with (
        http_server(handler) as base,
        server(tmp_path, "edge", always(f"{base}/{name}")) as edge,
    ):
        await until(lambda: states(edge) == ["failed"])
        assert f"{host} is not allowed" in targets(edge)[0]["reason"]


async def test_segments_come_from_where_calls_may_go_only(folder: Path, tmp_path: Path) -> None:
    asked = list[str]()

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        raise web.HTTPNotFound

    async with http_server(elsewhere) as forbidden:
        port = forbidden.rpartition(":")[2]

        async def origin(request: web.Request) -> web.StreamResponse:
            lines = (folder / "a.m3u8").read_text().splitlines(keepends=True)
            there = f"http://127.0.0.1:{port}/"
            moved = (line if line.startswith("#") else there + line for line in lines)
            return web.Response(text="".join([*moved, "#EXT-X-ENDLIST\n"]))

        async with http_server(origin) as base:
            url = base.replace("127.0.0.1", "localhost") + "/a.m3u8"
            allowed = 'auth.outgoing=["shop.example"]'
            async with server(tmp_path, "edge", always(url), allowed) as edge:
                await until(lambda: states(edge) not in ([], ["connecting"], ["live"]))
                assert states(edge) != ["live"]
    assert asked == []


async def test_redirect_of_rtmp_leads_only_where_calls_may_go(tmp_path: Path) -> None:
    async with (
        destination(redirector(f"rtmp://{METADATA}/live")) as there,
        server(tmp_path, "here", out(f"rtmp://{there}/live/{{name}}")) as live,
    ):
        await publish_pictures(await live.publisher("a"))
        await until(lambda: states(live) == ["failed"])
        assert f"{METADATA} is not allowed" in targets(live)[0]["reason"]


SENT = "a server outside sends us there; auth.outgoing can name its network"


@pytest.mark.parametrize("form", FORMS)
async def test_redirect_of_rtmp_does_not_lead_a_relay_inside(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_outside(monkeypatch)

    async with (
        inner_server() as inner,
        destination(redirector(f"rtmp://{form}:{inner.port}/live")) as there,
        server(
            tmp_path,
            "here",
            out(f"rtmp://{there}/live/{{name}}", match="live/a"),
            into(f"rtmp://{there}/live/b", match="live/b", more=", on_demand=false"),
        ) as live,
    ):
        await publish_pictures(await live.publisher("a"))
        await until(lambda: states(live) == ["failed", "failed"])
        assert all(SENT in target["reason"] for target in targets(live))
        assert inner.visits == 0


@pytest.mark.parametrize("form", [INNER, "127.2", "0x7f000002", "[::ffff:127.0.0.2]", "inner.test"])
@pytest.mark.parametrize("name", ["a.flv", "a.m3u8"])
async def test_redirect_of_http_does_not_lead_a_relay_inside(
    form: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_outside(monkeypatch)

    async with inner_server() as inner:

        async def handler(request: web.Request) -> web.StreamResponse:
            location = f"http://{form}:{inner.port}/{name}"
            return web.Response(status=302, headers={"Location": location})

        async with (
            http_server(handler) as base,
            server(tmp_path, "edge", always(f"{base}/{name}")) as edge,
        ):
            await until(lambda: states(edge) == ["failed"])
            assert SENT in targets(edge)[0]["reason"]
        assert inner.visits == 0


@pytest.mark.parametrize(
    "line", ["#EXTINF:1,\n{there}/s.ts", '#EXT-X-KEY:METHOD=AES-128,URI="{there}/k"']
)
async def test_playlist_that_goes_on_does_not_lead_a_relay_inside(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_outside(monkeypatch)

    async with inner_server() as inner:

        async def handler(request: web.Request) -> web.StreamResponse:
            if not request.path.endswith(".m3u8"):
                return web.Response(body=bytes(1880))
            head = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
            named = line.format(there=f"http://{INNER}:{inner.port}")
            return web.Response(text=f"{head}{named}\n#EXTINF:1,\ns.ts\n")

        async with (
            http_server(handler) as base,
            server(tmp_path, "edge", always(f"{base}/a.m3u8")) as edge,
        ):
            await until(lambda: states(edge) == ["failed"])
            assert SENT in targets(edge)[0]["reason"]
        assert inner.visits == 0


async def test_network_that_is_named_may_be_led_to_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_outside(monkeypatch)

    async with (
        inner_server() as inner,
        destination(redirector(f"rtmp://127.2:{inner.port}/live")) as there,
        server(
            tmp_path,
            "here",
            out(f"rtmp://{there}/live/{{name}}"),
            'auth.outgoing=["127.0.0.0/8"]',
        ) as live,
    ):
        await publish_pictures(await live.publisher("a"))
        await until(lambda: inner.visits > 0)
