"""Tests of headend.cluster: the directory in Redis, with Debian's redis-server."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.cluster.redis_server import RedisServer
from tests.harness import log_lines, until

from headend.cluster import redis_directory, redis_line
from headend.cluster.redis_directory import LeaseSettings, RedisDirectory
from headend.cluster.redis_line import RedisLine
from headend.directory.port import Body
from headend.directory.values import Claim, Member, NameWish, Takeover
from headend.errors import Rejected

SECRET = b"secret of all members"
SAME = NameWish("live/a", "x")


@dataclass
class Node:
    """A member, and what it was told."""

    directory: RedisDirectory
    claims: dict[str, Claim] = field(default_factory=dict)
    told: list[object] = field(default_factory=list)

    def owner_changed(self, path: str) -> None:
        self.told.append(path)
        if self.directory.find(path) is not None:
            self.claims.pop(path, None)

    def message(self, sender: Member, kind: str, body: Body) -> None:
        self.told.append((sender.node, kind, body))

    async def claim(self, wish: NameWish = SAME) -> Claim:
        claim = self.claims[wish.path] = await self.directory.claim(wish)
        return claim

    def owner(self, path: str = "live/a") -> str | None:
        found = self.directory.find(path)
        return None if found is None else found.member.node


@asynccontextmanager
async def node(
    redis: RedisServer,
    name: str,
    *,
    boot: str = "",
    secret: bytes = SECRET,
    leaves: bool = True,
    **lease: object,
) -> AsyncIterator[Node]:
    """Run a member; one that does not leave is gone as a process that was killed is."""
    me = Member(name, boot or f"boot-{name}", f"rtmp://{name}:1935")
    settings = LeaseSettings(**{"lease_s": 2.0, **lease})  # type: ignore[arg-type]
    made = Node(RedisDirectory(RedisLine(redis.url), me, secret, settings))
    made.directory.watch(made)
    made.directory.keep(lambda: list(made.claims.values()))
    made.directory.start()
    try:
        await until(lambda: not made.directory.is_away)
        yield made
    finally:
        if not leaves:
            made.directory.is_away = True
        await made.directory.close()


async def met(*nodes: Node) -> None:
    """Wait until all know each other."""
    await until(lambda: all(len(each.directory.members()) == len(nodes) for each in nodes))


async def test_others_find_who_has_a_name_without_asking(redis: RedisServer) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two:
        await met(one, two)
        claim = await one.claim()
        await until(lambda: two.owner() == "one")
        assert one.owner() is None
        assert two.told == ["live/a"]
        one.directory.release(claim)
        await until(lambda: two.owner() is None)


async def test_member_that_comes_late_knows_the_names_that_are_taken(redis: RedisServer) -> None:
    async with node(redis, "one") as one:
        await one.claim()
        async with node(redis, "two") as two:
            await until(lambda: two.owner() == "one")


async def hears(node: Node) -> None:
    """Wait until a member takes news, which it does once it has learnt what there is."""
    while node.directory._mirror.find("live/heard") is None:
        await node.directory._send("C boot-nobody 1 0 0 - live/heard")
        await asyncio.sleep(0.01)


@asynccontextmanager
async def learning(node: Node, kind: str) -> AsyncIterator[None]:
    """Have a member read all from Redis, and take it, as it was before the block, after it."""
    await hears(node)
    line, has_read, may_take = node.directory._line, asyncio.Event(), asyncio.Event()
    read = line.hash

    async def read_and_wait(key: str) -> dict[str, str]:
        found = await read(key)
        if key.endswith(kind):
            has_read.set()
            await may_take.wait()
        return found

    line.hash = read_and_wait  # type: ignore[method-assign]
    task = asyncio.create_task(node.directory._learn())
    await has_read.wait()
    yield
    may_take.set()
    await task
    line.hash = read  # type: ignore[method-assign]


async def test_name_that_is_claimed_while_all_are_read_is_known(redis: RedisServer) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two:
        await met(one, two)
        async with learning(two, ":names"):
            await one.claim()
            await until(lambda: two.owner() == "one")
        assert two.owner() == "one"


async def test_name_that_is_free_again_while_all_are_read_is_free(redis: RedisServer) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two:
        await met(one, two)
        claim = await one.claim()
        await until(lambda: two.owner() == "one")
        async with learning(two, ":names"):
            del one.claims["live/a"]
            one.directory.release(claim)
            await until(lambda: two.owner() is None)
        assert two.owner() is None


async def test_member_that_comes_while_all_are_read_is_known(redis: RedisServer) -> None:
    async with node(redis, "one") as one, AsyncExitStack() as later:
        async with learning(one, ":members"):
            two = await later.enter_async_context(node(redis, "two"))
            await met(one, two)
        await met(one, two)
        await two.claim()
        await until(lambda: one.owner() == "two")


async def test_of_many_that_claim_a_name_at_once_one_gets_it(redis: RedisServer) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two, node(redis, "three") as three:
        await met(one, two, three)
        for number in range(30):
            wishes = [NameWish(f"live/{number}", name) for name in ("x", "y", "z")]
            asked = [each.claim(wish) for each, wish in zip((one, two, three), wishes, strict=True)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert sum(isinstance(each, Claim) for each in answers) == 1
            assert sum(isinstance(each, Rejected) for each in answers) == 2


@pytest.mark.parametrize(
    ("takeover", "holder", "order", "may"),
    [
        ("same-key", "x", (0, 0), True),
        ("same-key", "y", (0, 0), False),
        ("same-key", "", (0, 0), False),
        ("always", "y", (0, 0), True),
        ("never", "x", (0, 0), False),
        ("never", "y", (0, -1), True),
        ("always", "x", (1, 0), False),
    ],
)
async def test_takeover_follows_the_rules_of_one_server(
    redis: RedisServer, takeover: Takeover, holder: str, order: tuple[int, int], may: bool
) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two:
        await met(one, two)
        await one.claim(NameWish("live/a b", "x"))
        wish = NameWish("live/a b", holder, order, takeover)
        if may:
            await two.claim(wish)
            await until(lambda: one.owner("live/a b") == "two")
            assert not one.claims
        else:
            with pytest.raises(Rejected, match="already being published, at one"):
                await two.claim(wish)


async def test_claim_of_before_gives_nothing_back_that_another_took(redis: RedisServer) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two:
        await met(one, two)
        old = await one.claim()
        new = await two.claim()
        assert new.epoch > old.epoch
        one.directory.release(old)
        again = await one.claim(NameWish("live/b", "x"))
        await until(lambda: two.owner("live/b") == "one")
        assert again.epoch > new.epoch
        assert one.owner() == "two"


async def test_names_of_a_member_that_was_killed_are_free_after_its_lease(
    redis: RedisServer,
) -> None:
    async with node(redis, "two") as two:
        async with node(redis, "one", leaves=False) as one:
            await met(one, two)
            await one.claim()
            await until(lambda: two.owner() == "one")
        other = NameWish("live/a", "y", takeover="never")
        with pytest.raises(Rejected):
            await two.claim(other)
        await until(lambda: two.owner() is None)
        await two.claim(other)
        assert len(two.directory.members()) == 1


async def test_names_of_a_member_that_leaves_are_free_at_once(redis: RedisServer) -> None:
    async with node(redis, "two", lease_s=300) as two:
        async with node(redis, "one", lease_s=300) as one:
            await met(one, two)
            await one.claim()
            await until(lambda: two.owner() == "one")
        await until(lambda: two.owner() is None)


async def test_server_that_starts_again_frees_what_it_had_before(redis: RedisServer) -> None:
    async with node(redis, "two", lease_s=300) as two:
        async with node(redis, "one", lease_s=300, leaves=False) as one:
            await met(one, two)
            await one.claim()
            await until(lambda: two.owner() == "one")
        async with node(redis, "one", boot="later", lease_s=300):
            await until(lambda: two.owner() is None and len(two.directory.members()) == 2)


async def test_two_nodes_of_one_name_are_told_apart_and_named(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with node(redis, "one") as one:
        me = Member("one", "another", "rtmp://elsewhere:1935")
        other = RedisDirectory(RedisLine(redis.url), me, SECRET, LeaseSettings())
        other.start()
        await until(lambda: len(one.directory.members()) == 2)
        claim = await one.claim()
        await until(lambda: other.find("live/a") is not None)
        owner = other.find("live/a")
        assert owner is not None
        assert owner.member == one.directory.me
        assert owner.epoch == claim.epoch
        assert log_lines(caplog, "another server at rtmp://elsewhere:1935 is called one too")
        await other.close()


async def test_node_with_another_secret_is_not_of_the_cluster(redis: RedisServer) -> None:
    async with (
        node(redis, "one") as one,
        node(redis, "other", secret=b"a wrong secret, longer") as other,
    ):
        await one.claim()
        await other.claim(NameWish("live/a", "y", takeover="never"))
        assert one.owner() is None
        assert len(one.directory.members()) == 1


async def test_address_that_is_forged_in_redis_is_nobodys(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two:
        await met(one, two)
        from redis.asyncio import Redis

        from headend.cluster.records import write_record
        from headend.cluster.scripts import prefix_of

        forger = Redis.from_url(redis.url)
        prefix = prefix_of(SECRET)
        forged = write_record(Member("two", "boot-two", "rtmp://thief:1935"), b"a guess")
        await forger.publish(f"{prefix}:news", f"M boot-two {forged}")
        await forger.publish(f"{prefix}:news", f"M boot-thief {forged}")
        for rubbish in (
            "",
            "C",
            "C x",
            "C a b c d e f",
            "R",
            "R x y",
            "G",
            "B",
            "B []",
            "B x",
            "Z",
        ):
            await forger.publish(f"{prefix}:news", rubbish)
        await until(lambda: log_lines(caplog, "cluster: a record of a server is forged"))
        assert [each.rtmp for each in one.directory.members()] == [
            "rtmp://one:1935",
            "rtmp://two:1935",
        ]
        await two.claim()
        await until(lambda: one.owner() == "two")
        await forger.aclose()


async def test_messages_reach_one_member_or_all(redis: RedisServer) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two, node(redis, "three") as three:
        await met(one, two, three)
        one.directory.tell(two.directory.me, "hello", {"n": 1})
        one.directory.tell(None, "all", {})
        await until(lambda: len(two.told) == 2 and len(three.told) == 1)
        assert two.told == [("one", "hello", {"n": 1}), ("one", "all", {})]
        assert three.told == [("one", "all", {})]


# ------------------------------------------------------------------ Redis slow, away, empty


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Redis be away sooner."""
    monkeypatch.setattr(redis_line, "ANSWER_S", 0.3)
    monkeypatch.setattr(redis_directory, "RETRY_S", 0.05)


