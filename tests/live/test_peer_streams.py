"""Tests of headend.live.peer_streams, with real sockets."""

import asyncio
from pathlib import Path

import pytest
from tests.harness import (
    C0_C1,
    C2,
    FRAME,
    KEYFRAME,
    VIDEO_HEADER,
    command,
    live_server,
    log_lines,
    message,
    until,
    witness,
)
from tests.wire import wire

DRY = "type 4 000200000001"
AGAIN = "type 4 000000000001"
SOUND = wire("af 01 de")


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "headend")


def on(address: str) -> bytes:
    """What a balancer writes for a peer at another address."""
    return f"PROXY TCP4 {address} 10.0.0.1 51044 1935\r\n".encode()


async def test_player_gets_headers_the_newest_keyframe_and_everything_behind_it(
    tmp_path: Path,
) -> None:
    async with live_server(tmp_path) as live:
        publisher = await live.publisher("a")
        for time, body in ((0, VIDEO_HEADER), (0, KEYFRAME + b"1"), (40, FRAME + b"2")):
            await publisher.send_video(body, time)
        await publisher.send_video(KEYFRAME + b"3", 80)
        await publisher.send_video(FRAME + b"4", 120)
        await live.received("live/a", 5)
        player = await live.player("a")
        expected = [VIDEO_HEADER, KEYFRAME + b"3", FRAME + b"4"]
        assert await player.expect_media(3) == expected
        await publisher.send_video(FRAME + b"5", 160)
        assert await player.expect_media(4) == [*expected, FRAME + b"5"]
        assert player.times == [80, 80, 120, 160]


async def test_without_gop_cache_a_player_starts_at_the_next_keyframe(tmp_path: Path) -> None:
    async with live_server(tmp_path, "live.gop_cache=false") as live:
        publisher = await live.publisher("a")
        await publisher.send_video(KEYFRAME + b"1")
        await live.received("live/a", 1)
        player = await live.player("a")
        for body in (FRAME + b"2", KEYFRAME + b"3", FRAME + b"4"):
            await publisher.send_video(body)
        assert await player.expect_media(2) == [KEYFRAME + b"3", FRAME + b"4"]


