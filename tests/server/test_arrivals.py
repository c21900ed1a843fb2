"""This module tests headend.server.arrivals, in a server that runs."""

import asyncio
from pathlib import Path

import pytest
from tests.live import KEYFRAME, VIDEO_HEADER, live_server, run, until

from headend.errors import LimitExceeded, Rejected
from headend.server.arrivals import KEY, Arrivals


def test_stream_that_is_there_is_given_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            publisher = await live.publisher("a")
            await publisher.send_video(VIDEO_HEADER)
            await publisher.send_video(KEYFRAME)
            stream = live.services.registry.stream("live/a")
            assert stream is not None
            await until(lambda: stream.tags_in == 2)
            arrivals = Arrivals(live.services)
            found, kinds = await arrivals.wait("live/a", None)
            assert found is stream
            assert kinds == (False, True)
            assert stream.sink(KEY) is None

    run(main())


def test_all_who_wait_for_a_stream_get_it_with_its_first_media(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            arrivals = Arrivals(live.services)
            waiting = [asyncio.create_task(arrivals.wait("live/a", None)) for _ in range(3)]
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

    run(main())


@pytest.mark.parametrize("wait_s", ["0", "0.05"])
def test_name_that_nobody_publishes_is_not_found_in_the_end(wait_s: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path, f"live.wait_s={wait_s}") as live:
            arrivals = Arrivals(live.services)
            with pytest.raises(Rejected, match="nobody publishes live/a"):
                await arrivals.wait("live/a", None)
            assert arrivals.waiting == 0

    run(main())


def test_stream_that_ends_before_its_first_media_is_not_found(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            arrivals = Arrivals(live.services)
            waiting = asyncio.create_task(arrivals.wait("live/a", None))
            await until(lambda: arrivals.waiting == 1)
            live.services.registry.end_all()
            with pytest.raises(Rejected, match="nobody publishes live/a"):
                await waiting

    run(main())


def test_too_many_waiting_requests_are_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path, "limits.waiting_requests=1") as live:
            arrivals = Arrivals(live.services)
            first = asyncio.create_task(arrivals.wait("live/a", None))
            await until(lambda: arrivals.waiting == 1)
            with pytest.raises(LimitExceeded, match=r"limits\.waiting_requests"):
                await arrivals.wait("live/b", None)
            first.cancel()

    run(main())