@pytest.mark.usefixtures("hasty")
async def test_new_names_are_allowed_while_redis_hangs_and_claimed_when_it_is_back(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two:
        await met(one, two)
        await two.claim(NameWish("live/b", "y", takeover="never"))
        await until(lambda: one.owner("live/b") == "two")
        with redis.frozen():
            claim = await one.claim()
            assert claim.epoch == 0
            with pytest.raises(Rejected, match="already being published, at two"):
                await one.claim(NameWish("live/b", "x"))
            await until(lambda: one.directory.is_away and two.directory.is_away)
        await until(lambda: two.owner() == "one")
        assert log_lines(caplog, "stream live/a begins without the directory of the cluster")


@pytest.mark.usefixtures("hasty")
async def test_new_names_are_refused_while_redis_is_away_where_settings_say_so(
    redis: RedisServer,
) -> None:
    async with node(redis, "one", on_error="deny") as one, node(redis, "two") as two:
        await met(one, two)
        redis.stop()
        with pytest.raises(Rejected, match="the directory of the cluster does not answer"):
            await one.directory.claim(SAME)
        await until(lambda: one.directory.is_away)
        redis.start()
        await until(lambda: not one.directory.is_away and not two.directory.is_away)
        await one.claim()
        await until(lambda: two.owner() == "one")


@pytest.mark.usefixtures("hasty")
async def test_of_two_that_began_without_redis_one_keeps_the_name(redis: RedisServer) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two:
        await met(one, two)
        with redis.frozen():
            await one.claim(NameWish("live/a", "x"))
            await two.claim(NameWish("live/a", "y"))
        await until(lambda: len(one.claims) + len(two.claims) == 1)
        loser = two if one.claims else one
        await until(lambda: loser.owner() is not None)


@pytest.mark.usefixtures("hasty")
async def test_redis_that_comes_back_empty_is_filled_again_and_nobody_notices(
    redis: RedisServer,
) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two, node(redis, "three") as three:
        await met(one, two, three)
        old = await one.claim()
        await until(lambda: two.owner() == "one" and three.owner() == "one")
        before = list(three.told)
        redis.stop()
        await until(lambda: two.directory.is_away)
        redis.start()
        await until(lambda: not two.directory.is_away)
        with pytest.raises(Rejected):  # whoever is faster: the name is taken
            await two.directory.claim(NameWish("live/a", "y"))
        await until(lambda: one.claims["live/a"].epoch >= old.epoch and not one.directory.is_away)
        await until(lambda: two.owner() == "one" and three.owner() == "one")
        assert three.told == before
        again = await one.claim(NameWish("live/c", "x"))
        assert again.epoch > old.epoch


@pytest.mark.usefixtures("hasty")
async def test_member_that_comes_back_late_has_lost_what_another_took(redis: RedisServer) -> None:
    async with node(redis, "one") as one, node(redis, "two") as two:
        await met(one, two)
        await one.claim()
        # It is away for longer than its lease, and the other one is not.
        held, one.directory._line = one.directory._line, RedisLine("unix:///nowhere")  # type: ignore[misc]
        await until(lambda: one.directory.is_away)
        await until(lambda: len(two.directory.members()) == 1)
        await two.claim(NameWish("live/a", "y", takeover="never"))
        one.directory._line = held  # type: ignore[misc]
        await until(lambda: not one.claims)
        assert one.owner() == "two"
        assert two.claims


async def test_failure_of_redis_is_said_without_its_password(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    line = RedisLine("redis://:hunter22@127.0.0.1:1/0")
    directory = RedisDirectory(line, Member("one", "b", "rtmp://x"), SECRET, LeaseSettings())
    directory.start()
    directory.settings = LeaseSettings(on_error="deny")
    with pytest.raises(Rejected):
        await directory.claim(SAME)
    await directory.close()
    assert "hunter22" not in caplog.text
