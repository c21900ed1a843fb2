"""Tests of headend.record.clips, over the API."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import media
from tests.harness import C0_C1, C2, message, until
from tests.record.fragmented import FRAGMENTED, recorded
from tests.record.made import begun, file, recording, segment
from tests.record.served import Served, serve
from tests.rtmp.peers import command

from headend.errors import DatabaseError
from headend.events import RecordingReady
from headend.media.boxes import HEAD_BYTES, box_head
from headend.record import clips as clips_module
from headend.record import uploads as uploads_module
from headend.record.values import RecordedPublisher, RecordedSegment

ALL = "/api/v1/recordings"


async def cut(
    web: Served, start: float, end: float, id: str = "r1", *, exact: bool = False
) -> tuple[int, Mapping[str, Any]]:
    """Ask for a clip; return status and answer."""
    wanted = {"start": start, "end": end, "exact": exact}
    async with web.client.post(
        f"{web.base}{ALL}/{id}/clips", json=wanted, headers=web.admin
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
        assert await web.kept.bytes_of_streams() == {}
        assert await web.kept.total_bytes() == 6000


# ---------------------------------------------------------------------- exact clips


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of 10 pictures each, with B-frames; a keyframe every second."""
    source = ("-f", "lavfi", "-i", "testsrc=size=320x180:rate=10:duration=4", *media.tone(4))
    options = (*source, "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
    keys = ("-sc_threshold", "0", "-bf", "2")  # a keyframe every ten pictures
    folder = tmp_path_factory.mktemp("pictures")
    return media.make("ffmpeg", folder / "a.mp4", *options, *keys, *media.AAC, *FRAGMENTED)


async def add(web: Served, source: Path) -> None:
    """Add a recording with a segment for each of its seconds."""
    path = web.recordings.places.path_of(file())
    data = laid_down(source, path)
    init_size = recorded(source).init_size
    starts, at = [], init_size
    while at < len(data):
        kind, _, size = box_head(data[at : at + HEAD_BYTES])
        if kind not in (b"moof", b"mdat"):
            break
        if kind == b"moof":
            starts.append(at)
        at += size
    rows = [
        ("r1", RecordedSegment(0, first, end - first, float(n), 1.0, 100.0 + n, True))
        for n, (first, end) in enumerate(zip(starts, [*starts[1:], at], strict=True))
    ]
    assert len(rows) == 4
    row = replace(file(), init_size=init_size)
    await web.kept.write({recording(files=1): False}, [row], rows, [])


def laid_down(source: Path, path: Path) -> bytes:
    """Copy a file; return its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = source.read_bytes()
    path.write_bytes(data)
    return data


async def pictures_of(url: str, *, decoded: bool = True) -> int:
    """Count the pictures at an address."""
    what = "frames" if decoded else "packets"
    process = await asyncio.create_subprocess_exec(
        *("ffprobe", "-v", "error", f"-count_{what}", "-select_streams", "v:0"),
        *("-show_entries", f"stream=nb_read_{what}", "-of", "csv=p=0", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, wrong = await process.communicate()
    assert process.returncode == 0
    if decoded:
        assert wrong == b""
    return int(said.split()[0])


@pytest.mark.parametrize(
    ("start", "end", "files", "wanted"),
    [
        (0.4, 3.2, 3, 28),  # 6 pictures, 20 as they were, and 2
        (1.0, 3.0, 1, 20),  # at segments: nothing is encoded
        (1.2, 1.8, 1, 6),  # within one
        (0.0, 1.5, 2, 15),
        (2.4, 4.0, 2, 16),
    ],
)
async def test_exact_clip_has_the_pictures_between_two_times(
    tmp_path: Path, pictures: Path, start: float, end: float, files: int, wanted: int
) -> None:
    async with serve(tmp_path) as web:
        await add(web, pictures)
        status, made = await cut(web, start, end, exact=True)
        assert status == 201, made
        assert (made["files"], made["kind"]) == (files, "clip")
        assert made["duration_s"] == pytest.approx(end - start, abs=0.001)
        assert made["started"] == pytest.approx(100 + start, abs=0.001)
        id = made["id"]
        each = [
            await pictures_of(f"{web.base}/recordings/{id}/{number}.mp4") for number in range(files)
        ]
        assert sum(each) == wanted
        rows = await web.kept.segments(id)
        assert rows[0].start_s == 0
        assert all(a.start_s + a.duration_s == pytest.approx(b.start_s) for a, b in pairwise(rows))
        assert len(left(web)) == 1 + files
        # FFmpeg's HLS takes no other codec parameters in the middle; browsers do.
        playlist = f"{web.base}/recordings/{id}/index.m3u8"
        assert await pictures_of(playlist, decoded=False) == wanted


async def test_exact_clip_that_cannot_be_encoded_is_refused_in_a_line(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording(files=1))  # which is no media
        status, problem = await cut(web, 0.5, 1.0, exact=True)
        assert status == 422
        assert problem["detail"].startswith("The edge of the clip cannot be encoded: ")
        assert left(web) == ["r1-0.mp4"]


# ---------------------------------------------------------------------- over RTMP


@pytest.mark.parametrize(
    ("start", "end", "exact", "pictures_in"),
    [(1.0, 3.0, False, 20), (0.5, 2.5, False, 30), (0.4, 3.2, True, 28)],
    ids=["segments", "whole segments around", "exact, with edges of their own"],
)
async def test_clip_is_played_over_rtmp_from_its_start_to_its_end(
    tmp_path: Path, pictures: Path, start: float, end: float, exact: bool, pictures_in: int
) -> None:
    async with serve(tmp_path) as web:
        await add(web, pictures)
        status, made = await cut(web, start, end, exact=exact)
        assert status == 201, made
        peer = await web.live.peer()
        await peer.send(C0_C1 + C2 + command("connect", 1, {"app": "recordings"}))
        await peer.send(command("createStream", 2, None))
        await peer.expect("_result 2 None 1.0")
        await peer.send(message(2, 4, 0, bytes.fromhex("0003 00000001 0036ee80")))  # an hour ahead
        await peer.send(command("play", 3, None, made["id"], on=1))
        await peer.expect("NetStream.Play.Stop")
        came = [body for body in peer.media if body[0] & 0x0F == 7 and body[1] == 1]
        assert len(came) == pictures_in
        assert came[0][0] == 0x17  # a keyframe
        assert b"\x17\x00" in {body[:2] for body in peer.media}
        assert sorted(peer.times) == peer.times
        assert max(peer.times) <= 1000 * made["duration_s"]
