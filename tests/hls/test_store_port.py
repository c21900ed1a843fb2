"""Tests of headend.hls.store_port."""

from tests.hls.told import Told

from headend.hls.store_port import Init, MediaPart, Tee

INIT = Init(b"init", ())
PART = MediaPart(b"a", 0.0, 1.0, True, 25, False)


def tell_all(tee: Tee) -> None:
    tee.add_init(INIT)
    tee.promise(2, 0.5)
    tee.discontinuity()
    tee.date(7.0)
    tee.add_part(PART)
    tee.end_segment()


def test_every_store_is_told_all_in_the_same_order() -> None:
    one, other = Told(), Told()
    tee = Tee([one, other])
    tell_all(tee)
    tee.end()
    assert one.calls == other.calls
    assert [call[0] for call in one.calls] == [
        "add_init", "promise", "discontinuity", "date", "add_part", "end_segment", "end",
    ]  # fmt: skip


def test_store_that_joins_within_a_segment_begins_with_the_next() -> None:
    late = Told()
    tee = Tee()
    tell_all(tee)
    tee.add_part(PART)
    tee.join(late)
    tee.add_part(PART)
    assert late.calls == []
    tee.end_segment()
    tee.add_part(PART)
    assert late.calls == [("promise", 2, 0.5), ("add_init", INIT), ("add_part", PART)]


def test_store_that_joins_between_two_segments_begins_at_once() -> None:
    first, second = Told(), Told()
    tee = Tee()
    tee.join(first)
    assert first.calls == [("promise", 0, 0.0)]
    tell_all(tee)
    tee.join(second)
    assert second.calls == [("promise", 2, 0.5), ("add_init", INIT)]


def test_store_that_leaves_is_told_nothing_more() -> None:
    one, waiting = Told(), Told()
    tee = Tee([one])
    tee.add_part(PART)
    tee.join(waiting)
    tee.leave(one)
    tee.leave(waiting)
    tee.leave(Told())
    tee.end_segment()
    tee.end()
    assert one.calls == [("add_part", PART)]
    assert waiting.calls == []


def test_store_that_waits_is_told_of_the_end() -> None:
    waiting = Told()
    tee = Tee()
    tee.add_part(PART)
    tee.join(waiting)
    tee.end()
    assert waiting.calls == [("end",)]
