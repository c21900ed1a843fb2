"""Publishers and players of a program against `limits.*`, rules, bars and claims of names."""

import asyncio
from pathlib import Path

import pytest
from tests.elsewhere.two import nodes
from tests.harness import until

from headend.decisions import Address
from headend.embed.server import Server
from headend.embed.streams import EmbeddedPublisher
from headend.errors import Refusal, Rejected, RelayError
from headend.events import Event
from headend.hub.stream import StreamState
from headend.live.relay_port import Fetching
from headend.live.services import Services
from headend.media.tag import VIDEO, Tag

PICTURE = Tag(VIDEO, 0, b"\x17\x01\x00\x00\x00abc", True, False)


def sweep(server: Server, later_s: float) -> None:
    """Have every publisher looked at, as if so many seconds were over."""
    for observer in server.services.rates.observers:
        observer(server.services.loop.time() + later_s)


async def test_players_of_a_program_take_the_places_of_viewers() -> None:
    async with Server(limits={"viewers_per_stream": 1}) as server:
        async with server.stream("live/a"):
            with pytest.raises(Rejected, match="reached its limit of viewers") as refused:
                await server.stream("live/a").__aenter__()
            assert refused.value.refusal is Refusal.TOO_MANY
            assert len(server.services.sessions.all()) == 1
            async with server.stream("live/b"):
                pass
        async with server.stream("live/a"):
            pass


async def test_player_that_was_kicked_has_left_its_place() -> None:
    async with Server(limits={"viewers": 1}) as server, server.stream("live/a"):
        server.services.sessions.all()[0].kick()
        async with server.stream("live/a"):
            pass


async def test_limit_of_a_rule_holds_for_the_players_of_a_program() -> None:
    rules = [{"match": "vip/*", "limits": {"viewers_per_stream": 1}}]
    async with Server(stream=rules) as server, server.stream("vip/a"), server.stream("live/a"):
        async with server.stream("live/a"):
            pass
        with pytest.raises(Rejected, match="reached its limit of viewers"):
            await server.stream("vip/a").__aenter__()


async def test_key_of_a_program_publishes_only_so_many_streams() -> None:
    async with Server(limits={"streams_per_key": 1}) as server, server.publish("live/a", key="one"):
        with pytest.raises(Rejected, match="as many as it may"):
            await server.publish("live/b", key="one").__aenter__()
        assert len(server.services.sessions.all()) == 1
        async with server.publish("live/b", key="two"), server.publish("live/c"):
            pass


async def test_publisher_of_a_program_ends_when_its_time_is_over() -> None:
    limits = {"publisher_duration_s": 60}
    async with Server(limits=limits) as server, server.publish("live/a") as out:
        await out.write(PICTURE)
        sweep(server, 61)
        with pytest.raises(RelayError, match="live/a has ended: the longest time allowed, 60 s"):
            await out.write(PICTURE)
        assert not server.services.sessions.all()
        assert not server.services.gate.live()


async def test_publisher_of_a_program_may_send_only_so_much() -> None:
    limits = {"publisher_bit_rate": 1000, "publisher_bit_rate_s": 10}
    async with Server(limits=limits) as server, server.publish("live/a") as out:
        sweep(server, 0)
        await out.write(PICTURE._replace(body=PICTURE.body + bytes(10_000)))
        sweep(server, 10)
        with pytest.raises(RelayError, match="is more than the"):
            await out.write(PICTURE)


async def test_name_that_an_administrator_bars_is_not_published_by_a_program() -> None:
    async with Server() as server:
        async with server.publish("live/a", key="one"):
            server.services.bars.bar("live/a", 60)
        for path, key in (("live/a", None), ("live/b", "one")):
            with pytest.raises(Rejected, match="an administrator has ended this"):
                await server.publish(path, key=key).__aenter__()
        async with server.publish("live/b"):
            pass


async def test_name_that_a_program_publishes_is_claimed_among_servers(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (one, two):
        async with EmbeddedPublisher(one.live.services, "live/a", None):
            assert one.elsewhere.claims.holds("live/a")
            with pytest.raises(Rejected, match="already being published, at n0") as refused:
                await EmbeddedPublisher(two.live.services, "live/a", None).__aenter__()
            assert refused.value.code == "NetStream.Publish.BadName"
        await until(lambda: not one.elsewhere.claims.holds("live/a"))
        async with EmbeddedPublisher(two.live.services, "live/a", None):
            assert two.elsewhere.claims.holds("live/a")


async def test_name_that_is_refused_or_not_waited_for_is_given_back(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (one, two):
        out = EmbeddedPublisher(one.live.services, "live/a", None)
        beginning = asyncio.ensure_future(out.__aenter__())
        await asyncio.sleep(0)
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        await until(lambda: not one.elsewhere.claims.holds("live/a"))
        assert not one.live.services.sessions.all()
        async with EmbeddedPublisher(two.live.services, "live/a", None):
            stream = two.live.services.registry.stream("live/a")
            assert stream is not None
            assert stream.state is not StreamState.ENDED


class _Unknowing(Fetching):
    """Fetches nothing, because no source knows it."""

    name = "unknowing"

    def __init__(self, services: Services) -> None:
        pass

    def want(self, path: str, address: Address | None) -> bool:
        raise Rejected(Refusal.NOT_FOUND, "no source knows it")


async def test_player_that_is_refused_is_no_session_and_takes_no_place() -> None:
    async with Server(limits={"viewers": 1}, features=[_Unknowing]) as server:
        told: list[Event] = []
        server.services.events.subscribe(told.append)
        for _ in range(2):
            with pytest.raises(Rejected, match="no source knows it"):
                await server.stream("live/a").__aenter__()
        assert told == []
        assert not server.services.sessions.all()
