"""Tests of headend.client against our own server, and against servers that misbehave.

Its TLS is in test_client_tls.py.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.client.servers import (
    GREETING,
    STARTED,
    TAGS,
    fails,
    on_status,
    other_server,
    saying,
    write_on,
)
from tests.harness import live_server
from tests.wire import wire

from headend.client import Timeouts, play, publish, sockets
from headend.errors import (
    ProtocolError,
    Rejected,
    RelayError,
    SettingsError,
    UsageError,
    causes,
)
from headend.media.tag import AUDIO, SCRIPT, Tag
from headend.rtmp.url import parse_url


@asynccontextmanager
async def our_server(data: Path, *settings: str) -> AsyncIterator[str]:
    """Run a server; give the start of its URLs."""
    async with live_server(data, *settings) as live:
        yield f"rtmp://{live.server.addresses['rtmp'][0]}/live"


async def publish_on(url: str, timeouts: Timeouts) -> None:
    async with publish(url, timeouts=timeouts) as out:
        await write_on(out, 1_000_000)


async def test_what_is_published_is_played(tmp_path: Path) -> None:
    async with our_server(tmp_path) as base, play(f"{base}/cam1") as stream:
        async with publish(f"{base}/cam1") as out:
            for tag in TAGS:
                await out.write(tag)
            received = [await anext(stream) for _ in TAGS]
        assert [(tag.kind, tag.body) for tag in received] == [(t.kind, t.body) for t in TAGS]
        assert [tag async for tag in stream] == []
        assert [tag async for tag in stream] == []


async def test_player_that_leaves_does_not_disturb_the_publisher(tmp_path: Path) -> None:
    async with our_server(tmp_path) as base, publish(f"{base}/cam1") as out:
        for tag in TAGS:
            await out.write(tag)
        async with play(parse_url(f"{base}/cam1")) as stream:
            assert (await anext(stream)).kind == SCRIPT
        await out.write(TAGS[-1])


async def test_name_that_is_taken_is_refused_with_its_code(tmp_path: Path) -> None:
    async with our_server(tmp_path) as base, publish(f"{base}/cam1"):
        error = await fails(f"{base}/cam1")
        assert isinstance(error, Rejected)
        assert error.code == "NetStream.Publish.BadName"
        assert "already being published" in error.description


async def test_missing_key_is_refused(tmp_path: Path) -> None:
    async with our_server(tmp_path, "auth.publish=key") as base:
        error = await fails(f"{base}/cam1")
        assert isinstance(error, Rejected)
        assert error.code == "NetStream.Publish.Denied"


async def test_publisher_that_is_taken_over_learns_it_when_it_writes(tmp_path: Path) -> None:
    async with (
        our_server(tmp_path, "live.takeover=always") as base,
        publish(f"{base}/cam1") as first,
        publish(f"{base}/cam1") as second,
    ):
        with pytest.raises(Rejected):
            await write_on(first)
        with pytest.raises(Rejected):
            await first.write(TAGS[-1])
        await second.write(TAGS[-1])


async def test_write_behind_the_block_is_a_bug(tmp_path: Path) -> None:
    async with our_server(tmp_path) as base:
        async with publish(f"{base}/cam1") as out:
            await out.write(TAGS[0])
        with pytest.raises(UsageError):
            await out.write(TAGS[0])


def test_nobody_listens_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = asyncio.run(fails(f"rtmp://127.0.0.1:{port}/live/cam1", play))
    assert isinstance(error, RelayError)
    assert str(error) == f"cannot connect to 127.0.0.1:{port}: Connection refused"


def test_name_that_is_no_host() -> None:
    error = asyncio.run(fails("rtmp://no-such-host.invalid/live/cam1"))
    assert isinstance(error, RelayError)
    assert str(error).startswith("cannot connect to no-such-host.invalid:1935: ")


def test_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(sockets, "start_connection", hang)
    error = asyncio.run(fails("rtmp://[::1]/live/cam1", timeouts=Timeouts(connect_s=0.01)))
    assert isinstance(error, RelayError)
    assert str(error) == "[::1]:1935 does not answer within 0.01 s"


def test_several_addresses_that_fail_need_no_more_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError("Multiple exceptions: one, two")

    monkeypatch.setattr(sockets, "start_connection", fail)
    error = asyncio.run(fails("rtmp://localhost/live/cam1"))
    assert str(error) == "cannot connect to localhost:1935"


def test_url_that_is_wrong() -> None:
    assert isinstance(asyncio.run(fails("http://h/live/cam1")), SettingsError)


async def test_server_that_speaks_something_else() -> None:
    async with other_server(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        error = await fails(url)
        assert isinstance(error, ProtocolError)
        assert "HTTP" in str(error)


def close_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def reset_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


def alert_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x15\x03\x01\x00\x02\x02\x46")  # TLS: alert, fatal, protocol_version
    writer.close()


@pytest.mark.parametrize("action", [play, publish])
@pytest.mark.parametrize(
    ("end", "words"),
    [
        (close_at_once, "closed the connection without a word; is it rtmps:// there?"),
        (reset_at_once, "closed the connection without a word; is it rtmps:// there?"),
        (alert_at_once, "the server speaks TLS on this port, use rtmps://"),
    ],
)
async def test_server_that_does_not_want_to_hear_of_rtmp_may_want_rtmps(
    end: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None], words: str, action: Any
) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        end(reader, writer)

    async with other_server(handler) as url:
        error = await fails(url, action)
        assert isinstance(error, RelayError | ProtocolError)
        assert str(error).endswith(words)
        assert len(list(causes(error))) < 10


async def test_server_that_resets_the_connection() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1537)
        writer.transport.abort()

    async with other_server(reset) as url:
        assert isinstance(await fails(url, play), RelayError)


async def test_server_that_says_nothing() -> None:
    async with other_server(saying(b"")) as url:
        error = await fails(url, timeouts=Timeouts(handshake_s=0.01))
        assert str(error) == "no complete handshake within 0.01 s"


async def test_server_that_grants_nothing() -> None:
    async with other_server(saying(GREETING)) as url:
        error = await fails(url, timeouts=Timeouts(command_s=0.01))
        assert str(error) == "no answer to connect within 0.01 s"


async def test_refusal_without_words_is_a_refusal() -> None:
    error_of_connect = wire("""
        03 000000 000013 14 00000000 02 0006 5f6572726f72 00 3ff0000000000000 05
    """)

    async with other_server(saying(GREETING + error_of_connect)) as url:
        assert str(await fails(url)) == "refused: no reason given"


async def test_what_comes_with_the_start_is_played_up_to_the_refusal() -> None:
    frame = wire("04 000005 000003 08 01000000 af0121")
    refusal = on_status("error", "NetStream.Play.StreamNotFound")

    async with other_server(saying(STARTED + frame + refusal)) as url, play(url) as stream:
        assert await anext(stream) == Tag(AUDIO, 5, wire("af0121"), False, False)
        with pytest.raises(Rejected, match=r"NetStream\.Play\.StreamNotFound"):
            await anext(stream)


async def test_play_ends_when_the_server_closes() -> None:
    frame = wire("04 000005 000003 08 01000000 af0121")

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STARTED + frame)
        await reader.readuntil(b"play")

    async with other_server(close) as url, play(url) as stream:
        assert len([tag async for tag in stream]) == 1


async def test_publish_that_the_server_ends_fails_when_it_writes() -> None:
    ending = on_status("status", "NetStream.Unpublish.Success")

    async with other_server(saying(STARTED + ending)) as url, publish(url) as out:
        with pytest.raises(RelayError, match=r"ended the stream \(NetStream.Unpublish"):
            await write_on(out)


async def test_publisher_whose_connection_is_lost_fails_when_it_writes() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STARTED)
        await reader.readuntil(bytes(10))
        writer.transport.abort()

    async with other_server(reset) as url, publish(url) as out:
        with pytest.raises(RelayError):
            await write_on(out)


async def test_server_that_takes_nothing_is_given_up() -> None:
    left = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STARTED)
        await left.wait()

    async with other_server(stall) as url:
        with pytest.raises(RelayError, match=r"the server took nothing for 0\.05 s"):
            await publish_on(url, Timeouts(send_s=0.05, close_s=0.05))
        left.set()


async def test_server_that_keeps_its_end_open_is_left_in_the_end() -> None:
    left = asyncio.Event()

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STARTED)
        await left.wait()

    async with other_server(stay) as url:
        async with publish(url, timeouts=Timeouts(close_s=0.05)) as out:
            await out.write(TAGS[-1])
        left.set()
