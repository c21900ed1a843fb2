"""Tests of headend.cli.bench_stream."""

from tests.wire import wire

from headend.cli.bench_stream import StampedStream, headers, stamp_of
from headend.media.codecs import audio_tag, video_tag
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag


def test_a_second_holds_30_pictures_and_43_sounds() -> None:
    timeline = StampedStream(1000)
    kinds = []
    while timeline.due_s < 0.9999:
        kinds.append(timeline.next(0).kind)
    assert kinds.count(VIDEO) == 30
    assert kinds.count(AUDIO) == 44  # the first is due at 0


def test_two_seconds_have_one_keyframe_and_the_bit_rate() -> None:
    timeline = StampedStream(2000)
    tags = []
    while timeline.due_s < 1.9999:
        tags.append(timeline.next(1))
    pictures = [tag for tag in tags if tag.kind is VIDEO]
    assert [tag.timestamp for tag in pictures if tag.is_keyframe] == [0]
    assert abs(sum(len(tag.body) for tag in pictures) - 500_000) < 5000


def test_a_picture_is_an_sei_message_with_the_stamp_and_one_slice() -> None:
    body = StampedStream(100).next(0x0123456789ABCDEF).body
    sei = "06 05 20 68656164656e642d62656e63682d6e73 30313233343536373839616263646566 80"
    assert body.startswith(wire("17 01 000000 00000024 " + sei))
    rest = body[9 + 36 :]
    assert int.from_bytes(rest[:4], "big") == len(rest) - 4
    assert rest[4] == 0x65
    assert 0 not in rest[4:]


def test_a_tag_is_what_a_server_would_read_from_its_body() -> None:
    timeline = StampedStream(300)
    for tag in [*headers(), *(timeline.next(5) for _ in range(200))]:
        read = video_tag if tag.kind is VIDEO else audio_tag
        assert read(tag.timestamp, tag.body) == tag


def test_the_stamp_of_a_picture_is_read_back() -> None:
    assert stamp_of(StampedStream(300).next(1_234_567_890_123)) == 1_234_567_890_123


def test_other_tags_have_no_stamp() -> None:
    picture = StampedStream(300).next(7).body
    assert stamp_of(Tag(AUDIO, 0, picture, False, False)) is None
    assert stamp_of(Tag(SCRIPT, 0, picture, False, False)) is None
    assert stamp_of(Tag(VIDEO, 0, wire("27 01 000000 00000001 41"), False, False)) is None
    assert stamp_of(Tag(VIDEO, 0, picture[:28] + b"g" * 16 + picture[44:], True, False)) is None
