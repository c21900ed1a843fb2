"""Tests of headend.http.exposition."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness import KEYFRAME, VIDEO_HEADER, Live, until
from tests.raw_http import HttpClient, http_server

from headend.http import metrics
from headend.http.exposition import Exposition
from headend.live import status
from headend.live.status import StreamStatus
from headend.relay.relays import Relays


async def published(live: Live, *names: str) -> None:
    for name in names:
        publisher = await live.publisher(name)
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        await live.received(f"live/{name}", 2)


async def asked(live: Live, *headers: str) -> tuple[int, str]:
    client = await HttpClient.to(live)
    lines = ["GET /metrics HTTP/1.1", "Host: localhost", *headers, "", ""]
    await client.send("\r\n".join(lines).encode())
    answer = await client.answer()
    client.close()
    return answer.status, answer.body.decode()


def bearer(live: Live) -> str:
    token = (live.services.settings.data / "admin.token").read_text().strip()
    return f"Authorization: Bearer {token}"


async def test_stream_that_is_not_open_to_all_is_named_to_the_admin_only(tmp_path: Path) -> None:
    async with http_server(tmp_path, 'auth.private=["live/secret"]') as live:
        await published(live, "a", "secret")
        status_code, text = await asked(live)
        assert status_code == 200
        assert "secret" not in text
        assert 'headend_stream_live{stream="live/a"} 1.0' in text
        assert 'headend_stream_live{stream="*"} 1.0' in text
        _, text = await asked(live, bearer(live))
        assert 'headend_stream_live{stream="live/secret"} 1.0' in text
        assert (await asked(live, "Authorization: Bearer wrong"))[0] == 401
        assert "secret" not in (await asked(live))[1]


async def test_private_streams_of_relays_are_shown_as_one(tmp_path: Path) -> None:
    rule = 'relay.out=[{match="live/*", url="rtmp://127.0.0.1:1/a/{name}"}]'
    private = 'auth.private=["live/secret*"]'
    async with http_server(tmp_path, rule, private) as live:
        await published(live, "a", "secret1", "secret2")
        relays = live.services.features[Relays]
        await until(lambda: sum(len(r.targets) for r in relays.described()) == 3)
        _, text = await asked(live)
        assert "secret" not in text
        tries = [x for x in text.splitlines() if x.startswith("headend_relay_tries_total{")]
        assert len(tries) == 2
        assert any('stream="*"' in each for each in tries)
        assert (await asked(live, bearer(live)))[1].count('stream="live/secret1"') > 1


async def test_metrics_are_made_once_for_all_who_ask_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with http_server(tmp_path) as live:
        made = 0
        collect = metrics.collect

        def count(*arguments: object) -> object:
            nonlocal made
            made += 1
            return collect(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(metrics, "collect", count)
        exposition = Exposition(live.services)
        now = 100.0
        monkeypatch.setattr(live.services.runtime, "loop", Clock(lambda: now))
        texts = await asyncio.gather(*(exposition.text(names_all=False) for _ in range(20)))
        assert (made, len(set(texts))) == (1, 1)
        await exposition.text(names_all=True)  # another text
        assert made == 2
        now = 100.9
        await exposition.text(names_all=False)
        assert made == 2
        now = 101.1
        await exposition.text(names_all=False)
        assert made == 3
        monkeypatch.undo()


class Clock:
    """A loop of which only the time is asked."""

    def __init__(self, time: object) -> None:
        self.time = time


async def test_making_takes_a_turn_of_the_loop_for_each_few_streams_and_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with http_server(tmp_path) as live:
        await published(live, "a")
        (one,) = status.streams(live.services)
        many = [replace(one, path=f"live/{number}") for number in range(100)]
        turns = 0
        is_done = False

        async def count() -> None:
            nonlocal turns
            while not is_done:
                turns += 1
                await asyncio.sleep(0)

        async def streams(*_: object) -> list[StreamStatus]:
            return many

        monkeypatch.setattr(status, "in_turns", streams)
        counting = asyncio.create_task(count())
        text = (await Exposition(live.services).text(names_all=True)).decode()
        is_done = True
        await counting
        assert turns > 50
        lines = text.splitlines()
        assert sum(x.startswith("headend_stream_live{") for x in lines) == 100
        heads = [x for x in lines if x.startswith("#")]
        assert len(heads) == len(set(heads))
