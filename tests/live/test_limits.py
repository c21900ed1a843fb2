"""Tests of headend.live.limits and the lists of addresses, on a whole server."""

import asyncio
from pathlib import Path

import pytest
from tests.harness import (
    KEYFRAME,
    VIDEO_HEADER,
    Live,
    Peer,
    command,
    live_server,
    log_lines,
    until,
)
from tests.hls_viewers import hls_viewer
from tests.web import Web, serve

from headend.hls.streams import HlsStreams
from headend.net.peer import Peer as Address

FULL = "this stream has reached its limit of viewers"


async def ask(live: Live, what: str, name: str) -> Peer:
    """Connect a peer and have it publish or play; its answer is not read yet."""
    peer = await live.connected()
    await peer.send(command(what, 3, None, name, *(["live"] if what == "publish" else []), on=1))
    return peer


async def refused(live: Live, what: str, name: str, text: str) -> None:
    code = "NetStream.Publish.Denied" if what == "publish" else "NetStream.Play.Failed"
    await refused_as(live, what, name, code, text)


async def refused_as(live: Live, what: str, name: str, code: str, text: str) -> None:
    before = len(live.services.sessions.connections)
    peer = await ask(live, what, name)
    await peer.expect(code)
    assert text.encode() in peer.heard
    peer.close()
    await until(lambda: len(live.services.sessions.connections) == before)


def sweep(live: Live, later_s: float) -> None:
    """Have everybody looked at, as if so many seconds were over."""
    for observer in live.services.rates.observers:
        observer(live.services.loop.time() + later_s)


async def watch_hls(web: Web, user_agent: str) -> int:
    headers = {"User-Agent": user_agent}
    return (await web.ask("GET", "/live/a/index.m3u8", headers=headers)).status


async def test_only_so_many_watch_a_stream(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path, "limits.viewers_per_stream=1") as live:
        first = await live.player("a")
        await live.player("b")
        await refused(live, "play", "a", FULL)
        assert log_lines(caplog, "limits.viewers_per_stream")
        first.close()
        await until(lambda: len(live.services.sessions.connections) == 1)
        await live.player("a")


async def test_only_so_many_watch_a_server_over_whatever_protocol(tmp_path: Path) -> None:
    async with serve(tmp_path, "limits.viewers=2") as web:
        await web.publish()
        await web.live.player("b")
        async with web.client.get(f"{web.base}/live/a.flv") as viewer:
            assert viewer.status == 200
            answer = await web.ask("GET", "/live/a.flv")
            assert (answer.status, answer.detail) == (
                403,
                "this server has reached its limit of viewers",
            )
            assert await watch_hls(web, "third") == 403
            await refused(web.live, "play", "a", "this server has reached its limit of viewers")
        await until(lambda: not web.live.services.sessions.viewers)
        await web.live.player("c")


OWN = "your address has its share of the viewers"


def programs(web: Web, count: int, address: str = "127.0.0.1") -> None:
    """Have so many programs at an address watch live/a over HLS."""
    hls = web.live.services.features[HlsStreams]
    packaged = hls.begin(web.stream())
    for number in range(count):
        hls_viewer(packaged, Address.at(address, 1), f"agent {number}")


@pytest.mark.parametrize("limit", ["limits.viewers=10", "limits.viewers_per_stream=10"])
async def test_one_address_leaves_places_to_others_however_many_programs_it_says_to_be(
    limit: str, tmp_path: Path
) -> None:
    async with serve(tmp_path, limit, "hls.part_s=0") as web:
        await web.publish()
        programs(web, 6)
        answer = await web.ask("GET", "/live/a/index.m3u8", headers={"User-Agent": "another"})
        assert (answer.status, OWN in answer.detail) == (403, True)
        answer = await web.ask("GET", "/live/a/0a1b2c-0.m4s", headers={"User-Agent": "agent 1"})
        assert answer.status == 404  # one that is there already may go on
        assert (await web.ask("GET", "/live/a.flv")).status == 403
        await refused(web.live, "play", "a", OWN)
        for number in range(2, 5):
            await web.live.player("a", source=f"127.0.0.{number}")
        programs(web, 1, "127.0.0.5")
        peer = await web.live.connected(source="127.0.0.6")
        await peer.send(command("play", 3, None, "a", on=1))
        await peer.expect("NetStream.Play.Failed")
        assert "has reached its limit of viewers" in peer.reasons[-1]
        assert OWN not in peer.reasons[-1]  # now all places are taken


