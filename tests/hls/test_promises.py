"""Tests of headend.hls.run: what a playlist promises holds, whatever the timestamps do."""

from collections.abc import Callable, Iterable
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hls.media import AVCC_2, audio_header, inter, key, nalu, sound, stream, video_header
from tests.hls_checker import Checker
from tests.outputs.packaged import Packaged
from tests.wire import wire

from headend.hls import order as hls_order
from headend.hls.numbers import First
from headend.media.codecs import audio_tag, video_tag
from headend.media.tag import AUDIO, VIDEO, Tag

UNDECLARED = video_header(wire("0142000affe10007 6742000ada1780 00"))  # without a frame rate
BOTH = (video_header(), audio_header())

MP3 = (wire("2f fffb50c4") + bytes(200), 1152 / 48, ())
AC3 = (wire("91 61632d33 0b775052144043e106f46370808082") + bytes(753), 32, ())
AAC = (sound(0).body, 1024 / 44.1, (audio_header(),))
FLAC = (
    wire("91 664c6143") + bytes(200),
    96,
    (audio_tag(0, wire("90 664c6143 1000 1200 000000 000000 0bb802f0 00000000") + bytes(16)),),
)
SOUNDS = {"aac": AAC, "mp3": MP3, "ac3": AC3, "flac": FLAC}
KINDS = [
    (codec, box)
    for codec in SOUNDS
    for box in ("fmp4", "mpegts")
    if codec != "flac" or box != "mpegts"
]
Spans = list[tuple[int, int]]


def check(tags: Iterable[Tag], headers: Iterable[Tag] = BOTH, **options: object) -> Packaged:
    """Package tags, every playlist on the way checked."""
    out = Packaged(
        *tags,
        headers=tuple(headers),
        checker=Checker(may_skip=True),
        first=First(7, 3),
        **({"segments": 7} | options),  # type: ignore[arg-type]
    )
    out.packager.end()
    return out


def pictures(times: Iterable[float], gop_ms: int = 2000) -> list[Tag]:
    """Return pictures at times, a keyframe at the first one of each gop_ms."""
    made: list[Tag] = []
    due = 0.0
    for time in times:
        if time >= due:
            made.append(key(round(time)))
            due += gop_ms * max(1, (time - due) // gop_ms + 1)
        else:
            made.append(inter(round(time)))
    return made


def sounds(start: int, end: int, step: float = 1024 / 44.1) -> list[Tag]:
    return [sound(round(start + step * n)) for n in range(int((end - start) / step))]


def mixed(*tracks: list[Tag]) -> list[Tag]:
    return sorted((tag for track in tracks for tag in track), key=lambda tag: tag.timestamp)


@pytest.mark.parametrize("has_sound", [True, False])
@pytest.mark.parametrize("rate", [1, 2, 4, 5, 7, 10, 12.5, 15, 23.976, 24, 25, 29.97, 30, 50, 60])
def test_every_frame_rate_is_cut_as_promised(rate: float, has_sound: bool) -> None:
    frames = pictures(1000 * n / rate for n in range(int(21 * rate)))
    out = check(
        mixed(frames, sounds(0, 21_000) if has_sound else []),
        (UNDECLARED, audio_header()) if has_sound else (UNDECLARED,),
    )
    assert out.reports == []
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 0
    assert out.durations[0] == pytest.approx(2, abs=0.07)
    assert out.find(r"TARGETDURATION:(\d+)") == ["2"]


def test_declared_frame_rate_that_is_wrong_breaks_no_promise() -> None:
    out = check(pictures(240 * n for n in range(90)), (video_header(),))
    assert out.find(r"PART-TARGET=([\d.]+)") == ["0.282"]
    assert all(duration >= 1.9 for duration in out.durations[:-1])


@pytest.mark.parametrize("gop_ms", [400, 1000, 1400, 2000, 2600, 5000, 10_000])
def test_every_keyframe_interval_is_cut_as_promised(gop_ms: int) -> None:
    out = check(mixed(pictures(range(0, 42_000, 40), gop_ms), sounds(0, 42_000)))
    assert out.packager.over is None


def test_keyframe_in_the_middle_of_a_part_leaves_the_part_whole() -> None:
    frames = [key(n) if n % 2000 == 0 or n % 2000 == 720 else inter(n) for n in range(0, 9000, 40)]
    out = check(mixed(frames, sounds(0, 9000)))
    assert out.durations[:4] == [2.0] * 4


@pytest.mark.parametrize("container", ["fmp4", "mpegts"])
@pytest.mark.parametrize("hole", [300, 1000, 1700, 2400, 2900])
@pytest.mark.parametrize("at", [4000, 4360, 5200, 5960])
def test_holes_in_the_timestamps_break_no_promise(hole: int, at: int, container: str) -> None:
    before = [tag for tag in stream(12_000, gop=50) if tag.timestamp < at]
    after = [tag for tag in stream(12_000, gop=50) if tag.timestamp >= at]
    out = check(
        [*before, *(tag._replace(timestamp=tag.timestamp + hole) for tag in after)],
        container=container,
    )
    assert out.packager.over is None
    assert sum(out.durations) <= 12 + hole / 1000 + 0.1


def test_dates_tell_of_a_hole_that_was_left_out() -> None:
    before, after = stream(4000, gop=50), stream(8000, start=6000, gop=50)
    out = Packaged(*before, *after)
    dates = out.find(r"DATE-TIME:2027-01-15T08:00:(\d\d\.\d+)Z")
    assert dates[:4] == ["00.000", "02.000", "06.000", "08.000"]
    assert out.durations[:3] == pytest.approx([2, 2, 2], abs=0.05)


@pytest.mark.parametrize("frozen", [600, 1000, 1800, 2600, 5000])
@pytest.mark.parametrize("at", [3400, 4040, 4600])
def test_picture_that_stands_while_the_sound_goes_on_breaks_no_promise(
    frozen: int, at: int
) -> None:
    frames = stream(16_000, gop=50, audio=False)
    kept = [tag for tag in frames if not at <= tag.timestamp < at + frozen]
    out = check(mixed(kept, sounds(0, 16_000)))
    assert out.packager.over is None
    assert out.playlists.tracks[0].kind is VIDEO
    assert sum(out.durations[-3:]) > 4


def test_pictures_of_irregular_times_without_sound_break_no_promise() -> None:
    steps = [40, 30, 50, 45, 35, 180, 40, 33, 40, 120]
    times = list(accumulate(steps * 40))
    out = check(pictures(time - times[0] for time in times), (video_header(),))
    assert out.packager.over is None


@pytest.mark.parametrize("apart", [-8000, -3500, 3500, 9000])
def test_sound_and_picture_that_come_apart_are_put_together(apart: int) -> None:
    """`apart` is by how much the sound comes later than the picture of the same time."""
    tags = sorted(
        stream(30_000, gop=50),
        key=lambda tag: tag.timestamp + (apart if tag.kind is AUDIO else 0),
    )
    out = check(tags, segments=100)
    assert [track.kind for track in out.playlists.tracks] == [VIDEO, AUDIO]
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) <= 1, "the one that is first begins alone"
    assert out.reports == []
    assert sum(out.durations) > 18


