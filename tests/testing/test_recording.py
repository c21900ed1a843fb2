"""Tests of headend.testing.recording: what its checks find, and what they say."""

import re
from collections.abc import Callable

import pytest
from tests.wire import wire

from headend.media.tag import AUDIO, VIDEO, Tag
from headend.testing import Recording, make_clip

CLIP = make_clip(1.0, gop=10)
HEADER = next(tag for tag in CLIP.tags if tag.kind is VIDEO and tag.is_sequence_header)
PICTURES = Recording(CLIP.tags).media(VIDEO)


def without(*tags: Tag) -> Recording:
    return Recording(tag for tag in CLIP.tags if tag not in tags)


def shifted(start: int, ms: int) -> Recording:
    """Move all pictures from one on."""
    moved = [tag._replace(timestamp=(tag.timestamp + ms) & 0xFFFF_FFFF) for tag in PICTURES[start:]]
    return Recording([HEADER, *PICTURES[:start], *moved])


def test_facts_are_those_of_the_media() -> None:
    recording = Recording(CLIP.tags)
    assert repr(recording).startswith("<Recording of 9")
    assert 900 <= recording.duration_ms <= 1000
    assert recording.keyframe_intervals == [400, 400]
    assert recording.bit_rate > 10_000
    assert {track.codecs[:4] for track in recording.tracks} == {"avc1", "mp4a"}
    empty = Recording([])
    assert (empty.duration_ms, empty.bit_rate, empty.keyframe_intervals, empty.tracks) == (
        0,
        0,
        [],
        [],
    )


def test_good_media_passes_every_check_in_a_chain() -> None:
    recording = Recording(CLIP.tags)
    recording.assert_starts_with_keyframe().assert_no_gap().assert_keyframe_interval(400)
    recording.assert_bit_rate(1000, 10_000_000).assert_tracks("avc1", width=160, height=96)
    recording.assert_decodes().assert_same_media(CLIP.tags)


def test_time_may_wrap() -> None:
    before = (0xFFFF_FFFF - 200) & 0xFFFF_FFFF
    moved = [tag._replace(timestamp=(tag.timestamp + before) & 0xFFFF_FFFF) for tag in CLIP.tags]
    recording = Recording(moved).assert_no_gap().assert_decodes()
    assert recording.keyframe_intervals == [400, 400]


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (lambda: Recording([]).assert_starts_with_keyframe(), "no picture among 0 tags"),
        (
            lambda: without(PICTURES[0]).assert_starts_with_keyframe(),
            r"the first picture \(tag \d\) is no keyframe",
        ),
        (
            lambda: without(HEADER).assert_starts_with_keyframe(),
            r"no sequence header before the first picture \(tag \d\)",
        ),
        (lambda: shifted(5, 900).assert_no_gap(), "from 160 to 1100 ms: a gap of 940 ms, over 500"),
        (lambda: shifted(5, -100).assert_no_gap(), "video goes from 160 to 100 ms: back"),
        (
            lambda: Recording(CLIP.tags).assert_keyframe_interval(300),
            r"400 ms from one keyframe to the next, over 300; all: \[400, 400\]",
        ),
        (lambda: Recording([PICTURES[0]]).assert_keyframe_interval(9), "less than two keyframes"),
        (lambda: Recording(CLIP.tags).assert_bit_rate(10**9), r"\d+ bit/s, below 1000000000"),
        (lambda: Recording(CLIP.tags).assert_bit_rate(0, 10), r"\d+ bit/s, over 10"),
        (lambda: Recording(CLIP.tags).assert_tracks("hvc1"), r"no hvc1 among \['avc1"),
        (
            lambda: Recording(CLIP.tags).assert_tracks(width=1920, height=1080),
            "the picture is 160x96, not 1920x1080",
        ),
        (
            lambda: Recording([Tag(VIDEO, 7, wire("17 00 000000 01"), False, True)]).tracks,
            "the video sequence header at 7 ms cannot be read",
        ),
        (
            lambda: Recording(
                [HEADER, PICTURES[0]._replace(body=PICTURES[0].body[:40])]
            ).assert_decodes(),
            "decoding fails after 0 frames|0 frames decoded, with 1 pictures received",
        ),
        (
            lambda: without(PICTURES[4]).assert_same_media(CLIP.tags),
            "video differs from what was published: tag 4 of 24",
        ),
        (
            lambda: without(*PICTURES[20:]).assert_same_media(CLIP.tags, may_lack=3),
            "the last 5 video tags are missing",
        ),
        (
            lambda: Recording([HEADER]).assert_same_media(CLIP.tags),
            "no video; 25 tags were published",
        ),
        (
            lambda: Recording(CLIP.tags).assert_same_media([HEADER, *PICTURES]),
            r"\d+ audio tags, and none was published",
        ),
        (
            lambda: Recording([PICTURES[0]._replace(body=b"\x17\x01")]).assert_same_media(
                CLIP.tags
            ),
            "the first video tag was never published",
        ),
    ],
)
def test_check_says_what_is_wrong(check: Callable[[], object], words: str) -> None:
    with pytest.raises(AssertionError) as failure:
        check()
    assert re.search(words, str(failure.value))


def test_media_in_a_loop_is_found_wherever_the_player_came_in() -> None:
    sent = [*PICTURES, *PICTURES, *PICTURES[:5]]
    Recording(sent[10:]).assert_same_media(sent)
    Recording(sent[30:]).assert_same_media(sent)
    assert AUDIO not in {tag.kind for tag in sent}
