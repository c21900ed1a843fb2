"""Tests of headend.live.arrivals, in a server that runs."""

import asyncio
from pathlib import Path

import pytest
from tests.harness import KEYFRAME, VIDEO_HEADER, live_server, message, until
from tests.wire import wire

from headend.errors import LimitExceeded, Rejected
from headend.hub import settling
from headend.live.arrivals import KEY
from headend.live.waiting import wait_for_media

AUDIO_HEADER = wire("af 00 1190")
SOUND = wire("af 01 de")
BOTH = wire(
    "02 000a 6f6e4d65746144617461 08 00000002"
    "000c 617564696f636f6465636964 00 4024000000000000"
    "000c 766964656f636f6465636964 00 401c000000000000 000009"
)


async def test_stream_that_is_there_is_given_at_once(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        publisher = await live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        stream = live.services.registry.stream("live/a")
        assert stream is not None
        await until(lambda: stream.tags_in == 2)
        found, kinds = await wait_for_media(live.services, "live/a", None)
        assert found is stream
        assert kinds == (False, True)
        assert stream.sink(KEY) is None


async def test_all_who_wait_for_a_stream_get_it_with_its_first_media(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        arrivals = live.services.arrivals
        waiting = [
            asyncio.create_task(wait_for_media(live.services, "live/a", None)) for _ in range(3)
        ]
        await until(lambda: arrivals.waiting == 3)
        waiting.pop().cancel()  # its client went away
        await until(lambda: arrivals.waiting == 2)
        publisher = await live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        (stream, _), (same, _) = await asyncio.gather(*waiting)
        assert stream is same is live.services.registry.stream("live/a")
        assert arrivals.waiting == 0
        assert stream.sink(KEY) is None


DECLARED = [
    [(9, VIDEO_HEADER), (8, AUDIO_HEADER), (9, KEYFRAME)],
    [(18, BOTH), (9, VIDEO_HEADER), (9, KEYFRAME)],
    [(9, VIDEO_HEADER), (8, AUDIO_HEADER), (8, SOUND)],
    [(18, BOTH), (8, AUDIO_HEADER), (8, SOUND)],
]


@pytest.mark.parametrize("sent", DECLARED)
async def test_track_that_is_declared_and_sends_nothing_is_waited_for_a_while(
    sent: list[tuple[int, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live_server(tmp_path) as live:
        publisher = await live.publisher("a")
        for type_id, body in sent:
            await publisher.send(message(4, type_id, 1, body))
        await live.received("live/a", len(sent))
        arrivals = live.services.arrivals
        waiting = asyncio.create_task(wait_for_media(live.services, "live/a", None))
        await until(lambda: arrivals.waiting == 1)
        monkeypatch.setattr(settling, "UNSENT_S", 0)
        while not waiting.done():
            await publisher.send(message(4, sent[-1][0], 1, sent[-1][1]))
            await asyncio.wait([waiting], timeout=0.05)
        _, kinds = await waiting
        assert kinds == (sent[-1][0] == 8, sent[-1][0] == 9)
        _, kinds = await wait_for_media(live.services, "live/a", None)
        assert kinds == (sent[-1][0] == 8, sent[-1][0] == 9)


@pytest.mark.parametrize("sent", DECLARED)
async def test_stream_with_both_declared_tracks_is_given_with_the_first_of_both(
    sent: list[tuple[int, bytes]], tmp_path: Path
) -> None:
    async with live_server(tmp_path) as live:
        publisher = await live.publisher("a")
        for type_id, body in sent:
            await publisher.send(message(4, type_id, 1, body))
        await live.received("live/a", len(sent))
        arrivals = live.services.arrivals
        waiting = asyncio.create_task(wait_for_media(live.services, "live/a", None))
        await until(lambda: arrivals.waiting == 1)
        await publisher.send(message(4, 8, 1, SOUND) + message(4, 9, 1, KEYFRAME))
        _, kinds = await waiting
        assert kinds == (True, True)


async def test_stream_whose_publisher_is_lost_is_given_with_what_it_has(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        publisher = await live.publisher("a")
        await publisher.send(message(4, 8, 1, AUDIO_HEADER))
        await publisher.send_video(KEYFRAME)
        await live.received("live/a", 2)
        publisher.close()
        stream = live.services.registry.stream("live/a")
        assert stream is not None
        await until(lambda: not stream.is_live)
        _, kinds = await wait_for_media(live.services, "live/a", None)
        assert kinds == (True, True)


@pytest.mark.parametrize("wait_s", ["0", "0.05"])
async def test_name_that_nobody_publishes_is_not_found_in_the_end(
    wait_s: str, tmp_path: Path
) -> None:
    async with live_server(tmp_path, f"live.wait_s={wait_s}") as live:
        arrivals = live.services.arrivals
        with pytest.raises(Rejected, match="nobody publishes live/a"):
            await wait_for_media(live.services, "live/a", None)
        assert arrivals.waiting == 0


async def test_stream_that_ends_before_its_first_media_is_not_found(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        arrivals = live.services.arrivals
        waiting = asyncio.create_task(wait_for_media(live.services, "live/a", None))
        await until(lambda: arrivals.waiting == 1)
        live.services.registry.end_all()
        with pytest.raises(Rejected, match="nobody publishes live/a"):
            await waiting


async def test_too_many_waiting_requests_are_refused(tmp_path: Path) -> None:
    async with live_server(tmp_path, "limits.waiting_requests=1") as live:
        arrivals = live.services.arrivals
        first = asyncio.create_task(wait_for_media(live.services, "live/a", None))
        await until(lambda: arrivals.waiting == 1)
        with pytest.raises(LimitExceeded, match=r"limits\.waiting_requests"):
            await wait_for_media(live.services, "live/b", None)
        first.cancel()
