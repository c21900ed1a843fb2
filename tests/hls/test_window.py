"""Tests of headend.hls.window."""

from dataclasses import replace

import pytest
from tests.defaults import hls_limits

from headend.hls.numbers import First
from headend.hls.store_port import Init, MediaPart
from headend.hls.window import Resource, Window


def window_of(most: int, max_bytes: int = 1000, first: First | None = None) -> Window:
    return Window("e", first or First(0, 0), hls_limits(segments=most, max_bytes=max_bytes))


def part(body: bytes, duration: float = 1.0, *, key: bool = True) -> MediaPart:
    return MediaPart(body, 0.0, duration, key, 25, False)


def fill(window: Window, body: bytes = b"a", *, parts: int = 2) -> None:
    window.date(5.0)
    for index in range(parts):
        window.add_part(part(body, key=index == 0))
    window.end_segment()


def test_segment_grows_by_parts_and_both_can_be_fetched() -> None:
    window = window_of(3)
    window.add_init(Init(b"init", ()))
    init = "e-init-0.mp4"
    window.date(5.0)
    window.add_part(part(b"ab", 0.5))
    assert window.current is not None
    assert window.current.date == 5.0
    assert (window.current.name, window.current.duration) == ("e-0.m4s", 0.5)
    assert window.resource("e-0.0.m4s") == Resource(b"ab", "video/iso.segment")
    assert window.resource("e-0.m4s") is None
    window.add_part(part(b"cd", 0.25, key=False))
    window.date(7.0)
    window.end_segment()
    assert window.resource("e-0.m4s") == Resource(b"abcd", "video/iso.segment")
    assert window.resource("e-0.1.m4s") == Resource(b"cd", "video/iso.segment")
    assert window.resource(init) == Resource(b"init", "video/mp4")
    (segment,) = window.segments
    assert (segment.duration, segment.date, segment.map) == (0.75, 7.0, "e-init-0.mp4")
    assert [part.is_independent for part in segment.parts] == [True, False]
    assert (window.next_sequence, window.part_name(0), window.size) == (1, "e-1.0.m4s", 8)
    assert window.peak == window.average == 43  # 32 bits in 0.75 s


def test_parts_and_segment_can_be_fetched_in_any_order() -> None:
    window = window_of(3)
    pieces = [b"a", b"bcd", b"ef"]
    for piece in pieces:
        window.add_part(part(piece, 0.5))
    window.end_segment()

    def parts() -> list[bytes]:
        found = [window.resource(f"e-0.{index}.m4s") for index in range(3)]
        return [each.body for each in found if each is not None]

    assert parts() == pieces
    assert window.resource("e-0.m4s") == Resource(b"abcdef", "video/iso.segment")
    assert parts() == pieces
    assert window.resource("e-0.m4s") == Resource(b"abcdef", "video/iso.segment")
    assert window.size == 6


def test_parts_may_stay_unlisted() -> None:
    window = Window("e", First(0, 0), hls_limits(container="mpegts"))
    window.add_part(part(b"ab", 0.0))
    window.end_segment()
    assert window.segments[0].parts == ()
    assert window.resource("e-0.ts") == Resource(b"ab", "video/mp2t")
    assert window.resource("e-0.0.ts") is None
    assert window.peak == window.average == 0  # it has no length


class Seen:
    """An observer."""

    def __init__(self) -> None:
        self.changes = 0

    def changed(self) -> None:
        self.changes += 1


def test_observers_are_told_of_parts_segments_and_the_end() -> None:
    window, seen = window_of(3), Seen()
    window.observers.append(seen)
    window.promise(2, 0.5)
    window.date(5.0)
    assert (window.target_s, window.part_target_s, seen.changes) == (2, 0.5, 0)
    window.add_part(part(b"a"))
    assert seen.changes == 1
    window.add_part(replace(part(b"b"), is_last=True))  # what may be short at the end alone
    assert seen.changes == 1
    window.end_segment()
    assert seen.changes == 2
    window.end()
    assert (seen.changes, window.version, window.is_over) == (3, 3, True)


