"""This module tests headend.server.rtmp_connection, with real sockets."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.live import (
    C0_C1,
    C2,
    FRAME,
    KEYFRAME,
    OTHER_HEADER,
    VIDEO_HEADER,
    Live,
    Peer,
    command,
    live_server,
    log_lines,
    message,
    run,
    until,
    witness,
)
from tests.wire import wire

from headend.media.tag import Tag
from headend.outputs.rtmp_play import RtmpEncoder
from headend.rtmp.session import ServerSession

BIG = bytes(60_000)
DRY = "type 4 000200000001"
AGAIN = "type 4 000000000001"
SOUND = wire("af 01 de")


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "headend")


def on(address: str) -> bytes:
    """What a balancer writes for a peer at another address."""
    return f"PROXY TCP4 {address} 10.0.0.1 51044 1935\r\n".encode()


async def received(live: Live, path: str, count: int) -> None:
    """Wait until so many tags of a stream have been read."""

    def is_there() -> bool:
        stream = live.services.registry.stream(path)
        return stream is not None and stream.tags_in >= count

    await until(is_there)


# ---------------------------------------------------------------------- publish and play


def test_player_gets_headers_the_newest_keyframe_and_everything_behind_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            publisher = await live.publisher("a")
            for time, body in ((0, VIDEO_HEADER), (0, KEYFRAME + b"1"), (40, FRAME + b"2")):
                await publisher.send_video(body, time)
            await publisher.send_video(KEYFRAME + b"3", 80)
            await publisher.send_video(FRAME + b"4", 120)
            await received(live, "live/a", 5)
            player = await live.player("a")
            expected = [VIDEO_HEADER, KEYFRAME + b"3", FRAME + b"4"]
            assert await player.expect_media(3) == expected
            await publisher.send_video(FRAME + b"5", 160)
            assert await player.expect_media(4) == [*expected, FRAME + b"5"]
            assert player.times == [80, 80, 120, 160]

    run(main())


def test_without_gop_cache_a_player_starts_at_the_next_keyframe(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path, "live.gop_cache=false") as live:
            publisher = await live.publisher("a")
            await publisher.send_video(KEYFRAME + b"1")
            await received(live, "live/a", 1)
            player = await live.player("a")
            for body in (FRAME + b"2", KEYFRAME + b"3", FRAME + b"4"):
                await publisher.send_video(body)
            assert await player.expect_media(2) == [KEYFRAME + b"3", FRAME + b"4"]

    run(main())


@pytest.mark.parametrize(
    "goodbye",
    [
        command("FCUnpublish", 5, None, "a"),
        command("deleteStream", 5, None, 1),
        command("closeStream", 0, None, on=1),
    ],
    ids=["FCUnpublish", "deleteStream", "closeStream"],
)
def test_publisher_that_says_it_ends_ends_the_stream_and_its_players_are_closed(
    goodbye: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
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

    run(main())


@pytest.mark.parametrize("how", ["reset", "close"])
def test_players_of_a_lost_publisher_stay_until_it_is_back(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
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

    run(main())


def test_players_of_a_publisher_that_stays_away_are_told_and_closed(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path, "live.reconnect_window_s=0.1") as live:
            player = await live.player("a")
            publisher = await live.publisher("a")
            publisher.close()
            said = await player.expect_close()
            assert said[-1] == "onStatus 0 status NetStream.Play.Stop @1"

    run(main())


def test_player_of_a_name_nobody_publishes_is_told_so_after_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with live_server(tmp_path, "live.wait_s=0.3") as live:
            player = await live.player("a")
            said = await player.expect_close()
            assert said[-1] == "onStatus 0 error NetStream.Play.StreamNotFound @1"
            assert log_lines(caplog, player.name) == [
                f"INFO rtmp {player.name} play live/a waits for a publisher",
                f"INFO rtmp {player.name} play live/a: nobody published it (live.wait_s)",
            ]

    run(main())


def test_player_that_waited_long_enough_stays_once_its_stream_is_live(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path, "live.wait_s=0.3") as live, witness(live):
            player = await live.player("a")
            publisher = await live.publisher("a")
            await (await live.player("b")).expect_close()  # its time is over later
            await publisher.send_video(KEYFRAME)
            assert await player.expect_media(1) == [KEYFRAME]

    run(main())


def test_player_that_is_not_to_wait_is_refused_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path, "live.wait_s=0") as live:
            peer = await live.connected()
            await peer.send(command("play", 3, None, "a", on=1))
            said = await peer.expect_close()
            assert said[-1] == "onStatus 0 error NetStream.Play.StreamNotFound @1"

    run(main())


def test_publisher_from_elsewhere_is_refused_and_the_log_says_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
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

    run(main())


@pytest.mark.parametrize("action", ["publish", "play"])
def test_server_that_stops_refuses_what_is_asked_for(action: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            peer = await live.connected()
            live.services.is_stopping = True
            await peer.send(command(action, 3, None, "a", on=1))
            said = await peer.expect_close()
            assert said[-1] == f"onStatus 0 error NetStream.{action.title()}.Failed @1"

    run(main())


# ---------------------------------------------------------------------- one name, two publishers


def test_second_publisher_of_a_name_is_refused_and_the_first_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
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

    run(main())


def test_publisher_with_the_same_key_takes_over_and_the_first_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
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

    run(main())


def test_one_peer_may_take_over_from_itself_on_another_message_stream(tmp_path: Path) -> None:
    async def main() -> None:
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

    run(main())


# ---------------------------------------------------------------------- late viewers


@pytest.mark.parametrize("has_new_header", [False, True])
def test_viewer_that_stalls_goes_on_at_the_newest_keyframe_headers_first_if_they_changed(
    has_new_header: bool, tmp_path: Path
) -> None:
    async def main() -> None:
        async with live_server(tmp_path, "limits.late_close_s=60") as live, witness(live):
            slow = await live.player("a", receive_buffer=4096)
            fast = await live.player("a")
            publisher = await live.publisher("a")
            sent = [VIDEO_HEADER]
            await publisher.send_video(VIDEO_HEADER)
            for number in range(200):
                if number == 150 and has_new_header:
                    sent.append(OTHER_HEADER)
                    await publisher.send_video(OTHER_HEADER)
                body = (FRAME if number % 10 else KEYFRAME) + bytes([number]) + BIG
                sent.append(body)
                await publisher.send_video(body)
                await fast.expect_media(len(sent))
            assert fast.media == sent
            (stream,) = [s for s in live.services.registry.streams() if s.path == "live/a"]
            last = KEYFRAME + b"last"
            reading = asyncio.create_task(until_body(slow, last))
            await publisher.send_video(last)
            await reading
            assert is_gapless_but_for_skips(slow.media, [*sent, last])
            assert len(slow.media) < 150
            (fanout,) = stream.sinks()
            assert fanout.skips >= 1  # type: ignore[attr-defined]
            if has_new_header:
                place = slow.media.index(OTHER_HEADER)
                assert slow.media[place + 1].startswith(KEYFRAME)
            await publisher.send_video(FRAME + b"live again")
            while slow.media[-1] != FRAME + b"live again":
                await slow.receive()

    run(main())


def test_viewer_that_takes_a_little_is_late_and_one_that_takes_nothing_is_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            slow = await live.player("a", receive_buffer=4096)
            (connection,) = live.services.connections
            publisher = await live.publisher("a")
            transport = connection._transport
            # Far more than sockets hold.
            await publisher.send(wire("02 000000 000004 01 00000000 00ffffff"))
            head = wire("06 000000 b71b00 09 01000000")  # 12 000 000 bytes
            await publisher.send(head + KEYFRAME + bytes(12_000_000 - 6))
            await until(lambda: transport.backlog)
            late = live.services.loop.time() + 15.1
            while not transport.drained_bytes:
                await slow.receive()
            connection.deadline_passed(late)
            assert transport.backlog
            assert not transport.is_closed
            connection.deadline_passed(late + 14.9)
            assert not transport.is_closed
            connection.deadline_passed(late + 15)
            assert transport.is_closed
            (line,) = log_lines(caplog, f"{slow.name} closed")
            assert line.endswith("it took nothing for 15 s (limits.late_close_s)")

    run(main())


async def until_body(peer: Peer, body: bytes) -> None:
    while body not in peer.media:
        await peer.receive()
        assert not peer.is_closed


def is_gapless_but_for_skips(got: list[bytes], sent: list[bytes]) -> bool:
    """Say whether all came in order, and whatever is missing is missing up to a keyframe."""
    place = 0
    for body in got:
        following = sent.index(body, place) if body in sent[place:] else -1
        if following < 0:
            return False
        if following > place and not body.startswith((KEYFRAME, VIDEO_HEADER[:5])):
            return False
        place = following + 1
    return True


# ---------------------------------------------------------------------- what players change


def test_player_that_paused_before_anybody_published_gets_the_stream(tmp_path: Path) -> None:
    async def main() -> None:
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

    run(main())


def test_paused_player_gets_nothing_and_goes_on_at_the_newest_keyframe(tmp_path: Path) -> None:
    async def main() -> None:
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

    run(main())


def test_player_that_goes_on_after_the_end_is_told_and_closed(tmp_path: Path) -> None:
    async def main() -> None:
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

    run(main())


def test_player_without_video_gets_the_sound(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            publisher = await live.publisher("a")
            player = await live.player("a")
            await player.send(command("receiveVideo", 0, None, False, on=1))
            await player.send(command("getStreamLength", 9, None))
            await player.expect("_result 9 ")
            await publisher.send_video(KEYFRAME)
            await publisher.send(message(4, 8, 1, SOUND))
            assert await player.expect_media(1) == [SOUND]

    run(main())


def test_one_peer_may_play_two_streams_and_the_end_of_one_leaves_the_other(tmp_path: Path) -> None:
    async def main() -> None:
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
            await until(lambda: not any(c.playing for c in live.services.connections))
            assert not player.is_closed

    run(main())


def test_stalled_peer_that_plays_two_streams_gets_both_without_a_broken_message(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            slow = await live.player("a", receive_buffer=4096)
            await slow.send(command("createStream", 4, None))
            await slow.send(command("play", 5, None, "b", on=2))
            await slow.expect("NetStream.Play.Start @2")
            publishers = [await live.publisher("a"), await live.publisher("b")]
            for number in range(50):
                for publisher in publishers:
                    await publisher.send_video(KEYFRAME + bytes([number]) + BIG)
            for path in ("live/a", "live/b"):
                await received(live, path, 50)
            for number, publisher in enumerate(publishers):
                last = KEYFRAME + b"last" + bytes([number])
                await publisher.send_video(last)
                await until_body(slow, last)
            assert all(len(body) in (60_007, 11) for body in slow.media)

    run(main())


def test_one_peer_may_publish_and_play(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            peer = await live.publisher("a")
            await peer.send(command("createStream", 4, None))
            await peer.send(command("play", 5, None, "a", on=2))
            await peer.expect("NetStream.Play.Start @2")
            await peer.send_video(KEYFRAME + b"1")
            assert await peer.expect_media(1) == [KEYFRAME + b"1"]
            await peer.send(command("deleteStream", 0, None, 1))
            await peer.expect("NetStream.Play.Stop @2")

    run(main())


# ---------------------------------------------------------------------- publishers nobody watches


def test_first_viewer_gets_the_newest_keyframe_that_its_publisher_had_sent(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            publisher = await live.publisher("a")
            await publisher.send_video(KEYFRAME + b"1")
            await received(live, "live/a", 1)
            sent = [KEYFRAME + b"1"]
            for number in range(20):
                # Sent and perhaps not yet read when the player comes.
                bodies = [KEYFRAME + bytes([number]), FRAME + bytes([number])]
                for body in bodies:
                    await publisher.send_video(body)
                sent += bodies
                player = await live.player("a")
                assert await player.expect_media(2) == bodies
                await publisher.send_video(FRAME + b"next")
                assert await player.expect_media(3) == [*bodies, FRAME + b"next"]
                player.close()
                await until(lambda: len(live.services.connections) == 1)

    run(main())


def test_end_that_is_read_when_the_first_viewer_comes_is_told_to_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            for _ in range(10):
                publisher = await live.publisher("a")
                await publisher.send_video(KEYFRAME)
                await received(live, "live/a", 1)
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
                await until(lambda: not live.services.connections)

    run(main())


def test_publisher_that_closes_while_nobody_watches_is_noticed_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with live_server(tmp_path) as live:
            for how in ("close", "reset"):
                publisher = await live.publisher("a")
                await publisher.send_video(KEYFRAME)
                await received(live, "live/a", 1)
                getattr(publisher, how)()
                await until(lambda: not live.services.connections)
                assert len(log_lines(caplog, f"{publisher.name} publish live/a lost")) == 1

    run(main())


def test_fast_publisher_is_not_slowed_down_while_nobody_watches(tmp_path: Path) -> None:
    size = 12_500_000  # two seconds of 50 Mbit/s

    async def main() -> None:
        async with live_server(tmp_path) as live:
            publisher = await live.publisher("a")
            await publisher.send(wire("02 000000 000004 01 00000000 00010000"))
            loop = asyncio.get_running_loop()
            started = loop.time()
            frame = wire("06 000000 00ea60 09 01000000") + FRAME + bytes(60_000 - 6)
            for _ in range(size // 60_000):
                await publisher.send(frame)
            await received(live, "live/a", size // 60_000)
            assert loop.time() - started < 2

    run(main())


# ---------------------------------------------------------------------- time


def test_quiet_player_is_pinged_and_stays(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_server(tmp_path, "limits.idle_s=1") as live:
            player = await live.player("a")
            await player.expect("type 4 0006")  # Ping Request
            player.said.clear()
            await player.expect("type 4 0006")

    run(main())


def test_peer_that_neither_publishes_nor_plays_is_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with live_server(tmp_path, "limits.idle_s=1", "limits.command_s=1") as live:
            peer = await live.connected()
            await peer.expect_close()
            (line,) = log_lines(caplog, peer.name)
            assert line.startswith(f"WARNING rtmp {peer.name} closed: ")

    run(main())


# ---------------------------------------------------------------------- bugs of ours


def test_output_that_fails_is_reported_its_viewers_are_closed_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RtmpEncoder.append

    def fail(self: RtmpEncoder, pieces: list[bytes], tag: Tag, timestamp: int) -> None:
        if tag.body.endswith(b"poison"):
            raise ZeroDivisionError("poison")
        append(self, pieces, tag, timestamp)

    monkeypatch.setattr(RtmpEncoder, "append", fail)

    async def main() -> None:
        async with live_server(tmp_path) as live, witness(live):
            publisher = await live.publisher("a")
            player = await live.player("a")
            await publisher.send_video(KEYFRAME + b"1")
            await player.expect_media(1)
            await publisher.send_video(FRAME + b"poison")
            said = await player.expect_close()
            assert said[-1] == "onStatus 0 status NetStream.Play.Stop @1"
            assert live.services.counters.sink_errors == 1
            (line,) = log_lines(caplog, "ERROR")
            assert line == "ERROR stream live/a: an output failed and is detached"
            await publisher.send_video(KEYFRAME + b"2")
            again = await live.player("a")
            assert await again.expect_media(1) == [KEYFRAME + b"2"]

    run(main())


@pytest.mark.parametrize("where", ["receive_data", "handle_timeout"])
def test_bug_closes_the_one_connection_with_one_line(
    where: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method: Any = getattr(ServerSession, where)
    bad: list[ServerSession] = []
    quick = ("limits.handshake_s=0.3", "limits.command_s=0.3")

    def fail(self: ServerSession, *arguments: Any) -> None:
        if self in bad:
            raise ZeroDivisionError("a bug")
        method(self, *arguments)

    monkeypatch.setattr(ServerSession, where, fail)

    async def main() -> None:
        async with live_server(tmp_path, *quick) as live, witness(live):
            peer, other = await live.peer(), await live.peer()
            await peer.send(C0_C1 + C2)
            await until(lambda: len(live.services.connections) == 4)
            bad.extend(c._session for c in live.services.connections if str(c.peer) == peer.name)
            await other.send(C0_C1 + C2)
            await peer.send(bytes(1))
            await peer.expect_close()
            (line,) = log_lines(caplog, peer.name)
            assert line == f"ERROR rtmp {peer.name} failed: a bug; the connection is closed"
            await other.expect_close()  # timers go on
            assert len(log_lines(caplog, f"{other.name} closed: no connect command")) == 1

    run(main())
