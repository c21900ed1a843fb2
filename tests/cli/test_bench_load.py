"""Tests of headend.cli.bench_load against a server in the same loop."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.e2e.wait import LIMIT_S
from tests.harness import live_server

from headend import client
from headend.app import Server
from headend.cli import bench_load, bench_server
from headend.cli.bench_load import Load, MeasuredWindow, Plan, Seen, Sent, play_many, publish_many
from headend.cli.bench_stream import StampedStream
from headend.client import TlsOptions
from headend.errors import Refusal, Rejected, RelayError
from headend.media.tag import AUDIO, Tag
from headend.rtmp.url import Url, parse_url

Make = Callable[[Plan], Coroutine[object, object, Load]]


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_load, "SETTLE_S", 0.05)
    monkeypatch.setattr(bench_load, "GRACE_S", 0.2)


@asynccontextmanager
async def our_server(data: Path, *settings: str) -> AsyncIterator[Server]:
    async with live_server(data, "tls.listen=127.0.0.1:0", *settings) as live:
        yield live.server


def measure(
    make: Make,
    data: Path,
    *settings: str,
    tls: bool = False,
    query: str = "",
    seconds: float = 0.35,
) -> Load:
    """Put a load of 3 on a server for a third of a second, or longer."""

    async def main() -> Load:
        async with our_server(data, *settings) as server, asyncio.timeout(LIMIT_S):
            scheme, key = ("rtmps", "tls") if tls else ("rtmp", "rtmp")
            url = parse_url(f"{scheme}://{server.addresses[key][0]}/live/a{query}")
            trust = TlsOptions(ca=data / "tls" / "self-signed.pem") if tls else None
            return await make(Plan(url, 3, seconds, 500, trust, os.getpid()))

    return asyncio.run(main())


def measured_whole(
    make: Make, data: Path, monkeypatch: pytest.MonkeyPatch, *, tls: bool = False
) -> Load:
    """Measure until each publisher had time to send; a machine that is busy is given more of it."""
    for seconds in (0.35, 2.0, 10.0):
        load = measure(make, data / f"{seconds:g}", tls=tls, seconds=seconds)
        is_sent = all(each.frames >= 5 for each in load.sent)
        if is_sent and all(each.frames == load.sent[0].frames for each in load.seen):
            break
        monkeypatch.setattr(bench_load, "GRACE_S", seconds * 2)
    return load


@pytest.mark.parametrize("tls", [False, True])
def test_every_player_sees_every_picture_of_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    load = measured_whole(play_many, tmp_path, monkeypatch, tls=tls)
    (sent,) = load.sent
    assert sent.frames >= 5
    assert [(each.frames, each.size, each.loss) for each in load.seen] == [
        (sent.frames, sent.size, None)
    ] * 3
    for each in load.seen:
        assert len(each.ages) == sent.frames
        assert all(0 < age < 60e9 for age in each.ages)
        assert each.longest_gap > 0
    assert load.usage.load > 0
    assert load.usage.server is not None


def test_publishers_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = measured_whole(publish_many, tmp_path, monkeypatch)
    assert [each.loss for each in load.sent] == [None] * 3
    assert all(each.frames >= 5 and each.longest_delay > 0 for each in load.sent)
    assert not load.seen


def test_publishers_come_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_load, "JOINING_AT_ONCE", 1)
    assert len(measure(publish_many, tmp_path).sent) == 3


@pytest.mark.parametrize("make", [play_many, publish_many])
def test_a_stream_that_is_refused_ends_the_load(tmp_path: Path, make: Make) -> None:
    with pytest.raises((Rejected, ExceptionGroup)) as caught:
        measure(make, tmp_path, "auth.publish=key")
    error = caught.value
    found = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
    assert isinstance(found, Rejected)


def test_players_who_are_all_refused_end_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(*_: object, **__: object) -> object:
        raise Rejected(Refusal.REMOTE, "no token", code="NetStream.Play.Failed")

    monkeypatch.setattr("headend.client.play", play)
    with pytest.raises(Rejected, match="no token"):
        measure(play_many, tmp_path)


def test_a_publish_key_is_not_shown_by_players(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = client.play

    def play(url: Url, *, tls: TlsOptions | None) -> object:
        asked.append(url.query)
        return real(url, tls=tls)

    monkeypatch.setattr("headend.client.play", play)
    measure(play_many, tmp_path, query="?token=t&key=secret")
    assert asked == ["token=t"] * 3


def test_a_publisher_that_is_lost_later_ends_the_load(tmp_path: Path) -> None:
    async def main() -> None:
        async with our_server(tmp_path) as server:
            url = parse_url(f"rtmp://{server.addresses['rtmp'][0]}/live/a")
            loading = asyncio.create_task(play_many(Plan(url, 1, 0.6, 500)))
            await asyncio.sleep(0.4)
            await server.stop()
            await loading

    with pytest.raises((Rejected, RelayError)):
        asyncio.run(main())


def test_only_pictures_of_the_window_count() -> None:
    window = MeasuredWindow(start_ns=100, end_ns=200)
    seen, sent = Seen(), Sent()
    timeline = StampedStream(100)
    for stamp in (99, 100, 199, 200):
        tag = timeline.next(stamp)
        while tag.kind is AUDIO:
            tag = timeline.next(stamp)
        seen.take(tag, stamp + 50, window)
        sent.take(tag, stamp, 0.5, window)
    sound = Tag(AUDIO, 0, b"\xaf\x01", False, False)
    seen.take(sound, 150, window)
    sent.take(sound, 150, 0.7, window)
    assert seen.frames == sent.frames == 2
    assert seen.size == sent.size > 0
    assert seen.ages == [50, 50]
    assert seen.longest_gap == 99
    assert sent.longest_delay == 0.7


def test_a_window_that_is_not_open_holds_nothing() -> None:
    assert not MeasuredWindow().holds(1)


def test_a_server_that_is_not_ours_has_no_cpu() -> None:
    assert bench_server.cpu_s(None) is None


def test_a_stream_that_ends_is_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def play(*_: object, **__: object) -> AsyncIterator[AsyncIterator[Tag]]:
        async def nothing() -> AsyncIterator[Tag]:
            return
            yield

        yield nothing()

    monkeypatch.setattr("headend.client.play", play)
    url = parse_url("rtmp://127.0.0.1:1/live/a")

    async def main() -> Seen:
        seen = Seen()
        plan = Plan(url, 1, 1.0, 500)
        await bench_load._play(url, plan, seen, MeasuredWindow(), asyncio.Semaphore(1))
        return seen

    seen = asyncio.run(main())
    assert isinstance(seen.loss, RelayError)
    assert seen.decided.is_set()


def test_all_open_files_may_be_used() -> None:
    bench_server.raise_descriptor_limit()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
