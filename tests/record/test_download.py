"""Tests of headend.record.download, with recordings that ffmpeg has made."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from tests.e2e.media import AAC, H264, frames, make, picture, tone
from tests.record.fragmented import FRAGMENTED, add
from tests.record.made import begun, file, recording
from tests.record.served import serve

from headend.record import download as download_module

ONE = "/recordings/r1.mp4"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = (*picture(2), *tone(2), *H264, *AAC, *FRAGMENTED)
    return make("ffmpeg", tmp_path_factory.mktemp("clip") / "clip.mp4", *options)


async def test_recording_is_one_file_that_plays_and_has_every_frame(
    tmp_path: Path, clip: Path
) -> None:
    async with serve(tmp_path) as web:
        await add(web, clip, recording(), times=2)
        status, body, headers = await web.get(ONE)
        assert status == 200
        assert headers["Content-Type"] == "video/mp4"
        assert headers["Content-Disposition"] == (
            'attachment; filename="live-a 1970-01-01T00-01-40Z.mp4"; '
            "filename*=UTF-8''live-a%201970-01-01T00-01-40Z.mp4"
        )
        got = tmp_path / "got.mp4"
        got.write_bytes(body)
        wanted = frames(clip)
        for name, track in frames(got).items():
            assert [f.hash for f in track] == 2 * [f.hash for f in wanted[name]]


async def test_ranges_of_it_are_those_of_the_whole(tmp_path: Path, clip: Path) -> None:
    async with serve(tmp_path) as web:
        await add(web, clip, recording(), times=2)
        _, whole, headers = await web.get(ONE)
        for first, last in ((0, 99), (10, len(whole) - 1), (len(whole) // 2, len(whole) - 5)):
            status, body, _ = await web.get(ONE, {"Range": f"bytes={first}-{last}"})
            assert status == 206
            assert body == whole[first : last + 1]
        assert (await web.get(ONE, {"If-None-Match": headers["ETag"]}))[0] == 304
        status, body, told = await web.get(ONE, method="HEAD")
        assert (body, told["Content-Length"]) == (b"", str(len(whole)))
        assert (await web.get(ONE, {"Range": f"bytes={len(whole)}-"}))[0] == 416


async def test_ffmpeg_seeks_in_it_by_ranges(tmp_path: Path, clip: Path) -> None:
    async with serve(tmp_path) as web:
        await add(web, clip, recording(), times=2)
        process = await asyncio.create_subprocess_exec(
            *("ffmpeg", "-v", "error", "-ss", "3", "-i", web.base + ONE, "-map", "0:v"),
            *("-f", "framemd5", "-"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        said, wrong = await process.communicate()
        assert not wrong
        assert 20 <= sum(not line.startswith(b"#") for line in said.splitlines()) <= 30


async def test_recording_that_runs_is_no_file_yet(tmp_path: Path, clip: Path) -> None:
    async with serve(tmp_path) as web:
        await add(web, clip, begun())
        status, body, _ = await web.get(ONE)
        assert status == 409
        assert b"it is one file when it is over" in body


async def test_recording_that_cannot_be_one_file_is_told(tmp_path: Path, clip: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())  # of random bytes
        status, body, _ = await web.get(ONE)
        assert status == 503
        assert b"This recording cannot be given as one file: MP4: " in body
        await add(web, clip, recording("r2"))
        web.recordings.places.path_of(file(0, "r2")).unlink()
        assert (await web.get("/recordings/r2.mp4"))[0] == 404


async def test_heads_are_made_once_kept_within_limits_and_removed(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        heads = tmp_path / "downloads"
        for id in ("r1", "r2"):
            await add(web, clip, recording(id))
        made = (await web.get(ONE))[1]
        monkeypatch.setattr(download_module, "MADE_S", 0.0)
        assert (await web.get(ONE))[1] == made
        status, body, _ = await web.get("/recordings/r2.mp4")
        assert status == 503
        assert b"was not made within 0 s" in body
        monkeypatch.undo()
        monkeypatch.setattr(download_module, "MOST", 1)
        assert (await web.get("/recordings/r2.mp4"))[0] == 200
        assert [path.name for path in heads.iterdir()] == ["r2.head"]
        await web.recordings.removal.remove(recording("r2"))
        assert list(heads.iterdir()) == []
        assert (await web.get(ONE))[0] == 200
    assert not heads.exists()


async def test_name_of_a_file_keeps_the_letters_of_its_stream(tmp_path: Path, clip: Path) -> None:
    async with serve(tmp_path) as web:
        await add(web, clip, recording(stream="live/šport"))
        _, _, headers = await web.get(ONE, method="HEAD")
        assert 'filename="live-_port ' in headers["Content-Disposition"]
        assert "filename*=UTF-8''live-%C5%A1port" in headers["Content-Disposition"]


async def test_private_recording_needs_a_token_for_its_file(tmp_path: Path, clip: Path) -> None:
    async with serve(tmp_path, 'auth.private=["live/a"]') as web:
        await add(web, clip, recording())
        assert (await web.get(ONE))[0] == 403
        for_admin = "/api/v1/recordings/r1/mp4"
        assert (await web.get(for_admin))[0] == 401
        status, body, _ = await web.get(for_admin, web.admin)
        assert status == 200
        assert body[4:8] == b"ftyp"
        assert (await web.get("/api/v1/recordings/r2/mp4", web.admin))[0] == 404
