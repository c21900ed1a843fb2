"""Tests of relays in: streams fetched from other servers, while somebody watches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest
from tests.harness import FRAME, KEYFRAME, VIDEO_HEADER, Live, Peer, command, until
from tests.hub.fakes import AVC, FakePublisher, key
from tests.relay.servers import into, out, place, publish_pictures, server, states, targets

from headend.relay.relays import MOST_ASKED, Relays
from headend.rtmp.hops import write_hops

QUICK = "relay.idle_s=0"


async def test_stream_is_fetched_while_somebody_watches_and_once_for_all(tmp_path: Path) -> None:
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
            assert len(origin.services.sessions.connections) == 2  # the publisher and one fetch
            for player in players:
                player.close()
            await until(lambda: len(origin.services.sessions.connections) == 1)
            await until(lambda: targets(edge) == [])


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


async def test_edge_goes_on_with_the_second_source_when_the_first_dies(tmp_path: Path) -> None:
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


async def test_source_that_falls_silent_is_left_for_the_next(tmp_path: Path) -> None:
    async with server(tmp_path, "b") as second, server(tmp_path, "a") as first:
        urls = [f"rtmp://{place(each)}/live/{{name}}" for each in (first, second)]
        async with server(tmp_path, "edge", into(*urls)) as edge:
            for each in (first, second):
                await publish_pictures(await each.publisher("x"), start=5000)
            player = await edge.player("x")
            await player.expect_media(6)  # of both: neither sends more
            assert not player.is_closed


async def test_name_that_the_origin_does_not_know_is_not_found_and_not_asked_again(
    tmp_path: Path,
) -> None:
    async with server(tmp_path, "origin", "live.wait_s=0") as origin:
        url = f"rtmp://{place(origin)}/live/{{name}}"
        async with server(tmp_path, "edge", into(url), "relay.unknown_s=60") as edge:
            for _ in range(3):
                player = await edge.connected()
                await player.send(command("play", 3, None, "nothing", on=1))
                await player.expect("NetStream.Play.StreamNotFound")
            assert origin.services.counters.accepted == 1


async def test_stream_that_ends_at_the_origin_ends_at_the_edge(tmp_path: Path) -> None:
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


async def test_stream_that_is_always_fetched_needs_no_viewer(tmp_path: Path) -> None:
    async with server(tmp_path, "origin") as origin:
        setting = into(f"rtmp://{place(origin)}/live/a", match="copy/b", more=", on_demand=false")
        async with server(tmp_path, "edge", setting, QUICK) as edge:
            await publish_pictures(await origin.publisher("a"))
            await until(lambda: states(edge) == ["live"])
            stream = edge.services.registry.stream("copy/b")
            assert stream is not None
            assert stream.is_live


# ---------------------------------------------------------------------- what one peer says or does


INVENTED = tuple(f"{number:016x}" for number in range(7))


async def test_hops_that_a_player_claims_are_told_to_no_source(tmp_path: Path) -> None:
    async with server(tmp_path, "origin") as origin:
        url = f"rtmp://{place(origin)}/live/{{name}}"
        async with server(tmp_path, "edge", into(url)) as edge:
            publisher = await origin.publisher("a")
            sent = await publish_pictures(publisher)
            liar = await edge.player("a", flash_version=write_hops("LNX", INVENTED))
            honest = await edge.player("a")
            assert await honest.expect_media(len(sent)) == sent
            assert await liar.expect_media(len(sent)) == sent
            (fetch,) = [each for each in origin.services.sessions.connections if each.hops]
            assert fetch.hops == (edge.services.server_id,)


async def test_player_that_claims_to_be_the_origin_is_refused_alone(tmp_path: Path) -> None:
    async with server(tmp_path, "origin") as origin:
        url = f"rtmp://{place(origin)}/live/{{name}}"
        async with server(tmp_path, "edge", into(url)) as edge:
            honest = await edge.player("a")
            relays = edge.services.features[Relays]
            await until(lambda: relays.fetched_from("live/a"))
            for hops in ((origin.services.server_id,), (edge.services.server_id,)):
                liar = await edge.connected(flash_version=write_hops("LNX", hops))
                await liar.send(command("play", 3, None, "a", on=1))
                await liar.expect("NetStream.Play.Failed")
                assert "relay loop" in liar.reasons[-1]
            sent = await publish_pictures(await origin.publisher("a"))
            assert await honest.expect_media(len(sent)) == sent


async def test_servers_that_fetch_from_each_other_have_a_stream_once_either_has_it(
    tmp_path: Path,
) -> None:
    async with server(tmp_path, "a") as first:
        port = place(first).rpartition(":")[2]
    there = f"rtmp://127.0.0.1:{port}/live/{{name}}"
    async with server(tmp_path, "b", into(there)) as b:
        here = f"rtmp://{place(b)}/live/{{name}}"
        async with server(tmp_path, "a", f"rtmp.listen=127.0.0.1:{port}", into(here)) as a:
            at_a, at_b = await a.player("x"), await b.player("x")
            await until(lambda: any("relay loop" in t["reason"] for t in targets(b)))
            sent = await publish_pictures(await a.publisher("x"))
            assert await at_a.expect_media(len(sent)) == sent
            assert await at_b.expect_media(len(sent)) == sent


async def ask_for(live: Live, names: list[str], source: str = "") -> list[Peer]:
    """Have players wait for names, eight on a connection."""
    peers = []
    for start in range(0, len(names), 8):
        peer = await live.connected(source=source)
        peers.append(peer)
        here = names[start : start + 8]
        await peer.send(command("createStream", 2, None) * (len(here) - 1))
        await peer.expect(f"_result 2 None {len(here)}.0")
        plays = (command("play", 3, None, name, on=on) for on, name in enumerate(here, 1))
        await peer.send(b"".join(plays))
    return peers


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
async def test_names_that_nobody_publishes_keep_nobody_from_a_stream(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headend.relay.relays.ASKS_PER_S", 1e6)

    async with server(tmp_path, "origin") as origin:
        url = f"rtmp://{place(origin)}/live/{{name}}"
        async with server(tmp_path, "edge", into(url)) as edge:
            sent = await publish_pictures(await origin.publisher("a"))
            names = [f"invented{number}" for number in range(104)]
            peers = await ask_for(edge, names, "127.0.0.1")
            await peers[0].expect("NetStream.Play.StreamNotFound")  # the oldest gave way
            await until(lambda: targets(edge)[-1]["stream"] == "live/invented103")
            player = await edge.player("a", source=source)
            assert await player.expect_media(len(sent)) == sent
            assert len(targets(edge)) == MOST_ASKED


async def test_address_has_sources_asked_for_only_so_many_names_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headend.relay.relays.ASKS_PER_S", 1e-9)

    async with server(tmp_path, "origin") as origin:
        url = f"rtmp://{place(origin)}/live/{{name}}"
        async with server(tmp_path, "edge", into(url)) as edge:
            sent = await publish_pictures(await origin.publisher("a"))
            peers = await ask_for(edge, [f"invented{each}" for each in range(MOST_ASKED + 1)])
            await peers[-1].expect("NetStream.Play.Failed")
            assert "too many streams are asked for from your address" in peers[-1].reasons[-1]
            player = await edge.player("a", source="127.0.0.2")
            assert await player.expect_media(len(sent)) == sent


async def test_stream_whose_source_is_gone_is_no_name_that_was_invented(tmp_path: Path) -> None:
    async with server(tmp_path, "origin") as origin:
        url = f"rtmp://{place(origin)}/live/{{name}}"
        async with server(tmp_path, "edge", into(url)) as edge:
            sent = await publish_pictures(await origin.publisher("a"))
            player = await edge.player("a")
            await player.expect_media(len(sent))
            origin.server._listeners.close()
            for session in origin.services.sessions.all():
                session.abort()  # as if its machine were gone
            await until(lambda: states(edge) == ["retrying"])
            await ask_for(edge, [f"invented{number}" for number in range(104)], "127.0.0.2")
            await until(lambda: len(targets(edge)) == 1 + MOST_ASKED)
            assert targets(edge)[0]["stream"] == "live/a"


async def test_fetches_take_no_room_of_relays_out_and_the_other_way_round(tmp_path: Path) -> None:
    async with server(tmp_path, "there") as there, server(tmp_path, "origin") as origin:
        settings = (
            into(f"rtmp://{place(origin)}/live/{{name}}"),
            out(f"rtmp://{place(there)}/copy/{{name}}", match="own/*"),
            "limits.relays=1",
        )
        async with server(tmp_path, "edge", *settings) as edge:
            await publish_pictures(await origin.publisher("a"))
            player = await edge.player("a")
            await player.expect_media(3)
            other = await edge.connected()
            await other.send(command("play", 3, None, "b", on=1))
            await other.expect("NetStream.Play.Failed")
            assert "the server fetches as many streams as it may" in other.reasons[-1]
            publication = edge.services.registry.publish("own/x", FakePublisher(), None, 0)
            publication.push([AVC, key(0)], 0)
            await until(lambda: states(edge) == ["live", "live"])
            assert {t["stream"] for t in targets(edge)} == {"live/a", "own/x"}


async def test_fetch_that_nobody_watches_gives_way_to_one_that_is_wanted(tmp_path: Path) -> None:
    async with server(tmp_path, "origin") as origin:
        settings = (into(f"rtmp://{place(origin)}/live/{{name}}"), "limits.relays=1")
        async with server(tmp_path, "edge", *settings, "relay.idle_s=3600") as edge:
            for name in "ab":
                await publish_pictures(await origin.publisher(name))
            player = await edge.player("a")
            await player.expect_media(3)
            player.close()
            relays = edge.services.features[Relays]
            assert isinstance(relays, Relays)
            await until(lambda: relays.idle_fetches())
            player = await edge.player("b")
            await player.expect_media(3)
            assert [t["stream"] for t in targets(edge)] == ["live/b"]
