"""Tests of media.multitrack: one track among several, and the first one alone."""

import pytest

from headend.errors import MediaError
from headend.media.codecs import audio_tag, script_tag, track_ids, video_tag
from headend.media.headers import parse_video_header
from headend.media.multitrack import beside, first_of
from headend.media.tag import Tag

AVC1, MP4A, OPUS = b"avc1".hex(), b"mp4a".hex(), b"Opus".hex()


def video(text: str) -> Tag:
    return video_tag(7, bytes.fromhex(text))


def audio(text: str) -> Tag:
    return audio_tag(7, bytes.fromhex(text))


@pytest.mark.parametrize(
    ("plain", "of_track_2"),
    [
        (video("17 00 000000 0164"), f"96 00 {AVC1} 02 0164"),
        (video("27 01 fffffe 00000001 65"), f"a6 01 {AVC1} 02 fffffe 00000001 65"),
        (video(f"91 {AVC1} 000010 aabb"), f"96 01 {AVC1} 02 000010 aabb"),
        (video(f"a3 {AVC1} aabb"), f"a6 03 {AVC1} 02 aabb"),
        (audio("af 00 1190"), f"95 00 {MP4A} 02 1190"),
        (audio("af 01 aabb"), f"95 01 {MP4A} 02 aabb"),
        (audio("2f aabb"), f"95 01 {b'.mp3'.hex()} 02 aabb"),
        (audio(f"91 {OPUS} aabb"), f"95 01 {OPUS} 02 aabb"),
    ],
)
def test_plain_message_becomes_one_of_a_track(plain: Tag, of_track_2: str) -> None:
    made = beside(plain, 2)
    assert made.body.hex() == bytes.fromhex(of_track_2).hex()
    assert (made.kind, made.timestamp) == (plain.kind, 7)
    assert made.is_sequence_header == plain.is_sequence_header
    assert not made.is_keyframe  # streams are joined at track 0
    assert track_ids(made) == (2,)


def test_track_0_stays_plain() -> None:
    assert beside(tag := audio("af 01 aa"), 0) is tag


@pytest.mark.parametrize("tag", [video("52 00"), video("22 aa"), audio("7f aa"), audio("af")])
def test_what_enhanced_rtmp_has_no_track_for_is_refused(tag: Tag) -> None:
    with pytest.raises(MediaError):
        beside(tag, 1)


@pytest.mark.parametrize(
    ("tag", "first"),
    [
        (video(f"96 01 {AVC1} 00 000010 aabb"), f"91 {AVC1} 000010 aabb"),
        (video(f"96 00 {AVC1} 00 0164"), f"90 {AVC1} 0164"),
        (video(f"96 13 {AVC1} 01 000001 cc 00 000002 aabb"), f"93 {AVC1} aabb"),
        (audio(f"95 01 {MP4A} 00 aabb"), f"91 {MP4A} aabb"),
        (audio(f"95 21 {OPUS} 01 000001 cc {MP4A} 00 000001 aa"), f"91 {MP4A} aa"),
        (audio(f"97 02 00000f 01 {OPUS} aa"), f"91 {OPUS} aa"),  # nanoseconds are left out
    ],
)
def test_first_track_is_a_plain_message(tag: Tag, first: str) -> None:
    found = first_of(tag)
    assert found is not None
    assert found.body.hex() == bytes.fromhex(first).hex()
    assert found[:2] == tag[:2]
    assert found[3:] == tag[3:]


@pytest.mark.parametrize(
    "tag",
    [
        video("27 01 000000 aa"),
        video(f"a1 {AVC1} 000000 aa"),
        audio("af 01 aa"),
        audio(f"91 {OPUS} aa"),
        video("96 71"),  # makes no sense
        video("d7 00 00 00 01"),  # ModEx before a command
        script_tag(0, b"\x02\x00\x01a"),
    ],
)
def test_other_messages_are_given_on_as_they_are(tag: Tag) -> None:
    assert first_of(tag) is tag


@pytest.mark.parametrize("tag", [video(f"96 01 {AVC1} 01 000000 aa"), audio(f"95 01 {MP4A} 09 aa")])
def test_nothing_is_left_of_another_track(tag: Tag) -> None:
    assert first_of(tag) is None


def test_both_ways_give_what_was_there() -> None:
    plain = video(f"91 {AVC1} fffffe aabb")
    made = beside(plain, 1)
    assert parse_video_header(made.body).composition_time == -2
    zero = made._replace(body=made.body[:6] + b"\0" + made.body[7:])
    found = first_of(zero)
    assert found is not None
    assert found.body == plain.body
