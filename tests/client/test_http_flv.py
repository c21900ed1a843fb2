"""Tests of headend.client.http_flv, against our own server and those that misbehave."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from tests.client.peers import assert_joined, http_server, media, our_server, published, tls_server
from tests.client.servers import fails, other_server, saying

from headend.client import Timeouts, TlsOptions, play, publish
from headend.errors import MediaError, ProtocolError, Rejected, RelayError, SettingsError
from headend.media import flv
from headend.testing.clip import make_clip

CLIP = make_clip(0.4)
FLV = flv.serialize_header(has_audio=True, has_video=True)


def body(count: int) -> bytes:
    return FLV + b"".join(flv.serialize_tag(tag) for tag in CLIP.tags[:count])


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_stream_is_played_whole_and_to_its_end(scheme: str, tmp_path: Path) -> None:
    async with our_server(tmp_path) as ours:
        url = ours.http.replace("http", scheme) + "/live/a.flv"
        async with AsyncExitStack() as publishing:
            out = await publishing.enter_async_context(publish(f"{ours.rtmp}/live/a"))
            for tag in CLIP.tags[:6]:
                await out.write(tag)
            async with play(url) as stream:
                first = [await anext(stream) for _ in range(3)]
                for tag in CLIP.tags[6:]:
                    await out.write(tag)
                await publishing.aclose()
                assert_joined([*first, *[tag async for tag in stream]], CLIP)


async def test_stream_over_https_is_played_with_its_authority_or_fingerprint(
    tmp_path: Path,
) -> None:
    async with (
        tls_server(tmp_path, "localhost") as (port, trust),
        publish(f"rtmps://localhost:{port}/live/a", tls=trust) as out,
    ):
        for tag in CLIP.tags:
            await out.write(tag)
        url = f"https://localhost:{port}/live/a.flv"
        async with play(url, tls=trust) as stream:
            await anext(stream)
        async with play(url.replace("https", "wss"), tls=TlsOptions(insecure=True)) as s:
            await anext(s)
        wrong = TlsOptions(fingerprint="00" * 32)
        error = await fails(url, play, tls=wrong)
        assert "its certificate has another fingerprint: " in str(error)
        seen = str(error).rpartition(" ")[2]
        async with play(url, tls=TlsOptions(fingerprint=seen)) as stream:
            await anext(stream)
        error = await fails(url, play)
        assert isinstance(error, RelayError)
        assert "its certificate is not trusted" in str(error)


async def test_newest_leaves_out_what_waits_too_long(tmp_path: Path) -> None:
    clip = make_clip(12.0, gop=25)

    async with our_server(tmp_path) as ours, play(f"{ours.rtmp}/live/a", policy="newest") as s:
        async with published(f"{ours.rtmp}/live/a", clip):
            first = await anext(s)
            for _ in range(2000):
                if s.skips:
                    break
                await asyncio.sleep(0.005)
        assert s.skips
        rest = [tag async for tag in s]
        assert len(rest) < len(clip.tags) - 1
        pictures = [tag for tag in rest if tag.kind == 9 and not tag.is_sequence_header]
        assert pictures[0].is_keyframe
        assert media([rest[-1]]) == media([clip.tags[-1]])
        assert first.kind == 18


async def test_newest_ends_with_the_error_that_ended_the_stream() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body(3) + b"\x00" * 4 + b"\x09\xff\xff\xff" + bytes(8))

    async with http_server(handler) as base, play(f"{base}/a.flv", policy="newest") as stream:
        assert len([tag async for tag in stream]) == 3


# ---------------------------------------------------------------------- refusals


async def test_stream_that_nobody_publishes_is_refused_in_the_servers_words(tmp_path: Path) -> None:
    async with our_server(tmp_path, "live.wait_s=0") as ours:
        error = await fails(f"{ours.http}/live/a.flv", play)
        assert isinstance(error, Rejected)
        assert error.code == "404"
        assert "live/a" in error.description
        error = await fails(f"{ours.http}/live/a.flv".replace("http", "ws"), play)
        assert isinstance(error, Rejected)
        assert str(error) == "404: Not Found"


@pytest.mark.parametrize(
    ("status", "text", "kind", "words"),
    [
        (403, "", Rejected, "403: Forbidden"),
        (401, json.dumps({"title": "Sign\nin"}), Rejected, "401: Sign in"),
        (401, "[1]", Rejected, "401: Unauthorized"),
        (503, json.dumps({"detail": "full"}), RelayError, "answers 503: full"),
    ],
)
async def test_refusal(status: int, text: str, kind: type, words: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type="application/problem+json")

    async with http_server(handler) as base:
        error = await fails(f"{base}/a.flv?token=secret", play)
        assert type(error) is kind
        assert words in str(error)
        assert "secret" not in str(error)


async def test_redirects_are_followed_but_not_for_ever() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/loop.flv":
            raise web.HTTPFound("/loop.flv")
        if request.path == "/moved.flv":
            raise web.HTTPFound("/there.flv")
        return web.Response(body=body(2))

    async with http_server(handler) as base:
        async with play(f"{base}/moved.flv") as stream:
            assert len([tag async for tag in stream]) == 2
        error = await fails(f"{base}/loop.flv", play)
        assert str(error).endswith("redirects more than 3 times")


# ---------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("url", ["http://", "http:///a.flv", "http://h:99999/a.flv", "ws://[::x/a"])
def test_url_that_cannot_be_used(url: str) -> None:
    assert isinstance(asyncio.run(fails(url, play)), SettingsError)


def test_nobody_listens_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        for scheme in ("http", "ws", "https"):
            error = asyncio.run(fails(f"{scheme}://127.0.0.1:{port}/live/a.flv", play))
            assert str(error) == f"cannot connect to 127.0.0.1:{port}: Connection refused"


async def test_what_is_no_flv_is_told() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>")

    async with http_server(handler) as base:
        async with play(f"{base}/a.flv") as stream:
            with pytest.raises(MediaError, match="not FLV"):
                await anext(stream)
        error = await fails(f"{base}/a.flv".replace("http", "ws"), play)
        assert isinstance(error, ProtocolError)
        assert "does not speak WebSocket" in str(error)


@pytest.mark.parametrize("said", [b"\x03" + bytes(3072), b"HTTP/1.1 2000 OK\r\n\r\n"])
async def test_server_of_another_protocol(said: bytes) -> None:
    async with other_server(saying(said)) as url:
        error = await fails(url.replace("rtmp", "http"), play)
        assert isinstance(error, ProtocolError)
        assert "\n" not in str(error)


async def test_server_that_closes_at_once() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with other_server(close) as url:
        for scheme in ("http", "ws"):
            error = await fails(url.replace("rtmp", scheme), play)
            assert isinstance(error, ProtocolError | RelayError)


async def test_server_that_is_silent_before_and_in_the_stream() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(body(2))
        await asyncio.sleep(60)
        return response

    limits = Timeouts(silence_s=0.2, close_s=0.1)
    async with other_server(saying(b"")) as url:
        error = await fails(url.replace("rtmp", "http"), play, timeouts=limits)
        assert str(error) == "the server sent nothing for 0.2 s"
    async with (
        http_server(handler) as base,
        play(f"{base}/a.flv", timeouts=limits) as stream,
    ):
        assert len([await anext(stream), await anext(stream)]) == 2
        with pytest.raises(ProtocolError, match=r"sent nothing for 0\.2 s"):
            await anext(stream)


async def test_answer_that_is_cut_is_told_from_the_end() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "9999"})
        await response.prepare(request)
        await response.write(body(2))
        assert request.transport is not None
        request.transport.close()
        return response

    async with http_server(handler) as base, play(f"{base}/a.flv") as stream:
        with pytest.raises(RelayError, match="the connection was lost"):
            assert [tag async for tag in stream] == []


def websocket(*messages: Any, code: int = 1000) -> Any:
    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for message in messages:
            await (socket.send_str if isinstance(message, str) else socket.send_bytes)(message)
        if code:
            await socket.close(code=code)
        else:
            async for message in socket:
                assert message.type is not WSMsgType.BINARY
        return socket

    return handler


@pytest.mark.parametrize(
    ("handler", "fault"),
    [
        (websocket("hello", body(2)), None),
        (websocket(body(2), code=1001), None),
        (websocket(body(2), code=1011), "the connection was lost"),
        (websocket(body(2), code=0), "sent nothing for 0.2 s"),
    ],
)
async def test_ends_of_a_websocket(handler: Any, fault: str | None) -> None:
    limits = Timeouts(silence_s=0.2, close_s=0.1)
    async with (
        http_server(handler) as base,
        play(base.replace("http", "ws") + "/a.flv", timeouts=limits) as stream,
    ):
        seen = [await anext(stream), await anext(stream)]
        assert media(seen) == media(CLIP.tags[:2])
        if fault is None:
            assert [tag async for tag in stream] == []
        else:
            with pytest.raises((RelayError, ProtocolError), match=fault):
                await anext(stream)
