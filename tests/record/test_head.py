"""Tests of headend.record.head, headend.record.samples and headend.record.sample_tables."""

import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.media import AAC, H264, frames, hashes, make, picture, tone
from tests.record.fragmented import FRAGMENTED, recorded

from headend.errors import MediaError
from headend.media.boxes import box
from headend.record.head import HeadSource, head_of
from headend.record.samples import Defaults, runs_of


def join(folder: Path, *sources: HeadSource) -> Path:
    """Return one file that is made of those of a recording."""
    whole = folder / "whole.mp4"
    media = [Path(each.path).read_bytes()[each.init_size : each.end] for each in sources]
    whole.write_bytes(head_of(sources) + b"".join(media))
    return whole


def probe(path: Path) -> dict[str, Any]:
    entries = "stream=codec_type,nb_frames,start_time,duration:format=duration,start_time"
    command = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "default=nw=1", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert not done.stderr
    return dict(line.split("=") for line in done.stdout.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recorded")


@pytest.fixture(scope="module")
def first(folder: Path) -> Path:
    """Two seconds with B-frames and sound."""
    options = (*picture(2), *tone(2), *H264, *AAC, *FRAGMENTED)
    return make("ffmpeg", folder / "first.mp4", *options)


@pytest.fixture(scope="module")
def second(folder: Path) -> Path:
    """One second with another size and another rate of sound."""
    options = (*picture(1, "128x96"), *tone(1, 48000), *H264, *AAC, *FRAGMENTED)
    return make("ffmpeg", folder / "second.mp4", *options)


def times(path: Path) -> dict[str, list[int]]:
    return {name: [frame.dts for frame in track] for name, track in frames(path).items()}


def steps(path: Path) -> dict[str, list[int]]:
    """Return the times between frames, ms."""
    return {name: [b - a for a, b in pairwise(track)] for name, track in times(path).items()}


def test_one_file_has_every_frame_at_its_time(folder: Path, first: Path) -> None:
    whole = join(folder, recorded(first))
    assert frames(whole) == frames(first)
    data = whole.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert float(probe(whole)["duration"]) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("gap_s", [0.5, 7])
def test_another_file_goes_on_where_it_is_on_the_timeline(
    folder: Path, first: Path, second: Path, gap_s: float
) -> None:
    whole = join(folder, recorded(first), recorded(second, 2.0 + gap_s))
    before, after, joined = frames(first), frames(second), frames(whole)
    for name in ("video0", "audio0"):
        count = len(before[name])
        assert [f.hash for f in joined[name]] == [f.hash for f in [*before[name], *after[name]]]
        assert [f.dts for f in joined[name][:count]] == [f.dts for f in before[name]]
    # Sound is decoded first: its first frame in a file begins where the file does.
    start = joined["audio0"][len(before["audio0"])].dts - joined["audio0"][0].dts
    assert start == pytest.approx(1000 * (2 + gap_s), abs=100)
    played = subprocess.run(
        ["ffmpeg", "-v", "error", "-xerror", "-i", whole, "-f", "null", "-"],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert not played.stderr


def test_file_whose_times_go_on_keeps_them(folder: Path, first: Path) -> None:
    source = recorded(first)
    whole = join(folder, source, replace(source, start_s=None))
    # The same times again: no frame is lost, and none goes back in time.
    assert all(each == sorted(each) for each in times(whole).values())
    assert len(frames(whole)["video0"]) == 2 * len(frames(first)["video0"])


def test_sound_alone_and_picture_alone(folder: Path) -> None:
    for name, options in (("sound", (*tone(1), *AAC)), ("picture", (*picture(1), *H264))):
        made = make("ffmpeg", folder / f"{name}.mp4", *options, *FRAGMENTED)
        whole = join(folder, recorded(made))
        assert hashes(frames(whole)) == hashes(frames(made))
        assert steps(whole) == steps(made)


def test_fragments_that_say_it_otherwise_are_read_too(folder: Path) -> None:
    flags = ("-movflags", "frag_keyframe+empty_moov+omit_tfhd_offset")
    for name, more in (("offset", flags), ("base", ("-movflags", "frag_keyframe+empty_moov"))):
        options = (*picture(1), *tone(1), *H264, *AAC, *more)
        made = make("ffmpeg", folder / f"{name}.mp4", *options)
        assert frames(join(folder, recorded(made))) == frames(made)


def test_what_was_cut_short_at_the_end_is_left_out(folder: Path, first: Path) -> None:
    source = recorded(first)
    cut = folder / "cut.mp4"
    end = source.end * 3 // 4
    cut.write_bytes(first.read_bytes()[:end])
    whole = join(folder, replace(source, path=str(cut), end=end))
    found, wanted = frames(whole)["video0"], frames(first)["video0"]
    assert 0 < len(found) < len(wanted)
    assert found == wanted[: len(found)]


@pytest.mark.parametrize("change", ["no init", "no media", "no tracks", "garbage"])
def test_what_is_no_recording_is_refused(folder: Path, first: Path, change: str) -> None:
    source = recorded(first)
    bad = folder / "bad.mp4"
    bad.write_bytes(first.read_bytes())
    wrong = {
        "no init": replace(source, init_size=0),
        "no media": replace(source, end=source.init_size),
        "no tracks": replace(source, init_size=28),
        "garbage": replace(source, path=str(bad)),
    }[change]
    if change == "garbage":
        data = bytearray(bad.read_bytes())
        data[source.init_size : source.init_size + 400] = bytes(range(200)) * 2
        bad.write_bytes(data)
    with pytest.raises(MediaError):
        head_of([replace(wrong, path=str(bad))])


def test_recording_without_files_is_refused() -> None:
    with pytest.raises(MediaError):
        head_of([])


@pytest.mark.parametrize(
    "traf",
    [
        box(b"tfhd", bytes(4)),
        box(b"tfhd", bytes(8)) + box(b"trun", bytes(4) + b"\xff\xff\xff\xff"),
        box(b"tfhd", bytes(8)) + box(b"trun", b"\0\0\x02\0" + b"\0\0\0\x09"),
        b"\0\0\0\x09trun",
    ],
    ids=["no track", "too many", "too few", "cut short"],
)
def test_fragment_that_is_damaged_is_refused(traf: bytes) -> None:
    with pytest.raises(MediaError):
        list(runs_of(box(b"traf", traf), 0, {}))


def test_samples_of_which_nothing_is_said_are_as_the_defaults_are() -> None:
    trun = box(b"trun", b"\0\0\0\x05" + b"\0\0\0\x03" + b"\0\0\0\x64" + b"\0\x01\0\0")
    traf = box(b"traf", box(b"tfhd", b"\0\x02\0\0" + b"\0\0\0\x07"), trun)
    (run,) = runs_of(traf, 1000, {7: Defaults(20, 300, 0)})
    assert (run.track, run.dts, run.place) == (7, 0, 1100)
    assert (list(run.sizes), list(run.durations), list(run.offsets)) == (
        [300] * 3,
        [20] * 3,
        [0] * 3,
    )
    assert list(run.syncs) == [1, 2]
