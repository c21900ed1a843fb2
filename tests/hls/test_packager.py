"""Tests of headend.hls.packager: what is cut where, and what playlists say of it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hls.media import (
    AVCC_2,
    audio_header,
    inter,
    key,
    nalu,
    sound,
    stream,
    video_header,
)
from tests.outputs.packaged import Packaged
from tests.wire import wire

from headend.codec import package
from headend.codec.package import BadPacketError, Muxer, Packet
from headend.errors import MediaError
from headend.hls import run as hls_run
from headend.hls.numbers import First
from headend.media.codecs import audio_tag, video_tag
from headend.media.tag import AUDIO, VIDEO, Tag, TagKind


def test_segments_are_cut_at_keyframes_and_add_up() -> None:
    out = Packaged(*stream(7000))
    assert out.durations == [2.0, 2.0, 2.0]
    assert out.find(r"TARGETDURATION:(\d+)") == ["2"]
    assert out.find("DISCONTINUITY\n") == []
    assert out.playlists.next_sequence == 3
    out.packager.end()
    assert out.durations == [2.0, 2.0, 2.0, 1.0]
    assert "#EXT-X-ENDLIST" in out.playlist()
    assert out.playlists.is_over
    assert out.playlists.hint is None
    assert out.reports == []


def test_parts_are_whole_frames_and_the_first_is_independent() -> None:
    out = Packaged(*stream(3100))
    assert out.find(r"PART-TARGET=([\d.]+)") == ["0.234"]
    parts = out.parts()
    assert [part[1] for part in parts[:2]] == ["e-0.0.m4s", "e-0.1.m4s"]
    assert {part[0] for part in parts} == {"0.20000"}
    assert [part[1] for part in parts if part[2]] == ["e-0.0.m4s", "e-0.5.m4s", "e-1.0.m4s"]
    assert out.playlists.hint == f"e-1.{len(parts) - 10}.m4s"
    for _, name, _ in parts:
        assert out.playlists.resource(name) is not None
    init = out.playlists.resource("e-init-0.mp4")
    assert init is not None
    assert init.body[4:8] == b"ftyp"


@pytest.mark.parametrize("end_ms", range(1000, 1250, 10))
def test_last_part_is_no_longer_than_others_whenever_the_stream_ends(end_ms: int) -> None:
    out = Packaged(*(tag for tag in stream(2000) if tag.timestamp <= end_ms))
    pieces: list[tuple[float, int]] = []
    out.window.add_part = lambda part: pieces.append(  # type: ignore[method-assign]
        (part.duration, part.body.count(b"moof"))
    )
    out.window.end_segment = lambda: None  # type: ignore[method-assign]
    out.packager.end()
    assert {fragments for _, fragments in pieces} == {1}
    assert all(duration <= out.window.part_target_s for duration, _ in pieces)


def test_nothing_is_ready_before_the_first_segment() -> None:
    out = Packaged(*stream(1900))
    assert not out.playlists.is_ready
    assert out.playlists.has(0, 0)
    assert not out.playlists.has(0, None)
    out.push(*stream(200, start=2000))
    assert out.playlists.is_ready


@pytest.mark.parametrize(
    ("gop", "interval_s", "durations", "target"),
    [
        (10, None, [2.0, 2.0], 2),
        (75, None, [3.0], 3),
        (75, 3.0, [3.0], 3),
        (20, 0.8, [2.4, 2.4], 2),
        (125, None, [5.0], 5),
    ],
)
def test_target_duration_fits_the_keyframe_interval(
    gop: int, interval_s: float | None, durations: list[float], target: int
) -> None:
    out = Packaged(*stream(5800, gop=gop), interval_s=interval_s)
    assert out.durations == durations
    assert out.find(r"TARGETDURATION:(\d+)") == [str(target)]


def assert_over(out: Packaged, reason: str) -> None:
    assert out.packager.over is not None
    assert reason in out.packager.over
    assert out.packager.fault == out.packager.over
    assert out.reports == [f"HLS ends: {out.packager.over}"]
    assert out.playlist().endswith("#EXT-X-ENDLIST\n")


@pytest.mark.parametrize("container", ["fmp4", "mpegts"])
def test_first_segment_is_as_long_as_its_keyframes_are_apart(container: str) -> None:
    out = Packaged(*stream(76_000, gop=625), longest_s=30, container=container)
    assert out.find(r"TARGETDURATION:(\d+)") == ["25"]
    assert out.durations == [25.0, 25.0, 25.0]


@pytest.mark.parametrize("audio", [True, False])
def test_keyframes_further_apart_than_the_longest_segment_end_hls_with_a_reason(
    audio: bool,
) -> None:
    out = Packaged(*stream(14_000, gop=10_000, audio=audio), longest_s=4)
    assert_over(out, "keyframes come more than 4 s apart (hls.longest_s)")
    assert all(duration <= 4.45 for duration in out.durations)
    out.push(*stream(4000, start=14_000))
    assert len(out.durations) == 1


def test_keyframes_that_become_much_rarer_than_promised_end_hls_with_a_reason() -> None:
    out = Packaged(*stream(4000), *stream(15_000, start=4000, gop=250))
    assert out.find("#EXT-X-DISCONTINUITY\n") == []
    assert out.find(r"TARGETDURATION:(\d+)") == ["2"]
    assert max(out.durations) <= 2.45
    assert_over(out, "keyframes come much further apart than before")


def uneven(gops: list[int]) -> list[Tag]:
    """Return GOPs of so many ms, one after the other, with sound."""
    starts = [sum(gops[:number]) for number in range(len(gops))]
    tags = [tag for start, gop in zip(starts, gops, strict=True) for tag in one_gop(start, gop)]
    tags += [sound(time) for time in range(0, sum(gops), 23)]
    return sorted(tags, key=lambda tag: tag.timestamp)


def one_gop(start: int, length_ms: int) -> list[Tag]:
    return [key(start), *(inter(time) for time in range(start + 40, start + length_ms, 40))]


@pytest.mark.parametrize(
    ("gops", "target"),
    [
        ([680, 2320, 3880] * 4, 5),  # twice the longest of the first segment
        ([1000, 1200, 1000] * 4, 2),
        ([2000] * 6, 2),
    ],
)
def test_keyframes_at_uneven_distances_are_given_room_and_nothing_is_left_out(
    gops: list[int], target: int
) -> None:
    out = Packaged(*uneven(gops))
    assert out.find(r"TARGETDURATION:(\d+)") == [str(target)]
    assert out.find("#EXT-X-DISCONTINUITY\n") == []
    assert max(out.durations) <= target + 0.45


@pytest.mark.parametrize("container", ["fmp4", "mpegts"])
@pytest.mark.parametrize(
    ("gops", "target"),
    [
        ([2000, 2000, 2800, 2000, 2800, 2000, 4000, 2000], 2),
        ([2000, 2000, *[4000] * 6], 2),
        ([4000, 4800, 3200, 4000, 4800, 4800, 4000], 4),
        ([1000, 1000, 1000, 6000, 1000, 1000, 1000], 2),
    ],
)
def test_keyframe_that_is_late_costs_no_media_and_no_discontinuity(
    gops: list[int], target: int, container: str
) -> None:
    out = Packaged(*uneven(gops), container=container)
    out.packager.end()
    assert out.packager.over is None
    assert out.find(r"TARGETDURATION:(\d+)") == [str(target)]
    assert out.find("#EXT-X-DISCONTINUITY\n") == []
    assert max(out.durations) <= target + 0.45
    assert sum(out.durations) == pytest.approx(sum(gops) / 1000, abs=0.1)


def test_segment_after_a_late_keyframe_begins_with_it() -> None:
    out = Packaged(*uneven([2000, 2000, 2800, 2000, 2000]))
    assert out.durations == pytest.approx([2, 2, 2.44, 0.36, 2], abs=0.05)
    first = {name.split("-")[1].partition(".")[0]: key for _, name, key in reversed(out.parts())}
    assert [bool(first[number]) for number in ("2", "3", "4")] == [True, False, True]


def test_packaging_that_ended_for_rare_keyframes_begins_anew_with_room_for_them() -> None:
    rare = [2000, 2000, 9000, 2000, 9000, 2000]
    out = Packaged(*uneven(rare))
    assert_over(out, "keyframes come much further apart than before")
    again = Packaged(*uneven(rare), interval_s=out.packager.interval_s)
    assert again.packager.over is None
    assert again.find("#EXT-X-DISCONTINUITY\n") == []


def test_segment_that_does_not_fit_into_memory_ends_hls_with_a_reason() -> None:
    out = Packaged(*stream(2000), *stream(400, start=2000), max_bytes=80_000)
    out.push(inter(2400, 100_000), *stream(400, start=2440))
    assert_over(out, "a segment is larger than hls.bytes")


def test_dates_follow_the_wall_clock() -> None:
    out = Packaged(*stream(4100))
    first, second = out.find(r"DATE-TIME:2027-01-15T08:00:(\d\d\.\d+)Z")[:2]
    assert (first, second) == ("00.000", "02.000")


def test_dates_of_what_came_in_one_go_are_those_of_the_newest() -> None:
    out = Packaged()
    for tag in stream(1500):
        out.now = 1.5
        out.packager.push(tag)
    out.push(*stream(1000, start=1500, gop=13))
    assert out.find(r"DATE-TIME:2027-01-15T08:00:(\d\d\.\d+)Z")[0] == "00.000"


def test_dates_are_corrected_when_clocks_drift() -> None:
    out = Packaged(*stream(2000))
    for tag in stream(4100, start=2000):
        out.now = tag.timestamp / 1000 + 3
        out.packager.push(tag)
    dates = out.find(r"DATE-TIME:2027-01-15T08:00:(\d\d\.\d+)Z")
    assert dates[:3] == ["00.000", "05.000", "07.000"]


def test_changed_codec_is_a_discontinuity_with_a_new_init_segment() -> None:
    out = Packaged(*stream(2400))
    out.push(video_header(AVCC_2), inter(2400), sound(2401))  # between two keyframes
    out.push(*stream(4100, start=3000))
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 1
    assert out.find(r'MAP:URI="([^"]+)"') == ["e-init-0.mp4", "e-init-1.mp4"]
    assert out.durations[:3] == [2.0, 0.4, 2.0]
    tail = out.playlist().split("#EXT-X-DISCONTINUITY\n")[1]
    assert tail.startswith('#EXT-X-MAP:URI="e-init-1.mp4"')


def test_publisher_that_comes_back_is_a_discontinuity_and_numbers_go_on() -> None:
    out = Packaged(*stream(4100))
    out.packager.interrupt()
    out.packager.start(())
    out.packager.resume()
    out.push(video_header(), audio_header(), *stream(4100, start=4120))
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 1
    assert out.playlists.next_sequence == 5
    assert out.durations == pytest.approx([2.0, 2.0, 0.08, 2.0, 2.0])


def test_hole_in_the_timeline_is_a_discontinuity() -> None:
    out = Packaged(*stream(2400))
    out.push(*stream(2100, start=9000), *stream(4000, start=2_000_000))
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 2
    assert max(out.durations) < 2.5


def test_discontinuity_sequence_counts_what_left_the_window() -> None:
    out = Packaged(*stream(2000), segments=3)
    for number in range(1, 8):
        out.push(video_header(AVCC_2 if number % 2 else AVCC_2[:-1] + b"\x22"))
        out.push(*stream(2000, start=2000 * number))
    assert out.find(r"MEDIA-SEQUENCE:(\d+)") == ["3"]
    assert out.find(r"DISCONTINUITY-SEQUENCE:(\d+)") == ["2"]
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 5
    assert len(out.durations) == 4


def test_numbers_begin_where_they_are_told_to_and_discontinuities_with_them() -> None:
    out = Packaged(*stream(4300), first=First(241_000_000, 16_000))
    assert out.find(r"SEQUENCE:(\d+)") == ["241000000", "16000"]
    assert out.find(r"^e-(\d+)\.m4s") == ["241000000", "241000001"]
    assert out.playlists.next_sequence == 241_000_002
    assert out.playlists.following == First(241_000_003, 16_000)


def test_stream_without_audio_or_without_video_is_packaged() -> None:
    video = Packaged(*stream(5000, audio=False), headers=[video_header()])
    assert video.durations == [2.0, 2.0]
    assert 'CODECS="avc1.42c00b",RESOLUTION=160x96' in video.playlists.multivariant("")
    audio = Packaged(*stream(7000, video=False), headers=[audio_header()])
    assert len(audio.durations) == 3
    assert max(audio.durations) < 2.3
    assert 'CODECS="mp4a.40.2"\nmain.m3u8?t=1' in audio.playlists.multivariant("?t=1")
    assert [track.codecs for track in audio.playlists.tracks] == ["mp4a.40.2"]


def test_video_that_is_announced_and_does_not_come_is_not_waited_for() -> None:
    out = Packaged(*stream(6000, video=False))
    assert [track.codecs for track in out.playlists.tracks] == ["mp4a.40.2"]
    out.push(inter(6000))
    out.push(*stream(5000, start=6000))
    assert len(out.playlists.tracks) == 2
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 1


def test_audio_that_comes_later_joins_at_a_keyframe() -> None:
    out = Packaged(*stream(2600, audio=False), headers=[video_header()])
    assert len(out.playlists.tracks) == 1
    out.push(audio_header(), *stream(4000, start=2600, gop=25))
    assert len(out.playlists.tracks) == 2
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 1
    assert sum(out.durations) == 4.6


def test_audio_before_the_first_keyframe_is_left_out() -> None:
    out = Packaged(*[sound(time) for time in range(0, 400, 23)], inter(360))
    out.push(*stream(2200, start=400), *stream(2200, start=2600))
    assert out.durations[0] == 2.0
    assert out.find(r"DATE-TIME:2027-01-15T08:00:(\d\d\.\d+)Z")[0] == "00.400"


def test_held_packets_of_another_timeline_are_dropped() -> None:
    held = Packaged(key(0), headers=[video_header()])
    held.push(key(500_000), *stream(3000, start=500_040, gop=10))
    assert held.durations


def test_audio_goes_on_when_the_video_stops() -> None:
    out = Packaged(*stream(2200))
    out.push(*stream(2500, start=2200, video=False))
    out.packager.interrupt()
    assert out.playlists.next_sequence >= 1
    assert out.reports == []


def test_sounds_of_the_same_time_are_moved_apart() -> None:
    out = Packaged(*stream(1000), sound(990), sound(990), sound(990), *stream(3000, start=1000))
    assert out.reports == []
    assert len(out.durations) >= 1


def test_plain_hls_has_no_parts() -> None:
    out = Packaged(*stream(5000), part_s=0)
    assert out.durations == [2.0, 2.0]
    assert "PART" not in out.playlist()
    assert out.playlists.hint is None


@pytest.mark.parametrize(("video", "size"), [(True, 90), (False, 90), (True, 370), (False, 370)])
def test_mpegts_costs_less_than_a_third_more_than_its_sound(video: bool, size: int) -> None:
    """Of 32 and 128 kbit/s: tables that are said again and half-full packets cost the most."""
    sounds = [audio_tag(time, wire("af 01 21") + bytes(size)) for time in range(0, 6000, 23)]
    pictures = stream(6000, audio=False) if video else []
    tags = sorted([*pictures, *sounds], key=lambda tag: tag.timestamp)
    headers = (video_header(), audio_header()) if video else (audio_header(),)
    out = Packaged(*tags, headers=headers, container="mpegts")
    out.packager.end()
    packets = b""
    for segment in out.window.segments:
        found = out.playlists.resource(segment.name)
        assert found is not None
        assert found.body[0] == 0x47
        packets += found.body
    heads = [packets[at + 1 : at + 3] for at in range(0, len(packets), 188)]
    ids = [int.from_bytes(head, "big") & 0x1FFF for head in heads]
    others = (0, 17, 256, 4096) if video else ()  # tables and pictures
    cost = 188 * sum(each not in others for each in ids)
    assert cost < 1.3 * len(sounds) * (size + 1)
    assert ids.count(0) <= 2 * len(out.durations)  # at the head, and with the keyframe


def test_mpegts_segments_are_whole_files() -> None:
    out = Packaged(*stream(5000), container="mpegts")
    assert out.durations == [2.0, 2.0]
    assert "EXT-X-MAP" not in out.playlist()
    segment = out.playlists.resource("e-1.ts")
    assert segment is not None
    assert segment.content_type == "video/mp2t"
    assert segment.body[0] == 0x47
    long = Packaged(*stream(9000, gop=1000), container="mpegts", longest_s=3)
    assert max(long.durations) <= 3.45


def test_memory_is_bounded() -> None:
    out = Packaged(
        *[tag for n in range(20) for tag in stream(2000, start=2000 * n)], max_bytes=200_000
    )
    size = out.playlists.size
    big = [key(40_000 + 40 * n, 10_000) for n in range(500)]
    out.push(*big)
    assert size <= 200_000
    assert out.playlists.size < 2_500_000  # two segments stay, whatever they hold


def test_playlist_is_written_once_for_each_change() -> None:
    out = Packaged(*stream(2500))
    first = out.playlist()
    assert out.playlist() is first
    out.push(*stream(1000, start=2500, gop=1000))
    assert out.playlist() is not first
    assert out.playlist(skip=True) is not None
    for number in range(100):
        out.playlists.media_playlist(skip=False, query=f"?t={number}")
    assert out.changes > 10


def test_frame_rate_is_measured_where_it_is_not_declared() -> None:
    header = video_tag(0, wire("90 61763031 81010c00 0a0c0200000d6627fb3805f00080"))
    frames = [
        video_tag(40 * n, wire("91" if n % 50 == 0 else "a1") + wire("61763031 1200"))
        for n in range(120)
    ]
    out = Packaged(*frames, headers=[header])
    out.packager.end()
    assert "FRAME-RATE=25.000" in out.playlists.multivariant("")
    odd = [tag._replace(timestamp=tag.timestamp * 7 // 4) for tag in frames]
    out = Packaged(*odd, headers=[header])
    out.packager.end()
    assert "FRAME-RATE=14.286" in out.playlists.multivariant("")
    one = Packaged(frames[0], sound(0), headers=[header, audio_header()])
    one.packager.end()
    assert "FRAME-RATE" not in one.playlists.multivariant("")


def test_tracks_that_cannot_be_packaged_are_reported_and_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = Packaged()
    made = 0

    def fail(*_: object) -> bytes:
        nonlocal made
        made += 1
        raise MediaError("no such tracks")

    monkeypatch.setattr(hls_run, "init_of", fail)
    out.push(*stream(4000))
    assert out.reports == ["no such tracks"]
    assert made == 1
    monkeypatch.undo()
    out.push(video_header(AVCC_2), *stream(4100, start=4000))
    assert len(out.durations) == 2


def refuse(
    patch: pytest.MonkeyPatch,
    is_refused: Callable[[Packet], bool],
    error: type[MediaError] = BadPacketError,
) -> None:
    """Have FFmpeg refuse some packets, or give up on a run."""
    write = Muxer.write

    def write_some(muxer: Muxer, packet: Packet) -> tuple[bytes, Packet | None]:
        if is_refused(packet):
            raise error("bad")
        return write(muxer, packet)

    patch.setattr(Muxer, "write", write_some)


@pytest.mark.parametrize("kind", [VIDEO, AUDIO])
def test_packet_that_is_refused_is_left_out_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, kind: TagKind
) -> None:
    refuse(monkeypatch, lambda packet: packet.kind is kind and 2400 <= packet.dts < 2450)
    out = Packaged(*stream(7000), container="mpegts")
    assert out.reports == ["bad"]
    assert out.packager.packets.left_out == 2
    assert out.durations == [2.0, 2.0, 2.0]
    assert out.find("#EXT-X-DISCONTINUITY\n") == []


def test_run_that_fails_is_begun_anew_with_a_discontinuity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = [True]
    refuse(
        monkeypatch,
        lambda packet: packet.dts == 2440 and bool(failures) and failures.pop(),
        MediaError,
    )
    out = Packaged(*stream(7000), container="mpegts")
    assert out.reports == ["bad"]
    assert out.durations == pytest.approx([2.0, 0.48, 2.0], abs=0.05)
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 1
    assert out.packager.fault is None


@pytest.mark.parametrize(("kind", "codecs"), [(VIDEO, "mp4a.40.2"), (AUDIO, "avc1.42c00b")])
def test_track_of_refused_packets_is_left_out_and_tried_again_after_a_minute(
    monkeypatch: pytest.MonkeyPatch, kind: TagKind, codecs: str
) -> None:
    refuse(monkeypatch, lambda packet: packet.kind is kind and 5000 <= packet.dts < 20_000)
    out = Packaged(*stream(15_000), container="mpegts")
    assert [track.codecs for track in out.playlists.tracks] == [codecs]
    codec = "h264" if kind is VIDEO else "aac"
    assert out.reports == ["bad", f"{codec} is left out: bad"]
    out.push(*stream(60_000, start=15_000))
    assert len(out.playlists.tracks) == 2
    assert sum(out.durations) == pytest.approx(75, abs=3.5)


def test_stream_whose_every_run_fails_is_tried_more_and_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fails: list[int] = []
    refuse(
        monkeypatch,
        lambda packet: packet.dts % 1000 == 120 and not fails.append(packet.dts),  # type: ignore[func-returns-value]
        MediaError,
    )
    out = Packaged(*stream(200_000), container="mpegts")
    assert [time // 1000 for time in fails] == [0, 1, 3, 6, 11, 20, 37, 70, 135, 199][: len(fails)]
    assert out.reports == ["bad"]
    assert out.packager.fault == "bad"


def test_tracks_that_change_with_every_picture_open_a_muxer_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = 0

    class Counted(Muxer):
        def __init__(self, *arguments: Any) -> None:
            nonlocal made
            made += 1
            super().__init__(*arguments)

    monkeypatch.setattr(package, "Muxer", Counted)
    out = Packaged()
    for number in range(500):
        time = 40 * number
        header = video_header(AVCC_2[:-1] + bytes([number % 250]))
        out.push(header._replace(timestamp=time), key(time), sound(time))
    assert made <= 8 + 20 + 1
    assert made > 15


@pytest.mark.parametrize("later", [0, 400, 2500])
@pytest.mark.parametrize(
    ("foreign", "frame", "codecs"),
    [
        (video_tag(0, wire("90 76703038 00")), video_tag(0, wire("91 76703038 00")), "mp4a.40.2"),
        (audio_tag(0, wire("b2 00")), audio_tag(0, wire("b2 00")), "avc1.42c00b"),
        (video_tag(0, wire("22 00")), video_tag(0, wire("22 00")), "mp4a.40.2"),
    ],
    ids=["vp8", "speex", "h263"],
)
def test_codec_that_cannot_be_packaged_follows_one_that_can(
    foreign: Tag, frame: Tag, codecs: str, later: int
) -> None:
    tags = [tag for tag in stream(8000) if tag.kind is not frame.kind or tag.timestamp < later]
    out = Packaged(*[tag for tag in tags if tag.timestamp < later])
    out.push(foreign._replace(timestamp=later))
    rest = [tag for tag in tags if tag.timestamp >= later]
    rest += [frame._replace(timestamp=later + 40 * number) for number in range(200)]
    out.push(*sorted(rest, key=lambda tag: tag.timestamp))
    assert [track.codecs for track in out.playlists.tracks] == [codecs]
    assert len(out.reports) == 1
    assert "does not go into fmp4" in out.reports[0]
    assert sum(out.durations) > 3


def test_picture_goes_on_when_the_sound_changes_between_two_keyframes() -> None:
    out = Packaged(*stream(2400, gop=50))
    out.push(audio_header("1190"), *stream(7000, start=2400, gop=50))
    pictures = 40 * sum(tag.kind is VIDEO for tag in stream(9400))
    assert sum(out.durations) * 1000 >= pictures - 2400
    assert len(out.find("#EXT-X-DISCONTINUITY\n")) == 1
    assert out.durations[:2] == [2.0, 0.4]
    assert out.playlists.tracks[1].sample_rate == 48_000


@pytest.mark.parametrize("record", ["f8e4 2000", "178056e5 00 10 88"])
def test_sound_that_mpegts_does_not_take_is_left_out_and_the_picture_packaged(
    record: str,
) -> None:
    out = Packaged(
        *stream(5000), headers=(video_header(), audio_header(record)), container="mpegts"
    )
    assert out.durations == [2.0, 2.0]
    assert [track.codecs for track in out.playlists.tracks] == ["avc1.42c00b"]
    assert len(out.reports) == 1
    assert "aac is left out" in out.reports[0]
    out.push(audio_header(), *stream(5000, start=5000))
    assert len(out.playlists.tracks) == 2


def test_tracks_without_an_init_segment_are_not_packaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Muxer, "_keep_init", lambda _: None)
    out = Packaged(*stream(3000))
    assert out.reports == ["FFmpeg does not know how to write these tracks"]
    assert out.packager.fault == out.reports[0]
    assert out.durations == []


def test_stream_that_ends_before_anything_came_is_over() -> None:
    out = Packaged()
    out.packager.end()
    assert out.playlists.is_ready
    assert out.playlist().endswith("#EXT-X-ENDLIST\n")
    assert "BANDWIDTH=0" in out.playlists.multivariant("")


def test_codec_that_changes_every_second_is_survived() -> None:
    out = Packaged(segments=5)
    for second in range(60):
        record = AVCC_2[:-1] + bytes([second])
        out.push(video_header(record), *stream(1000, start=1000 * second))
    assert len(out.durations) == 6, "three target durations stay listed"
    assert out.playlists.size < 100_000
    assert out.reports == []


TAGS = st.sampled_from(
    [
        video_header(),
        video_header(AVCC_2),
        audio_header(),
        audio_header("1190"),
        video_tag(0, wire("90 68766331 01")),
        video_tag(0, wire("17 01 000000 00000009 65")),
        video_tag(0, wire("17 01 7fffff") + nalu(b"\x65", 3)),
        audio_tag(0, wire("af 01 fff15040016ffc 2110045f")),
        audio_tag(0, wire("2f fffb50c4 00")),
        audio_tag(0, wire("91 61632d33 0b77")),
        key(0),
        inter(0),
        sound(0),
    ]
)
TIMES = st.one_of(st.integers(0, 5000), st.integers(0, 0xFFFFFFFF))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TAGS, TIMES), max_size=60))
def test_any_tags_give_a_playlist_and_no_error(pushed: list[tuple[Tag, int]]) -> None:
    out = Packaged(*[tag._replace(timestamp=time) for tag, time in pushed])
    out.packager.end()
    assert out.playlist().startswith("#EXTM3U\n")
    for name in out.find(r"^(?!#)(\S+)$"):
        assert out.playlists.resource(name) is not None


def test_lone_frames_and_late_tracks_make_parts_all_the_same() -> None:
    undeclared = "0142000affe10007 6742000ada1780 00"
    out = Packaged(headers=[video_header(wire(undeclared))])
    out.push(key(0), *[inter(1000 * n) for n in range(1, 6)])
    out.packager.end()
    assert sum(out.durations) > 4
    assert out.reports == []
    one = Packaged(key(0), sound(0), headers=[video_header(wire(undeclared)), audio_header()])
    one.packager.end()
    assert one.playlists.is_ready


def test_keyframe_just_behind_a_fragment_that_ended_with_audio_begins_a_segment() -> None:
    # Audio that comes in larger steps than pictures fills a fragment by itself now and then.
    pictures = [(key if n % 50 == 0 else inter)(40 * n) for n in range(160)]
    sounds = [sound(199 * n + 1) for n in range(32)]
    out = Packaged(*sorted([*pictures, *sounds], key=lambda tag: tag.timestamp))
    assert out.durations == pytest.approx([2.0, 2.0, 2.0], abs=0.05)
    assert len(out.find("INDEPENDENT=YES")) >= 3


def test_run_whose_first_packet_is_refused_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Packaged(container="mpegts")
    out.packager.interrupt()
    monkeypatch.setattr(Muxer, "write", lambda *_: (_ for _ in ()).throw(MediaError("bad")))
    out.push(*stream(100))
    assert out.reports == ["bad"]
    out.packager.end()
    assert out.durations == []
