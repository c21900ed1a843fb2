"""Tests of headend.sources.pacing."""

from collections.abc import Generator, Sequence
from itertools import islice

import pytest
from tests.wire import wire

from headend.codec.extent import CutShort
from headend.errors import MediaError
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.sources.pacing import Pace, repeated

METADATA = Tag(SCRIPT, 0, b"\x02", False, False)
HEADER = Tag(VIDEO, 0, wire("17 00 000000 01"), False, True)


class Listed:
    """A source that gives what it is given."""

    notes: Sequence[str] = ()
    is_enhanced = False

    def __init__(self, *tags: Tag) -> None:
        self._tags = tags

    def batches(self) -> Generator[list[Tag], None, None]:
        for tag in self._tags:
            yield [tag]


def video(timestamp: int, body: bytes = b"\x27\x01") -> Tag:
    return Tag(VIDEO, timestamp, body, False, False)


def audio(timestamp: int) -> Tag:
    return Tag(AUDIO, timestamp, b"\xaf\x01", False, False)


def timestamps(count: int, *tags: Tag) -> list[int]:
    repeats = (tag for batch in repeated(Listed(*tags)) for tag in batch)
    return [tag.timestamp for tag in islice(repeats, count)]


def test_source_that_is_cut_short_is_repeated_as_far_as_it_goes() -> None:
    class Cut(Listed):
        def batches(self) -> Generator[list[Tag], None, None]:
            yield from super().batches()
            raise CutShort("a.flv is cut short")

    repeats = (tag for batch in repeated(Cut(video(0), video(40))) for tag in batch)
    assert [tag.timestamp for tag in islice(repeats, 4)] == [0, 40, 80, 120]


def test_first_tag_is_due_at_once() -> None:
    assert Pace(50.0).delay(90_000, 50.0) == 0


def test_tags_are_due_at_their_distance() -> None:
    pace = Pace(50.0)
    pace.delay(1000, 50.0)
    assert pace.delay(1040, 50.0) == pytest.approx(0.04)
    assert pace.delay(1020, 50.0) == pytest.approx(0.02)
    assert pace.delay(2000, 50.5) == pytest.approx(0.5)


def test_tag_that_is_late_does_not_wait() -> None:
    pace = Pace(0.0)
    pace.delay(0, 0.0)
    assert pace.delay(40, 3.0) < 0
    assert pace.delay(4000, 3.0) == pytest.approx(1.0)


def test_timestamps_may_wrap() -> None:
    pace = Pace(0.0)
    pace.delay(0xFFFFFFF0, 0.0)
    assert pace.delay(0x10, 0.0) == pytest.approx(0.032)


@pytest.mark.parametrize("jump", [0, 500, 3_600_000])
def test_jump_starts_a_new_clock(jump: int) -> None:
    pace = Pace(0.0)
    pace.delay(20_000, 0.0)
    assert pace.delay(jump, 0.0) == 0
    assert pace.delay(jump + 40, 0.0) == pytest.approx(0.04)


def test_timestamps_go_on_when_a_source_is_repeated() -> None:
    tags = (METADATA, HEADER, video(5000), audio(5010), video(5040), audio(5033))
    assert timestamps(12, *tags) == [0, 0, 0, 10, 40, 33, 80, 80, 80, 90, 120, 113]


def test_audio_that_lasts_longer_counts() -> None:
    assert timestamps(8, audio(0), video(0), audio(23), audio(46)) == [
        0,
        0,
        23,
        46,
        69,
        69,
        92,
        115,
    ]


def test_what_comes_before_the_first_frame_starts_with_it() -> None:
    assert timestamps(4, video(100), audio(90), video(140), video(180)) == [0, 0, 40, 80]


def test_timestamps_wrap_at_32_bits() -> None:
    tags = (video(0), video(0x7FFF_0000), video(0x7FFF_0001))
    assert timestamps(9, *tags)[6:8] == [0xFFFE_0004, 0x7FFD_0004]


@pytest.mark.parametrize("body", [wire("17 02 000000"), wire("92 68766331")])
def test_end_of_a_track_is_not_repeated(body: bytes) -> None:
    assert timestamps(4, video(0), video(40), video(40, body)) == [0, 40, 80, 120]


@pytest.mark.parametrize("body", [wire("17 01 000000"), wire("91 68766331"), wire("17 02")])
def test_other_short_tags_are_repeated(body: bytes) -> None:
    assert timestamps(3, video(0), video(40), video(80, body)) == [0, 40, 80]


@pytest.mark.parametrize("tags", [(), (METADATA,), (video(0),)])
def test_source_without_a_duration_cannot_be_repeated(tags: tuple[Tag, ...]) -> None:
    with pytest.raises(MediaError, match="too short to be repeated"):
        timestamps(5, *tags)
