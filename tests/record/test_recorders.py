"""Tests of headend.record.recorders: which streams are recorded, and what a bad disk costs."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.harness import Live, Peer, live_server, message, until, until_so
from tests.hls.media import audio_header, stream, video_header

from headend.decisions import AccessRequest, Allow
from headend.errors import Rejected
from headend.events import Event, RecordingEvent
from headend.hls.streams import HlsStreams
from headend.media.tag import Tag
from headend.record import stream_recorder
from headend.record.recorders import Recorders
from headend.record.tape import SLOW
from headend.record.values import Recording

HEADERS = (video_header(), audio_header())
RULE = 'stream=[{ match = "live/*", record.enabled = true }]'


class Recorded:
    """A server that records, and a publisher of `live/a`."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.recorders = live.services.features[Recorders]
        self._publisher: Peer
        self._sent = 0

    async def publish(self, *tags: Tag) -> None:
        if not self._sent:
            self._publisher = await self.live.publisher("a")
        for kind, timestamp, body, *_ in tags:
            await self._publisher.send(message(6, int(kind), 1, body, timestamp))
        self._sent += len(tags)
        await self.live.received("live/a", self._sent)

    def running(self) -> list[str]:
        """Return the ids of recordings of which something is on the disk."""
        tapes = [each.tape for each in self.recorders._recorders.values()]
        return [tape.id for tape in tapes if tape is not None and tape.is_begun]

    async def known(self) -> list[Recording]:
        """Return what the index has, the oldest first."""
        from headend.record.tables import RecordingFilter

        tables = await self.recorders.index.opened()
        return (await tables.page(RecordingFilter(), limit=100))[::-1]

    async def wait_state(self, *states: str) -> list[Recording]:
        async def look() -> bool:
            return tuple(each.state for each in await self.known()) == states

        await until_so(look)
        return await self.known()

    def findings(self) -> list[str]:
        (stream,) = self.live.services.registry.streams()
        return list(self.recorders.findings(stream))


@asynccontextmanager
async def recorded(data: Path, *settings: str) -> AsyncIterator[Recorded]:
    given = settings or ("record.match=live/*",)
    async with live_server(data, "record.min_free_bytes=0", *given) as live:
        yield Recorded(live)


@pytest.mark.parametrize("setting", ["record.match=live/*", RULE])
async def test_stream_is_recorded_as_long_as_it_lives(tmp_path: Path, setting: str) -> None:
    async with recorded(tmp_path, setting) as it:
        await it.publish(*HEADERS, *stream(3000))
        await until(it.running)
        assert it.recorders.status() == {"recordings": 1, "failures": 0}
        it.live.services.registry.stream("live/a").end()  # type: ignore[union-attr]
        (known,) = await it.wait_state("ready")
        assert (known.stream, known.files) == ("live/a", 1)
        assert known.duration_s == pytest.approx(3.0, abs=0.05)
        await until(lambda: not it.recorders._recorders)


async def test_what_runs_when_the_server_stops_is_ready(tmp_path: Path) -> None:
    async with recorded(tmp_path) as it:
        await it.publish(*HEADERS, *stream(3000))
        await until(it.running)
        index = it.recorders.index
        await index.opened()  # the database is open
    assert not index._changed
    (file,) = (tmp_path / "recordings/live/a").iterdir()
    assert file.stat().st_size > 1000
    async with live_server(tmp_path, "record.match=live/*") as again:
        await until(lambda: list((tmp_path / "recordings/.running").iterdir()) == [])
        tables = await again.services.features[Recorders].index.opened()
        assert await tables.unfinished() == []


