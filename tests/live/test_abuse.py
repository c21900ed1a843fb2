"""Tests that nothing a peer sends hurts the streams beside it, or fills the log."""

import asyncio
import random
import resource
import socket
import time
from pathlib import Path

import pytest
from tests.harness import (
    C0_C1,
    C2,
    FRAME,
    KEYFRAME,
    Peer,
    Witness,
    amf,
    command,
    live_server,
    log_lines,
    message,
    resident_bytes,
    until,
    witness,
)
from tests.wire import wire

MIB = 1024 * 1024

# Short, so that no test waits long; what each bounds has tests of its own.
QUICK = (
    "limits.handshake_s=0.3",
    "limits.command_s=0.3",
    "limits.publisher_silence_s=1",
    "limits.late_close_s=1",
)

SHAKEN = C0_C1 + C2
CONNECTED = SHAKEN + command("connect", 1, {"app": "live"})
CREATED = CONNECTED + command("createStream", 2, None)
PUBLISHING = CREATED + command("publish", 3, None, "bad", "live", on=1)
PLAYING = CREATED + command("play", 3, None, "bad", on=1)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "headend")


def publish(name: object) -> bytes:
    return CREATED + command("publish", 3, None, name, "live", on=1)


def nested(depth: int) -> bytes:
    """A strict array of one strict array of one …"""
    return wire("0a 00000001") * depth + b"\x05"


def raw_connect(payload: bytes) -> bytes:
    return SHAKEN + message(3, 20, 0, amf("connect", 1) + payload)


