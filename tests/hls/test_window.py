"""This module tests headend.hls.window."""

from headend.hls.numbers import First
from headend.hls.playlist import Segment
from headend.hls.window import Resource, Window


def fill(
    window: Window,
    body: bytes = b"a",
    *,
    map: str = "",
    is_discontinuous: bool = False,
    parts: int = 2,
    target_s: int = 0,
) -> None:
    first = Segment("", 0.0, 5.0, map, is_discontinuous, ())
    for index in range(parts):
        window.add_part(body, 1.0, is_independent=index == 0, segment=first)
    window.end_segment(lists_parts=True, target_s=target_s)


def test_segment_grows_by_parts_and_both_can_be_fetched() -> None:
    window = Window("e", First(0, 0), "m4s", 3, 1000)
    init = window.add_init(0, b"init")
    first = Segment("", 0.0, 5.0, init, False, ())
    window.add_part(b"ab", 0.5, is_independent=True, segment=first)
    assert window.current is not None
    assert (window.current.name, window.current.duration) == ("e-0.m4s", 0.5)
    assert window.resource("e-0.0.m4s") == Resource(b"ab", "video/iso.segment")
    assert window.resource("e-0.m4s") is None
    window.add_part(b"cd", 0.25, is_independent=False, segment=first)
    window.date(7.0)
    window.end_segment(lists_parts=True)
    assert window.resource("e-0.m4s") == Resource(b"abcd", "video/iso.segment")
    assert window.resource("e-0.1.m4s") == Resource(b"cd", "video/iso.segment")
    assert window.resource(init) == Resource(b"init", "video/mp4")
    (segment,) = window.segments
    assert (segment.duration, segment.date, segment.map) == (0.75, 7.0, "e-init-0.mp4")
    assert [part.is_independent for part in segment.parts] == [True, False]
    assert (window.next_sequence, window.part_name(0), window.size) == (1, "e-1.0.m4s", 8)
    assert window.peak == window.average == 43  # 32 bits in 0.75 s


def test_parts_and_segment_can_be_fetched_in_any_order() -> None:
    window = Window("e", First(0, 0), "m4s", 3, 1000)
    first = Segment("", 0.0, 5.0, "", False, ())
    pieces = [b"a", b"bcd", b"ef"]
    for piece in pieces:
        window.add_part(piece, 0.5, is_independent=True, segment=first)
    window.end_segment(lists_parts=True)

    def parts() -> list[bytes]:
        found = [window.resource(f"e-0.{index}.m4s") for index in range(3)]
        return [each.body for each in found if each is not None]

    assert parts() == pieces
    assert window.resource("e-0.m4s") == Resource(b"abcdef", "video/iso.segment")
    assert parts() == pieces
    assert window.resource("e-0.m4s") == Resource(b"abcdef", "video/iso.segment")
    assert window.size == 6


def test_nothing_is_ended_without_a_part() -> None:
    window = Window("e", First(0, 0), "ts", 3, 1000)
    window.date(1.0)
    window.end_segment(lists_parts=False)
    assert window.segments == []
    assert window.average == 0


def test_parts_may_stay_unlisted() -> None:
    window = Window("e", First(0, 0), "ts", 3, 1000)
    first = Segment("", 0.0, 5.0, "", False, ())
    window.add_part(b"ab", 0.0, is_independent=True, segment=first)
    window.end_segment(lists_parts=False)
    assert window.segments[0].parts == ()
    assert window.resource("e-0.ts") == Resource(b"ab", "video/mp2t")
    assert window.resource("e-0.0.ts") is None
    assert window.peak == 0  # it has no length


def test_old_segments_leave_the_list_and_later_the_memory() -> None:
    window = Window("e", First(0, 0), "m4s", 2, 1000)
    old = window.add_init(0, b"i")
    fill(window, map=old)
    new = window.add_init(1, b"j")
    for number in range(4):
        assert window.resource("e-0.m4s") is not None, "two are listed, for 4 s, and one is kept"
        fill(window, map=new, is_discontinuous=number == 0)
    assert (window.sequence, window.discontinuities) == (3, 1)
    assert [segment.name for segment in window.segments] == ["e-3.m4s", "e-4.m4s"]
    assert window.resource("e-0.m4s") is not None
    for _ in range(2):
        fill(window, map=new)
    assert window.resource("e-0.m4s") is None
    assert window.resource("e-0.1.m4s") is None
    assert window.resource(old) is None
    assert window.resource("e-1.m4s") is not None
    assert window.resource(new) is not None


def test_segments_of_three_target_durations_stay_listed() -> None:
    window = Window("e", First(0, 0), "m4s", 2, 1000)
    for _ in range(5):
        fill(window, parts=1, target_s=1)
    assert [segment.name for segment in window.segments] == ["e-2.m4s", "e-3.m4s", "e-4.m4s"]


def test_numbers_of_what_follows_are_behind_all_that_were_given() -> None:
    window = Window("e", First(700, 30), "m4s", 2, 1000)
    assert window.following == First(700, 30)
    for _ in range(3):
        fill(window, is_discontinuous=True)
    assert (window.sequence, window.discontinuities) == (701, 31)
    assert window.following == First(703, 33)
    growing = Segment("", 0.0, 5.0, "", True, ())
    window.add_part(b"a", 1.0, is_independent=True, segment=growing)
    assert window.following == First(704, 34)


def test_bytes_are_bounded_and_two_segments_stay() -> None:
    window = Window("e", First(0, 0), "m4s", 100, 50)
    for _ in range(10):
        fill(window, bytes(10))
    assert [segment.name for segment in window.segments] == ["e-8.m4s", "e-9.m4s"]
    assert window.size == 40
    for _ in range(3):
        fill(window, bytes(100))
    assert len(window.segments) == 2


def test_segments_that_are_not_listed_go_first() -> None:
    window = Window("e", First(0, 0), "m4s", 2, 100)
    for _ in range(4):
        fill(window, bytes(10))
    fill(window, bytes(30))
    assert [segment.name for segment in window.segments] == ["e-3.m4s", "e-4.m4s"]
    assert window.resource("e-1.m4s") is None
    assert window.resource("e-2.m4s") is not None
