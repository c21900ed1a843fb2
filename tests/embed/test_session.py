"""Publishers and players of a program as sessions of its server."""

import asyncio

import pytest
from tests.harness import until

from headend.embed.server import Server
from headend.errors import Refusal, Rejected, RelayError
from headend.events import SessionEnded, SessionStarted
from headend.live import status
from headend.media.tag import VIDEO, Tag

PICTURE = Tag(VIDEO, 0, b"\x17\x01\x00\x00\x00abc", True, False)


def heard(server: Server) -> list[SessionStarted | SessionEnded]:
    """Return what is told of sessions from now on."""
    told: list[SessionStarted | SessionEnded] = []

    def take(event: object) -> None:
        if isinstance(event, SessionStarted | SessionEnded):
            told.append(event)

    server.services.events.subscribe(take)
    return told


async def test_streams_of_a_program_are_listed_and_counted() -> None:
    async with Server() as server, server.publish("live/a") as out:
        told = heard(server)
        async with server.stream("live/a") as player:
            await out.write(PICTURE)
            await anext(player)
            listed = status.sessions(server.services)
            assert [(each.protocol, str(each.peer)) for each in listed] == [
                ("embedded", "this process")
            ] * 2
            assert [(each.publishes, each.plays) for each in listed] == [
                (["live/a"], []), ([], ["live/a"]),
            ]  # fmt: skip
            assert [each.bytes_in for each in listed] == [8, 0]
            assert [each.bytes_out for each in listed] == [0, 8]
            (stream,) = server.streams()
            assert stream["viewers_by_protocol"] == {"embedded": 1}
        assert [event.bytes for event in told if isinstance(event, SessionEnded)] == [8]
        assert {event.address for event in told} == {None}
        assert len(status.sessions(server.services)) == 1


async def test_publisher_that_is_kicked_is_told() -> None:
    async with Server() as server, server.publish("live/a") as out:
        await out.write(PICTURE)
        (session,) = server.services.sessions.all()
        session.kick()
        with pytest.raises(RelayError, match="live/a has ended: closed by an administrator"):
            await out.write(PICTURE)
        assert not server.services.sessions.all()
        async with server.publish("live/a"):
            pass


async def test_player_that_is_kicked_takes_what_waits_and_is_told() -> None:
    async with Server() as server, server.publish("live/a") as out:
        async with server.stream("live/a") as player:
            await out.write(PICTURE)
            session = server.services.sessions.all()[-1]
            session.kick()
            assert (await anext(player)).body == PICTURE.body
            with pytest.raises(RelayError, match="live/a: closed by an administrator"):
                await anext(player)
        assert not out.is_watched


async def test_session_ends_with_what_took_the_name_over() -> None:
    async with (
        Server() as server,
        server.publish("live/a", key="one") as out,
        server.publish("live/a", key="one"),
    ):
        with pytest.raises(Rejected) as refused:
            await out.write(PICTURE)
        assert refused.value.refusal is Refusal.NAME_TAKEN
        assert refused.value.code.endswith("BadName")
        assert len(server.services.sessions.all()) == 1
        with pytest.raises(Rejected, match="already being published"):
            await server.publish("live/a").__aenter__()
        assert len(server.services.sessions.all()) == 1


async def test_stop_of_the_server_waits_for_no_session_of_its_program() -> None:
    server = Server(limits={"shutdown_s": 5})
    await server.start()
    services = server.services
    out = server.publish("live/a")
    player = server.stream("live/a")
    await out.__aenter__()
    await player.__aenter__()
    stopping = asyncio.create_task(server.stop())
    await until(lambda: not services.sessions.all())
    await stopping
    with pytest.raises(StopAsyncIteration):
        await anext(player)