async def test_recording_is_started_and_stopped_by_hand(tmp_path: Path) -> None:
    async with recorded(tmp_path, "record.match=other/*") as it:
        with pytest.raises(Rejected, match="nobody publishes"):
            it.recorders.record("live/a")
        await it.publish(*HEADERS, *stream(500))
        await until(lambda: it.recorders._is_loaded)
        id = it.recorders.record("live/a").id
        assert it.recorders.record("live/a").id == id
        await it.publish(*stream(3000, start=500))
        await until(it.running)
        it.recorders.stop_recording("another")
        assert it.running() == [id]
        it.recorders.stop_recording(id)
        (known,) = await it.wait_state("ready")
        assert known.id == id
        await it.publish(*stream(1000, start=3500))
        assert it.running() == []


async def test_stream_stopped_by_hand_stays_so_until_it_ends(tmp_path: Path) -> None:
    async with recorded(tmp_path) as it:
        await it.publish(*HEADERS, *stream(2500))
        await until(it.running)
        it.recorders.stop_recording(it.running()[0])
        await it.wait_state("ready")
        it.recorders.configure(it.live.services.settings)
        await it.publish(*stream(2500, start=2500))
        assert len(await it.known()) == 1


class Doorkeeper:
    """An authorizer that answers what it is told to, about recording."""

    def __init__(self, *, record: bool | None) -> None:
        self.record = record

    async def authorize(self, request: AccessRequest) -> Allow:
        return Allow(record=self.record)


@pytest.mark.parametrize(
    ("match", "answer", "is_recorded"),
    [
        ("other/*", True, True),
        ("live/*", False, False),
        ("live/*", None, True),
        ("other/*", None, False),
    ],
)
async def test_answer_about_a_publisher_goes_before_the_settings(
    tmp_path: Path, match: str, answer: bool | None, is_recorded: bool
) -> None:
    async with recorded(tmp_path, f"record.match={match}") as it:
        it.live.services.gate.authorizers.append(Doorkeeper(record=answer))
        await it.publish(*HEADERS)
        await it.recorders._load()
        it.recorders.configure(it.live.services.settings)  # a reload changes nothing
        await until(lambda: bool(it.recorders._recorders) is is_recorded)


async def test_hand_goes_before_the_answer_about_a_publisher(tmp_path: Path) -> None:
    async with recorded(tmp_path) as it:
        it.live.services.gate.authorizers.append(Doorkeeper(record=False))
        await it.publish(*HEADERS)
        it.recorders._load()
        await until(lambda: it.recorders._is_loaded)
        assert not it.recorders._recorders
        id = it.recorders.record("live/a").id
        await it.publish(*stream(2500))
        await until(it.running)
        assert it.running() == [id]


async def test_answer_about_the_next_publisher_counts(tmp_path: Path) -> None:
    settings = ("record.match=other/*", "live.takeover=always")
    async with recorded(tmp_path, *settings) as it:
        door = Doorkeeper(record=True)
        it.live.services.gate.authorizers.append(door)
        await it.publish(*HEADERS, *stream(2500))
        await until(it.running)
        door.record = None  # no opinion: what was said before holds
        await it.live.publisher("a")
        assert it.running()
        door.record = False
        await it.live.publisher("a")
        await it.wait_state("ready")
        await until(lambda: not it.recorders._recorders)
        door.record = True
        await it.live.publisher("a")
        await until(lambda: bool(it.recorders._recorders))


async def test_disk_that_fails_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream_recorder, "RETRY_S", 0.0)
    folder = tmp_path / "disk"
    folder.write_text("a file where a folder should be")
    async with recorded(tmp_path, "record.match=live/*", f"record.folder={folder}") as it:
        told: list[Event] = []
        it.live.services.events.subscribe(told.append)
        await it.publish(*HEADERS, *stream(2500))
        await until(lambda: it.findings())
        assert "recording has failed: " in it.findings()[0]
        assert "of live/a has failed" in caplog.text
        assert await it.known() == []
        os.unlink(folder)
        await until(lambda: it.recorders._recorders and it.running() == [])
        for start in range(2500, 60_000, 500):
            await it.publish(*stream(500, start=start))
            if it.running():
                break
        await until(it.running)
        assert it.findings() == []
        assert it.recorders.status()["failures"] != 0
        names = [event.name for event in told if isinstance(event, RecordingEvent)]
        assert names == ["recording.failed", "recording.started"], "each failure is told once"


