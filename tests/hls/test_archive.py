"""Tests of the packager's archive: it takes every frame, whatever players were promised."""

from itertools import pairwise

import pytest
from tests.defaults import hls_limits
from tests.hls.media import inter, key, stream, video_header
from tests.hls.told import Told
from tests.outputs.packaged import Packaged

from headend.hls.packager import HlsPackager
from headend.hls.store_port import MediaPart
from headend.media.tag import VIDEO, Tag


class Archived(Packaged):
    """A packager whose media goes into an archive too."""

    def __init__(self, *tags: Tag, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.archive = Told()
        self.packager.archive.join(self.archive)
        self.push(*tags)

    @property
    def parts(self) -> list[MediaPart]:  # type: ignore[override]
        return [call[1] for call in self.archive.calls if call[0] == "add_part"]

    @property
    def frames(self) -> int:
        return sum(part.frames for part in self.parts)

    def count(self, name: str) -> int:
        return [call[0] for call in self.archive.calls].count(name)


def pictures(tags: list[Tag]) -> int:
    return sum(tag.kind is VIDEO for tag in tags)


def is_whole(parts: list[MediaPart]) -> bool:
    """Say whether each part begins where the one before ended."""
    return all(b.start == pytest.approx(a.start + a.duration) for a, b in pairwise(parts))


def test_archive_has_what_the_window_has() -> None:
    tags = stream(9000)
    out = Archived(*tags)
    out.packager.end()
    assert out.frames == pictures(tags)
    assert sum(part.duration for part in out.parts) == pytest.approx(sum(out.durations))
    assert is_whole(out.parts)
    assert out.archive.calls[-2:] == [("end_segment",), ("end",)]


def test_keyframe_that_is_late_once_costs_nobody_anything() -> None:
    tags = [*stream(10_000), *stream(5000, start=10_000, gop=125), *stream(8000, start=15_000)]
    alone, out = Packaged(*tags), Archived(*tags)
    assert out.durations == alone.durations, "players see no difference"
    assert out.find("#EXT-X-DISCONTINUITY\n") == []
    out.packager.end()
    assert out.frames == pictures(tags)
    assert sum(out.durations) == pytest.approx(23, abs=0.1)


def test_archive_goes_on_when_hls_has_ended() -> None:
    tags = [*stream(4000), *stream(30_000, start=4000, gop=250)]
    out = Archived(*tags)
    assert out.packager.over is not None
    assert out.playlist().endswith("#EXT-X-ENDLIST\n")
    assert out.count("end") == 0
    out.packager.end()
    assert out.frames == pictures(tags)
    assert out.count("end") == 1


def test_keyframe_that_never_comes_ends_hls_and_not_the_archive() -> None:
    tags = [*stream(10_000), *stream(60_000, start=10_000, gop=10_000)]
    out = Archived(*tags, longest_s=4)
    assert out.packager.over is not None
    out.packager.end()
    assert out.frames == pictures(tags)


def test_segment_that_does_not_fit_into_memory_goes_on_in_the_archive() -> None:
    tags = [*stream(2000), key(2000), *[inter(2040 + 40 * n, 30_000) for n in range(20)]]
    out = Archived(*tags, max_bytes=400_000)
    out.push(*stream(3000, start=2840))
    assert out.packager.over is not None
    assert "larger than hls.bytes" in out.packager.over
    out.packager.end()
    assert out.frames == pictures(tags) + pictures(stream(3000))


def test_store_that_joins_after_the_end_of_hls_has_what_comes_from_then_on() -> None:
    out = Packaged(*stream(14_000, gop=10_000), longest_s=4)
    assert out.packager.over is not None
    late = Told()
    out.packager.archive.join(late)
    out.push(*stream(6000, start=14_000))
    out.packager.end()
    assert sum(call[1].frames for call in late.calls if call[0] == "add_part") == 150


class Alone:
    """A packager for an archive alone."""

    def __init__(self, **limits: object) -> None:
        self.archive = Told()
        self.reports: list[str] = []
        limits = {"part_s": 1.0, **limits}
        self.packager = HlsPackager(hls_limits(**limits), None, self, lambda: 1.8e9)
        self.packager.archive.join(self.archive)
        self.packager.start((video_header(),))

    def reported(self, fault: str) -> None:
        self.reports.append(fault)

    def push(self, *tags: Tag) -> None:
        for tag in tags:
            self.packager.push(tag)

    @property
    def lengths(self) -> list[float]:
        """Seconds of the segments."""
        lengths = [0.0]
        for name, *values in self.archive.calls:
            if name == "add_part":
                lengths[-1] += values[0].duration
            elif name == "end_segment":
                lengths.append(0.0)
        return lengths[:-1]


def test_segments_of_an_archive_alone_are_as_long_as_keyframes_are_apart() -> None:
    out = Alone(longest_s=4)
    tags = [
        *stream(4000, audio=False),
        *stream(50_000, start=4000, gop=1250, audio=False),
        *stream(4000, start=54_000, audio=False),
    ]
    out.push(*tags)
    out.packager.end()
    assert out.lengths == pytest.approx([2.0, 2.0, 50.0, 2.0, 2.0])
    assert out.packager.over is None
    assert out.reports == []
    assert out.archive.calls[-1] == ("end",)


def test_part_that_is_too_large_is_a_fault_and_the_next_keyframe_begins_anew() -> None:
    out = Alone(max_bytes=50_000)
    out.push(key(0), *[inter(20 + n, 10_000) for n in range(10)])
    out.push(*stream(6000, start=1000, audio=False))
    assert out.reports == ["a part is larger than hls.bytes"]
    out.packager.end()
    assert sum(out.lengths) > 4
