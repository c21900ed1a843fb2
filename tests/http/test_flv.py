"""Tests of headend.http.flv, flv_viewer and connection, over real connections."""

import asyncio
import logging
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.web import Request, Response
from tests.harness import (
    FRAME,
    KEYFRAME,
    VIDEO_HEADER,
    log_lines,
    until,
)
from tests.http.watched import Watched, read_tags, serve
from tests.raw_http import HEALTH, HttpClient
from tests.wire import wire

from headend.http import flv, flv_viewer, websocket_viewer
from headend.http.connection import HttpConnection
from headend.live import status
from headend.media.flv import Reader
from headend.net.transport import Transport

WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
FLV_HEADER = b"FLV\x01\x01\x00\x00\x00\x09\x00\x00\x00\x00"


async def test_viewer_who_comes_late_gets_what_describes_the_track(tmp_path: Path) -> None:
    hevc, color = wire("90 68766331 01022000"), wire("d4 68766331 020009 636f6c6f72496e666f 06")
    picture = wire("91 68766331 000000 26")

    async with serve(tmp_path) as web:
        publisher = await web.live.publisher("a")
        for body in (hevc, color, picture):
            await publisher.send_video(body)
        await web.live.received("live/a", 3)
        async with web.client.get(f"{web.base}/live/a.flv") as response:
            tags = await read_tags(response, Reader(), 3)
        assert [tag.body for tag in tags] == [hevc, color, picture]
        (stream,) = web.live.services.registry.streams()
        assert [track.codec for track in status.tracks(stream)] == ["hevc"]


