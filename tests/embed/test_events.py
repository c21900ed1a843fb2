"""Tests of headend.embed.events."""

import asyncio
import gc

import pytest

from headend import Server
from headend.embed.events import EventStream
from headend.errors import UsageError
from headend.events import (
    Event,
    ServerStopping,
    StreamConnected,
    StreamCreated,
    StreamDisconnected,
    StreamEnded,
)
from headend.media.tag import VIDEO, Tag

PICTURE = Tag(VIDEO, 0, b"\x17\x01\x00\x00\x00\x65", True, False)


async def test_events_come_in_order_and_end_with_the_server() -> None:
    server = Server()
    async with server:
        events = server.events()
        async with server.publish("live/a") as out:
            await out.write(PICTURE)
    kinds = [type(event) async for event in events]
    assert kinds[:2] == [StreamCreated, StreamConnected]
    assert {StreamDisconnected, StreamEnded, ServerStopping} <= set(kinds)
    assert events.missed == 0


async def test_kinds_are_chosen_and_typed() -> None:
    async with Server() as server:
        events: EventStream[StreamConnected] = server.events(StreamConnected)
        waiting = asyncio.ensure_future(anext(events))
        async with server.publish("live/a"):
            event = await waiting
            assert (event.stream, event.publisher) == ("live/a", "this process")


async def test_over_the_limit_the_oldest_are_left_out_and_counted() -> None:
    async with Server() as server:
        events = server.events(StreamConnected, limit=2)
        for name in ("live/a", "live/b", "live/c"):
            async with server.publish(name):
                pass
        events.close()
        assert [event.stream async for event in events] == ["live/b", "live/c"]
        assert events.missed == 1


async def test_events_that_are_dropped_leave_nothing_behind() -> None:
    async with Server() as server:
        bus = server.services.events
        before = len(bus._subscribers)
        events = server.events()
        assert len(bus._subscribers) == before + 1
        del events
        gc.collect()
        assert len(bus._subscribers) == before


async def test_two_tasks_that_take_are_an_error() -> None:
    async with Server() as server:
        events: EventStream[Event] = server.events()
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        with pytest.raises(UsageError, match="two tasks take events"):
            await anext(events)
        events.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
