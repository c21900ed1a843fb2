"""Tests of hooks of a program that embeds the server."""

import asyncio
from pathlib import Path

import pytest
from tests.harness import KEYFRAME, until

from headend import Server
from headend.client import play, publish
from headend.errors import Rejected, SettingsError
from headend.events import StreamEnded
from headend.hooks import Allow, Deny, Hooks, PlayRequest, PublishRequest
from headend.media.tag import VIDEO, Tag

RTMP = {"rtmp.listen": "127.0.0.1:0", "auth.publish": "open"}
PICTURE = Tag(VIDEO, 0, KEYFRAME, True, False)


async def test_hooks_decide_in_the_loop_of_the_program_and_are_told() -> None:
    hooks, loops, ended = Hooks(), list[asyncio.AbstractEventLoop](), list[str]()

    @hooks.on_publish
    async def check(request: PublishRequest) -> Allow | Deny:
        loops.append(asyncio.get_running_loop())
        return Allow(stream="live/real") if request.key == "ticket" else Deny("no ticket")

    @hooks.on_play
    async def look(request: PlayRequest) -> Deny | None:
        return Deny("not for you") if request.name == "secret" else None

    @hooks.on(StreamEnded)
    async def note(event: StreamEnded) -> None:
        loops.append(asyncio.get_running_loop())
        ended.append(event.stream)

    async with Server(RTMP, hooks=hooks) as server:
        url = server.url("live/a")
        with pytest.raises(Rejected, match="no ticket"):
            async with publish(url):
                pass
        async with server.stream("live/real") as player:
            async with publish(f"{url}?key=ticket") as out:
                await out.write(PICTURE)
            assert await anext(player) == PICTURE
        with pytest.raises(Rejected, match="not for you"):
            async with play(server.url("live/secret")):
                pass
        # The program itself is not asked.
        async with server.publish("live/b"), server.stream("live/secret"):
            pass
        await until(lambda: "live/real" in ended)
        assert set(loops) == {asyncio.get_running_loop()}
    assert len(asyncio.all_tasks()) == 1


async def test_each_server_has_hooks_of_its_own() -> None:
    hooks = Hooks()

    @hooks.on_publish
    async def check(request: PublishRequest) -> Deny:
        return Deny("not here")

    async with Server(RTMP, hooks=hooks) as one, Server(RTMP) as other:
        with pytest.raises(Rejected, match="not here"):
            async with publish(one.url("live/a")):
                pass
        async with publish(other.url("live/a")) as out:
            await out.write(PICTURE)


async def test_hooks_by_name_are_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match='hooks = "no_such_module:hooks"'):
        await Server(RTMP, hooks="no_such_module:hooks").start()
