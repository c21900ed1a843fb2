"""Tests of headend.elsewhere: servers that share a directory, by what their peers see."""

from pathlib import Path

import pytest
from tests.elsewhere.two import nodes
from tests.harness import FRAME, KEYFRAME, VIDEO_HEADER, Peer, log_lines, until
from tests.rtmp.peers import command

from headend.directory.passes import PARAMETER, Passes
from headend.events import Event


async def send(peer: Peer, *bodies: bytes, at: int = 0) -> None:
    for number, body in enumerate(bodies):
        await peer.send_video(body, at + 40 * number)


async def test_player_gets_a_stream_that_another_server_has(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (one, two):
        publisher = await one.live.publisher()
        await send(publisher, VIDEO_HEADER, KEYFRAME)
        await one.live.received("live/a", 2)
        player = await two.live.player()
        assert await player.expect_media(2) == [VIDEO_HEADER, KEYFRAME]
        await send(publisher, FRAME, at=80)
        assert (await player.expect_media(3))[2] == FRAME


async def test_copy_is_fetched_once_for_all_viewers_and_ends_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headend.elsewhere.copy.IDLE_S", 0.0)
    async with nodes(tmp_path) as (one, two):
        publisher = await one.live.publisher()
        await send(publisher, VIDEO_HEADER, KEYFRAME)
        await one.live.received("live/a", 2)
        players = [await two.live.player() for _ in range(3)]
        for player in players:
            await player.expect_media(2)
        # The publisher, and one connection for three viewers, who are counted where they are.
        assert len(one.live.services.sessions.connections) == 2
        stream = one.live.services.registry.stream("live/a")
        watching = [path for each in one.live.services.sessions for path in each.watching]
        assert stream is not None
        assert watching == []
        for player in players:
            player.close()
        await until(lambda: len(one.live.services.sessions.connections) == 1)
        await until(lambda: not two.elsewhere.status()["copies"])


async def test_copy_is_no_stream_of_its_own_for_events_and_features(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (one, two):
        told: list[Event] = []
        two.live.services.events.subscribe(told.append)
        publisher = await one.live.publisher()
        await send(publisher, VIDEO_HEADER, KEYFRAME)
        player = await two.live.player()
        await player.expect_media(2)
        publisher.close()
        assert [each.name for each in told if each.name.startswith("stream.")] == []


async def test_name_has_one_publisher_among_the_servers(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (one, two):
        await one.live.publisher()
        other = await two.live.connected()
        await other.send(command("publish", 3, None, "a", "live", on=1))
        await other.expect("NetStream.Publish.BadName")
        assert two.live.services.registry.stream("live/a") is None
        assert any("already being published, at n0" in reason for reason in other.reasons)


async def test_name_is_free_once_its_publisher_has_left(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (one, two):
        first = await one.live.publisher()
        first.close()
        await until(lambda: not one.elsewhere.claims.holds("live/a"))
        second = await two.live.publisher()
        await send(second, VIDEO_HEADER, KEYFRAME)
        assert two.elsewhere.claims.holds("live/a")


async def test_viewers_of_all_servers_go_on_when_the_publisher_comes_back_elsewhere(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path, count=3) as (one, two, three):
        first = await one.live.publisher()
        await send(first, VIDEO_HEADER, KEYFRAME)
        await one.live.received("live/a", 2)
        players = [await each.live.player() for each in (one, two, three)]
        for player in players:
            await player.expect_media(2)
        first.reset()
        await until(lambda: not one.elsewhere.claims.holds("live/a"))
        second = await three.live.publisher()
        await send(second, VIDEO_HEADER, KEYFRAME + b"2")
        for player in players:
            media = await player.expect_media(3)
            assert KEYFRAME + b"2" in media
            assert player.times == sorted(player.times)
            assert not player.is_closed


async def test_takeover_at_another_server_moves_the_viewers_and_tells_the_old_publisher(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with nodes(tmp_path, "live.takeover=always") as (one, two):
        first = await one.live.publisher()
        await send(first, VIDEO_HEADER, KEYFRAME)
        player = await one.live.player()
        await player.expect_media(2)
        second = await two.live.publisher()
        await first.expect("NetStream.Publish.BadName")
        await send(second, VIDEO_HEADER, KEYFRAME + b"2")
        while KEYFRAME + b"2" not in player.media:
            await player.receive()
        assert not one.elsewhere.claims.holds("live/a")
        assert log_lines(caplog, "another server has taken the name over")


async def test_publisher_that_comes_back_to_where_a_copy_is_goes_on_with_its_viewers(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path, "live.takeover=always") as (one, two):
        told: list[Event] = []
        two.live.services.events.subscribe(told.append)
        first = await one.live.publisher()
        await send(first, VIDEO_HEADER, KEYFRAME)
        player = await two.live.player()
        await player.expect_media(2)
        second = await two.live.publisher()
        await send(second, VIDEO_HEADER, KEYFRAME + b"2")
        while KEYFRAME + b"2" not in player.media:
            await player.receive()
        names = [each.name for each in told if each.name.startswith("stream.")]
        assert names[:2] == ["stream.created", "stream.connected"]


async def test_viewer_that_waits_is_given_what_begins_at_another_server(tmp_path: Path) -> None:
    async with nodes(tmp_path, "live.wait_s=30") as (one, two):
        player = await two.live.player()
        publisher = await one.live.publisher()
        await send(publisher, VIDEO_HEADER, KEYFRAME)
        await player.expect_media(2)


async def test_stream_that_ends_is_over_for_viewers_elsewhere(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (one, two):
        publisher = await one.live.publisher()
        await send(publisher, VIDEO_HEADER, KEYFRAME)
        player = await two.live.player()
        await player.expect_media(2)
        await publisher.send(command("deleteStream", 5, None, 1.0))
        await player.expect("NetStream.Play.UnpublishNotify")


@pytest.mark.parametrize(
    "good",
    [
        "",
        "x",
        "boot-n0.1.00",
        f"boot-n0.{'9' * 20}.00",
        Passes(b"another secret", "boot-n0").make("play", "live/a", "boot-n1"),
        Passes(b"what both servers know", "boot-n0").make("publish", "live/a", "boot-n1"),
        Passes(b"what both servers know", "boot-n0").make("play", "live/b", "boot-n1"),
        Passes(b"what both servers know", "boot-n0").make("play", "live/a", "boot-n2"),
    ],
)
async def test_pass_that_is_not_good_plays_nothing(tmp_path: Path, good: str) -> None:
    async with nodes(tmp_path) as (_, two):
        await two.live.publisher()
        player = await two.live.connected()
        await player.send(command("play", 3, None, f"a?{PARAMETER}={good}", on=1))
        await player.expect("NetStream.Play.")
        assert "NetStream.Play.Start" not in "".join(player.said)