# Every peer sends these bytes and then waits. The server closes with the one line.
CLOSED: dict[str, tuple[bytes, str]] = {
    "random bytes": (random.Random(1).randbytes(5000), "not RTMP: the first byte is 0x"),
    "TLS ClientHello": (wire("16 0301 0200 01 0001fc 0303"), "TLS on a plain RTMP port"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP (or a PROXY protocol header)"),
    "PROXY": (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "HTTP (or a PROXY protocol header)"),
    "PROXY 2": (wire("0d0a0d0a000d0a515549540a 21 11 000c"), "does not expect one"),
    "RTMPE": (wire("06"), "RTMPE (version 6) is not supported"),
    "nothing": (b"", "no complete handshake within 0.3 s"),
    "handshake cut short": (C0_C1[:1000], "no complete handshake within 0.3 s"),
    "handshake without C2": (C0_C1 + C2[:1535], "no complete handshake within 0.3 s"),
    "random bytes behind the handshake": (
        SHAKEN + random.Random(2).randbytes(5000),
        "limits.command_bytes: 10075124 is over the limit of 65536",
    ),
    "handshake and nothing": (SHAKEN, "no connect command within 0.3 s"),
    "chunk size 0": (SHAKEN + wire("02 000000 000004 01 00000000 00000000"), "chunk size 0x0"),
    "chunk size negative": (
        SHAKEN + wire("02 000000 000004 01 00000000 80000000"),
        "chunk size 0x80000000",
    ),
    "chunk size negative, -1": (
        SHAKEN + wire("02 000000 000004 01 00000000 ffffffff"),
        "chunk size 0xffffffff",
    ),
    "type 3 chunk first": (SHAKEN + wire("c3"), "nothing to repeat"),
    "command of 16 MiB": (SHAKEN + wire("03 000000 ffffff 14 00000000"), "limits.command_bytes"),
    "16 MiB on a thousand chunk streams": (
        PUBLISHING
        + b"".join(
            wire("00") + bytes([i % 256]) + wire("000000 ffffff 09 01000000") + b"x" * 128
            for i in range(256)
        ),
        "limits.chunk_streams: 65 is over the limit of 64",
    ),
    "AMF nested ten thousand deep": (raw_connect(nested(10_000)), "nested deeper than"),
    "AMF0 object nested ten thousand deep": (
        raw_connect(wire("03 0001 61") * 10_000),
        "nested deeper than",
    ),
    "AMF text longer than its message": (raw_connect(wire("02 ffff 61")), "command: "),
    "AMF long text of 4 GiB": (raw_connect(wire("0c ffffffff 61")), "command: "),
    "AMF array of 4 billion": (raw_connect(wire("0a ffffffff 05")), "command: "),
    "AMF marker that does not exist": (raw_connect(wire("7f")), "command: "),
    "AMF reference to nothing": (raw_connect(wire("07 0009")), "command: "),
    "command that is no AMF": (SHAKEN + message(3, 20, 0, b"\xff" * 50), "command: "),
    "command without a name": (SHAKEN + message(3, 20, 0, b""), "command without a name"),
    "command whose name is a number": (
        SHAKEN + message(3, 20, 0, amf(1, 1)),
        "command without a name",
    ),
    "publish before connect": (
        SHAKEN + command("publish", 3, None, "bad", on=1),
        "command 'publish' before connect",
    ),
    "createStream before connect": (
        SHAKEN + command("createStream", 2, None),
        "command 'createStream' before connect",
    ),
    "second connect": (
        CONNECTED + command("connect", 2, {"app": "live"}),
        "second connect on one connection",
    ),
    "publish without createStream": (
        CONNECTED + command("publish", 3, None, "bad", on=1),
        "publish on message stream 1, which createStream did not return",
    ),
    "play on another message stream": (
        CREATED + command("play", 3, None, "bad", on=77),
        "play on message stream 77, which createStream did not return",
    ),
    "a thousand createStream": (
        CONNECTED + command("createStream", 2, None) * 1000,
        "limits.commands_per_s: 101 is over the limit of 100",
    ),
    "media before publish": (
        CONNECTED + message(4, 8, 1, b"\xaf") + b"\xc4\xaf" * 4000,
        "limits.commands_per_s: ",
    ),
    "pings": (
        CONNECTED + wire("02 000000 000006 04 00000000 0006 00000000") * 1000,
        "limits.commands_per_s: 101 is over the limit of 100",
    ),
    "unknown message types": (
        CONNECTED + wire("03 000000 000001 63 00000000 00") * 1000,
        "limits.commands_per_s: 101 is over the limit of 100",
    ),
}


@pytest.mark.parametrize("what", CLOSED)
async def test_bad_input_is_answered_by_a_close_with_one_line(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, reason = CLOSED[what]

    async with live_server(tmp_path, *QUICK) as live, witness(live):
        peer = await live.peer()
        started = time.monotonic()
        await peer.send(data)
        await peer.expect_close()
        assert time.monotonic() - started < 45
        peer.close()
        await until(lambda: len(live.services.sessions.connections) == 2)
        assert live.services.counters.protocol_errors == 1
        (line,) = log_lines(caplog, peer.name + " closed")
        assert line.startswith("WARNING")
        assert reason in line
        if data[: len(PUBLISHING)] != PUBLISHING:
            assert log_lines(caplog, peer.name) == [line]


# The peer is told what is wrong, the log too, once; then the server closes.
NAMES = {
    "parent folder": ("../../etc/passwd", "is .., which is not allowed"),
    "backslash": ("a\\b", "holds \\, which is not allowed"),
    "NUL": ("a\0b", "holds U+0000, which cannot be printed"),
    "CR LF": ("a\r\n2026-01-01 INFO forged", "holds U+000D, which cannot be printed"),
    "escape sequence": ("\x1b[2Jx", "holds U+001B, which cannot be printed"),
    "right to left": ("a\u202eb", "holds U+202E, which cannot be printed"),
    "300 bytes": ("a" * 300, "300 is over the limit of 255"),
    "10 kB": ("a" * 10_000, "4096 is over the limit of 255"),
}


@pytest.mark.parametrize("what", NAMES)
@pytest.mark.parametrize(
    ("action", "code"),
    [("publish", "NetStream.Publish.BadName"), ("play", "NetStream.Play.StreamNotFound")],
)
async def test_bad_name_is_refused_with_a_reason_and_one_line(
    action: str, code: str, what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name, reason = NAMES[what]

    async with live_server(tmp_path, *QUICK) as live, witness(live):
        peer = await live.peer()
        await peer.send(CREATED + command(action, 3, None, name, on=1))
        said = await peer.expect_close()
        assert said[-1] == f"onStatus 0 error {code} @1"
        peer.close()
        (line,) = log_lines(caplog, peer.name)
        assert line.startswith(f"WARNING rtmp {peer.name} {action} refused: ")
        assert line.endswith(f"{reason} ({code})")
        assert line.isprintable()
        assert live.services.counters.rejected == 1


async def test_bad_app_is_refused_with_a_reason_and_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path, *QUICK) as live, witness(live):
        peer = await live.peer()
        await peer.send(SHAKEN + command("connect", 1, {"app": "a/../b"}))
        said = await peer.expect_close()
        assert said[-1] == "_error 1 error NetConnection.Connect.InvalidApp"
        peer.close()
        (line,) = log_lines(caplog, peer.name)
        assert "connect refused: segment 2 of the stream's path is .." in line


# ---------------------------------------------------------------------- what is put up with

# Every peer sends these bytes and stays; it is answered, or what it sent is ignored.
TOLERATED = {
    "chunk size 2**31 - 1": (
        SHAKEN
        + wire("02 000000 000004 01 00000000 7fffffff")
        + command("connect", 1, {"app": "live"}),
        ["_result 1 status NetConnection.Connect.Success"],
    ),
    "AMF object without an end": (
        raw_connect(wire("03 0003 617070 02 0004 6c697665")),
        ["_result 1 status NetConnection.Connect.Success"],
    ),
    "unknown command": (
        CONNECTED + command("rm -rf /", 9, "x"),
        ["_error 9 error NetConnection.Call.Failed"],
    ),
    "unknown command that wants no answer": (CONNECTED + command("x" * 1000, 0, "x"), []),
    "more message streams than allowed": (
        CONNECTED + command("createStream", 2, None) * 8 + command("createStream", 3, None),
        ["_error 3 error NetConnection.Call.Failed"],
    ),
    "wrong types of arguments": (
        CREATED
        + command("createStream", 4, {"a": 1.0})
        + command("pause", 0, None, "yes", {"b": 2.0}, on=1)
        + command("seek", 0, None, "x", on=1)
        + command("receiveVideo", 0, None, 7.0, on=1)
        + command("deleteStream", 0, None, "one")
        + command("closeStream", 0)
        + command("getStreamLength", 5, 1.0, 2.0),
        ["_result 4 None 2.0", "_result 5 None 0.0"],
    ),
    "commands for message streams that are not there": (
        CREATED
        + command("pause", 0, None, True, 0.0, on=99)
        + command("deleteStream", 0, None, 99.0)
        + command("deleteStream", 0, None, float("nan"))
        + command("deleteStream", 0, None, -1e300)
        + command("FCUnpublish", 5, None, "../x"),
        ["_result 5 None Undefined.UNDEFINED"],
    ),
}


@pytest.mark.parametrize("what", TOLERATED)
async def test_odd_input_is_answered_or_ignored_and_the_peer_stays(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, answers = TOLERATED[what]

    async with live_server(tmp_path) as live, witness(live):
        peer = await live.peer()
        await peer.send(data + command("getStreamLength", 77, None))
        await peer.expect("_result 77 ")
        for answer in answers:
            assert answer in peer.said
        assert log_lines(caplog, peer.name) == []
        peer.close()


# ---------------------------------------------------------------------- slow, large, many


async def next_frame(beside: Witness, closing: asyncio.Task[list[str]]) -> None:
    """Wait until the stream beside has moved on, or the server has closed."""
    frames = len(beside.sent)
    await until(lambda: closing.done() or len(beside.sent) > frames)


async def test_dripped_handshake_has_one_limit_of_time_however_often_a_byte_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path, *QUICK) as live, witness(live) as beside:
        peer = await live.peer()
        started = time.monotonic()
        closing = asyncio.create_task(peer.expect_close())
        for byte in C0_C1:
            await peer.send(bytes([byte]))
            await next_frame(beside, closing)
            if closing.done():
                break
        assert time.monotonic() - started >= 0.3
        (line,) = log_lines(caplog, peer.name)
        assert "no complete handshake within 0.3 s" in line


@pytest.mark.parametrize(("request_", "limit"), [("publish", 8 * MIB), ("nothing", MIB)])
async def test_unfinished_messages_of_all_chunk_streams_share_one_limit(
    request_: str, limit: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ("limits.partial_bytes=8 MiB", "limits.message_bytes=8 MiB")

    async with live_server(tmp_path, *settings) as live, witness(live):
        peer = await live.peer()
        await peer.send(PUBLISHING if request_ == "publish" else CREATED)
        await peer.send(wire("02 000000 000004 01 00000000 00020000"))  # chunks of 128 KiB
        before = resident_bytes()
        closing = asyncio.create_task(peer.expect_close())
        for chunk_stream in range(4, 64):
            # Declared as 7.9 MiB of video each; so much comes of it.
            head = bytes([chunk_stream]) + wire("000000 7f0000 09 01000000")
            await peer.send(head + bytes(0x20000))
            for _ in range(2):
                await peer.send(bytes([0xC0 | chunk_stream]) + bytes(0x20000))
        await closing
        assert resident_bytes() - before < limit + 8 * MIB
        (line,) = log_lines(caplog, peer.name + " closed")
        assert "limits.partial_bytes" in line
        assert line.endswith(f"is over the limit of {limit}")


async def test_flood_of_empty_messages_does_not_stop_the_streams_beside(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live, witness(live) as beside:
        peer = await live.publisher("bad")
        await peer.send(wire("04 000000 000000 08 01000000"))
        for _ in range(16):
            await peer.send(b"\xc4" * 65_536)
        sent = len(beside.sent)
        await until(lambda: len(beside.sent) >= sent + 5)
        peer.close()


async def test_publisher_that_stops_in_the_middle_of_a_frame_is_closed_and_its_players_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path, *QUICK) as live, witness(live):
        player = await live.player("a")
        peer = await live.publisher("a")
        await peer.send_video(KEYFRAME + b"one")
        await peer.send(message(6, 9, 1, FRAME + bytes(5000))[:3000])
        await peer.expect_close()
        await player.expect("type 4 000200000001")  # Stream Dry
        assert player.media == [KEYFRAME + b"one"]
        (line,) = log_lines(caplog, peer.name + " closed")
        assert "publisher sent nothing for 1 s" in line


async def test_players_that_never_read_cost_no_memory_and_are_closed_with_one_line_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = (*QUICK, "live.log_bytes=1 MiB")

    async with live_server(tmp_path, *settings) as live, witness(live):
        peers = [await live.player("a", receive_buffer=4096) for _ in range(20)]
        publisher = await live.publisher("a")
        fast = await live.player("a")

        async def publish_gop(number: int) -> None:
            await publisher.send_video(KEYFRAME + bytes([number]) + bytes(100_000))
            await publisher.send_video(FRAME + bytes([number]) + bytes(100_000))
            await fast.expect_media(2 * number + 2)

        for number in range(20):
            await publish_gop(number)
        before = resident_bytes()
        fast.media.clear()
        for number in range(40):  # 8 MB, to 20 players: 160 MB if it were kept
            await publish_gop(number)
            fast.media[:] = [b""] * len(fast.media)
        assert resident_bytes() - before < 16 * MIB
        await until(lambda: live.services.counters.late_closed == 20)
        for peer in peers:
            (line,) = log_lines(caplog, peer.name + " closed")
            assert line.endswith("it took nothing for 1 s (limits.late_close_s)")
        assert not log_lines(caplog, fast.name + " closed")


async def test_storm_of_resets_leaves_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stages = (b"", C0_C1[:700], SHAKEN, CONNECTED, CREATED, PUBLISHING, PLAYING)

    async with live_server(tmp_path, "live.reconnect_window_s=0") as live, witness(live):
        for _ in range(10):
            peers = []
            for stage in stages * 5:
                peer = await live.peer()
                await peer.send(stage)
                peers.append(peer)
            for peer in peers:
                peer.reset()
        await until(lambda: live.services.counters.accepted >= 352)
        await until(lambda: len(live.services.sessions.connections) == 2)
        assert live.services.admission.connections == 2
        await until(lambda: len(list(live.services.registry.streams())) == 1)
        assert [line for line in log_lines(caplog) if line.startswith("ERROR")] == []


async def test_server_without_free_descriptors_says_so_and_goes_on_when_there_are_some(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async with live_server(tmp_path) as live, witness(live):
        socks = [socket.socket() for _ in range(5)]
        for sock in socks:
            sock.setblocking(False)
        # The next descriptor of this process would be over the limit.
        resource.setrlimit(resource.RLIMIT_NOFILE, (socks[-1].fileno() + 1, hard))
        try:
            for sock in socks:
                await asyncio.get_running_loop().sock_connect(sock, live.address)
            await until(lambda: log_lines(caplog, "rtmp cannot accept"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        (line,) = log_lines(caplog, "rtmp cannot accept")
        assert line.startswith("ERROR")
        assert line.endswith("Too many open files; raise the limit of open files")
        for peer in map(Peer, socks):
            await peer.send(CONNECTED)
            await peer.expect("NetConnection.Connect.Success")
            peer.close()


# ---------------------------------------------------------------------- limits of connections


async def test_connections_over_the_limit_are_refused_and_counted_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path, "limits.connections=4") as live, witness(live):
        peers = [await live.peer() for _ in range(5)]
        for peer in peers[2:]:
            await peer.expect_close()
        assert live.services.counters.refused == 3
        (line,) = log_lines(caplog, "refused")
        assert line == (
            f"WARNING rtmp {peers[2].name} refused: limits.connections: 5 is over the limit of 4"
        )
        peers[0].close()
        await until(lambda: live.services.admission.connections == 3)
        again = await live.peer()
        await again.send(CONNECTED)
        await again.expect("NetConnection.Connect.Success")


async def test_connections_of_one_address_are_limited_and_others_get_in(tmp_path: Path) -> None:
    settings = ("limits.connections_per_address=2", "rtmp.proxy_protocol_from=127.0.0.1/32")

    def proxied(address: str) -> bytes:
        return f"PROXY TCP4 {address} 10.0.0.1 51044 1935\r\n".encode() + CONNECTED

    async with live_server(tmp_path, *settings) as live:
        peers = []
        for address in ("203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.8"):
            peer = await live.peer()
            await peer.send(proxied(address))
            peers.append(peer)
            if len(peers) == 3:
                assert await peer.expect_close() == []
            else:
                await peer.expect("NetConnection.Connect.Success")
        assert live.services.counters.refused == 1
        seen = sorted(str(c.peer) for c in live.services.sessions.connections)
        assert seen == ["203.0.113.7:51044", "203.0.113.7:51044", "203.0.113.8:51044"]
        peers[0].close()
        await until(lambda: live.services.admission.connections == 2)
        again = await live.peer()
        await again.send(proxied("203.0.113.7"))
        await again.expect("NetConnection.Connect.Success")