@pytest.mark.parametrize(
    "goodbye",
    [
        command("FCUnpublish", 5, None, "a"),
        command("deleteStream", 5, None, 1),
        command("closeStream", 0, None, on=1),
    ],
    ids=["FCUnpublish", "deleteStream", "closeStream"],
)
async def test_publisher_that_says_it_ends_ends_the_stream_and_its_players_are_closed(
    goodbye: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        publisher = await live.publisher("a")
        await publisher.send_video(KEYFRAME + b"1")
        await publisher.send(goodbye)
        said = await player.expect_close()
        assert player.media == [KEYFRAME + b"1"]
        assert said[-3:] == [
            "type 4 000100000001",  # Stream EOF
            "onStatus 0 status NetStream.Play.UnpublishNotify @1",
            "onStatus 0 status NetStream.Play.Stop @1",
        ]
        assert log_lines(caplog, f"{publisher.name} publish live/a") == [
            f"INFO rtmp {publisher.name} publish live/a accepted",
            f"INFO rtmp {publisher.name} publish live/a ended",
        ]
        assert log_lines(caplog, f"{player.name} play live/a") == [
            f"INFO rtmp {player.name} play live/a waits for a publisher",
            f"INFO rtmp {player.name} play live/a: the stream is over",
        ]


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_players_of_a_lost_publisher_stay_until_it_is_back(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        publisher = await live.publisher("a")
        await publisher.send_video(KEYFRAME + b"1", 1000)
        await player.expect_media(1)
        getattr(publisher, how)()
        await player.expect(DRY)
        player.said.clear()
        again = await live.publisher("a")
        await player.expect("NetStream.Play.PublishNotify")
        assert player.said[0] == AGAIN
        await again.send_video(KEYFRAME + b"2", 0)
        assert await player.expect_media(2) == [KEYFRAME + b"1", KEYFRAME + b"2"]
        assert player.times[1] >= player.times[0]
        (line,) = log_lines(caplog, "publish live/a lost")
        assert line.startswith(f"INFO rtmp {publisher.name} publish live/a lost")


async def test_players_of_a_publisher_that_stays_away_are_told_and_closed(tmp_path: Path) -> None:
    async with live_server(tmp_path, "live.reconnect_window_s=0.1") as live:
        player = await live.player("a")
        publisher = await live.publisher("a")
        publisher.close()
        said = await player.expect_close()
        assert said[-1] == "onStatus 0 status NetStream.Play.Stop @1"


async def test_player_of_a_name_nobody_publishes_is_told_so_after_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path, "live.wait_s=0.3") as live:
        player = await live.player("a")
        said = await player.expect_close()
        assert said[-1] == "onStatus 0 error NetStream.Play.StreamNotFound @1"
        assert log_lines(caplog, player.name) == [
            f"INFO rtmp {player.name} play live/a waits for a publisher",
            f"INFO rtmp {player.name} play live/a: nobody published it (live.wait_s)",
        ]


async def test_player_that_waited_long_enough_stays_once_its_stream_is_live(tmp_path: Path) -> None:
    async with live_server(tmp_path, "live.wait_s=0.3") as live, witness(live):
        player = await live.player("a")
        publisher = await live.publisher("a")
        await (await live.player("b")).expect_close()  # its time is over later
        await publisher.send_video(KEYFRAME)
        assert await player.expect_media(1) == [KEYFRAME]


async def test_player_that_is_not_to_wait_is_refused_at_once(tmp_path: Path) -> None:
    async with live_server(tmp_path, "live.wait_s=0") as live:
        peer = await live.connected()
        await peer.send(command("play", 3, None, "a", on=1))
        said = await peer.expect_close()
        assert said[-1] == "onStatus 0 error NetStream.Play.StreamNotFound @1"


async def test_publisher_from_elsewhere_is_refused_and_the_log_says_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path, "rtmp.proxy_protocol_from=127.0.0.1/32") as live:
        peer = await live.peer()
        connect = C0_C1 + C2 + command("connect", 1, {"app": "live"})
        create = command("createStream", 2, None) + command("publish", 3, None, "a", on=1)
        await peer.send(on("203.0.113.7") + connect + create)
        said = await peer.expect_close()
        assert said[-1] == "onStatus 0 error NetStream.Publish.Denied @1"
        (line,) = log_lines(caplog, "203.0.113.7:51044")
        assert "publish live/a refused: publishing from another machine needs" in line
        assert live.services.counters.rejected == 1


