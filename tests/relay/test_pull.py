"""This module tests relays in: streams fetched from other servers, while somebody watches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from tests.live import FRAME, KEYFRAME, VIDEO_HEADER, Peer, command, run, until
from tests.relay.servers import into, place, publish_pictures, server, states, targets

QUICK = "relay.idle_s=0"


def test_stream_is_fetched_while_somebody_watches_and_once_for_all(tmp_path: Path) -> None:
    async def main() -> None:
        async with server(tmp_path, "origin") as origin:
            url = f"rtmp://{place(origin)}/live/{{name}}"
            async with server(tmp_path, "edge", into(url), QUICK) as edge:
                publisher = await origin.publisher("a")
                sent = await publish_pictures(publisher)
                assert targets(edge) == []
                players = [await edge.player("a") for _ in range(3)]
                for player in players:
                    assert await player.expect_media(len(sent)) == sent
                assert states(edge) == ["live"]
                assert len(origin.services.connections) == 2  # the publisher and one fetch
                for player in players:
                    player.close()
                await until(lambda: len(origin.services.connections) == 1)
                await until(lambda: targets(edge) == [])

    run(main())


@asynccontextmanager
async def sending(publisher: Peer) -> AsyncIterator[None]:
    """Have a publisher go on sending pictures meanwhile."""

    async def send() -> None:
        for number in count(1):
            body = (KEYFRAME if number % 10 == 1 else FRAME) + number.to_bytes(4, "big")
            await publisher.send_video(body, 5000 + 40 * number)
            await asyncio.sleep(0.04)

    await publisher.send_video(VIDEO_HEADER, 5000)
    task = asyncio.create_task(send())
    try:
        yield
    finally:
        task.cancel()


def test_edge_goes_on_with_the_second_source_when_the_first_dies(tmp_path: Path) -> None:
    async def main() -> None:
        async with server(tmp_path, "b") as second, server(tmp_path, "a") as first:
            urls = [f"rtmp://{place(each)}/live/{{name}}" for each in (first, second)]
            async with (
                server(tmp_path, "edge", into(*urls)) as edge,
                sending(await first.publisher("x")),
                sending(await second.publisher("x")),
            ):
                player = await edge.player("x")
                await player.expect_media(20)
                assert place(first) in targets(edge)[0]["url"]
                await first.server.stop()
                await player.expect_media(50)
                assert not player.is_closed
                assert player.times == sorted(player.times)
                (target,) = targets(edge)
                assert place(second) in target["url"]
                assert target["state"] == "live"

    run(main())


def test_source_that_falls_silent_is_left_for_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        async with server(tmp_path, "b") as second, server(tmp_path, "a") as first:
            urls = [f"rtmp://{place(each)}/live/{{name}}" for each in (first, second)]
            async with server(tmp_path, "edge", into(*urls)) as edge:
                for each in (first, second):
                    await publish_pictures(await each.publisher("x"), start=5000)
                player = await edge.player("x")
                await player.expect_media(6)  # of both: neither sends more
                assert not player.is_closed

    run(main())


def test_name_that_the_origin_does_not_know_is_not_found_and_not_asked_again(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with server(tmp_path, "origin", "live.wait_s=0") as origin:
            url = f"rtmp://{place(origin)}/live/{{name}}"
            async with server(tmp_path, "edge", into(url), "relay.unknown_s=60") as edge:
                for _ in range(3):
                    player = await edge.connected()
                    await player.send(command("play", 3, None, "nothing", on=1))
                    await player.expect("NetStream.Play.StreamNotFound")
                assert origin.services.counters.accepted == 1

    run(main())


def test_stream_that_ends_at_the_origin_ends_at_the_edge(tmp_path: Path) -> None:
    async def main() -> None:
        async with server(tmp_path, "origin") as origin:
            url = f"rtmp://{place(origin)}/live/{{name}}"
            async with server(tmp_path, "edge", into(url)) as edge:
                publisher = await origin.publisher("a")
                await publish_pictures(publisher)
                player = await edge.player("a")
                await player.expect_media(3)
                origin.services.registry.end("live/a")
                assert "NetStream.Play.UnpublishNotify" in "".join(await player.expect_close())
                assert "live/a" not in {each["stream"] for each in targets(edge)}

    run(main())


def test_stream_that_is_always_fetched_needs_no_viewer(tmp_path: Path) -> None:
    async def main() -> None:
        async with server(tmp_path, "origin") as origin:
            setting = into(
                f"rtmp://{place(origin)}/live/a", match="copy/b", more=", on_demand=false"
            )
            async with server(tmp_path, "edge", setting, QUICK) as edge:
                await publish_pictures(await origin.publisher("a"))
                await until(lambda: states(edge) == ["live"])
                stream = edge.services.registry.stream("copy/b")
                assert stream is not None
                assert stream.is_live

    run(main())