@pytest.mark.parametrize("container", ["fmp4", "mpegts"])
def test_sound_that_comes_late_joins_at_a_keyframe(container: str) -> None:
    tags = mixed(stream(12_000, gop=50, audio=False), sounds(3100, 12_000))
    out = check(tags, container=container)
    assert len(out.playlists.tracks) == 2
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 1
    assert sum(out.durations) == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize("container", ["fmp4", "mpegts"])
def test_sound_that_pauses_is_left_out_and_is_back_both_with_a_discontinuity(
    container: str,
) -> None:
    tags = mixed(stream(24_000, gop=50, audio=False), sounds(0, 5000), sounds(13_000, 24_000))
    out = Packaged(checker=Checker(), first=First(7, 3), container=container)
    kinds: list[int] = []
    for tag in tags:
        out.push(tag)
        if tag.timestamp % 2000 == 0 and tag.kind is VIDEO:
            kinds.append(len(out.playlists.tracks))
    assert set(kinds[1:]) == {2}, "silence stands in"
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 2


def test_sound_that_ends_is_left_out_for_good() -> None:
    out = check(mixed(stream(15_000, gop=50, audio=False), sounds(0, 5000)), segments=100)
    assert [track.kind for track in out.playlists.tracks] == [VIDEO, AUDIO], "silence stands in"
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 1
    assert sum(out.durations) == pytest.approx(15, abs=0.1)


def test_sound_whose_silence_is_not_known_is_left_out_when_it_pauses() -> None:
    loud = [tag._replace(body=AC3[0]) for tag in sounds(0, 5000, 32)]
    out = check(mixed(stream(15_000, gop=50, audio=False), loud), (video_header(),), segments=100)
    assert [track.kind for track in out.playlists.tracks] == [VIDEO]
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 1


def spans(tags: Iterable[Tag], spans: Spans) -> list[Tag]:
    return [tag for tag in tags if any(a <= tag.timestamp < b for a, b in spans)]