@pytest.mark.parametrize("action", ["publish", "play"])
async def test_server_that_stops_refuses_what_is_asked_for(action: str, tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        peer = await live.connected()
        live.services.sessions.is_stopping = True
        await peer.send(command(action, 3, None, "a", on=1))
        said = await peer.expect_close()
        assert said[-1] == f"onStatus 0 error NetStream.{action.title()}.Failed @1"


# ---------------------------------------------------------------------- one name, two publishers


async def test_second_publisher_of_a_name_is_refused_and_the_first_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        first = await live.publisher("a")
        second = await live.connected()
        await second.send(command("publish", 3, None, "a", on=1))
        said = await second.expect_close()
        assert said[-1] == "onStatus 0 error NetStream.Publish.BadName @1"
        await first.send_video(KEYFRAME)
        assert await player.expect_media(1) == [KEYFRAME]
        (line,) = log_lines(caplog, second.name)
        assert "publish live/a refused: live/a is already being published" in line


async def test_publisher_with_the_same_key_takes_over_and_the_first_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        first = await live.publisher("a?key=s3cret")
        await first.send_video(KEYFRAME + b"1")
        await player.expect_media(1)
        second = await live.publisher("a?key=s3cret")
        said = await first.expect_close()
        assert said[-1] == "onStatus 0 error NetStream.Publish.BadName @1"
        await second.send_video(KEYFRAME + b"2")
        assert await player.expect_media(2) == [KEYFRAME + b"1", KEYFRAME + b"2"]
        assert len(log_lines(caplog, f"{first.name} publish live/a taken over")) == 1
        assert not log_lines(caplog, "s3cret")


async def test_one_peer_may_take_over_from_itself_on_another_message_stream(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        peer = await live.publisher("a?key=k")
        peer.said.clear()
        await peer.send(command("createStream", 4, None))
        await peer.send(command("publish", 5, None, "a?key=k", on=2))
        await peer.expect("onStatus 0 status NetStream.Publish.Start @2")
        await peer.send_video(KEYFRAME + b"1", on=1)  # nobody publishes there any more
        await peer.send_video(KEYFRAME + b"2", on=2)
        assert await player.expect_media(1) == [KEYFRAME + b"2"]


# ---------------------------------------------------------------------- what players change


async def test_player_that_paused_before_anybody_published_gets_the_stream(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        await player.send(command("pause", 0, None, True, 0.0, on=1))
        await player.expect("NetStream.Pause.Notify")
        await until(lambda: live.services.registry.stream("live/a") is None)  # forgotten
        publisher = await live.publisher("a")
        await player.send(command("pause", 0, None, False, 0.0, on=1))
        await player.expect("NetStream.Unpause.Notify")
        await publisher.send_video(KEYFRAME)
        assert await player.expect_media(1) == [KEYFRAME]


async def test_paused_player_gets_nothing_and_goes_on_at_the_newest_keyframe(
    tmp_path: Path,
) -> None:
    async with live_server(tmp_path) as live:
        player, other = await live.player("a"), await live.player("a")
        publisher = await live.publisher("a")
        await publisher.send_video(KEYFRAME + b"1")
        await player.expect_media(1)
        await player.send(command("pause", 0, None, True, 0.0, on=1))
        await player.expect("NetStream.Pause.Notify")
        for body in (FRAME + b"2", KEYFRAME + b"3", FRAME + b"4"):
            await publisher.send_video(body)
        await other.expect_media(4)
        await player.send(command("pause", 0, None, False, 0.0, on=1))
        await player.expect("NetStream.Unpause.Notify")
        expected = [KEYFRAME + b"1", KEYFRAME + b"3", FRAME + b"4"]
        assert await player.expect_media(3) == expected


async def test_player_that_goes_on_after_the_end_is_told_and_closed(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        player, other = await live.player("a"), await live.player("a")
        publisher = await live.publisher("a")
        await player.send(command("pause", 0, None, True, 0.0, on=1))
        await player.expect("NetStream.Pause.Notify")
        await publisher.send(command("deleteStream", 0, None, 1))
        await other.expect_close()
        await player.send(command("pause", 0, None, False, 0.0, on=1))
        said = await player.expect_close()
        assert said[-1] == "onStatus 0 status NetStream.Play.Stop @1"


async def test_player_without_video_gets_the_sound(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        publisher = await live.publisher("a")
        player = await live.player("a")
        await player.send(command("receiveVideo", 0, None, False, on=1))
        await player.send(command("getStreamLength", 9, None))
        await player.expect("_result 9 ")
        await publisher.send_video(KEYFRAME)
        await publisher.send(message(4, 8, 1, SOUND))
        assert await player.expect_media(1) == [SOUND]


async def test_one_peer_may_play_two_streams_and_the_end_of_one_leaves_the_other(
    tmp_path: Path,
) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        await player.send(command("createStream", 4, None))
        await player.send(command("play", 5, None, "b", on=2))
        await player.expect("NetStream.Play.Start @2")
        first, second = await live.publisher("a"), await live.publisher("b")
        await first.send(command("deleteStream", 0, None, 1))
        await player.expect("NetStream.Play.Stop @1")
        # Players tidy up what is over; nothing of it may touch the other stream.
        await player.send(command("pause", 0, None, True, 0.0, on=1))
        await player.send(command("closeStream", 0, None, on=1))
        await player.send(command("deleteStream", 0, None, 1))
        await player.send(command("getStreamLength", 9, None))
        await player.expect("_result 9 ")
        await second.send_video(KEYFRAME + b"b")
        assert await player.expect_media(1) == [KEYFRAME + b"b"]
        await player.send(command("deleteStream", 0, None, 2))
        await until(lambda: not any(c.playing for c in live.services.sessions.connections))
        assert not player.is_closed


async def test_one_peer_may_publish_and_play(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        peer = await live.publisher("a")
        await peer.send(command("createStream", 4, None))
        await peer.send(command("play", 5, None, "a", on=2))
        await peer.expect("NetStream.Play.Start @2")
        await peer.send_video(KEYFRAME + b"1")
        assert await peer.expect_media(1) == [KEYFRAME + b"1"]
        await peer.send(command("deleteStream", 0, None, 1))
        await peer.expect("NetStream.Play.Stop @2")


# ---------------------------------------------------------------------- publishers nobody watches


async def test_first_viewer_gets_the_newest_keyframe_that_its_publisher_had_sent(
    tmp_path: Path,
) -> None:
    async with live_server(tmp_path) as live:
        publisher = await live.publisher("a")
        await publisher.send_video(KEYFRAME + b"1")
        await live.received("live/a", 1)
        sent = [KEYFRAME + b"1"]
        for number in range(20):
            # Sent and perhaps not yet read when the player comes.
            bodies = [KEYFRAME + bytes([number]), FRAME + bytes([number])]
            for body in bodies:
                await publisher.send_video(body, 33 * (number + 1))
            sent += bodies
            player = await live.player("a")
            assert await player.expect_media(2) == bodies
            await publisher.send_video(FRAME + b"next", 33 * (number + 1))
            assert await player.expect_media(3) == [*bodies, FRAME + b"next"]
            player.close()
            await until(lambda: len(live.services.sessions.connections) == 1)


async def test_end_that_is_read_when_the_first_viewer_comes_is_told_to_it(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        for _ in range(10):
            publisher = await live.publisher("a")
            await publisher.send_video(KEYFRAME)
            await live.received("live/a", 1)
            peer = await live.connected()
            ending = publisher.send(command("deleteStream", 0, None, 1))
            await asyncio.gather(ending, peer.send(command("play", 3, None, "a", on=1)))
            # Over, or not yet published again: in no case it is left alone.
            await peer.expect("NetStream.Play.Start")
            stream = live.services.registry.stream("live/a")
            if stream is not None and list(stream.sinks()):
                publisher = await live.publisher("a")
                await publisher.send(command("deleteStream", 0, None, 1))
            said = await peer.expect_close()
            assert said[-1] == "onStatus 0 status NetStream.Play.Stop @1"
            live.close_peers()
            await until(lambda: not live.services.sessions.connections)


async def test_publisher_that_closes_while_nobody_watches_is_noticed_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path) as live:
        for how in ("close", "reset"):
            publisher = await live.publisher("a")
            await publisher.send_video(KEYFRAME)
            await live.received("live/a", 1)
            getattr(publisher, how)()
            await until(lambda: not live.services.sessions.connections)
            assert len(log_lines(caplog, f"{publisher.name} publish live/a lost")) == 1


async def test_fast_publisher_is_not_slowed_down_while_nobody_watches(tmp_path: Path) -> None:
    size = 12_500_000  # two seconds of 50 Mbit/s, and many more where a pause follows each read

    async with live_server(tmp_path) as live:
        publisher = await live.publisher("a")
        await publisher.send(wire("02 000000 000004 01 00000000 00010000"))
        loop = asyncio.get_running_loop()
        started = loop.time()
        frame = wire("06 000000 00ea60 09 01000000") + FRAME + bytes(60_000 - 6)
        for _ in range(size // 60_000):
            await publisher.send(frame)
        await live.received("live/a", size // 60_000)
        assert loop.time() - started < 15
