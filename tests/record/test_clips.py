"""Tests of headend.record.clips, over the API."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.harness import until
from tests.record.made import begun, file, recording, segment
from tests.record.served import Served, serve

from headend.errors import DatabaseError
from headend.events import RecordingReady
from headend.record import clips as clips_module
from headend.record import uploads as uploads_module
from headend.record.values import RecordedPublisher

ALL = "/api/v1/recordings"


async def cut(
    web: Served, start: float, end: float, id: str = "r1"
) -> tuple[int, Mapping[str, Any]]:
    """Ask for a clip; return status and answer."""
    async with web.client.post(
        f"{web.base}{ALL}/{id}/clips", json={"start": start, "end": end}, headers=web.admin
    ) as response:
        return response.status, json.loads(await response.read())


def left(web: Served) -> list[str]:
    """Name the files in the folder."""
    return sorted(name for _, _, names in os.walk(web.recordings.folder) for name in names)


async def test_clip_is_a_recording_of_the_segments_in_which_it_begins_and_ends(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path) as web:
        (body,) = await web.add(recording(files=1))
        publisher = RecordedPublisher("r1", "s1", "203.0.113.7", "pk_1")
        await web.kept.write({}, [], [], [publisher])
        web.live.services.events.subscribe(web.told.append)
        status, made = await cut(web, 2.5, 5.0)
        assert status == 201
        assert (made["kind"], made["origin"], made["state"]) == ("clip", "r1", "ready")
        assert (made["stream"], made["started"], made["ended"]) == ("live/a", 102.0, 106.0)
        assert (made["duration_s"], made["files"], made["bytes"]) == (4.0, 1, 11_000)
        id = made["id"]
        assert (await web.get(f"/recordings/{id}/0.mp4"))[1] == body[:1000] + body[6000:16_000]
        assert await web.kept.segments(id) == [
            segment(0)._replace(date=102.0), segment(1)._replace(date=104.0)
        ]  # fmt: skip
        text = await web.text(f"/recordings/{id}/index.m3u8")
        assert "BYTERANGE:5000@1000\n" in text
        assert "BYTERANGE:5000@6000\n" in text
        assert "#EXT-X-ENDLIST" in text
        told = [each.recording for each in web.told if isinstance(each, RecordingReady)]
        assert told == [id]
        (same,) = await web.kept.publishers(id)
        assert (same.session, same.address, same.subject) == ("s1", "203.0.113.7", "pk_1")
        assert (await web.get(f"{ALL}/{id}", web.admin, "DELETE"))[0] == 204
        assert left(web) == ["r1-0.mp4"]


async def test_clip_across_a_gap_has_a_file_for_each_side(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        bodies = await web.add(recording(files=2), files=2)
        status, made = await cut(web, 8.0, 102.0)
        assert (status, made["files"], made["duration_s"]) == (201, 2, 4.0)
        id = made["id"]
        found = [(each.file, each.start_s) for each in await web.kept.segments(id)]
        assert found == [(0, 0.0), (1, 92.0)]
        assert [each.discontinuity for each in await web.kept.files(id)] == [False, True]
        for number, part in enumerate((slice(21_000, 26_000), slice(1000, 6000))):
            there = (await web.get(f"/recordings/{id}/{number}.mp4"))[1]
            assert there == bodies[number][:1000] + bodies[number][part]


async def test_clip_of_a_recording_that_runs_has_what_is_on_the_disk(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(begun(files=1))
        assert (await cut(web, 0, 4))[0] == 201
        status, made = await cut(web, 8, 30)
        assert (status, made["detail"]) == (
            422, "The clip must be within the recording, which has 10.000 s."
        )  # fmt: skip


async def test_clip_begins_with_a_keyframe(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording(files=1))
        await web.kept.delete("r1")
        late = [segment(0), segment(1)._replace(is_keyframe=False), segment(2)]
        await web.kept.write({recording(): False}, [file()], [("r1", each) for each in late], [])
        web.recordings.places.path_of(file()).parent.mkdir(parents=True, exist_ok=True)
        web.recordings.places.path_of(file()).write_bytes(bytes(16_000))
        _, made = await cut(web, 3.0, 3.5)
        assert made["duration_s"] == 4.0


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (5, 5, "Start must be 0 or more, and before end."),
        (6, 5, "Start must be 0 or more, and before end."),
        (10.5, 11, "The clip must be within the recording, which has 10.000 s."),
        (9, 11.5, "The clip must be within the recording, which has 10.000 s."),
    ],
)
async def test_clip_that_is_not_within_the_recording_is_refused_in_a_line(
    tmp_path: Path, start: float, end: float, words: str
) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording(files=1))
        status, problem = await cut(web, start, end)
        assert (status, problem["detail"]) == (422, words)
        assert (await cut(web, 0, 1, "r9"))[0] == 404
        assert left(web) == ["r1-0.mp4"]


async def test_clip_of_a_time_without_a_publisher_is_refused(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording(files=2), files=2)
        status, problem = await cut(web, 20, 90)
        assert (status, problem["detail"]) == (
            422, "Nothing was recorded then: the publisher was away."
        )  # fmt: skip


async def test_nothing_is_left_of_a_clip_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording(files=2), files=2)

        async def refuse(*_: object) -> None:
            raise DatabaseError("database: it is away")

        with monkeypatch.context() as patched:
            patched.setattr(type(web.kept), "write", refuse)
            assert (await cut(web, 8, 102))[0] == 503
        assert left(web) == ["r1-0.mp4", "r1-1.mp4"]
        web.recordings.places.path_of(file(1)).unlink()
        status, problem = await cut(web, 8, 102)
        assert status == 503
        assert problem["detail"].startswith("The clip cannot be written: ")
        assert left(web) == ["r1-0.mp4"]


async def test_too_many_clips_at_once_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording(files=1))
        monkeypatch.setattr(clips_module, "MOST", 1)
        tables = web.recordings.index.tables()
        go, asked = asyncio.Event(), asyncio.Event()
        publishers = tables.publishers

        async def wait(id: str) -> list[RecordedPublisher]:
            asked.set()
            await go.wait()
            return await publishers(id)

        monkeypatch.setattr(tables, "publishers", wait)
        first = asyncio.create_task(cut(web, 0, 4))
        await asked.wait()
        assert (await cut(web, 0, 4))[0] == 503
        go.set()
        assert (await first)[0] == 201


async def test_clip_is_cut_from_what_is_in_a_store_and_uploaded_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads_module, "LOOK_S", 0.02)
    store = tmp_path / "store"
    given = (f"record.store=file://{store}", "record.keep_local=false")
    async with serve(tmp_path / "data", *given) as web:
        (body,) = await web.add(recording(files=1))
        await until(lambda: left(web) == [])
        status, made = await cut(web, 0, 2)
        assert status == 201
        await until(lambda: left(web) == [])
        assert (await web.get(f"/recordings/{made['id']}/0.mp4"))[1] == body[:6000]


async def test_retention_leaves_clips_alone(tmp_path: Path) -> None:
    async with serve(tmp_path, "record.keep_days=1") as web:
        await web.add(recording(files=1, bytes=26_000))
        _, made = await cut(web, 0, 2)
        web.recordings.known.forget("r1")  # nobody watches it
        await web.recordings.retention.look()
        assert await web.kept.get("r1") is None
        assert await web.kept.get(made["id"]) is not None
        assert await web.kept.total_bytes("recording") == 0
        assert await web.kept.total_bytes() == 6000
