"""Tests of a cluster of whole servers, one of which is killed."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.cluster.redis_server import RedisServer
from tests.e2e.server import Server as ServerProcess
from tests.harness import FRAME, KEYFRAME, VIDEO_HEADER, Live, Peer, live_server, until

from headend.cluster.cluster import ClusterNode
from headend.elsewhere.elsewhere import Elsewhere
from headend.errors import SettingsError
from headend.http.api.nodes import NodeStatus

SECRET = "a secret of sixteen or more"

pytestmark = pytest.mark.limit(90)


class Away(Live):
    """A server in another process."""

    def __init__(self, server: ServerProcess) -> None:
        self._peers = []
        host, _, port = server.rtmp[0].rpartition(":")
        self._address = host, int(port)

    @property
    def address(self) -> tuple[str, int]:
        return self._address


def settings(redis: RedisServer, name: str) -> tuple[str, ...]:
    return (
        f"cluster.redis={redis.url}",
        f"cluster.secret={SECRET}",
        f"cluster.node={name}",
        "cluster.lease_s=2",
    )


async def send(peer: Peer, *bodies: bytes, at: int = 0) -> None:
    for number, body in enumerate(bodies):
        await peer.send_video(body, at + 40 * number)


def knows(live: Live, count: int) -> bool:
    return len(live.services.features[Elsewhere].directory.members()) == count


async def test_viewers_elsewhere_go_on_when_the_owner_is_killed(
    redis: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "owner").mkdir()
    owner = ServerProcess(tmp_path / "owner", *settings(redis, "owner"), "live.takeover=always")
    try:
        async with AsyncExitStack() as stack:
            two, three = [
                await stack.enter_async_context(
                    live_server(tmp_path / name, *settings(redis, name), "live.takeover=always")
                )
                for name in ("two", "three")
            ]
            await until(lambda: knows(two, 3) and knows(three, 3))
            away = Away(owner)
            publisher = await away.publisher()
            await send(publisher, VIDEO_HEADER, KEYFRAME, FRAME)
            players = [await each.player() for each in (two, three)]
            for player in players:
                await player.expect_media(3)
            owner.process.kill()
            again = await two.publisher()
            await send(again, VIDEO_HEADER, KEYFRAME + b"again", FRAME)
            for player in players:
                while KEYFRAME + b"again" not in player.media:
                    await player.receive()
                assert player.times == sorted(player.times)
            away.close_peers()
    finally:
        owner.process.kill()


async def test_name_of_a_killed_owner_is_free_after_its_lease_for_anybody(
    redis: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "owner").mkdir()
    owner = ServerProcess(tmp_path / "owner", *settings(redis, "owner"), "live.takeover=never")
    try:
        async with live_server(tmp_path / "two", *settings(redis, "two")) as two:
            await until(lambda: knows(two, 2))
            away = Away(owner)
            await away.publisher()
            directory = two.services.features[Elsewhere].directory
            await until(lambda: directory.find("live/a") is not None)
            status, body = await asyncio.to_thread(owner.get, "/api/v1/nodes", owner.token)
            assert status == 200
            found = json.loads(body)["nodes"]
            assert [(each["node"], each["names"]) for each in found] == [
                ("owner", ["live/a"]),
                ("two", []),
            ]
            owner.process.kill()
            await until(lambda: directory.find("live/a") is None)
            await two.publisher()
            away.close_peers()
    finally:
        owner.process.kill()


async def test_streams_run_on_while_redis_is_away(redis: RedisServer, tmp_path: Path) -> None:
    async with (
        live_server(tmp_path / "one", *settings(redis, "one")) as one,
        live_server(tmp_path / "two", *settings(redis, "two")) as two,
    ):
        await until(lambda: knows(one, 2) and knows(two, 2))
        publisher = await one.publisher()
        await send(publisher, VIDEO_HEADER, KEYFRAME)
        player = await two.player()
        await player.expect_media(2)
        redis.stop()
        await send(publisher, FRAME, at=80)
        await player.expect_media(3)
        late = await two.player()
        await late.expect_media(3)
        redis.start()
        await until(lambda: not two.services.features[Elsewhere].directory.is_away)


async def test_every_node_tells_the_load_of_all(redis: RedisServer, tmp_path: Path) -> None:
    async with (
        live_server(tmp_path / "one", *settings(redis, "one")) as one,
        live_server(tmp_path / "two", *settings(redis, "two")) as two,
    ):
        await until(lambda: knows(one, 2) and knows(two, 2))
        publisher = await one.publisher()
        await send(publisher, VIDEO_HEADER, KEYFRAME)
        cluster = two.services.features[ClusterNode]

        def other() -> NodeStatus:
            return next(each for each in cluster.nodes().nodes if not each.is_this)

        def is_told() -> bool:
            load = other().load
            return load is not None and load.sessions == 1

        await until(is_told)
        assert (other().node, other().names) == ("one", ["live/a"])
        cluster.message(one.services.features[ClusterNode].directory.me, "load", {"state": "odd"})
        assert is_told()
        await one.server.stop()
        await until(lambda: knows(two, 1))
        assert [each.node for each in cluster.nodes().nodes] == ["two"]


async def test_cluster_needs_a_secret(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cluster.redis needs cluster.secret"):
        async with live_server(tmp_path, "cluster.redis=redis://127.0.0.1:1"):
            pass