def test_init_segment_with_which_nothing_was_made_is_not_kept() -> None:
    window = window_of(3)
    window.add_init(Init(b"old", ()))
    window.add_init(Init(b"new!", ()))
    assert (window.resource("e-init-0.mp4"), window.size) == (None, 4)
    fill(window)
    window.add_init(Init(b"newest", ()))
    assert window.resource("e-init-1.mp4") is not None
    window.add_init(Init(b"and newer", ()))
    assert window.resource("e-init-2.mp4") is None


def test_frame_rate_is_that_since_the_newest_init_segment() -> None:
    window = window_of(3)
    assert window.frame_rate is None
    fill(window)
    assert window.frame_rate == 25.0
    window.add_init(Init(b"", ()))
    assert window.frame_rate is None
    window.add_part(replace(part(b"a", 2.0), frames=1))
    assert window.frame_rate is None
    window.add_part(replace(part(b"a", 2.0), frames=99))
    assert window.frame_rate == 25.0


def test_old_segments_leave_the_list_and_later_the_memory() -> None:
    window = window_of(2)
    window.add_init(Init(b"i", ()))
    fill(window)
    window.add_init(Init(b"j", ()))
    window.discontinuity()
    for _ in range(4):
        assert window.resource("e-0.m4s") is not None, "two are listed, for 4 s, and one is kept"
        fill(window)
    assert (window.sequence, window.discontinuities) == (3, 1)
    assert [segment.name for segment in window.segments] == ["e-3.m4s", "e-4.m4s"]
    assert window.resource("e-0.m4s") is not None
    for _ in range(2):
        fill(window)
    assert window.resource("e-0.m4s") is None
    assert window.resource("e-0.1.m4s") is None
    assert window.resource("e-init-0.mp4") is None
    assert window.resource("e-1.m4s") is not None
    assert window.resource("e-init-1.mp4") is not None


def test_segments_of_three_target_durations_stay_listed() -> None:
    window = window_of(2)
    window.promise(1, 0.0)
    for _ in range(5):
        fill(window, parts=1)
    assert [segment.name for segment in window.segments] == ["e-2.m4s", "e-3.m4s", "e-4.m4s"]


def test_numbers_of_what_follows_are_behind_all_that_were_given() -> None:
    window = window_of(2, first=First(700, 30))
    assert window.following == First(700, 30)
    for _ in range(3):
        window.discontinuity()
        fill(window)
    assert (window.sequence, window.discontinuities) == (701, 31)
    assert window.following == First(703, 33)
    window.discontinuity()
    window.add_part(part(b"a"))
    assert window.following == First(704, 34)


def test_window_that_goes_on_for_another_packager_begins_with_a_discontinuity() -> None:
    window = window_of(3, first=First(5, 2, goes_on=True))
    fill(window)
    assert window.segments[0].is_discontinuous
    assert window.following == First(6, 3)


def test_bytes_are_bounded_and_two_segments_stay() -> None:
    window = window_of(100, 50)
    for _ in range(10):
        fill(window, bytes(10))
    assert [segment.name for segment in window.segments] == ["e-8.m4s", "e-9.m4s"]
    assert window.size == 40
    for _ in range(3):
        fill(window, bytes(100))
    assert len(window.segments) == 2


def test_segments_that_are_not_listed_go_first() -> None:
    window = window_of(2, 100)
    for _ in range(4):
        fill(window, bytes(10))
    fill(window, bytes(30))
    assert [segment.name for segment in window.segments] == ["e-3.m4s", "e-4.m4s"]
    assert window.resource("e-1.m4s") is None
    assert window.resource("e-2.m4s") is not None


@pytest.mark.parametrize(
    ("pictures", "part_target", "lasts"),
    [(1, 0.25, 1.0), (2, 0.25, 0.5), (5, 0.25, 0.0), (25, 0.25, 0.0), (1, 1.2, 0.0), (1, 0.0, 0.0)],
)
def test_pictures_that_last_longer_than_a_part_are_told(
    pictures: int, part_target: float, lasts: float
) -> None:
    window = window_of(3)
    for _ in range(2):
        window.add_part(replace(part(b"a"), frames=pictures))
    window.promise(2, part_target)
    assert window.picture_s == pytest.approx(lasts)
