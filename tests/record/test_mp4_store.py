"""Tests of recordings in MP4: where files begin, what rows say, and what is read after a crash."""

from pathlib import Path

import pytest
from tests.harness import until
from tests.hls.media import AVCC_2, audio_header, inter, stream, video_header
from tests.record.taped import WALL, Taped, places

from headend.record import journal
from headend.record.scan import segments_of
from headend.record.values import Recording


async def test_rows_fit_the_file(tmp_path: Path) -> None:
    out = Taped(tmp_path)
    out.push(stream(5000))
    await out.end()
    assert out.failure == ""
    assert out.rows.recordings == [Recording("id", "live/a", "recording", WALL, None, 0, 0, 0.0)]
    (file,) = out.rows.files
    assert file.path == "live/a/2027-01-15T08-00-00Z.mp4"
    assert (file.codecs, file.width, file.height) == ("avc1.42c00b,mp4a.40.2", 160, 96)
    assert places(out.rows.segments) == [(0, 0, 2, 0), (0, 2, 2, 2), (0, 4, 1, 4)]
    assert all(row.is_keyframe for row in out.rows.segments)
    assert out.rows.state == "ready"
    out.assert_fits()


async def test_new_file_begins_at_the_first_keyframe_after_its_time(tmp_path: Path) -> None:
    out = Taped(tmp_path, file_s=3.0)
    out.push(stream(9000))
    await out.end()
    assert places(out.rows.segments) == [
        (0, 0, 2, 0), (0, 2, 2, 2), (1, 4, 2, 4), (1, 6, 2, 6), (2, 8, 1, 8),
    ]  # fmt: skip
    assert [file.discontinuity for file in out.rows.files] == [False, False, False]
    names = [file.path.rpartition("T")[2] for file in out.rows.files]
    assert names == ["08-00-00Z.mp4", "08-00-04Z.mp4", "08-00-08Z.mp4"]
    out.assert_fits()


async def test_codec_that_changes_begins_a_new_file_of_the_same_recording(tmp_path: Path) -> None:
    out = Taped(tmp_path)
    out.push(stream(2400))
    out.push([video_header(AVCC_2), inter(2400)])
    out.push(stream(2000, start=3000))
    await out.end()
    assert [file.discontinuity for file in out.rows.files] == [False, True]
    assert [row.file for row in out.rows.segments] == [0, 0, 1]
    assert len(out.rows.recordings) == 1
    out.assert_fits()


async def test_publisher_that_comes_back_leaves_a_gap_on_the_timeline(tmp_path: Path) -> None:
    out = Taped(tmp_path)
    out.push(stream(4000))
    out.packager.interrupt()
    out.packager.start(())
    out.packager.resume()
    out.push([video_header(), audio_header()], later_s=10)
    out.push(stream(2000, start=4040), later_s=10)
    await out.end()
    assert [file.discontinuity for file in out.rows.files] == [False, True]
    starts = [(row.file, round(row.start_s, 1)) for row in out.rows.segments]
    assert starts == [(0, 0.0), (0, 2.0), (1, 14.0)]
    out.assert_fits()


async def test_recording_that_fails_keeps_what_is_on_the_disk(tmp_path: Path) -> None:
    out = Taped(tmp_path)
    out.push(stream(3500))
    await until(lambda: out.tape._on_disk is not None and out.rows.segments)
    out.tape.fail("the disk is gone")
    await out.over.wait()
    assert (out.failure, out.rows.state) == ("the disk is gone", "failed")
    assert places(out.rows.segments) == [(0, 0, 2, 0), (0, 2, 1, 2)]
    out.assert_fits()
    out.push(stream(500, start=3500))  # nothing more is taken
    out.disk.close()


@pytest.mark.parametrize("cut", [0, 1, 500, 3000])
async def test_files_are_read_again_after_a_crash(tmp_path: Path, cut: int) -> None:
    out = Taped(tmp_path, file_s=3.0)
    out.push(stream(9000))
    await out.end()
    last = tmp_path / out.rows.files[-1].path
    with last.open("r+b") as file:
        file.truncate(max(last.stat().st_size - cut, 0))
    (running,) = journal.read_all(tmp_path)
    assert running.recording == out.rows.recordings[0]
    assert [noted.file for noted in running.files] == out.rows.files
    read = [row for noted in running.files for row in segments_of(tmp_path, noted, 2.0)]
    whole = len(read) if cut == 0 else 4
    assert places(read)[:whole] == places(out.rows.segments)[:whole]
    assert [row[:3] for row in read][:whole] == [row[:3] for row in out.rows.segments][:whole]
    out.rows.segments = read
    if read[-1].file == 2:
        out.assert_fits()


@pytest.mark.parametrize("name", ["a" * 255, "ä" * 127, "CON", "a b", "-x", "名"])
async def test_any_name_of_a_stream_has_a_folder(tmp_path: Path, name: str) -> None:
    out = Taped(tmp_path, stream=f"live/{name}")
    out.push(stream(2000))
    await out.end()
    assert out.failure == ""
    assert out.rows.files[0].path.startswith(f"live/{name}/")
    out.assert_fits()