async def test_one_address_leaves_places_to_others_over_rtmp_too(tmp_path: Path) -> None:
    async with live_server(tmp_path, "limits.viewers=4") as live:
        first = [await live.player(name) for name in "abc"]
        await refused(live, "play", "d", OWN)
        other = await live.player("a", source="127.0.0.2")
        other.close()
        first[0].close()
        await until(lambda: len(live.services.sessions.connections) == 2)
        await live.player("d")


async def test_viewer_of_hls_is_counted_once_however_often_it_asks(tmp_path: Path) -> None:
    async with serve(tmp_path, "limits.viewers_per_stream=1", "hls.part_s=0") as web:
        await web.publish()
        hls = web.live.services.features[HlsStreams]
        stream = web.live.services.registry.stream("live/a")
        assert stream is not None
        hls_viewer(hls.begin(stream), Address.at("127.0.0.1", 1))
        assert await watch_hls(web, "two") == 403
        packaged = hls.find("live/a")
        assert packaged is not None
        known = await web.ask("GET", "/live/a/abc123-1.m4s", headers={"User-Agent": "one"})
        assert known.status == 404  # it may ask, but there is no such part
        await refused(web.live, "play", "a", FULL)
        packaged.audience.end("it is gone")
        await web.live.player("a")


async def test_key_publishes_only_so_many_streams_and_may_take_its_own_over(tmp_path: Path) -> None:
    async with live_server(tmp_path, "limits.streams_per_key=1") as live:
        first = await live.publisher("a?key=one")
        await live.publisher("b?key=two")
        await refused(live, "publish", "c?key=one", "this key publishes 1 streams")
        await live.publisher("a?key=one")
        await first.expect("NetStream.Publish.BadName")
        await live.publisher("c")  # without a key nobody is told from others


async def test_key_whose_publisher_is_lost_holds_that_stream_still(tmp_path: Path) -> None:
    async with live_server(tmp_path, "limits.streams_per_key=2") as live:
        for name in "ab":
            publisher = await live.publisher(f"{name}?key=one")
            publisher.reset()
            await until(lambda: not live.services.sessions.connections)
        await refused(live, "publish", "c?key=one", "2 of them lost, and kept for a while")
        await live.publisher("a?key=one")  # its own
        await refused(live, "publish", "c?key=one", "1 of them lost, and kept for a while")
        stream = live.services.registry.stream("live/b")
        assert stream is not None
        live.services.registry.end("live/b")
        await live.publisher("c?key=one")


async def test_brief_publishers_keep_nobody_from_publishing(tmp_path: Path) -> None:
    async with live_server(tmp_path, "limits.streams=3") as live:
        for number in range(8):
            publisher = await live.publisher(f"brief{number}")
            await publisher.send_video(VIDEO_HEADER)
            await publisher.send_video(KEYFRAME)
            publisher.reset()
            await until(lambda: not live.services.sessions.connections)
        for name in "abc":
            await live.publisher(name)
        await refused_as(live, "publish", "d", "NetStream.Publish.BadName", "limits.streams")
        assert {stream.path for stream in live.services.registry.streams()} == {
            "live/a", "live/b", "live/c",
        }  # fmt: skip


@pytest.mark.parametrize("watch", ["rtmp", "hls"])
async def test_name_of_a_lost_publisher_is_held_for_its_viewers(watch: str, tmp_path: Path) -> None:
    async with serve(tmp_path, "limits.streams=1", "hls.part_s=0") as web:
        live = web.live
        publisher = await web.publish()
        hls = live.services.features[HlsStreams]
        if watch == "rtmp":
            await live.player("a")
        else:
            hls_viewer(hls.begin(web.stream()), Address.at("127.0.0.1", 1))
        publisher.reset()
        await until(lambda: live.services.registry.publication("live/a") is None)
        await refused_as(live, "publish", "b", "NetStream.Publish.BadName", "limits.streams")
        if watch == "hls":  # packaged for nobody
            packaged = hls.find("live/a")
            assert packaged is not None
            packaged.audience.end("it is gone")
            await live.publisher("b")


