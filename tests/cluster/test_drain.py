"""A node of three is drained under publishers and players, and nobody elsewhere is cut off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from tests.cluster.redis_server import RedisServer
from tests.harness import FRAME, KEYFRAME, VIDEO_HEADER, Live, live_server, until

from headend.client import play, publish
from headend.drain.drain import Drain
from headend.elsewhere.elsewhere import Elsewhere
from headend.errors import HeadendError
from headend.media.codecs import video_tag
from headend.media.tag import SCRIPT

SECRET = "a secret of sixteen or more"
GOP = 5  # frames

pytestmark = pytest.mark.limit(40)


class Cluster:
    """Three nodes that know each other.

    Attributes:
        nodes: The nodes; the first one is drained.
    """

    def __init__(self) -> None:
        self.nodes: list[Live] = []
        self._first = AsyncExitStack()

    @asynccontextmanager
    async def run(self, redis: RedisServer, folder: Path) -> AsyncIterator["Cluster"]:
        async with self._first, AsyncExitStack() as stack:
            for name in ("one", "two", "three"):
                settings = (f"cluster.redis={redis.url}", f"cluster.secret={SECRET}")
                started = live_server(folder / name, *settings, f"cluster.node={name}")
                owner = stack if self.nodes else self._first
                self.nodes.append(await owner.enter_async_context(started))
            for node in self.nodes:
                await until(lambda node=node: len(members(node)) == 3)  # type: ignore[misc]
            yield self

    async def stop_first(self) -> None:
        await self._first.aclose()

    def begin(self) -> list[bool]:
        """Drain the first node; return a list that grows when the drain is over."""
        over: list[bool] = []
        drain = self.nodes[0].services.features[Drain]
        drain.over = lambda: over.append(True)
        drain.begin()
        return over

    def owner(self, name: str) -> Live | None:
        for node in self.nodes:
            stream = node.services.registry.stream(f"live/{name}")
            if stream is not None and stream.is_live and not stream.is_copy:
                return node
        return None


def members(node: Live) -> list[object]:
    return list(node.services.features[Elsewhere].directory.members())


def url(node: Live, name: str = "a") -> str:
    host, port = node.address
    return f"rtmp://{host}:{port}/live/{name}"


class Encoder:
    """Publishes numbered pictures until it is stopped, or cut off.

    Attributes:
        sent: How many pictures it has sent.
        moves: How often it went to another server.
    """

    def __init__(self, node: Live, name: str = "a", *, can_move: bool = True) -> None:
        self._url = url(node, name)
        self._can_move = can_move
        self.sent = self.moves = 0
        self._is_over = False
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        with suppress(HeadendError):
            async with publish(self._url, is_enhanced=self._can_move) as out:
                await out.write(video_tag(0, VIDEO_HEADER))
                while not self._is_over:
                    kind = FRAME if self.sent % GOP else KEYFRAME
                    await out.write(video_tag(40 * self.sent, kind + self.sent.to_bytes(4, "big")))
                    self.sent += 1
                    self.moves = out.moves
                    await asyncio.sleep(0.02)

    async def stop(self) -> None:
        self._is_over = True
        await self.task


class Viewer:
    """Plays a stream to its end.

    Attributes:
        seen: Numbers of the pictures, in order.
        times: Their timestamps.
        is_over: The stream has ended, or was cut off.
    """

    def __init__(self, node: Live, name: str = "a") -> None:
        self._url = url(node, name)
        self.seen: list[int] = []
        self.times: list[int] = []
        self.is_over = False
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async with play(self._url) as player:
                async for tag in player:
                    if tag.kind is not SCRIPT and not tag.is_sequence_header:
                        self.seen.append(int.from_bytes(tag.body[-4:], "big"))
                        self.times.append(tag.timestamp)
        finally:
            self.is_over = True

    async def sees(self, count: int) -> None:
        """Wait until so many more pictures have come."""
        enough = len(self.seen) + count
        await until(lambda: self.is_over or len(self.seen) >= enough)
        assert not self.is_over


async def test_publishers_and_players_go_on_at_other_nodes(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with Cluster().run(redis, tmp_path) as cluster:
        names = ("a", "b")
        encoders = [Encoder(cluster.nodes[0], name) for name in names]
        viewers = [Viewer(node, name) for name in names for node in cluster.nodes]
        for viewer in viewers:
            await viewer.sees(2 * GOP)
        over = cluster.begin()
        await until(lambda: over)
        assert not any((*cluster.nodes[0].services.sessions,))
        assert [encoder.moves for encoder in encoders] == [1, 1]
        for name in names:
            assert cluster.owner(name) in cluster.nodes[1:]
        await cluster.stop_first()
        for viewer in viewers:
            await viewer.sees(2 * GOP)
        for encoder in encoders:
            await encoder.stop()
        for viewer in viewers:
            await viewer.task
            assert viewer.times == sorted(viewer.times)


async def test_viewers_elsewhere_wait_for_a_publisher_that_cannot_be_asked_to_move(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with Cluster().run(redis, tmp_path) as cluster:
        one, two, three = cluster.nodes
        encoder = Encoder(one, can_move=False)
        viewer = Viewer(three)
        await viewer.sees(GOP)
        over = cluster.begin()
        await viewer.sees(GOP)
        assert not over
        await cluster.stop_first()
        await encoder.task
        again = Encoder(two)
        await viewer.sees(2 * GOP)
        await again.stop()
        await viewer.task


async def test_who_comes_to_a_node_that_drains_is_sent_to_another(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with Cluster().run(redis, tmp_path) as cluster:
        one, two, _ = cluster.nodes
        encoder = Encoder(one, can_move=False)
        await until(lambda: cluster.owner("a") is one)
        cluster.begin()
        viewer, other = Viewer(one), Encoder(one, "b")
        await viewer.sees(GOP)
        await until(lambda: cluster.owner("b"))
        assert cluster.owner("b") is not one
        player = await two.player()
        await player.expect_media(2)
        for each in (encoder, other):
            await each.stop()
        await viewer.task


async def test_names_are_kept_again_when_the_drain_is_called_off(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with Cluster().run(redis, tmp_path) as cluster:
        one, two, _ = cluster.nodes
        claims = one.services.features[Elsewhere].claims
        encoder = Encoder(one, can_move=False)
        await until(lambda: cluster.owner("a") is one)
        (claim,) = claims.held()
        await until(lambda: claims.offer(["live/a"]))
        claims.keep(["live/a"])
        await until(lambda: claims.held()[0].wish == claim.wish)
        rival = Encoder(two)
        await rival.task  # refused
        assert cluster.owner("a") is one
        await encoder.stop()
