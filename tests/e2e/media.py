"""Short test media, and a comparison of the frames of two files."""

import re
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

GOP: Final = 10  # frames from one keyframe to the next in all media made here
FRAME_RATE: Final = 25


class Frame(NamedTuple):
    """One frame: its decoding time in ms, and the hash of its bytes."""

    dts: int
    hash: str


Tracks = dict[str, list[Frame]]

PICTURE: Final = "testsrc=size={size}:rate=25:duration={duration}"
TONE: Final = "sine=frequency=440:sample_rate={rate}:duration={duration}"
H264: Final = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-sc_threshold", "0")
AAC: Final = ("-c:a", "aac", "-b:a", "32k")


def picture(duration: float, size: str = "160x96") -> tuple[str, ...]:
    """Return ffmpeg's options for an input with a moving picture, keyframes every GOP frames."""
    return ("-f", "lavfi", "-i", PICTURE.format(size=size, duration=duration))


def tone(duration: float, rate: int = 44100) -> tuple[str, ...]:
    """Return ffmpeg's options for an input with a tone."""
    return ("-f", "lavfi", "-i", TONE.format(duration=duration, rate=rate))


def make(ffmpeg: str, file: Path, *options: str) -> Path:
    """Have ffmpeg write a file."""
    command = [ffmpeg, "-v", "error", "-y", *options, "-g", str(GOP), str(file)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return file


def frames(file: Path, ffmpeg: str = "ffmpeg") -> Tracks:
    """Return the frames of each track of a file, as `video0`, `video1`, `audio0` …"""
    command = [ffmpeg, "-v", "error", "-i", str(file), "-map", "0:v?", "-map", "0:a?"]
    command += ["-copyts", "-c", "copy", "-f", "framemd5", "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return parse_frames(done.stdout)


def parse_frames(text: str) -> Tracks:
    """Read ffmpeg's format framemd5."""
    kinds: list[str] = []
    names: dict[str, str] = {}
    scale: dict[str, float] = {}
    for index, kind in re.findall(r"^#media_type (\d+): (\w+)", text, re.MULTILINE):
        names[index] = f"{kind}{kinds.count(kind)}"
        kinds.append(kind)
    for index, above, below in re.findall(r"^#tb (\d+): (\d+)/(\d+)", text, re.MULTILINE):
        scale[index] = 1000 * int(above) / int(below)
    tracks: Tracks = {name: [] for name in names.values()}
    for line in text.splitlines():
        if not line.startswith("#"):
            # Behind the hash: side data, where the sequence header changed.
            index, dts, _pts, _duration, size, digest = map(str.strip, line.split(",")[:6])
            if int(size):  # FFmpeg ends a stream of FLAC with an empty frame
                tracks[names[index]].append(Frame(round(int(dts) * scale[index]), digest))
    return tracks


def hashes(tracks: Tracks) -> dict[str, list[str]]:
    """Return the hashes of the frames of each track."""
    return {name: [frame.hash for frame in track] for name, track in tracks.items()}


def assert_same(played: Tracks, published: Tracks) -> None:
    """Check that every frame of every track was played, and nothing else."""
    assert hashes(played) == hashes(published)


def assert_joined(played: Tracks, published: Tracks, *, may_lack: int = 0) -> None:
    """Check that what was played starts with a keyframe and has no gap from there to the end.

    Args:
        played: What a player got.
        published: What was published.
        may_lack: How many frames may be missing at the end, all tracks together.
    """
    assert played.keys() == published.keys()
    lacking = 0
    for name, track in hashes(published).items():
        seen = hashes(played)[name]
        assert seen, f"nothing of {name}"
        first = track.index(seen[0])
        assert seen == track[first : first + len(seen)], f"{name} has a gap"
        lacking += len(track) - first - len(seen)
        if name.startswith("video"):
            assert first % GOP == 0, "the first picture is no keyframe"
    assert lacking <= may_lack, f"the last {lacking} frames are missing"


def assert_forward(tracks: Tracks) -> None:
    """Check that decoding times never go back."""
    for name, track in tracks.items():
        times = [frame.dts for frame in track]
        assert times == sorted(times), f"{name} goes back in time"
