"""Tests of headend.live.rtmp_connection, with real sockets."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.harness import (
    C0_C1,
    C2,
    FRAME,
    KEYFRAME,
    OTHER_HEADER,
    VIDEO_HEADER,
    Peer,
    command,
    live_server,
    log_lines,
    until,
    witness,
)
from tests.wire import wire

from headend.live.rtmp_connection import RtmpConnection
from headend.media.tag import Tag
from headend.outputs.rtmp_play import RtmpEncoder
from headend.rtmp.session import ServerSession

BIG = bytes(60_000)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "headend")


@pytest.mark.parametrize("has_new_header", [False, True])
async def test_viewer_that_stalls_goes_on_at_the_newest_keyframe_headers_first_if_they_changed(
    has_new_header: bool, tmp_path: Path
) -> None:
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


async def test_viewer_that_takes_a_little_is_late_and_one_that_takes_nothing_is_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path) as live:
        slow = await live.player("a", receive_buffer=4096)
        (connection,) = live.services.sessions.connections
        publisher = await live.publisher("a")
        assert isinstance(connection, RtmpConnection)
        transport = connection.transport
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


async def test_stalled_peer_that_plays_two_streams_gets_both_without_a_broken_message(
    tmp_path: Path,
) -> None:
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
            await live.received(path, 50)
        for number, publisher in enumerate(publishers):
            last = KEYFRAME + b"last" + bytes([number])
            await publisher.send_video(last)
            await until_body(slow, last)
        assert all(len(body) in (60_007, 11) for body in slow.media)


# ---------------------------------------------------------------------- time


async def test_quiet_player_is_pinged_and_stays(tmp_path: Path) -> None:
    async with live_server(tmp_path, "limits.idle_s=1") as live:
        player = await live.player("a")
        await player.expect("type 4 0006")  # Ping Request
        player.said.clear()
        await player.expect("type 4 0006")


async def test_peer_that_neither_publishes_nor_plays_is_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path, "limits.idle_s=1", "limits.command_s=1") as live:
        peer = await live.connected()
        await peer.expect_close()
        (line,) = log_lines(caplog, peer.name)
        assert line.startswith(f"WARNING rtmp {peer.name} closed: ")


# ---------------------------------------------------------------------- bugs of ours


async def test_output_that_fails_is_reported_its_viewers_are_closed_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RtmpEncoder.append

    def fail(self: RtmpEncoder, pieces: list[bytes], tag: Tag, timestamp: int) -> None:
        if tag.body.endswith(b"poison"):
            raise ZeroDivisionError("poison")
        append(self, pieces, tag, timestamp)

    monkeypatch.setattr(RtmpEncoder, "append", fail)

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


@pytest.mark.parametrize("where", ["receive_data", "handle_timeout"])
async def test_bug_closes_the_one_connection_with_one_line(
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

    async with live_server(tmp_path, *quick) as live, witness(live):
        peer, other = await live.peer(), await live.peer()
        await peer.send(C0_C1 + C2)
        await until(lambda: len(live.services.sessions.connections) == 4)
        for connection in live.services.sessions.connections:
            assert isinstance(connection, RtmpConnection)
            if str(connection.peer) == peer.name:
                bad.append(connection._session)
        await other.send(C0_C1 + C2)
        await peer.send(bytes(1))
        await peer.expect_close()
        (line,) = log_lines(caplog, peer.name)
        assert line == f"ERROR rtmp {peer.name} failed: a bug; the connection is closed"
        await other.expect_close()  # timers go on
        assert len(log_lines(caplog, f"{other.name} closed: no connect command")) == 1