async def test_viewer_gets_the_stream_from_its_keyframe_and_its_end(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        async with web.client.get(f"{web.base}/live/a.flv") as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "video/x-flv"
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            reader = Reader()
            tags = await read_tags(response, reader, 2)
            assert [tag.body for tag in tags] == [VIDEO_HEADER, KEYFRAME]
            await web.publisher.send_video(FRAME, 40)
            assert [t.body for t in await read_tags(response, reader, 1)] == [FRAME]
            (session,) = [s for s in web.live.services.sessions.all() if s.playing]
            assert (session.protocol, session.playing) == ("http-flv", ["live/a"])
            assert session.publishing == []
            assert session.bytes_out > len(VIDEO_HEADER + KEYFRAME + FRAME)
            assert session.bytes_in == 0 or session.bytes_in > 20
            web.live.services.registry.end_all()
            assert await response.content.read() == b""
        await web.viewers(0)


async def test_viewer_that_comes_first_waits_and_one_for_nothing_is_told(tmp_path: Path) -> None:
    async with serve(tmp_path, "live.wait_s=1") as web:
        asked = asyncio.create_task(web.client.get(f"{web.base}/live/a.flv"))
        arrivals = web.live.services.arrivals
        await until(lambda: arrivals.waiting == 1)
        await web.publish()
        response = await asked
        assert response.status == 200
        response.close()
        async with web.client.get(f"{web.base}/live/nothing.flv") as response:
            assert response.status == 404
            problem = await response.json()
            assert problem["title"] == "Stream not found"
            assert problem["detail"] == "nobody publishes live/nothing."


async def test_patient_viewer_starts_at_the_next_keyframe(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        async with web.client.get(f"{web.base}/live/a.flv?gop=0") as response:
            reader = Reader()
            assert [t.body for t in await read_tags(response, reader, 1)] == [VIDEO_HEADER]
            await web.publisher.send_video(FRAME, 40)
            await web.publisher.send_video(KEYFRAME + b"2", 80)
            assert [t.body for t in await read_tags(response, reader, 1)] == [KEYFRAME + b"2"]


async def test_other_tracks_are_for_viewers_that_ask_for_them(tmp_path: Path) -> None:
    other = b"\x96\x03avc1\x01aa"
    async with serve(tmp_path) as web:
        await web.publish()
        for query, expected in (("tracks=all", [other, FRAME]), ("tracks=1", [FRAME])):
            async with web.client.get(f"{web.base}/live/a.flv?{query}") as response:
                reader = Reader()
                await read_tags(response, reader, 2)
                await web.publisher.send_video(other, 40)
                await web.publisher.send_video(FRAME, 40)
                found = await read_tags(response, reader, len(expected))
                assert [tag.body for tag in found][-len(expected) :] == expected
            await web.publisher.send_video(KEYFRAME, 0)


async def test_websocket_viewer_gets_a_frame_for_each_tag_and_a_reason_at_the_end(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        async with web.client.ws_connect(f"{web.base}/live/a.flv") as ws:
            assert await ws.receive_bytes() == FLV_HEADER
            assert (await ws.receive_bytes())[11:-4] == VIDEO_HEADER
            assert (await ws.receive_bytes())[11:-4] == KEYFRAME
            await ws.ping()
            await web.publisher.send_video(FRAME + bytes(200), 40)
            assert (await ws.receive_bytes())[11:-4] == FRAME + bytes(200)
            web.live.services.registry.end_all()
            message = await ws.receive()
            assert (message.data, message.extra) == (1000, "the stream is over")
        await web.viewers(0)


async def test_websocket_viewer_that_sends_something_is_closed(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        for data, code in ((b"x", 1003), (bytes(2000), 1003)):
            async with web.client.ws_connect(f"{web.base}/live/a.flv") as ws:
                await ws.send_bytes(data)
                message = await ws.receive()
                while message.type is aiohttp.WSMsgType.BINARY:
                    message = await ws.receive()
                assert message.data == code
        await web.viewers(0)


async def test_websocket_of_a_page_elsewhere_is_refused(tmp_path: Path) -> None:
    async with serve(tmp_path, "http.origins=https://a.example") as web:
        await web.publish()
        url = f"{web.base}/live/a.flv"
        for origin in ("https://a.example", web.base):
            async with web.client.ws_connect(url, origin=origin) as ws:
                assert (await ws.receive_bytes())[:3] == b"FLV"
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await web.client.ws_connect(url, origin="https://b.example")
        await web.viewers(0)
        headers = {"Origin": "https://b.example"}  # whose page the browser tells nothing
        async with web.client.get(url, headers=headers) as response:
            assert response.status == 200
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_websocket_viewer_may_leave(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        async with web.client.ws_connect(f"{web.base}/live/a.flv") as ws:
            await ws.receive_bytes()
            await web.viewers(1)
        await web.viewers(0)
        stream = web.live.services.registry.stream("live/a")
        assert stream is not None
        await until(lambda: not list(stream.sinks()))


@pytest.mark.parametrize("is_websocket", [False, True])
async def test_viewer_that_takes_nothing_is_closed(
    is_websocket: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    upgrade = (
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )

    with caplog.at_level(logging.INFO):
        async with serve(tmp_path, "limits.late_close_s=1") as web:
            await web.publish()
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            host, _, port = web.live.server.addresses["http"][0].rpartition(":")
            await loop.sock_connect(sock, (host, int(port)))
            head = b"GET /live/a.flv HTTP/1.1\r\nHost: a\r\n" + upgrade * is_websocket + b"\r\n"
            await loop.sock_sendall(sock, head)
            await web.viewers(1)
            time = 0
            while web.live.services.sessions.viewers:
                time += 40
                await web.publisher.send_video(FRAME + bytes(100_000), time)
                await asyncio.sleep(0.005)
            sock.close()
    assert log_lines(caplog, "took nothing for 1 s (limits.late_close_s)")


async def test_viewer_may_be_kicked_and_a_server_may_stop(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        async with web.client.get(f"{web.base}/live/a.flv") as response:
            await web.viewers(1)
            (viewer,) = web.live.services.sessions.viewers
            viewer.kick()
            viewer.kick()
            await response.read()
        await web.viewers(0)
        async with web.client.ws_connect(f"{web.base}/live/a.flv") as ws:
            await web.viewers(1)
            (viewer,) = web.live.services.sessions.viewers
            viewer.stop()
            message = await ws.receive()
            while message.type is aiohttp.WSMsgType.BINARY:
                message = await ws.receive()
            assert message.extra == "the server is stopping"
        async with web.client.get(f"{web.base}/live/a.flv"):
            await web.viewers(1)
            (viewer,) = web.live.services.sessions.viewers
            viewer.abort()
            await web.viewers(0)


async def test_other_methods(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        async with web.client.head(f"{web.base}/live/a.flv") as response:
            assert response.status == 404
        await web.publish()
        async with web.client.head(f"{web.base}/live/a.flv") as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "video/x-flv"
        async with web.client.options(f"{web.base}/live/a.flv") as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
        async with web.client.post(f"{web.base}/live/a.flv") as response:
            assert response.status == 405


@pytest.mark.parametrize("target", ["/live/%2e%2e/a.flv", "//a.flv", "/live/a%2a.flv", "/.flv"])
async def test_address_that_names_no_stream_is_not_found(target: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        reply = await raw(web, f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert reply.startswith(b"HTTP/1.1 404 Not Found\r\n")


async def test_private_streams_too_many_waiting_and_a_stopping_server_are_told(
    tmp_path: Path,
) -> None:
    async with serve(
        tmp_path, "rtmp.tls_only=vip/*", "limits.waiting_requests=1", "limits.streams=1"
    ) as web:
        async with web.client.get(f"{web.base}/vip/a.flv") as response:
            assert response.status == 403
        first = asyncio.create_task(web.client.get(f"{web.base}/live/a.flv"))
        arrivals = web.live.services.arrivals
        await until(lambda: arrivals.waiting == 1)
        for path in ("live/a", "live/b"):  # too many wait; too many names are waited for
            async with web.client.get(f"{web.base}/{path}.flv") as response:
                assert (response.status, response.headers["Retry-After"]) == (503, "5")
        first.cancel()
        web.live.services.sessions.is_stopping = True
        async with web.client.get(f"{web.base}/live/c.flv") as response:
            assert response.status == 503


async def raw(web: Watched, data: bytes, *, pieces: int = 1) -> bytes:
    """Send bytes as they are; return what comes until the server has nothing more to say."""
    host, _, port = web.live.server.addresses["http"][0].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    size = max(1, len(data) // pieces)
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        await writer.drain()
        await asyncio.sleep(0)
    reply = await reader.read(65_536)
    writer.close()
    return reply


async def test_request_may_come_byte_by_byte_and_several_at_once(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
        reply = await raw(web, request, pieces=len(request))
        assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
        host, _, port = web.live.server.addresses["http"][0].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request * 3)
        replies = b""
        while replies.count(b'{"status": "ok"}') < 3:
            replies += await reader.read(1000)
        writer.close()


async def test_connection_without_a_whole_request_is_closed(tmp_path: Path) -> None:
    async with serve(tmp_path, "limits.handshake_s=0.2", "limits.idle_s=1") as web:
        assert await raw(web, b"GET /healthz HT") == b""
        assert await raw(web, b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 20_000) != b"200"
        host, _, port = web.live.server.addresses["http"][0].rpartition(":")
        reader, _ = await asyncio.open_connection(host, int(port))
        assert await reader.read() == b""  # says nothing at all
        await until(lambda: web.live.services.admission.connections == 0)


async def test_connections_over_a_limit_are_refused(tmp_path: Path) -> None:
    async with serve(tmp_path, "limits.connections=1") as web:
        host, _, port = web.live.server.addresses["http"][0].rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /live/a.flv HTTP/1.1\r\nHost: a\r\n\r\n")
        arrivals = web.live.services.arrivals
        await until(lambda: arrivals.waiting == 1)  # an idle connection would give way
        assert await raw(web, b"") == b""
        assert web.live.services.counters.refused == 1
        writer.close()


# ---------------------------------------------------------------------- WebSocket, in bytes


UPGRADE = (
    b"GET /live/a.flv HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
PING = bytes.fromhex("8985 37fa213d 7f9f4d5158")  # "Hello"
CLOSE_4000 = bytes.fromhex("8882 00000000 0fa0")


async def test_websocket_is_accepted_with_the_first_subprotocol_offered(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        client = await HttpClient.to(web.live)
        await client.send(UPGRADE + b"Sec-WebSocket-Protocol: flv, other\r\n\r\n")
        answer = await client.answer()
        assert answer.status == 101
        assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert answer.headers["sec-websocket-protocol"] == "flv"
        await client.expect(FLV_HEADER)


async def test_other_version_of_websocket_is_426_and_the_connection_goes_on(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        client = await HttpClient.to(web.live)
        await client.send(UPGRADE.replace(b"Version: 13", b"Version: 7") + b"\r\n")
        answer = await client.answer()
        assert (answer.status, answer.headers["sec-websocket-version"]) == (426, "13")
        assert answer.headers["upgrade"] == "websocket"
        await client.send(HEALTH)
        assert (await client.answer()).status == 200


@pytest.mark.parametrize("is_early", [False, True])
@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x05Hello", 1002),  # not masked
        (b"\x89\x00", 1002),  # likewise
        (PING + b"\x88\x02\x03\xe8", 1002),  # likewise, behind a frame that is as it should be
        (bytes.fromhex("8185 37fa213d 7f9f4d5158"), 1003),  # masked, and not wanted
    ],
)
async def test_frames_that_no_viewer_sends_end_the_websocket(
    sent: bytes, code: int, is_early: bool, tmp_path: Path
) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        client = await HttpClient.to(web.live)
        await client.send(UPGRADE + b"\r\n" + sent * is_early)
        await client.expect(FLV_HEADER)
        await client.send(sent * (not is_early))
        await client.expect(b"\x88")
        assert (await client.expect_close())[1:3] == code.to_bytes(2, "big")
        client.close()
        await web.viewers(0)


async def test_ping_is_answered_and_a_close_repeated(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        client = await HttpClient.to(web.live)
        await client.send(UPGRADE + b"\r\n")
        await client.expect(FLV_HEADER)
        for byte in PING:
            await client.send(bytes([byte]))
        await client.expect(b"\x8a\x05Hello")
        await client.send(CLOSE_4000)
        await client.expect(b"\x88")
        assert (await client.expect_close())[1:3] == b"\x0f\xa0"
        client.close()
        await web.viewers(0)
        assert web.live.services.admission.connections == 1  # the publisher


async def test_viewer_over_websocket_that_answers_no_ping_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_viewer, "HEARTBEAT_S", 0.3)
    monkeypatch.setattr(websocket_viewer, "PONG_S", 0.3)

    async with serve(tmp_path) as web:
        await web.publish()
        client = await HttpClient.to(web.live)
        await client.send(UPGRADE + b"\r\n")
        for _ in range(2):
            await client.expect(b"\x89\x00")
            await client.send(bytes.fromhex("8a80 37fa213d"))
        assert web.live.services.sessions.viewers
        await client.expect(b"\x89\x00")
        await client.expect_close()
        client.close()
        await web.viewers(0)


async def test_websocket_ends_though_the_client_never_answers_the_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flv_viewer, "LINGER_S", 0.2)

    async with serve(tmp_path) as web:
        await web.publish()
        client = await HttpClient.to(web.live)
        await client.send(UPGRADE + b"\r\n")
        await client.expect(FLV_HEADER)
        web.live.services.registry.end_all()
        await client.expect(b"\x88\x14\x03\xe8the stream is over")
        await client.expect_close()
        client.close()
        await web.viewers(0)


# ------------------------------------------------------------------ lost before it watches


@pytest.mark.parametrize("headers", [{}, WEBSOCKET], ids=["http", "websocket"])
@pytest.mark.parametrize("when", ["before its head", "in its head", "in its first bytes"])
async def test_viewer_that_is_lost_before_it_watches_leaves_nothing(
    headers: dict[str, str], when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_viewer, write = flv.FlvRoutes._serve, Transport.write

    def lost_before(self: flv.FlvRoutes, request: Request, *rest: Any) -> Response:
        connection = request.transport
        assert isinstance(connection, HttpConnection)
        connection.transport.abort()  # aiohttp is told in the next turn
        return serve_viewer(self, request, *rest)

    def lost_in_write(transport: Transport, data: bytes) -> None:
        write(transport, data)
        first = b"FLV\x01" if when == "in its first bytes" else b"HTTP/1.1 "
        if first in data[:20]:
            transport.abort()

    if when == "before its head":
        monkeypatch.setattr(flv.FlvRoutes, "_serve", lost_before)
    else:
        monkeypatch.setattr(Transport, "write", lost_in_write)
    async with serve(tmp_path, "limits.viewers_per_stream=1") as web:
        await web.publish()
        services = web.live.services
        for _ in range(3):  # there is one place
            refused = services.counters.rejected
            with suppress(aiohttp.ClientError, asyncio.IncompleteReadError):
                async with web.client.get(f"{web.base}/live/a.flv", headers=headers) as response:
                    await response.content.readexactly(64)
            assert services.counters.rejected == refused
            await web.viewers(0)
        stream = services.registry.stream("live/a")
        assert stream is not None
        assert status.fanouts(stream) == []
