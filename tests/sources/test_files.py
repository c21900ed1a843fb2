"""Tests of headend.sources.files."""

from pathlib import Path

import av
import pytest
from tests.sources.clip import tag
from tests.sources.media import make

from headend.codec.extent import CutShort
from headend.errors import MediaError
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.sources.files import open_source


def test_flv_file_goes_out_as_it_is(clip: Path) -> None:
    source = open_source(str(clip), None, {})
    tags = [tag for batch in source.batches() for tag in batch]
    assert (source.notes, source.is_enhanced) == ((), False)
    assert [tag.kind for tag in tags] == [SCRIPT, VIDEO, AUDIO] + [VIDEO, AUDIO] * 30
    assert tags[3].body == bytes.fromhex("1701000000000000056500000000")
    assert [tag for batch in source.batches() for tag in batch] == tags


def test_tag_that_is_longer_than_a_read(clip: Path) -> None:
    body = b"\x27\x01" + bytes(200_000)
    clip.write_bytes(clip.read_bytes() + tag(9, 3000, body))
    batches = list(open_source(str(clip), None, {}).batches())
    assert [batch[-1].body for batch in batches][-1] == body
    assert len(batches) == 2


def test_flv_file_that_is_gone_or_broken(clip: Path) -> None:
    source = open_source(str(clip), "flv", {})
    clip.write_bytes(b"FLV\x01\x05\xff\xff\xff\xff")
    with pytest.raises(MediaError, match="data offset"):
        list(source.batches())
    clip.unlink()
    with pytest.raises(MediaError, match="No such file"):
        list(source.batches())


def test_flv_file_with_options_goes_through_ffmpeg(tmp_path: Path) -> None:
    path = make(tmp_path / "a.flv", "libx264", "aac")
    source = open_source(str(path), "flv", {"flv_ignore_prevtag": "1"})
    assert source.notes == []
    assert next(source.batches())[0].kind is SCRIPT


@pytest.mark.parametrize(
    ("video", "audio"),
    [
        ("libx264", "libopus"),
        ("libx265", "ac3"),
        ("libsvtav1", "flac"),
        ("libvpx-vp9", "eac3"),
    ],
)
def test_other_files_are_copied_where_they_can_be(video: str, audio: str, tmp_path: Path) -> None:
    source = open_source(str(make(tmp_path / "a.mkv", video, audio)), None, {})
    assert (source.notes, source.is_enhanced) == ([], True)
    first = [tag for batch in source.batches() for tag in batch]
    assert {tag.kind for tag in first} == {SCRIPT, VIDEO, AUDIO}
    again = [tag for batch in source.batches() for tag in batch]
    assert [tag.timestamp for tag in again] == [tag.timestamp for tag in first]


def test_file_whose_end_is_missing_is_read_and_then_told_of(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", "libx264", "aac", seconds=4)
    whole = [tag for batch in open_source(str(path), None, {}).batches() for tag in batch]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read: list[Tag] = []

    def read_all() -> None:
        for batch in open_source(str(path), None, {}).batches():
            read.extend(batch)

    with pytest.raises(CutShort, match=r"a.mkv is cut short: \d\.\d s of 4\.\d s are there"):
        read_all()
    assert 0 < len(read) < len(whole)


def test_devices_are_opened_by_their_format() -> None:
    if "lavfi" not in av.formats_available:
        pytest.skip("this PyAV has no lavfi")
    source = open_source("testsrc2=size=64x48:rate=10:duration=1", "lavfi", {})
    assert len(source.notes) == 1
    tags = [tag for batch in source.batches() for tag in batch]
    assert tags[-1].timestamp >= 900


def test_cover_of_an_album_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    with av.open(str(path), "w") as output:
        audio = output.add_stream("libmp3lame", rate=44100, layout="stereo")
        cover = output.add_stream("png", rate=1)
        cover.width = cover.height = 16
        cover.pix_fmt = "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        output.mux(cover.encode(av.VideoFrame(16, 16, "rgb24")))
        frame = av.AudioFrame("s16p", "stereo", 11520)
        frame.sample_rate = 44100
        output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    source = open_source(str(path), None, {})
    assert {t.kind for batch in source.batches() for t in batch} == {SCRIPT, AUDIO}


def test_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "no.mp4"
    with pytest.raises(MediaError) as caught:
        open_source(str(path), None, {})
    assert str(caught.value) == f"{path}: No such file or directory"


def test_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    assert open_source(str(clip), None, {}).notes == []  # FFmpeg may know better


def test_file_that_is_no_media(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("no media\n" * 10)
    with pytest.raises(MediaError, match=str(path)):
        open_source(str(path), None, {})


def test_format_that_is_unknown(clip: Path) -> None:
    with pytest.raises(MediaError, match="nosuch"):
        open_source(str(clip), "nosuch", {})


def test_file_without_streams(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n\n")
    with pytest.raises(MediaError, match="holds neither video nor audio"):
        open_source(str(path), None, {})


def test_dash_is_standard_input() -> None:
    with pytest.raises(MediaError, match="pipe:0"):
        open_source("-", "nosuch", {})


def test_duration_is_known_before_a_file_is_read(clip: Path, tmp_path: Path) -> None:
    assert open_source(str(clip), None, {}).duration_s == pytest.approx(2.9, abs=0.1)
    film = make(tmp_path / "a.mkv", "mpeg4", "aac")
    assert open_source(str(film), None, {}).duration_s == pytest.approx(0.5, abs=0.1)
    for number, end in enumerate((b"", b"\x00\x00\x00\x10", b"\x00\x00\x10\x10" * 2)):
        odd = tmp_path / f"{number}.flv"
        odd.write_bytes(b"FLV\x01\x05\x00\x00\x00\x09" + end)
        assert open_source(str(odd), None, {}).duration_s is None
    headless = tmp_path / "headless.flv"
    headless.write_bytes(b"FLV" + bytes(20) + b"\x00\x00\x00\x0c")
    assert open_source(str(headless), None, {}).duration_s is None


def test_flv_that_is_cut_short_is_told_after_what_there_is(clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.flv"
    cut.write_bytes(clip.read_bytes()[:-7])
    batches = open_source(str(cut), None, {}).batches()
    assert len(next(batches)) > 10
    with pytest.raises(MediaError, match=r"cut\.flv is cut short"):
        next(batches)


def test_file_whose_clock_starts_again_is_told_after_what_there_is(tmp_path: Path) -> None:
    part = make(tmp_path / "a.ts", "libx264", None).read_bytes()
    twice = tmp_path / "twice.ts"
    twice.write_bytes(part + part)
    batches = open_source(str(twice), None, {}).batches()
    tags = next(batches)
    with pytest.raises(MediaError, match=r"twice\.ts cannot be read on at .* its clock"):
        tags += [tag for batch in batches for tag in batch]