async def test_recording_that_falls_behind_fails_and_the_stream_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with recorded(tmp_path) as it:
        await it.publish(*HEADERS, *stream(2500))
        await until(it.running)
        monkeypatch.setattr("headend.record.disk.QUEUED", 10)
        await it.publish(*stream(3000, start=2500))
        (known,) = await it.wait_state("failed")
        assert known.duration_s >= 2.0
        assert it.findings() == [f"recording has failed: {SLOW}; it is tried again"]
        stream_ = it.live.services.registry.stream("live/a")
        assert stream_ is not None
        assert stream_.is_live


async def test_reload_begins_and_ends_recordings_and_drops_nobody(tmp_path: Path) -> None:
    settings = tmp_path / "headend.toml"
    settings.write_text('[record]\nmatch = ["other/*"]\nmin_free_bytes = 0\n')
    async with live_server(tmp_path / "data", path=settings) as live:
        it = Recorded(live)
        await it.publish(*HEADERS, *stream(500))
        settings.write_text('[record]\nmatch = ["live/*"]\nmin_free_bytes = 0\n')
        live.server.reload()
        await until(lambda: it.recorders._recorders)
        await it.publish(*stream(3000, start=500))
        await until(it.running)
        settings.write_text('[record]\nmatch = ["other/*"]\nmin_free_bytes = 0\n')
        live.server.reload()
        (known,) = await it.wait_state("ready")
        assert known.stream == "live/a"
        assert live.services.registry.stream("live/a").is_live  # type: ignore[union-attr]


async def test_stream_without_a_keyframe_has_no_recording_and_no_failure(tmp_path: Path) -> None:
    async with recorded(tmp_path) as it:
        await it.publish(*HEADERS, *[tag for tag in stream(4000) if not tag.is_keyframe][:60])
        assert it.running() == []
        it.live.services.registry.stream("live/a").end()  # type: ignore[union-attr]
        await until(lambda: not it.recorders._recorders)
        assert await it.known() == []
        assert it.recorders.status() == {"recordings": 0, "failures": 0}


async def test_packager_that_is_lost_ends_the_recording_and_another_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headend.hls.streams.REMAKE_S", 0.0)
    monkeypatch.setattr(stream_recorder, "RETRY_S", 0.0)
    async with recorded(tmp_path, "record.match=live/*", "http.listen=127.0.0.1:0") as it:
        await it.publish(*HEADERS, *stream(2500))
        await until(it.running)

        def push(*_: object) -> None:
            raise RuntimeError("a bug")

        with monkeypatch.context() as patch:
            patch.setattr("headend.hls.packager.HlsPackager.push", push)
            await it.publish(*stream(40, start=2520))
        (first,) = it.running() or [""]
        await until(lambda: it.running() != [first] or not first)
        for start in range(3000, 60_000, 500):
            await it.publish(*stream(500, start=start))
            if it.running() and it.running() != [first]:
                break
        assert len(it.running()) == 1


async def test_recording_goes_on_where_hls_has_ended_and_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headend.hls.streams.REMAKE_S", 0.0)
    settings = ("record.match=live/*", "http.listen=127.0.0.1:0", "hls.longest_s=4")
    async with recorded(tmp_path, *settings) as it:
        await it.publish(*HEADERS, *stream(9000, gop=10_000))
        hls = it.live.services.features[HlsStreams]
        ended = hls.find("live/a")
        assert ended is not None
        assert ended.packager.over is not None
        anew = hls.begin(ended.stream)
        assert anew is not ended
        await it.publish(*stream(4000, start=9000))
        assert anew.playlists.next_sequence > anew.first.sequence
        stream_ = ended.stream
        stream_.end()
        (known,) = await it.wait_state("ready")
        assert known.duration_s == pytest.approx(13.0, abs=0.1)
        assert list(stream_.sinks()) == []
