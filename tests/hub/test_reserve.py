"""Tests of headend.hub.reserve."""

from tests.hub.fakes import AAC, AVC, AVC_2, META, inter, key, name, sound
from tests.wire import wire

from headend.hub.reserve import Reserve
from headend.media.codecs import script_tag, video_tag
from headend.media.tag import Tag


def reserve(log_s: float = 20, log_bytes: int = 1 << 20) -> Reserve:
    return Reserve(log_s, log_bytes)


def names(tags: list[Tag]) -> list[str]:
    return [name(tag) for tag in tags]


def test_headers_and_the_newest_group_of_pictures_are_kept() -> None:
    kept = reserve()
    assert not kept.keep([META, AVC, AAC], 0)
    assert kept.keep([key(0), inter(33), sound(40)], 0)
    assert kept.keep([key(66), sound(70), inter(99)], 0.1)
    assert names(kept.tags()) == ["meta", "h1", "aac", "K66", "a70", "v99"]


def test_keyframe_in_several_messages_is_kept_whole() -> None:
    kept = reserve()
    kept.keep([AVC, key(0), inter(33), key(66), key(66), key(66), inter(99)], 0)
    assert names(kept.tags()) == ["h1", "K66", "K66", "K66", "v99"]
    kept.keep([key(66)], 0)  # another picture, of a clock that stands still
    assert names(kept.tags()) == ["h1", "K66"]


def test_what_describes_a_track_is_kept_with_its_sequence_header() -> None:
    kept = reserve()
    color = video_tag(0, wire("d4 61766331 020009 636f6c6f72496e666f 06"))
    kept.keep([AVC, color, key(0), inter(33), key(66)], 0)
    assert kept.tags()[:2] == [tag._replace(timestamp=66) for tag in (AVC, color)]


def test_source_without_a_track_0_has_the_keyframes_of_its_lowest_track() -> None:
    kept = reserve()
    header = video_tag(0, wire("96 00 61766331 01 01640028"))
    picture = video_tag(0, wire("96 01 61766331 01 000000 65"))
    assert kept.keep([header, picture, sound(4)], 0)
    assert kept.tags() == [header, picture._replace(is_keyframe=True), sound(4)]


def test_headers_are_those_of_the_keyframe() -> None:
    kept = reserve()
    kept.keep([AVC, key(0), AVC_2], 0)
    assert names(kept.tags()) == ["h1", "K0", "h2"]


def test_without_a_keyframe_it_is_not_ready() -> None:
    kept = reserve()
    assert not kept.keep([AVC, inter(0), inter(33)], 0)
    assert not kept.has_keyframe
    assert not kept.is_ready(0, 1.5)


def test_sound_is_no_keyframe_of_a_source_that_has_sent_video_before() -> None:
    kept = Reserve(20, 1 << 20, [AVC, AAC])
    assert not kept.keep([sound(0), inter(10)], 0)
    assert kept.keep([key(33), sound(40)], 0)
    assert names(kept.tags()) == ["h1", "aac", "K33", "a40"]


def test_nothing_is_ready_before_media_came() -> None:
    assert not reserve().is_ready(0, 1.5)
    assert not reserve().is_steady(100, 3)
    assert not reserve().has_keyframe


def test_every_sound_is_a_keyframe_without_video() -> None:
    kept = reserve()
    assert kept.keep([AAC, sound(0), sound(23)], 0)
    assert [tag.timestamp for tag in kept.tags()] == [23, 23]


def test_log_over_its_limits_waits_for_the_next_keyframe() -> None:
    kept = reserve(log_s=1)
    kept.keep([AVC, key(0), inter(500), inter(1001), inter(1100)], 0)
    assert not kept.has_keyframe
    assert not kept.is_ready(0, 1.5)
    kept.keep([key(2000)], 1)
    assert names(kept.tags()) == ["h1", "K2000"]


def test_data_other_than_metadata_is_no_header() -> None:
    kept = reserve()
    kept.keep([script_tag(0, b"\x02\x00\x05onCue"), key(0)], 0)
    assert names(kept.tags()) == ["K0"]


def test_source_is_ready_while_its_media_come() -> None:
    kept = reserve()
    kept.keep([AVC, key(0)], 10)
    assert kept.is_ready(11.4, 1.5)
    assert not kept.is_ready(11.5, 1.5)


def test_source_is_steady_after_media_without_a_gap() -> None:
    kept = reserve()
    for tenths in range(40):
        kept.keep([inter(100 * tenths)], tenths / 10)
    assert not kept.is_steady(2.9, 3)
    assert kept.is_steady(3, 3)
    kept.keep([inter(9000)], 5.0)  # more than a second after the last one
    assert not kept.is_steady(7.9, 3)
    assert kept.is_steady(8, 3)
