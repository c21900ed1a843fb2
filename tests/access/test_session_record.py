"""Tests of what the events bus is told of sessions and of refusals."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from tests.harness import FRAME, KEYFRAME, VIDEO_HEADER, Live, command, live_server, until
from tests.hls_viewers import hls_viewer

from headend.events import (
    Event,
    RequestRefused,
    SessionEnded,
    SessionStarted,
    StreamDisconnected,
    StreamEnded,
)
from headend.hls.streams import HlsStreams
from headend.net.peer import Peer


def hear(live: Live) -> list[Event]:
    """Note what happens from now on."""
    heard: list[Event] = []
    live.services.events.subscribe(heard.append)
    return heard


def names(heard: list[Event]) -> list[str]:
    return [event.name for event in heard]


def ended(heard: list[Event]) -> list[SessionEnded]:
    return [event for event in heard if isinstance(event, SessionEnded)]


async def test_publish_and_play_are_told_with_their_totals(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        heard = hear(live)
        publisher = await live.publisher()
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        player = await live.player()
        await player.expect_media(2)
        await publisher.send(command("FCUnpublish", 6, None, "a"))
        await publisher.send(command("deleteStream", 7, None, 1))
        await player.expect_close()
        await until(lambda: "stream.ended" in names(heard))
        streams = [name for name in names(heard) if name.startswith("stream.")]
        changes = ["created", "connected", "active", "disconnected", "ended"]
        assert streams == [f"stream.{change}" for change in changes]
        publish, play = (e for e in heard if isinstance(e, SessionStarted))
        assert (publish.action, publish.stream, publish.protocol) == (
            "publish",
            "live/a",
            "rtmp",
        )
        assert (publish.address, publish.session) == ("127.0.0.1", 1)
        assert (play.action, play.session) == ("play", 2)
        assert publish.id != play.id
        played, published = ended(heard)
        assert (published.id, played.id) == (publish.id, play.id)
        assert published.bytes == len(VIDEO_HEADER + KEYFRAME)
        assert played.bytes > len(KEYFRAME)  # the headers of chunks too
        assert published.reason == "the publisher ended it"
        assert played.reason == "the stream is over"
        assert 0 <= published.duration_s < 60
        over = next(event for event in heard if isinstance(event, StreamEnded))
        assert (over.reason, over.bytes) == ("ended", published.bytes)


async def test_lost_publisher_is_told_with_the_cause(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        heard = hear(live)
        publisher = await live.publisher()
        publisher.reset()
        await until(lambda: ended(heard))
        assert ended(heard)[0].reason == "the connection was lost: Connection reset by peer"
        lost = [event for event in heard if isinstance(event, StreamDisconnected)]
        assert [event.reason for event in lost] == ["lost"]


async def leaves(live: Live) -> None:
    (await live.player()).close()


async def is_kicked(live: Live) -> None:
    await live.player()
    (session,) = live.services.sessions.all()
    session.kick()


async def ends_its_play(live: Live) -> None:
    player = await live.player()
    await player.send(command("deleteStream", 7, None, 1))


async def breaks_the_protocol(live: Live) -> None:
    player = await live.player()
    await player.send(b"\x02" + bytes([0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0]) + bytes(4))  # chunk size 0


async def waits_in_vain(live: Live) -> None:
    await live.player("nobody")


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (leaves, "the peer closed the connection"),
        (is_kicked, "The session was closed by an administrator."),
        (ends_its_play, "the player ended it"),
        (breaks_the_protocol, "chunk size"),
        (waits_in_vain, "nobody published it"),
    ],
)
async def test_end_of_a_play_is_told_with_its_reason(
    act: Callable[[Live], Awaitable[None]], reason: str, tmp_path: Path
) -> None:
    async with live_server(tmp_path, "live.wait_s=0.3") as live:
        heard = hear(live)
        await act(live)
        await until(lambda: ended(heard))
        assert reason in ended(heard)[0].reason
        assert len(ended(heard)) == 1


async def test_refusal_is_told_as_the_peer_was_told(tmp_path: Path) -> None:
    async with live_server(tmp_path, "auth.publish=key") as live:
        heard = hear(live)
        peer = await live.connected()
        await peer.send(command("publish", 3, None, "a?key=hk_secret", "live", on=1))
        await peer.expect("NetStream.Publish.Denied")
        (refused,) = heard
        assert isinstance(refused, RequestRefused)
        assert (refused.action, refused.stream, refused.protocol) == (
            "publish",
            "live/a",
            "rtmp",
        )
        assert (refused.address, refused.code) == ("127.0.0.1", "NetStream.Publish.Denied")
        assert refused.reason == "the publish key is not valid"
        assert "hk_secret" not in repr(refused)


async def test_viewers_over_http_and_websocket_are_told(tmp_path: Path) -> None:
    async with (
        live_server(tmp_path, "http.listen=127.0.0.1:0") as live,
        aiohttp.ClientSession(headers={"User-Agent": "tester/1"}) as client,
    ):
        heard = hear(live)
        publisher = await live.publisher()
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        url = f"http://{live.server.addresses['http'][0]}/live/a.flv"
        async with client.get(url) as response:
            await response.content.readany()
        async with client.ws_connect(url) as socket:
            await socket.receive_bytes()
            await publisher.send_video(FRAME, 40)
            await socket.receive_bytes()
        await until(lambda: len(ended(heard)) == 2)
        assert [(e.protocol, e.user_agent) for e in ended(heard)] == [
            ("http-flv", "tester/1"),
            ("ws-flv", "tester/1"),
        ]
        assert all(event.bytes > len(KEYFRAME) for event in ended(heard))
        assert all("closed the connection" in event.reason for event in ended(heard))


async def test_stop_of_the_server_ends_all_sessions(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        heard = hear(live)
        publisher, player = await live.publisher(), await live.player()
        stop = asyncio.create_task(live.server.stop())
        await publisher.expect_close()
        await player.expect_close()
        live.close_peers()
        await stop
        assert names(heard)[-1] in ("session.ended", "stream.ended")
        assert "server.stopping" in names(heard)
        assert {event.action for event in ended(heard)} == {"publish", "play"}


async def test_hls_viewer_is_told_when_it_first_asks_and_when_it_asks_no_more(
    tmp_path: Path,
) -> None:
    async with live_server(tmp_path, "http.listen=127.0.0.1:0") as live:
        heard = hear(live)
        services = live.services
        packaged = services.features[HlsStreams].begin(services.registry.play("live/a"))
        peer = Peer.at("10.0.0.7", 5000)
        first = hls_viewer(packaged, peer, "tester/1")
        assert hls_viewer(packaged, Peer.at("10.0.0.7", 5001), "tester/1") is first
        packaged.audience.gave(first, 70)
        second = hls_viewer(packaged, peer, "another/1", "Ann")
        assert services.sessions.all() == [first, second]
        first.asks(services.loop.time() - 20)
        services.deadlines.update(first)
        await until(lambda: services.sessions.all() == [second])
        packaged.close()
        assert names(heard) == ["session.started"] * 2 + ["session.ended"] * 2
        assert [(e.session, e.bytes, e.user_agent, e.subject) for e in ended(heard)] == [
            (first.id, 70, "tester/1", None),
            (second.id, 0, "another/1", "Ann"),
        ]
        assert {event.protocol for event in ended(heard)} == {"hls"}
        reasons = [event.reason for event in ended(heard)]
        assert reasons == ["it asked for nothing for 15 s", "packaging ended"]