@pytest.mark.parametrize(("codec", "container"), KINDS)
@pytest.mark.parametrize(
    ("shown", "heard", "discontinuities"),
    [
        ([(0, 24_000)], [(0, 6000), (10_000, 24_000)], 2),
        ([(0, 16_000)], [(0, 6000)], 1),
        ([(0, 6500), (11_500, 24_000)], [(0, 24_000)], 2),
        ([(0, 6500)], [(0, 20_000)], 1),
        ([(0, 5000), (9000, 13_000), (17_000, 24_000)], [(0, 24_000)], 4),
    ],
    ids=["sound pauses", "sound ends", "picture pauses", "picture ends", "picture comes and goes"],
)
def test_track_that_pauses_or_ends_makes_a_new_run_of_the_same_tracks(
    shown: Spans, heard: Spans, discontinuities: int, codec: str, container: str
) -> None:
    body, step, headers = SOUNDS[codec]
    frames = spans(stream(24_000, gop=50, audio=False), shown)
    loud = [tag._replace(body=body) for tag in spans(sounds(0, 24_000, step), heard)]
    out = Packaged(
        headers=(video_header(), *headers),
        checker=Checker(may_skip=True),
        first=First(7, 3),
        container=container,
    )
    seen = set[tuple[int, ...]]()
    for tag in mixed(frames, loud):
        out.push(tag)
        if out.playlists.is_ready:
            seen.add(tuple(track.kind for track in out.playlists.tracks))
    out.packager.end()
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == discontinuities
    assert out.reports == []
    assert sum(out.durations) >= max(shown[-1][1], heard[-1][1]) / 1000 - 2.5
    if codec != "ac3" or heard == [(0, 24_000)]:  # of AC-3 no silence is known
        assert seen == {(VIDEO, AUDIO)}, "silence, or the newest keyframe, stands in"


def test_keyframe_that_stands_in_is_of_the_track_and_the_publisher() -> None:
    out = check(mixed(stream(5000, gop=50, audio=False), sounds(0, 12_000)), segments=100)
    out.push(*BOTH)
    assert [track.kind for track in out.playlists.tracks] == [VIDEO, AUDIO]
    changed = Packaged(*mixed(stream(5000, gop=50, audio=False), sounds(0, 5000)))
    changed.push(video_header(AVCC_2), *sounds(5000, 12_000))
    assert [track.kind for track in changed.playlists.tracks] == [AUDIO]
    next_one = Packaged(*mixed(stream(5000, gop=50, audio=False), sounds(0, 5000)))
    next_one.packager.start(BOTH)
    next_one.push(*sounds(5000, 12_000))
    assert [track.kind for track in next_one.playlists.tracks] == [AUDIO]


def test_b_frames_and_sound_of_long_frames_break_no_promise() -> None:
    frames = [
        video_tag(40 * n, wire("27 01 000028") + nalu(b"A", 9))
        if n % 50
        else video_tag(40 * n, wire("17 01 000050") + nalu(b"e", 9))
        for n in range(300)
    ]
    check(mixed(frames, sounds(0, 12_000, 2048 / 22.05)))


STEPS = st.lists(st.sampled_from([0, 1, 17, 33, 40, 40, 40, 100, 400, 1500, 3500]), max_size=150)


@settings(max_examples=150, deadline=None)
@given(STEPS, STEPS, st.integers(0, 3000), st.integers(3, 40))
def test_any_timestamps_break_no_promise(
    video: list[int], audio: list[int], start: int, gop: int
) -> None:
    times: Callable[[list[int]], list[int]] = lambda steps: list(accumulate(steps))  # noqa: E731
    frames = [(key if n % gop == 0 else inter)(t) for n, t in enumerate(times(video))]
    tags = mixed(frames, [sound(start + t) for t in times(audio)])
    out = check(tags, longest_s=60)
    for name in out.find(r"^(?!#)(\S+)$"):
        assert out.playlists.resource(name) is not None


@pytest.mark.parametrize("pause", [600, 1300, 1700])
def test_sound_that_pauses_shortly_goes_on_in_the_same_run(pause: int) -> None:
    back = 2100 + pause
    out = check(mixed(stream(9000, gop=50, audio=False), sounds(0, 2100), sounds(back, 9000)))
    assert sum(out.durations) == pytest.approx(9, abs=0.1)


def test_keyframe_that_never_comes_ends_hls_with_a_reason() -> None:
    tags = [*stream(4000, gop=50), *stream(12_000, start=4000, gop=10_000)]
    out = check(tags, longest_s=4)
    assert out.packager.over == "no keyframe came for 4 s (hls.longest_s)"


def test_tracks_that_wait_for_each_other_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls_order, "MOST", 20)
    late = [tag._replace(timestamp=tag.timestamp) for tag in sounds(0, 3000)]
    out = check([*stream(3000, gop=50, audio=False), *late])
    assert out.durations


def test_run_that_ends_with_its_first_packets_takes_no_more_of_them() -> None:
    out = Packaged(key(0), *[inter(n, 9000) for n in range(40, 1200, 40)], max_bytes=50_000)
    assert out.packager.over is not None
