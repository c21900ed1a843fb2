"""Tests of headend.fallback.fallbacks and its feeds in a whole server, in one process."""

import asyncio
from pathlib import Path

import pytest
from tests.harness import (
    FRAME,
    KEYFRAME,
    OTHER_HEADER,
    VIDEO_HEADER,
    Live,
    command,
    live_server,
    until,
)

from headend.codec.slate import Slate

FAST = ("live.fallback_after_s=0.5", "live.fallback_steady_s=0")
OWN = KEYFRAME + b"own"
OTHER = KEYFRAME + b"other"


def rule(*sources: str) -> str:
    listed = ", ".join(f'"{source}"' for source in sources)
    return f'live.fallback=[{{ match = "live/a", sources = [{listed}] }}]'


def on_air(live: Live) -> str:
    publication = live.services.registry.publication("live/a")
    return "" if publication is None else publication.publisher.peer


async def test_another_stream_stands_in_and_the_publisher_comes_back(tmp_path: Path) -> None:
    async with live_server(tmp_path, rule("stream:{app}/b"), *FAST) as live:
        other = await live.publisher("b")
        await other.send_video(OTHER_HEADER)
        await other.send_video(OTHER)
        player = await live.player("a")
        publisher = await live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(OWN)
        await until(lambda: on_air(live) == "fallback stream:{app}/b")
        await other.send_video(FRAME + b"other", 40)
        media = await player.expect_media(5)
        assert media == [VIDEO_HEADER, OWN, OTHER_HEADER, OTHER, FRAME + b"other"]
        await publisher.send_video(KEYFRAME + b"back", 80)
        await until(lambda: on_air(live) == publisher.name)
        assert (await player.expect_media(7))[5:7] == [VIDEO_HEADER, KEYFRAME + b"back"]
        stream = live.services.registry.stream("live/b")
        assert stream is not None
        assert list(stream.sinks()) == []


async def test_two_streams_that_stand_in_for_each_other_feed_nobody_in_a_ring(
    tmp_path: Path,
) -> None:
    rules = (
        'live.fallback=[{ match = "live/a", sources = ["stream:live/b"] },'
        ' { match = "live/b", sources = ["stream:live/a"] }]'
    )
    async with live_server(tmp_path, rules, *FAST) as live:
        for name in ("a", "b"):
            publisher = await live.publisher(name)
            await publisher.send_video(VIDEO_HEADER)
            await publisher.send_video(KEYFRAME)
        await until(lambda: on_air(live) == "fallback stream:live/b")
        stream = live.services.registry.stream("live/a")
        assert stream is not None
        seen = stream.tags_in
        await asyncio.sleep(0.1)
        assert stream.tags_in - seen < 20


async def test_slate_is_ready_before_it_is_needed_and_goes_on_in_real_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Slate] = []
    encode = Slate.__init__

    def noted(self: Slate, *arguments: object) -> None:
        made.append(self)
        encode(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Slate, "__init__", noted)

    async with live_server(tmp_path, rule("slate"), *FAST) as live:
        player = await live.player("a")
        publisher = await live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(OWN)
        await until(lambda: made)
        publisher.reset()
        await until(lambda: on_air(live) == "fallback slate")
        media = await player.expect_media(10)
        assert media[:2] == [VIDEO_HEADER, OWN]
        assert media[2].startswith(b"\x17\x00")  # a header of H.264
        assert len(made) == 1
        again = await live.publisher("a")
        await until(lambda: live.services.registry.standbys("live/a"))
        await again.send_video(VIDEO_HEADER)
        await again.send_video(OWN)
        await until(lambda: on_air(live) == again.name)
        await again.send(command("deleteStream", 9, None, 1))
        await until(lambda: not live.services.registry.standbys("live/a"))


@pytest.mark.parametrize("source", ["file:{folder}/none.mp4", "image:{folder}/none.png"])
async def test_file_that_is_not_there_is_named_and_the_next_source_stands_in(
    source: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = source.format(folder=tmp_path)
    async with live_server(tmp_path, rule(bad, "slate"), *FAST) as live:
        publisher = await live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(OWN)
        await until(lambda: on_air(live) == "fallback slate")
        (line,) = [r.getMessage() for r in caplog.records if "cannot stand in" in r.message]
        assert line.startswith(f"stream live/a: {bad} cannot stand in: ")
        assert "none." in line


async def test_streams_without_a_rule_have_nothing_that_stands_in(tmp_path: Path) -> None:
    async with live_server(tmp_path, rule("slate"), *FAST) as live:
        await live.publisher("b")
        await until(lambda: live.services.registry.publication("live/b"))
        assert live.services.registry.standbys("live/b") == []


async def test_backup_publisher_stands_by_with_and_without_a_rule(tmp_path: Path) -> None:
    async with live_server(tmp_path, *FAST) as live:
        player = await live.player("a")
        first = await live.publisher("a")
        await first.send_video(VIDEO_HEADER)
        await first.send_video(OWN)
        backup = await live.publisher("a?backup=1")
        await backup.send_video(OTHER_HEADER)
        await backup.send_video(OTHER)
        (standing,) = live.services.registry.standbys("live/a")
        await until(lambda: standing.reserve is not None and standing.reserve.last_media)
        first.reset()
        await until(lambda: on_air(live) == backup.name)
        media = await player.expect_media(4)
        assert media == [VIDEO_HEADER, OWN, OTHER_HEADER, OTHER]