async def test_names_that_are_waited_for_are_shared_out_among_addresses(tmp_path: Path) -> None:
    async with serve(tmp_path, "limits.streams=2") as web:
        live = web.live
        one = await live.player("x", source="127.0.0.1")
        two = await live.player("y", source="127.0.0.1")
        other = await live.player("z", source="127.0.0.2")
        await one.expect("NetStream.Play.StreamNotFound")
        waiting = asyncio.create_task(web.ask("GET", "/live/w.flv"))  # from 127.0.0.1
        await two.expect("NetStream.Play.StreamNotFound")
        await live.player("v", source="127.0.0.1")
        assert (await waiting).status == 404
        publisher = await live.publisher("z", source="127.0.0.3")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        assert await other.expect_media(2) == [VIDEO_HEADER, KEYFRAME]


async def send(publisher: Peer, live: Live, size: int) -> None:
    """Send a keyframe of so many bytes, and wait until it has come."""
    (session,) = live.services.sessions.connections
    before = session.bytes_in
    await publisher.send_video(KEYFRAME + bytes(size))
    await until(lambda: session.bytes_in >= before + size)


async def test_publisher_over_its_bit_rate_is_told_and_ended(tmp_path: Path) -> None:
    limits = ("limits.publisher_bit_rate=1000000", "limits.publisher_bit_rate_s=3")
    async with live_server(tmp_path, *limits, "live.flush_ms=0") as live:
        publisher = await live.publisher()
        await publisher.send_video(VIDEO_HEADER)
        for second in range(10):  # 0.8 Mbit/s: it may go on
            await send(publisher, live, 100_000)
            sweep(live, second)
        assert live.services.registry.stream("live/a")
        await send(publisher, live, 300_000)
        sweep(live, 10)
        await publisher.expect_close()
        assert b"Mbit/s over 3 s is more than the 1 Mbit/s allowed" in publisher.heard
        assert b"NetStream.Publish.Denied" in publisher.heard


async def test_publisher_is_ended_when_its_time_is_over(tmp_path: Path) -> None:
    async with live_server(tmp_path, "limits.publisher_duration_s=60") as live:
        publisher = await live.publisher()
        sweep(live, 59)
        assert live.services.registry.publication("live/a")
        sweep(live, 61)
        await publisher.expect_close()
        assert b"the longest time allowed, 60 s, is over" in publisher.heard


async def test_limits_may_be_set_while_the_server_runs(tmp_path: Path) -> None:
    file = tmp_path / "headend.toml"
    file.write_text("")
    async with live_server(tmp_path, path=file) as live:
        publisher = await live.publisher()
        file.write_text(
            "[limits]\npublisher_duration_s = 60\nviewers = 1\n"
            '[auth]\nplay_not_from = ["127.0.0.1"]\n'
        )
        live.server.reload()
        await refused(live, "play", "a", "watching is not allowed from your address")
        sweep(live, 61)
        await publisher.expect_close()


async def test_rates_are_sampled_without_http(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        rates = live.services.rates
        publisher = await live.publisher()
        await publisher.send_video(VIDEO_HEADER)
        await send(publisher, live, 50_000)
        await until(lambda: rates.history("live/a").viewers)


@pytest.mark.parametrize(
    ("settings", "what", "text"),
    [
        ("auth.publish_not_from=127.0.0.1", "publish", "publishing is not allowed from your"),
        ("auth.publish_from=10.0.0.0/8", "publish", "publishing is not allowed from your"),
        ("auth.play_from=10.0.0.0/8,::1", "play", "watching is not allowed from your address"),
    ],
)
async def test_address_that_may_not_is_refused(
    settings: str, what: str, text: str, tmp_path: Path
) -> None:
    async with live_server(tmp_path, settings) as live:
        await refused(live, what, "a", text)
        other = "play" if what == "publish" else "publish"
        peer = await ask(live, other, "a")
        await peer.expect(f"NetStream.{other.title()}.Start")


async def test_api_and_metrics_are_kept_from_addresses_that_may_not(tmp_path: Path) -> None:
    async with serve(tmp_path, "auth.api_from=10.0.0.0/8") as web:
        for path in ("/api/v1/server", "/api/openapi.json", "/metrics"):
            answer = await web.ask("GET", path)
            assert (answer.status, "your address" in answer.detail) == (403, True)
        assert (await web.ask("GET", "/healthz")).status == 200
    async with serve(tmp_path, "auth.api_from=127.0.0.0/8") as web:
        assert (await web.get("/server")).status == 200
        assert (await web.ask("GET", "/metrics")).status == 200
