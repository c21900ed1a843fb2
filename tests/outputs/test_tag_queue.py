"""Tests of headend.outputs.tag_queue."""

from tests.wire import wire

from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.outputs.tag_queue import Policy, TagQueue

METADATA = Tag(SCRIPT, 0, wire("02 000a 6f6e4d65746144617461 05"), False, False)
HEADER = Tag(VIDEO, 0, wire("17 00 000000"), False, True)
OTHER_HEADER = Tag(VIDEO, 0, wire("17 00 000000 01"), False, True)
AUDIO_HEADER = Tag(AUDIO, 0, wire("af 00 1210"), False, True)


def key(time: int, size: int = 10) -> Tag:
    return Tag(VIDEO, time, wire("17 01 000000") + bytes(size - 5), True, False)


def frame(time: int) -> Tag:
    return Tag(VIDEO, time, wire("27 01 000000 41"), False, False)


class Queue(TagQueue):
    """A queue that counts how often it wakes its consumer."""

    def __init__(self, policy: Policy = "newest", max_tags: int = 100, max_bytes: int = 1000):
        self.wakes = 0
        super().__init__(self._note, policy, max_tags, max_bytes)

    def _note(self) -> None:
        self.wakes += 1

    def drain(self) -> list[Tag]:
        return [self.take() for _ in range(len(self.tags))]


def test_tags_are_taken_in_the_order_they_came_headers_first() -> None:
    queue = Queue()
    queue.start([METADATA, HEADER])
    queue.push(key(0))
    queue.interrupt()
    queue.resume()
    queue.push(frame(40))
    assert queue.drain() == [METADATA, HEADER, key(0), frame(40)]
    assert (queue.skips, queue.is_over) == (0, False)


def test_consumer_is_woken_by_every_tag_and_by_the_end() -> None:
    queue = Queue()
    queue.push(key(0))
    assert queue.wakes == 1
    queue.end()
    assert (queue.wakes, queue.is_over, queue.has_overflowed) == (2, True, False)
    assert queue.drain() == [key(0)]  # what came before is still there


def test_over_the_limit_it_goes_on_at_the_newest_keyframe() -> None:
    queue = Queue(max_tags=5)
    for tag in (key(0), frame(40), key(80), frame(120), key(160), frame(200)):
        queue.push(tag)
    assert queue.drain() == [key(160), frame(200)]
    assert queue.skips == 1


def test_headers_that_were_left_out_come_before_the_keyframe_and_once() -> None:
    queue = Queue(max_tags=5)
    queue.start([METADATA, AUDIO_HEADER, HEADER])
    queue.push(key(0))
    queue.push(OTHER_HEADER)
    queue.push(key(40))
    assert queue.drain() == [METADATA, OTHER_HEADER, AUDIO_HEADER, key(40)]
    for time in range(80, 320, 40):
        queue.push(frame(time))
    queue.push(key(320))
    assert queue.drain() == [key(320)]
    assert queue.skips == 2


def test_without_a_newer_keyframe_it_waits_for_the_next_one() -> None:
    queue = Queue(max_tags=3)
    for tag in (key(0), frame(40), frame(80), frame(100)):
        queue.push(tag)
    assert queue.drain() == []
    queue.push(frame(120))
    queue.push(OTHER_HEADER)
    assert (queue.drain(), queue.skips) == ([], 1)
    queue.push(key(160))
    queue.push(frame(200))
    assert queue.drain() == [OTHER_HEADER, key(160), frame(200)]


def test_bytes_are_limited_and_free_again_once_taken() -> None:
    queue = Queue(max_bytes=30)
    for time in range(0, 400, 40):
        queue.push(key(time, 20))
        assert queue.drain() == [key(time, 20)]
    assert queue.skips == 0
    queue.push(key(0, 20))
    queue.push(key(40, 20))
    assert (queue.drain(), queue.skips) == ([key(40, 20)], 1)


def test_keyframe_that_is_over_the_limit_by_itself_is_left_out() -> None:
    queue = Queue(max_bytes=30)
    queue.push(key(0))
    queue.push(key(40, 40))
    assert queue.drain() == []
    queue.push(frame(80))
    queue.push(key(120))
    assert queue.drain() == [key(120)]


def test_policy_all_ends_over_the_limit_and_keeps_what_came_before() -> None:
    queue = Queue("all", max_tags=2)
    for time in (0, 40, 80, 120):
        queue.push(key(time))
    assert (queue.is_over, queue.has_overflowed, queue.skips) == (True, True, 0)
    assert queue.drain() == [key(0), key(40), key(80)]
    queue.push(key(160))
    assert queue.drain() == []
