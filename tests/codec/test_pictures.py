"""Tests of headend.codec.pictures."""

from headend.codec.pictures import FRONT_BYTES, MOST_PIECES, WATCHED, Pictures, VideoMessage
from headend.media.headers import Codec
from headend.media.nalus import Picture

BEGINS, GOES_ON, NONE = Picture.BEGINS, Picture.GOES_ON, Picture.NONE


def message(time: int, payload: bytes = b"a", *, is_keyframe: bool = False) -> VideoMessage:
    return VideoMessage(time, 0, is_keyframe, payload, Codec.H264)


def taken(pictures: Pictures, *messages: tuple[int, bytes, Picture]) -> list[tuple[int, bytes]]:
    """Give messages that all find their place; return the pictures that are whole."""
    whole: list[VideoMessage] = []
    for time, payload, has in messages:
        found, has_place = pictures.take(message(time, payload), has)
        assert has_place
        whole += found
    return [(each.timestamp, each.payload) for each in whole]


def settled() -> Pictures:
    """Return what has seen as many whole pictures as it watches."""
    pictures = Pictures()
    whole = taken(pictures, *[(number, b"a", BEGINS) for number in range(WATCHED)])
    assert whole == [(number, b"a") for number in range(WATCHED)]
    assert not pictures.holds
    return pictures


def test_pieces_of_one_time_are_one_picture() -> None:
    pictures = Pictures()
    whole = taken(
        pictures,
        (0, b"a", BEGINS), (0, b"b", GOES_ON), (0, b"c", GOES_ON),
        (40, b"d", BEGINS), (40, b"e", GOES_ON),
    )  # fmt: skip
    assert whole == [(0, b"abc")]
    assert [each.payload for each in pictures.flush()] == [b"de"]
    assert pictures.flush() == []


def test_picture_of_the_same_time_and_piece_of_another_are_pictures_of_their_own() -> None:
    pictures = Pictures()
    whole = taken(pictures, (0, b"a", BEGINS), (0, b"b", BEGINS), (40, b"c", GOES_ON))
    assert whole == [(0, b"a"), (0, b"b")]


def test_parameter_sets_belong_to_the_next_picture() -> None:
    pictures = Pictures()
    assert pictures.take(message(0, b"sps", is_keyframe=True), NONE) == ([], True)
    assert taken(pictures, (1, b"pps", NONE), (1, b"a", BEGINS), (1, b"b", GOES_ON)) == []
    (whole,) = pictures.flush()
    assert (whole.payload, whole.is_keyframe, whole.timestamp) == (b"spsppsab", True, 1)
    assert taken(pictures, (2, b"c", BEGINS)) == []
    assert not pictures.flush()[0].is_keyframe


def test_pictures_that_come_whole_are_not_held_back_for_long() -> None:
    pictures = settled()
    assert taken(pictures, (100, b"a", BEGINS), (101, b"b", BEGINS)) == [(100, b"a"), (101, b"b")]
    assert pictures.flush() == []
    assert taken(pictures, (101, b"sei", NONE)) == []
    assert pictures.holds
    assert taken(pictures, (102, b"c", BEGINS)) == [(102, b"seic")]
    assert not pictures.holds


def test_piece_that_comes_too_late_has_no_place_and_the_next_ones_have() -> None:
    pictures = settled()
    assert taken(pictures, (100, b"a", BEGINS)) == [(100, b"a")]
    assert pictures.take(message(100, b"b"), GOES_ON) == ([], False)
    for time in range(101, 300):
        whole = taken(pictures, (time, b"c", BEGINS), (time, b"d", GOES_ON))
        assert whole == ([(time - 1, b"cd")] if time > 101 else [])


def test_what_is_held_is_bounded() -> None:
    pictures = Pictures()
    taken(pictures, (0, b"a", BEGINS), *[(0, b"b", GOES_ON)] * MOST_PIECES)
    assert pictures.take(message(0, b"b"), GOES_ON) == ([], False)
    assert len(pictures.flush()[0].payload) == MOST_PIECES + 1
    taken(pictures, (40, bytes(8 << 20), BEGINS), (40, bytes(8 << 20), GOES_ON))
    assert pictures.take(message(40, b"b"), GOES_ON) == ([], False)
    taken(pictures, (80, bytes(FRONT_BYTES), NONE))
    assert pictures.take(message(80, b"b"), NONE) == ([], False)
