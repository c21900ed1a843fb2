"""Every kind of connection and session is freed at once when it is gone, cycles or not."""

import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import StreamReader
from tests.freed import nothing_left
from tests.harness import C0_C1, C2, KEYFRAME, VIDEO_HEADER, Peer, command, run, until
from tests.raw_http import HEALTH, HttpClient, http_server
from tests.relay.servers import into, out, publish_pictures, server, targets
from tests.tls_live import TlsLive, TlsPeer, tls_server
from tests.tls_peers import write_pair

from headend.hls.streams import HlsStreams
from headend.http.connection import HttpConnection
from headend.settings import CertificatePair

UPGRADE = (
    b"GET /live/a.flv HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PROXY = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 1935\r\n"

Visit = Callable[[TlsLive], Awaitable[None]]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> CertificatePair:
    return write_pair(tmp_path_factory.mktemp("tls"), trustme.CA(), "localhost")


@asynccontextmanager
async def serve(data: Path, pair: CertificatePair) -> AsyncIterator[TlsLive]:
    """Run a server with all ports, where `live/a` is on air."""
    given = (
        "http.listen=127.0.0.1:0",
        "auth.private=vip/*",
        "limits.handshake_s=0.3",
        "limits.command_s=0.3",
        "live.wait_s=0.3",
        "live.reconnect_window_s=0",
    )
    async with tls_server(data, pair, *given) as live:
        publisher = await live.plain.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        await live.received("live/a", 2)
        try:
            yield live
        finally:
            publisher.close()


# ---------------------------------------------------------------------- RTMP


async def port_scan(live: TlsLive) -> None:
    (await live.plain.peer()).close()


async def reset_at_once(live: TlsLive) -> None:
    (await live.plain.peer()).reset()


async def rtmp_handshake(live: TlsLive) -> None:
    peer = await live.plain.peer()
    await peer.send(C0_C1 + C2)
    await peer.receive()
    peer.close()


async def rtmp_silence(live: TlsLive) -> None:
    peer = await live.plain.peer()
    await peer.expect_close()
    peer.close()


async def rtmp_connect(live: TlsLive) -> None:
    (await live.plain.connected()).close()


async def rtmp_fault(live: TlsLive) -> None:
    peer = await live.plain.connected()
    await peer.send(bytes.fromhex("02 000000 000004 01 00000000 00000000"))  # chunk size 0
    await peer.expect_close()
    peer.close()


async def http_on_the_rtmp_port(live: TlsLive) -> None:
    peer = await live.plain.peer()
    await peer.send(HEALTH)
    await peer.expect_close()
    peer.close()


async def publisher_that_is_lost(live: TlsLive) -> None:
    peer = await live.plain.publisher("b")
    await peer.send_video(VIDEO_HEADER)
    await peer.send_video(KEYFRAME)
    peer.reset()
    await until(lambda: live.services.registry.publication("live/b") is None)


async def publisher_that_ends(live: TlsLive) -> None:
    peer = await live.plain.publisher("b")
    await peer.send(command("deleteStream", 4, None, 1.0))
    await until(lambda: live.services.registry.publication("live/b") is None)
    peer.close()


async def publisher_that_is_refused(live: TlsLive) -> None:
    peer = await live.plain.connected()
    await peer.send(command("publish", 3, None, "a", "live", on=1))
    await peer.expect("NetStream.Publish.BadName")
    peer.close()


async def publisher_with_a_wrong_key(live: TlsLive) -> None:
    peer = await live.plain.connected()
    await peer.send(command("publish", 3, None, "b?key=hk_nonsense", "live", on=1))
    await peer.expect("NetStream.Publish.Denied")
    peer.close()


async def publisher_that_leaves_undecided(live: TlsLive) -> None:
    peer = await live.plain.connected()
    await peer.send(command("publish", 3, None, "b?key=hk_nonsense", "live", on=1))
    peer.reset()


async def player(live: TlsLive) -> None:
    peer = await live.plain.player("a")
    await peer.expect_media(2)
    peer.close()


async def player_that_waits(live: TlsLive) -> None:
    peer = await live.plain.player("nothing")
    await peer.expect("NetStream.Play.StreamNotFound")
    peer.close()


async def player_that_is_refused(live: TlsLive) -> None:
    peer = await live.plain.connected()
    await peer.send(command("play", 3, None, "vip/a", on=1))
    peer.close()


async def session_that_is_kicked(live: TlsLive) -> None:
    peer = await live.plain.player("a")
    for session in live.services.sessions.all():
        if session.playing:
            session.kick()
    await peer.expect_close()
    peer.close()


async def behind_a_proxy(live: TlsLive) -> None:
    peer = await live.plain.peer()
    await peer.send(PROXY + C0_C1 + C2 + command("connect", 1, {"app": "live"}))
    await peer.expect("_result")
    peer.close()


# ---------------------------------------------------------------------- TLS


async def tls_port_scan(live: TlsLive) -> None:
    (await live.raw()).close()


async def tls_nonsense(live: TlsLive) -> None:
    peer = await live.raw()
    await peer.send(b"nonsense" * 10)
    await peer.expect_close()
    peer.close()


async def tls_half_a_hello(live: TlsLive) -> None:
    peer = await live.raw()
    await peer.send(bytes.fromhex("160301 0100 01"))
    await peer.expect_close()
    peer.close()


async def tls_handshake(live: TlsLive) -> None:
    (await live.peer()).close()


async def rtmps_connect(live: TlsLive) -> None:
    (await live.connected()).close()


async def rtmps_player(live: TlsLive) -> None:
    peer = await live.player("a")
    await peer.expect_media(2)
    peer.reset()


async def https_request(live: TlsLive) -> None:
    peer = await live.peer()
    await peer.send(HEALTH)
    await heard(peer, b"}")
    peer.close()


async def wss_viewer(live: TlsLive) -> None:
    peer = await live.peer()
    await peer.send(UPGRADE)
    await heard(peer, b"FLV")
    peer.close()


async def heard(peer: TlsPeer, text: bytes) -> None:
    """Read decrypted bytes until a text is among them."""
    data: list[bytes] = []
    peer.take = data.append  # type: ignore[method-assign,assignment]
    while text not in b"".join(data):
        assert not peer.is_closed
        await peer.receive()


# ---------------------------------------------------------------------- HTTP


async def ask(live: TlsLive, request: bytes, expected: bytes = b"}") -> HttpClient:
    client = await HttpClient.to(live)
    await client.send(request)
    if expected:
        await client.expect(expected)
    return client


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


async def http_probe(live: TlsLive) -> None:
    (await HttpClient.to(live)).close()


async def http_request(live: TlsLive) -> None:
    (await ask(live, HEALTH * 3)).close()


async def http_reset(live: TlsLive) -> None:
    (await ask(live, HEALTH)).reset()


async def http_that_the_server_closes(live: TlsLive) -> None:
    client = await ask(live, get("/healthz", "Connection: close"))
    await client.expect_close()
    client.close()


async def http_half_a_head(live: TlsLive) -> None:
    client = await ask(live, b"GET /healthz HTTP/1.1\r\nHo", b"")
    await client.expect_close()
    client.close()


async def http_nonsense(live: TlsLive) -> None:
    client = await ask(live, b"nonsense\r\n\r\n")
    await client.expect_close()
    client.close()


async def http_body_that_does_not_come(live: TlsLive) -> None:
    head = b"POST /api/v1/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    client = await ask(live, head + b"Content-Length: 100\r\n\r\n{")
    await client.expect_close()
    client.close()


async def http_client_that_leaves_in_a_body(live: TlsLive) -> None:
    head = b"POST /api/v1/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    client = await ask(live, head + b"Content-Length: 100\r\n\r\n{", b"")
    await until(lambda: live.services.admission.connections > 1)
    client.reset()


async def http_nothing_there(live: TlsLive) -> None:
    (await ask(live, get("/nothing"))).close()
    (await ask(live, get("/healthz").replace(b"GET", b"PUT"))).close()


async def http_body_that_is_refused(live: TlsLive) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
    (await ask(live, head + b"Content-Length: 100\r\n\r\n{")).close()


async def http_request_that_waits(live: TlsLive) -> None:
    (await ask(live, get("/live/nothing.flv"))).close()


async def http_client_that_does_not_wait(live: TlsLive) -> None:
    arrivals = live.services.arrivals
    client = await ask(live, get("/live/nothing.flv"), b"")
    await until(lambda: arrivals.waiting == 1)
    client.close()
    await until(lambda: arrivals.waiting == 0)


async def http_metrics(live: TlsLive) -> None:
    (await ask(live, get("/metrics"), b"headend_info")).close()


async def http_api(live: TlsLive) -> None:
    token = (live.services.settings.data / "admin.token").read_text().strip()
    bearer = f"Authorization: Bearer {token}"
    (await ask(live, get("/api/v1/sessions", bearer), b"]")).close()
    (await ask(live, get("/api/v1/events", bearer), b"event: update")).close()
    (await ask(live, get("/api/v1/streams", "Authorization: Bearer no"))).close()


async def hls_client_that_does_not_wait(live: TlsLive) -> None:
    hls = live.services.features[HlsStreams]
    client = await ask(live, get("/live/a/index.m3u8"), b"")
    await until(lambda: hls.waiting == 1)
    client.close()
    await until(lambda: hls.waiting == 0)


async def flv_viewer(live: TlsLive) -> None:
    (await ask(live, get("/live/a.flv"), b"FLV")).close()


async def flv_viewer_that_is_kicked(live: TlsLive) -> None:
    client = await ask(live, get("/live/a.flv"), b"FLV")
    for viewer in list(live.services.sessions.viewers):
        viewer.kick()
    await client.expect_close()
    client.close()


async def websocket_viewer(live: TlsLive) -> None:
    (await ask(live, UPGRADE, b"FLV")).reset()


async def websocket_viewer_that_closes(live: TlsLive) -> None:
    client = await ask(live, UPGRADE, b"FLV")
    await client.send(bytes.fromhex("8882 00000000 03e8"))
    await client.expect_close()
    client.close()


async def websocket_that_is_refused(live: TlsLive) -> None:
    (await ask(live, UPGRADE.replace(b"13", b"12"))).close()


VISITS: list[Visit] = [
    port_scan,
    reset_at_once,
    rtmp_handshake,
    rtmp_silence,
    rtmp_connect,
    rtmp_fault,
    http_on_the_rtmp_port,
    publisher_that_is_lost,
    publisher_that_ends,
    publisher_that_is_refused,
    publisher_with_a_wrong_key,
    publisher_that_leaves_undecided,
    player,
    player_that_waits,
    player_that_is_refused,
    session_that_is_kicked,
    tls_port_scan,
    tls_nonsense,
    tls_half_a_hello,
    tls_handshake,
    rtmps_connect,
    rtmps_player,
    https_request,
    wss_viewer,
    http_probe,
    http_request,
    http_reset,
    http_that_the_server_closes,
    http_half_a_head,
    http_nonsense,
    http_body_that_does_not_come,
    http_client_that_leaves_in_a_body,
    http_nothing_there,
    http_body_that_is_refused,
    http_request_that_waits,
    http_client_that_does_not_wait,
    http_metrics,
    http_api,
    hls_client_that_does_not_wait,
    flv_viewer,
    flv_viewer_that_is_kicked,
    websocket_viewer,
    websocket_viewer_that_closes,
    websocket_that_is_refused,
]


@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.__name__)
async def test_connection_that_is_gone_is_freed_without_the_collector(
    visit: Visit, pair: CertificatePair, tmp_path: Path
) -> None:
    async with serve(tmp_path, pair) as live:
        await visit(live)  # what is made once is made
        await until(lambda: live.services.admission.connections == 1)
        async with nothing_left(live) as left:
            for _ in range(left.times):
                await visit(live)
            live._peers.clear()
            await until(lambda: live.services.admission.connections == 1)


async def test_publisher_behind_a_proxy_is_freed(pair: CertificatePair, tmp_path: Path) -> None:
    given = ("rtmp.proxy_protocol_from=127.0.0.1/32", "limits.handshake_s=0.3")
    async with tls_server(tmp_path, pair, *given) as live:
        visits = (behind_a_proxy, port_scan, rtmp_silence, http_on_the_rtmp_port)
        for visit in visits:
            await visit(live)
        async with nothing_left(live) as left:
            for visit in visits * left.times:
                await visit(live)
            await until(lambda: not live.services.admission.connections)


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps"])
async def test_relay_out_is_freed_when_its_stream_is_over(
    scheme: str, pair: CertificatePair, tmp_path: Path
) -> None:
    async with tls_server(tmp_path / "there", pair) as there:
        where = there.server.addresses["rtmp" if scheme == "rtmp" else "tls"][0]
        url = f"{scheme}://{where}/live/{{name}}"
        rule = out(url, more=", insecure=true" if scheme == "rtmps" else "")
        async with server(tmp_path, "here", rule, "live.reconnect_window_s=0") as here:

            async def publish() -> None:
                publisher = await here.publisher("a")
                await publish_pictures(publisher)
                await there.plain.received("live/a", 3)
                publisher.close()
                await until(lambda: not here.services.sessions.connections and not targets(here))
                await until(lambda: not there.services.registry.publication("live/a"))

            await publish()
            async with nothing_left(here) as left:
                for _ in range(left.times):
                    await publish()
                here._peers.clear()


@pytest.mark.parametrize("scheme", ["rtmp", "http"])
async def test_relay_in_is_freed_when_nobody_watches(scheme: str, tmp_path: Path) -> None:
    async with server(tmp_path, "origin", "http.listen=127.0.0.1:0") as origin:
        publisher = await origin.publisher("a")
        sent = await publish_pictures(publisher)
        where = origin.server.addresses[scheme][0]
        rule = into(f"{scheme}://{where}/live/{{name}}{'.flv' * (scheme == 'http')}")
        async with server(tmp_path, "edge", rule, "relay.idle_s=0") as edge:

            async def watch() -> None:
                player = await edge.player("a")
                await player.expect_media(len(sent))
                player.close()
                await until(lambda: not edge.services.sessions.connections and not targets(edge))
                await until(lambda: len(origin.services.sessions.all()) == 1)

            await watch()
            async with nothing_left(edge) as left:
                for _ in range(left.times):
                    await watch()
                edge._peers.clear()


@pytest.mark.parametrize("kind", ["rtmp", "rtmps", "http-flv", "ws-flv"])
def test_session_is_gone_with_its_connection(
    kind: str, pair: CertificatePair, tmp_path: Path
) -> None:
    async def main() -> None:
        async with serve(tmp_path, pair) as live:
            before = set(live.services.sessions.all())
            closing: Peer | HttpClient
            if kind.startswith("rtmp"):
                closing = await (live if kind == "rtmps" else live.plain).player("a")
            else:
                request = UPGRADE if kind == "ws-flv" else get("/live/a.flv")
                closing = await ask(live, request, b"FLV")
            (found,) = (each for each in live.services.sessions.all() if each not in before)
            assert (found.protocol, found.playing) == (kind, ["live/a"])
            session = weakref.ref(found)
            del found
            gc.disable()
            closing.close()
            await until(lambda: session() is None)

    try:
        run(main())
    finally:
        gc.enable()


def test_connection_that_was_answered_is_gone_with_the_client(tmp_path: Path) -> None:
    async def main() -> None:
        async with http_server(tmp_path) as live:
            made: list[weakref.ref[object]] = []
            began = HttpConnection.request_began

            def note(self: HttpConnection, body: StreamReader) -> None:
                made.append(weakref.ref(self))
                began(self, body)

            monkeypatch.setattr(HttpConnection, "request_began", note)
            client = await HttpClient.to(live)
            gc.disable()
            await client.send(HEALTH)
            await client.expect(b"}")
            client.close()
            await until(lambda: made and not any(each() for each in made))

    monkeypatch = pytest.MonkeyPatch()
    try:
        run(main())
    finally:
        gc.enable()
        monkeypatch.undo()
