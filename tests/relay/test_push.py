"""Tests of relays out: what destinations do, and that nothing else is disturbed."""

import asyncio
import logging
from pathlib import Path

import pytest
from tests.harness import (
    FRAME,
    KEYFRAME,
    live_server,
    log_lines,
    message,
    run,
    until,
    witness,
)
from tests.relay.destinations import Talk, closes, destination, redirector, speaks_http
from tests.relay.servers import out, place, publish_pictures, server, states, targets
from tests.wire import wire

from headend.events import Event, RelayChanged


@pytest.mark.parametrize(
    ("talk", "scheme", "words"),
    [
        (closes, "rtmp", "it closed the connection"),
        (speaks_http, "rtmp", "it speaks another protocol"),
        (closes, "rtmps", "no TLS on this port; is it rtmp:// there?"),
        (speaks_http, "rtmps", "no TLS on this port; is it rtmp:// there?"),
    ],
)
def test_destination_that_does_not_work_is_tried_ever_more_slowly(
    talk: Talk, scheme: str, words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with (
            destination(talk) as there,
            server(tmp_path, "here", out(f"{scheme}://{there}/live/{{name}}")) as live,
            witness(live) as seen,
        ):
            await publish_pictures(await live.publisher("a"))

            def tries() -> list[int]:
                return [t["tries"] for t in targets(live) if t["stream"] == "live/a"]

            await until(lambda: tries() and tries()[0] >= 3)
            (target,) = [t for t in targets(live) if t["stream"] == "live/a"]
            assert target["state"] == "retrying"
            assert words in target["reason"]
            await seen.go_on()
        lines = log_lines(caplog, "relay out live/a")
        assert len(lines) == 1
        assert words in lines[0]

    with caplog.at_level(logging.INFO):
        run(main())


async def test_name_that_is_taken_there_is_refused_and_tried_slowly(tmp_path: Path) -> None:
    async with server(tmp_path, "there") as there:
        await there.publisher("a")
        async with server(tmp_path, "here", out(f"rtmp://{place(there)}/live/{{name}}")) as live:
            await publish_pictures(await live.publisher("a"))
            await until(lambda: states(live) == ["retrying"])
            (target,) = targets(live)
            assert "it refuses: NetStream.Publish.BadName" in target["reason"]
            assert target["tries"] == 1


@pytest.mark.parametrize("where", ['", key="hush-key?b=c', "/hush-key"])
async def test_key_that_the_destination_repeats_is_not_shown(
    where: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Event] = []

    with caplog.at_level(logging.INFO):
        async with server(tmp_path, "there") as there:
            await there.publisher("hush-key")
            setting = out(f"rtmp://{place(there)}/live{where}")
            async with server(tmp_path, "here", setting) as live:
                live.services.events.subscribe(seen.append)
                await publish_pictures(await live.publisher("a"))
                await until(lambda: states(live) == ["retrying"])
                assert "***" in targets(live)[0]["reason"]
                assert "hush" not in str(targets(live))
        assert "hush" not in "".join(log_lines(caplog, "relay out"))
        changes = [event for event in seen if isinstance(event, RelayChanged)]
        assert changes[0].state == "retrying"
        assert "hush" not in str(changes)


async def test_destination_that_reads_nothing_is_late_and_holds_nobody_up(tmp_path: Path) -> None:
    async with server(tmp_path, "steady") as steady, server(tmp_path, "there") as there:
        urls = [f"rtmp://{place(each)}/live/{{name}}" for each in (there, steady)]
        settings = ("limits.late_close_s=1", "live.log_bytes=262144")
        async with server(tmp_path, "here", out(*urls), *settings) as live:
            publisher = await live.publisher("a")
            await publish_pictures(publisher)
            await until(lambda: states(live) == ["live", "live"])
            (connection,) = there.services.sessions.connections
            connection.transport.pause_reading()
            player = await steady.player("a")
            sent = 0
            while targets(live)[0]["state"] == "live":
                sent += 1
                body = KEYFRAME + sent.to_bytes(4, "big") + bytes(100_000)
                await publisher.send_video(body, 5000 + 40 * sent)
                await publisher.send_video(FRAME + bytes(20), 5010 + 40 * sent)
                await player.expect_media(2 * sent)
            assert "it took nothing for 1 s" in targets(live)[0]["reason"]
            assert targets(live)[1]["state"] == "live"
            assert targets(live)[1]["drops"] == 0
            assert targets(live)[1]["tries"] == 1


async def test_setting_that_changes_disturbs_no_other_relay(tmp_path: Path) -> None:
    async with server(tmp_path, "b") as other, server(tmp_path, "c") as third:
        file = tmp_path / "headend.toml"

        def write(*places: str) -> None:
            file.write_text(
                "".join(
                    f'[[relay.out]]\nmatch = "live/*"\nurl = "rtmp://{each}/live/{{name}}"\n'
                    for each in places
                )
            )

        write(place(other))
        async with live_server(tmp_path / "here", path=file) as live:
            await publish_pictures(await live.publisher("a"))
            await until(lambda: states(live) == ["live"])
            write(place(third), place(other))
            live.server.reload()
            await until(lambda: states(live) == ["live", "live"])
            assert [target["tries"] for target in targets(live)] == [1, 1]
            write(place(third))
            live.server.reload()
            assert [place(third) in t["url"] for t in targets(live)] == [True]
            await until(lambda: other.services.registry.publication("live/a") is None)


# ---------------------------------------------------------------------- loops


async def test_destination_that_is_this_server_is_failed(tmp_path: Path) -> None:
    async with server(tmp_path, "here") as live:
        port = place(live).rpartition(":")[2]  # free again in a moment
    async with server(
        tmp_path,
        "again",
        f"rtmp.listen=127.0.0.1:{port}",
        out(f"rtmp://127.0.0.1:{port}/copy/{{name}}", f"rtmp://localhost:{port}/x/{{name}}"),
    ) as live:
        await publish_pictures(await live.publisher("a"))
        await until(lambda: states(live) == ["failed", "failed"])
        assert all("relay loop" in target["reason"] for target in targets(live))
        assert live.services.counters.publishes == 1


async def test_ring_of_three_servers_is_refused_where_it_closes(tmp_path: Path) -> None:
    async with server(tmp_path, "a") as first:
        port = place(first).rpartition(":")[2]
    async with (
        server(tmp_path, "c", out(f"rtmp://127.0.0.1:{port}/ring/{{name}}", match="*")) as c,
        server(tmp_path, "b", out(f"rtmp://{place(c)}/live/{{name}}", match="*")) as b,
        server(
            tmp_path,
            "a",
            f"rtmp.listen=127.0.0.1:{port}",
            out(f"rtmp://{place(b)}/live/{{name}}", match="*"),
        ) as a,
    ):
        await publish_pictures(await a.publisher("x"))
        await until(lambda: states(c) == ["failed"])
        assert "relay loop" in targets(c)[0]["reason"]
        assert states(a) == states(b) == ["live"]
        assert [stream.path for stream in a.services.registry.streams()] == ["live/x"]


async def test_two_servers_that_fetch_from_each_other_find_out(tmp_path: Path) -> None:
    async with server(tmp_path, "a") as first:
        port = place(first).rpartition(":")[2]

    def fetch(there: str) -> str:
        return f'relay.in=[{{match="live/*", url="rtmp://{there}/live/{{name}}"}}]'

    async with (
        server(tmp_path, "b", fetch(f"127.0.0.1:{port}"), "live.wait_s=1") as b,
        server(tmp_path, "a", f"rtmp.listen=127.0.0.1:{port}", fetch(place(b))) as a,
    ):
        await a.player("x")
        await until(lambda: any("relay loop" in t["reason"] for t in targets(b)))
        assert all(t["state"] != "live" for live in (a, b) for t in targets(live))


# ---------------------------------------------------------------------- redirects


async def test_redirect_is_followed_and_one_in_a_ring_is_given_up(tmp_path: Path) -> None:
    async with server(tmp_path, "there") as there:
        elsewhere = f"rtmp://{place(there)}/moved"
        async with destination(redirector(elsewhere)) as first:
            ring: list[str] = []

            async def round_and_round(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                await redirector(f"rtmp://{ring[0]}/live")(reader, writer)

            async with destination(round_and_round) as second:
                ring.append(second)
                urls = [f"rtmp://{each}/live/{{name}}" for each in (first, second)]
                async with server(tmp_path, "here", out(*urls)) as live:
                    await publish_pictures(await live.publisher("a"))
                    await until(lambda: states(live) == ["live", "retrying"])
                    assert there.services.registry.publication("moved/a") is not None
                    assert "redirects more than 3 times" in targets(live)[1]["reason"]


async def test_colours_and_channels_reach_who_waits_and_who_comes_late_behind_a_relay_too(
    tmp_path: Path,
) -> None:
    hevc, colour = wire("90 68766331 01022000"), wire("68766331 020009 636f6c6f72496e666f 06")
    opus, channels = wire("90 4f707573 4f70757348656164"), wire("94 4f707573 01 06 0000003f")
    picture = wire("91 68766331 000000 26")

    async with (
        server(tmp_path, "there") as there,
        server(tmp_path, "here", out(f"rtmp://{place(there)}/live/{{name}}")) as live,
    ):
        waiting = [await each.player("a") for each in (live, there)]
        publisher = await live.publisher("a")
        await publisher.send_video(hevc)
        await publisher.send(message(4, 8, 1, opus) + message(4, 8, 1, channels))
        await publisher.send_video(b"\x84" + colour)  # as OBS sends it, once
        await publisher.send_video(picture)
        headers = {hevc, opus, channels, b"\xd4" + colour}
        for player in waiting:
            seen = await player.expect_media(5)
            assert {*seen[:4]} == headers
            assert seen[4] == picture
        for each in (live, there):
            late = await each.player("a")
            assert await late.expect_media(5) == [
                *(hevc, b"\xd4" + colour, opus, channels, picture),
            ]
