"""Tests of headend.embed.streams: streams in the process of the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from tests.harness import FRAME, KEYFRAME, VIDEO_HEADER, until

from headend import Encoding, Server
from headend.client import play, publish
from headend.embed.streams import EmbeddedPlayer
from headend.errors import LimitExceeded, ProtocolError, Rejected, RelayError, UsageError
from headend.media.tag import VIDEO, Tag
from headend.testing import Recording, make_clip

HEADER = Tag(VIDEO, 0, VIDEO_HEADER, False, True)


def key(time: int) -> Tag:
    return Tag(VIDEO, time, KEYFRAME + time.to_bytes(4, "big"), True, False)


def frame(time: int) -> Tag:
    return Tag(VIDEO, time, FRAME + time.to_bytes(4, "big"), False, False)


async def take(player: EmbeddedPlayer, count: int) -> list[Tag]:
    return [await anext(player) for _ in range(count)]


async def test_what_is_published_here_is_played_here_and_ends() -> None:
    async with Server() as server:
        sent = [HEADER, key(0), *(frame(time) for time in range(40, 400, 40))]
        async with server.stream("live/a") as player:
            async with server.publish("live/a") as out:
                for tag in sent:
                    await out.write(tag)
            assert [tag async for tag in player] == sent


async def test_player_joins_at_the_newest_keyframe_with_headers() -> None:
    async with Server() as server, server.publish("live/a") as out:
        for tag in (HEADER, key(0), frame(40), key(80), frame(120)):
            await out.write(tag)
        async with server.stream("live/a") as player:
            assert await take(player, 3) == [HEADER, key(80), frame(120)]


async def test_remote_and_embedded_publishers_and_players_meet() -> None:
    async with Server(rtmp={"listen": "127.0.0.1:0"}) as server:
        url = server.url("live/a")
        async with play(url) as far, server.stream("live/a") as near:
            async with publish(url) as out:
                for tag in (HEADER, key(0), frame(40)):
                    await out.write(tag)
            assert [tag async for tag in near] == [HEADER, key(0), frame(40)]
            assert [tag async for tag in far] == [HEADER, key(0), frame(40)]
        async with play(server.url("live/b")) as far, server.publish("live/b") as local:
            for tag in (HEADER, key(0)):
                await local.write(tag)
            assert [await anext(far), await anext(far)] == [HEADER, key(0)]


async def test_player_goes_on_when_a_lost_publisher_comes_back() -> None:
    async with (
        Server(rtmp={"listen": "127.0.0.1:0"}) as server,
        server.stream("live/a") as player,
    ):
        hub = server.services.registry.play("live/a")
        async with publish(server.url("live/a")) as out:
            await out.write(HEADER)
            await out.write(key(1000))
            assert await take(player, 2) == [HEADER._replace(timestamp=0), key(1000)]
            for connection in set(server.services.sessions.connections):
                connection.abort()
        await until(lambda: hub.has_begun and not hub.is_live)
        async with server.publish("live/a") as again:
            await again.write(HEADER)
            await again.write(key(0))
            header, picture = await take(player, 2)
            assert header.body == HEADER.body
            assert picture.timestamp > 1000
            assert picture.body == key(0).body
        with pytest.raises(StopAsyncIteration):
            await anext(player)


async def test_slow_consumer_skips_to_the_newest_keyframe_and_memory_is_bounded() -> None:
    async with (
        Server() as server,
        server.publish("live/a") as out,
        server.stream("live/a", limit=50) as slow,
    ):
        for time in range(0, 40_000, 40):
            await out.write(key(time) if time % 400 == 0 else frame(time))
            assert len(slow._queue.tags) <= 51
        first = await anext(slow)
        assert first.is_keyframe
        assert first.timestamp >= 36_000
        assert slow.skips > 0


async def test_hung_consumer_holds_up_nobody() -> None:
    async with (
        Server() as server,
        server.stream("live/a", limit=10) as hung,
        server.stream("live/a") as other,
        server.publish("live/a") as out,
    ):
        await out.write(key(0))
        await anext(hung)  # and never again
        for time in range(40, 8000, 40):
            await out.write(frame(time))
            await out.write(key(time))
        seen = await take(other, 399)
        assert [tag.timestamp for tag in seen[::2]] == list(range(0, 8000, 40))


async def test_consumer_that_wants_all_is_told_when_it_is_too_slow() -> None:
    async with (
        Server() as server,
        server.publish("live/a") as out,
        server.stream("live/a", policy="all", limit=3) as player,
    ):
        for time in range(0, 400, 40):
            await out.write(key(time))
        assert len(await take(player, 4)) == 4
        with pytest.raises(LimitExceeded, match="waiting tags of live/a: 4 is over the"):
            await anext(player)


async def test_busy_publisher_and_busy_player_leave_the_loop_time() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with Server() as server, server.publish("live/a") as out:
        counting = asyncio.create_task(count())
        async with server.stream("live/a") as player:
            for time in range(2000):
                await out.write(key(time))
            given = turns
            await take(player, 2000)
            assert given >= 20
            assert turns - given >= 20
        counting.cancel()


async def test_taken_name_is_refused_and_the_same_key_takes_over() -> None:
    async with Server() as server, server.publish("live/a", key="hk_1") as first:
        assert server.streams()[0]["publisher"] == "this process"
        with pytest.raises(Rejected, match="live/a is already being published"):
            await server.publish("live/a").__aenter__()
        async with server.publish("live/a", key="hk_1") as second:
            with pytest.raises(Rejected, match="another publisher has taken over live/a"):
                await first.write(key(0))
            await second.write(key(0))


async def test_publisher_knows_whether_somebody_watches() -> None:
    async with Server() as server, server.publish("live/a") as out:
        assert not out.is_watched
        async with server.stream("live/a"):
            assert out.is_watched
        assert not out.is_watched


async def test_stopping_server_ends_streams_and_publishers() -> None:
    server = Server()
    await server.start()
    player, out = server.stream("live/a"), server.publish("live/a")
    async with player, out:
        await out.write(key(0))
        await server.stop()
        assert [tag async for tag in player] == [key(0)]
        with pytest.raises(RelayError, match="the stream live/a has ended"):
            await out.write(key(40))
    for late in (server.publish, server.stream):
        with pytest.raises(UsageError, match="the server does not run"):
            late("live/a")
    with pytest.raises(UsageError, match="the server is stopped"):
        await EmbeddedPlayer(out._services, "live/a", "newest", 1).__aenter__()


@asynccontextmanager
async def idle() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


async def test_wrong_use_is_said() -> None:
    async with idle() as server:
        player, out = server.stream("live/a"), server.publish("live/a")
        with pytest.raises(UsageError, match='"async with" goes around "async for"'):
            await anext(player)
        with pytest.raises(UsageError, match='"async with" goes around "write"'):
            await out.write(key(0))
        async with player, out:
            waiting = asyncio.ensure_future(anext(player))
            await asyncio.sleep(0)
            with pytest.raises(UsageError, match="two tasks take tags from one player"):
                await anext(player)
            with pytest.raises(UsageError, match="live/a is played already"):
                await player.__aenter__()
            with pytest.raises(UsageError, match="live/a was published already"):
                await out.__aenter__()
            await out.write(key(0))
            assert await waiting == key(0)
        for call in (server.stream, server.publish):
            with pytest.raises(ProtocolError, match="segment of the stream's path is empty"):
                call("live//a")


async def test_cancelled_wait_loses_no_tag() -> None:
    async with (
        Server() as server,
        server.publish("live/a") as out,
        server.stream("live/a") as player,
    ):
        waiting = asyncio.ensure_future(anext(player))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await out.write(key(0))
        assert await anext(player) == key(0)


async def test_pictures_and_packets_go_through_the_server_and_over_the_wire() -> None:
    picture = np.zeros((96, 160, 3), np.uint8)
    picture[:, :80] = 200

    async with Server(rtmp={"listen": "127.0.0.1:0"}) as server:
        async with play(server.url("live/a")) as far, server.stream("live/a") as near:
            async with server.publish("live/a") as out:
                out.encoding = Encoding(frame_rate=25, preset="ultrafast")
                for _ in range(10):
                    await out.write_frame(picture)
            for player in (near, far):
                pictures = [seen async for seen in player.pictures()]
                assert len(pictures) == 10
                assert pictures[9][40, 20].min() > 150
                assert pictures[9][40, 140].max() < 60
        # And on: what one stream gives is written to another.
        clip = make_clip(0.4)
        async with server.stream("live/b") as source, server.stream("live/c") as copied:
            async with publish(server.url("live/b")) as out:
                for tag in clip.tags:
                    await out.write(tag)
            async with server.publish("live/c") as again:
                async for packet in source.packets():
                    await again.write_packet(packet)
            Recording([tag async for tag in copied]).assert_same_media(clip.tags)
