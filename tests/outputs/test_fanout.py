"""Tests of headend.outputs.fanout."""

from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.defaults import chunk_reader, default_fanout

from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.outputs.fanout import BULK, Fanout, Viewer
from headend.outputs.rtmp_play import Format, RtmpEncoder
from headend.rtmp.chunks import Message

METADATA = b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00\x00\x00\x09"
PLENTY = 10**9


def key(text: str, time: int = 0) -> Tag:
    return Tag(VIDEO, time, text.encode(), True, False)


def inter(text: str, time: int = 0) -> Tag:
    return Tag(VIDEO, time, text.encode(), False, False)


def header(text: str, time: int = 0) -> Tag:
    return Tag(VIDEO, time, text.encode(), False, True)


def sound(text: str, time: int = 0) -> Tag:
    return Tag(AUDIO, time, text.encode(), False, False)


META = Tag(SCRIPT, 0, METADATA, False, False)


class TextEncoder:
    """Writes tags as text: `K1@40 `; without video if asked."""

    def __init__(self, *, video: bool = True) -> None:
        self._video = video

    def learn(self, headers: Sequence[Tag]) -> None:
        """Nothing."""

    def append(self, pieces: list[bytes], tag: Tag, timestamp: int) -> None:
        if tag.kind is not VIDEO or self._video:
            name = "meta" if tag.body == METADATA else tag.body.decode()
            pieces.append(f"{name}@{timestamp} ".encode())

    def interrupted(self) -> bytes:
        return b"[dry] "

    def resumed(self) -> bytes:
        return b"[back] "

    def ended(self) -> bytes:
        return b""


class ListWriter:
    """A socket that takes so many bytes."""

    def __init__(self, room: int = PLENTY) -> None:
        self.room = room
        self.descriptor = -1
        self.backlog = 0
        self.got: list[bytes] = []
        self.send: Callable[[bytes], int] = self._send
        self._kept = b""

    def _send(self, data: bytes) -> int:
        assert not self.backlog
        assert data
        if not self.room:
            raise BlockingIOError
        size = min(len(data), self.room)
        self.room -= size
        self.got.append(data if size == len(data) else data[:size])
        return size

    def keep(self, data: bytes, sent: int) -> None:
        self._kept += data[sent:]
        self.backlog = len(self._kept)

    def write(self, data: bytes) -> None:
        sent = self._send(data) if data and not self.backlog and self.room else 0
        self.keep(data, sent)

    def close(self) -> None:
        raise AssertionError("a fan-out closes nobody")

    def take(self, room: int) -> None:
        """Take so many bytes more: first of the backlog."""
        self.room += room
        kept, self._kept, self.backlog = self._kept, b"", 0
        if kept:
            self.write(kept)


class Watcher:
    """A viewer, its writer and its owner."""

    def __init__(self, fanout: Fanout, room: int = PLENTY, *, is_patient: bool = False) -> None:
        self.fanout = fanout
        self.writer = ListWriter(room)
        self.viewer = Viewer(self.writer, self, is_patient=is_patient)
        self.has_ended = False
        fanout.add(self.viewer)

    def stream_ended(self) -> None:
        self.has_ended = True

    def reply(self, data: bytes) -> None:
        """The session writes something of its own."""
        self.writer.write(data)
        if self.writer.backlog:
            self.fanout.stalled(self.viewer)

    def take(self, room: int = PLENTY) -> None:
        self.writer.take(room)
        if not self.writer.backlog:
            self.fanout.drained(self.viewer)

    @property
    def text(self) -> str:
        return b"".join(self.writer.got).decode().strip()


class FakeClock:
    """Notes what a fan-out says of the bytes that wait in it."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def wake(self, fanout: Fanout) -> None:
        self.told.append("wake")

    def ride(self, fanout: Fanout) -> None:
        self.told.append("ride")


def fanout(*, starts_at_keyframe: bool = True, video: bool = True, **limits: float) -> Fanout:
    return default_fanout(
        TextEncoder(video=video),
        FakeClock(),
        starts_at_keyframe=starts_at_keyframe,
        log_s=limits.get("log_s", 20),
        log_bytes=int(limits.get("log_bytes", 1000)),
    )


def push(fanout: Fanout, *tags: Tag) -> None:
    for tag in tags:
        fanout.push(tag)
    fanout.flush()


# ---------------------------------------------------------------------- tracks that send nothing


def test_newcomer_gets_no_header_of_a_track_that_sends_nothing() -> None:
    silent = {AUDIO}
    out = default_fanout(TextEncoder(), FakeClock(), silent=silent)
    video, audio = header("vh"), header("ah")._replace(kind=AUDIO)
    out.start([video, audio])
    waiting = Watcher(out)
    push(out, key("K0"))
    assert waiting.text == "vh@0 K0@0"
    assert Watcher(out).text == "vh@0 K0@0"
    silent.clear()
    assert Watcher(out).text == "vh@0 ah@0 K0@0"


# ---------------------------------------------------------------------- the flush


def test_tags_between_two_flushes_leave_as_one_object_for_all_live_viewers() -> None:
    out = fanout()
    push(out, key("K0"))
    watchers = [Watcher(out) for _ in range(3)]
    before = out.bytes_out
    push(out, inter("f1", 33), sound("a1", 40))
    pieces = [watcher.writer.got[-1] for watcher in watchers]
    assert pieces[0] == b"f1@33 a1@40 "
    assert all(piece is pieces[0] for piece in pieces)
    assert out.bytes_out - before == 3 * len(pieces[0])


def test_clock_is_told_of_a_picture_once_until_the_flush() -> None:
    clock = FakeClock()
    out = default_fanout(TextEncoder(), clock)
    out.push(key("K0"))
    out.push(inter("f1"))
    assert clock.told == ["wake"]
    out.flush()
    out.push(inter("f2"))
    assert clock.told == ["wake", "wake"]


def test_sound_beside_pictures_rides_until_the_next_one_wakes_the_clock() -> None:
    clock = FakeClock()
    out = default_fanout(TextEncoder(), clock)
    push(out, key("K0"))
    clock.told.clear()
    out.push(sound("a1", 10))
    out.push(sound("a2", 33))
    assert clock.told == ["ride"]
    out.push(inter("f1", 33))
    assert clock.told == ["ride", "wake"]
    out.push(sound("a3", 40))
    out.flush()
    out.push(sound("a4", 60))
    assert clock.told == ["ride", "wake", "ride"]


def test_sound_whose_picture_is_not_live_wakes_the_clock_itself() -> None:
    alone, stopped = FakeClock(), FakeClock()
    out = default_fanout(TextEncoder(), alone)
    out.push(sound("a1", 0))
    assert alone.told == ["wake"]
    out = default_fanout(TextEncoder(), stopped)
    push(out, key("K0", 0))
    push(out, sound("a1", 100))
    push(out, sound("a2", 101))
    assert stopped.told == ["wake", "ride", "wake"]


def test_data_beside_pictures_rides_as_sound_does() -> None:
    clock = FakeClock()
    out = default_fanout(TextEncoder(), clock)
    push(out, key("K0"))
    out.push(Tag(SCRIPT, 10, b"m1", is_sequence_header=False, is_keyframe=False))
    assert clock.told == ["wake", "ride"]


def test_picture_that_the_format_has_no_place_for_still_takes_the_sound_along() -> None:
    clock = FakeClock()
    out = default_fanout(TextEncoder(video=False), clock)
    out.push(key("K0"))
    assert clock.told == []
    out.push(sound("a1"))
    out.push(inter("f1"))
    assert clock.told == ["ride", "wake"]


def test_no_viewer_is_always_the_last_of_a_flush() -> None:
    out = fanout()
    push(out, key("K0"))
    order: list[int] = []
    for number in range(3):
        watcher = Watcher(out)

        def send(data: bytes, number: int = number) -> int:
            order.append(number)
            return len(data)

        out.remove(watcher.viewer)
        watcher.writer.send = send
        watcher.viewer = Viewer(watcher.writer, watcher)
        out.add(watcher.viewer)
    order.clear()
    for number in range(2):
        push(out, inter("f", number))
    assert order in ([0, 1, 2, 2, 1, 0], [2, 1, 0, 0, 1, 2])


class FakeBulk:
    """Sends to the writers that it knows by their descriptors, and notes each call."""

    def __init__(self) -> None:
        self.is_ready = True
        self.closed = 0
        self.writers: dict[int, ListWriter] = {}
        self.calls: list[list[int]] = []

    def add(self, watcher: Watcher, descriptor: int) -> None:
        """Have a watcher's writer sent to; to be called before it becomes live."""
        watcher.writer.descriptor = descriptor
        self.writers[descriptor] = watcher.writer

    def send(self, descriptors: Sequence[int], data: bytes) -> list[tuple[int, int]]:
        self.calls.append(list(descriptors))
        short = []
        for index, descriptor in enumerate(descriptors):
            writer = self.writers[descriptor]
            sent = writer.send(data) if writer.room else 0
            if sent != len(data):
                short.append((index, sent))
        return short


def crowd(count: int = BULK, others: int = 0) -> tuple[Fanout, FakeBulk, list[Watcher]]:
    """A fan-out with so many live viewers; `others` of them, the first, are no plain sockets."""
    bulk = FakeBulk()
    out = default_fanout(TextEncoder(), FakeClock(), bulk=bulk)
    watchers = [Watcher(out) for _ in range(count)]
    for number, watcher in enumerate(watchers[others:], 100):
        bulk.add(watcher, number)
    push(out, key("K0"))
    return out, bulk, watchers


def test_many_viewers_are_sent_to_in_one_call_each_time_from_the_other_end() -> None:
    out, bulk, watchers = crowd()
    push(out, inter("f1", 33))
    push(out, inter("f2", 66))
    first, second = bulk.calls
    assert sorted(first) == list(range(100, 100 + BULK))
    assert second == first[::-1]
    assert {watcher.text for watcher in watchers} == {"K0@0 f1@33 f2@66"}


def test_few_viewers_are_sent_to_one_by_one() -> None:
    out, bulk, watchers = crowd(BULK - 1)
    push(out, inter("f1", 33))
    assert bulk.calls == []
    assert {watcher.text for watcher in watchers} == {"K0@0 f1@33"}


def test_many_viewers_are_sent_to_one_by_one_where_there_is_no_such_call() -> None:
    out, bulk, watchers = crowd()
    bulk.is_ready = False
    push(out, inter("f1", 33))
    assert bulk.calls == []
    assert {watcher.text for watcher in watchers} == {"K0@0 f1@33"}


def test_viewer_that_is_no_plain_socket_is_sent_to_by_itself() -> None:
    out, bulk, watchers = crowd(BULK, others=2)
    push(out, inter("f1", 33))
    assert len(bulk.calls[0]) == BULK - 2
    assert {watcher.text for watcher in watchers} == {"K0@0 f1@33"}


def test_viewer_of_many_that_took_less_goes_on_with_the_rest() -> None:
    out, bulk, watchers = crowd(BULK, others=1)
    watchers[0].writer.room, watchers[5].writer.room, watchers[6].writer.room = 1, 3, 0
    push(out, inter("f1", 33))
    assert out.late == 3
    push(out, inter("f2", 66))
    for late in (watchers[0], watchers[5], watchers[6]):
        late.take()
    assert out.late == 0
    push(out, inter("f3", 99))
    assert [len(call) for call in bulk.calls[:1]] == [BULK - 1]
    assert {"".join(watcher.text.split()) for watcher in watchers} == {"K0@0f1@33f2@66f3@99"}


def test_viewer_of_many_that_left_is_not_sent_to() -> None:
    out, bulk, watchers = crowd(BULK + 1)
    push(out, inter("f1", 33))
    out.remove(watchers[3].viewer)
    push(out, inter("f2", 66))
    assert 103 not in bulk.calls[-1]
    assert len(bulk.calls[-1]) == BULK
    assert watchers[3].text == "K0@0 f1@33"


def test_number_of_a_closed_socket_is_used_no_more_though_nobody_removed_its_viewer() -> None:
    out, bulk, watchers = crowd(BULK + 1)
    push(out, inter("f1", 33))
    watchers[3].writer.descriptor = -1
    watchers[3].writer.room = 0  # as one that is closed
    bulk.closed += 1
    push(out, inter("f2", 66))
    assert 103 not in bulk.calls[-1]
    assert len(bulk.calls[-1]) == BULK
    assert watchers[3].text == "K0@0 f1@33"
    assert {watcher.text for watcher in watchers if watcher is not watchers[3]} == {
        "K0@0 f1@33 f2@66"
    }


def test_flush_of_nothing_sends_nothing() -> None:
    out = fanout()
    watcher = Watcher(out)
    out.flush()
    assert watcher.writer.got == []


def test_number_of_viewers_and_of_late_ones_is_told() -> None:
    out = fanout()
    waiting = Watcher(out)
    assert (len(out), out.late) == (1, 0)
    push(out, key("K0"))
    live, late = Watcher(out), Watcher(out, room=1)
    assert (len(out), out.late) == (3, 1)
    for watcher in (waiting, live, late, late):
        out.remove(watcher.viewer)
    assert (len(out), out.late) == (0, 0)


def test_removed_viewer_gets_nothing_more() -> None:
    out = fanout()
    push(out, key("K0"))
    live, late, waiting = Watcher(out), Watcher(out, room=1), Watcher(fanout())
    for watcher in (live, late, waiting):
        watcher.fanout.remove(watcher.viewer)
        watcher.take()
    push(out, inter("f1"))
    assert (live.text, late.text, waiting.text) == ("K0@0", "K0@0", "")


# ---------------------------------------------------------------------- joining


def test_newcomer_gets_headers_first_and_then_the_newest_keyframe_and_what_followed() -> None:
    out = fanout()
    push(out, META, header("h1"), key("K0", 10), inter("f1", 20), key("K2", 30), inter("f3", 40))
    watcher = Watcher(out)
    assert watcher.text == "meta@30 h1@30 K2@30 f3@40"
    push(out, inter("f4", 50))
    assert watcher.text == "meta@30 h1@30 K2@30 f3@40 f4@50"


def test_newcomer_gets_what_is_pending_too() -> None:
    out = fanout()
    push(out, key("K0"))
    out.push(inter("f1", 33))
    assert Watcher(out).text == "K0@0 f1@33"


def test_headers_of_a_log_are_those_it_starts_with() -> None:
    out = fanout()
    out.start([META, header("h1")])
    push(out, key("K0"), header("h2", 5), inter("f1", 6))
    assert Watcher(out).text == "meta@0 h1@0 K0@0 h2@5 f1@6"


def test_newcomer_before_the_first_keyframe_gets_headers_and_waits() -> None:
    out = fanout()
    push(out, META, header("h1", 7), inter("f0", 8))
    watcher = Watcher(out)
    assert watcher.text == "meta@8 h1@8"
    push(out, inter("f1", 9))
    assert watcher.text == "meta@8 h1@8"
    push(out, inter("f2", 10), key("K3", 11), inter("f4", 12))
    assert watcher.text == "meta@8 h1@8 K3@11 f4@12"


def test_headers_that_changed_while_a_viewer_waited_come_before_its_keyframe() -> None:
    out = fanout()
    push(out, header("h1"))
    watcher = Watcher(out)
    push(out, header("h2", 5), key("K0", 6))
    assert watcher.text == "h1@0 h2@6 K0@6"


def test_newcomer_that_waited_starts_at_the_first_of_several_keyframes_of_one_flush() -> None:
    # An encoder that sends a file as fast as it can.
    out = fanout()
    watcher = Watcher(out)
    push(out, header("h1"), key("K0", 40), inter("f1", 80), key("K2", 120), inter("f3", 160))
    assert watcher.text == "h1@40 K0@40 f1@80 K2@120 f3@160"


def test_newcomer_waits_for_the_next_keyframe_where_that_is_wanted() -> None:
    out = fanout(starts_at_keyframe=False)
    push(out, header("h1"), key("K0", 10), inter("f1", 20))
    watcher = Watcher(out)
    push(out, inter("f2", 30))
    assert watcher.text == "h1@20"
    push(out, inter("f3", 40), key("K4", 50), inter("f5", 60))
    assert watcher.text == "h1@20 K4@50 f5@60"


def test_newcomer_with_a_full_socket_starts_when_it_has_room() -> None:
    out = fanout()
    push(out, header("h1"), key("K0"))
    watcher = Watcher(out, room=3)
    assert watcher.text == "h1@"
    push(out, inter("f1", 33))
    watcher.take(4)
    watcher.take()
    assert watcher.text == "h1@0 K0@0 f1@33"
    assert watcher.viewer.skips == 0


def test_waiting_newcomer_with_a_full_socket_starts_when_it_has_room() -> None:
    out = fanout()
    push(out, header("h1"))
    watcher = Watcher(out, room=3)
    watcher.take(1)
    push(out, key("K0"))
    push(out, inter("f1", 33))
    assert watcher.text == "h1@0"
    watcher.take()
    assert watcher.text == "h1@0 K0@0 f1@33"


def test_stream_without_video_starts_at_any_sound() -> None:
    out = fanout()
    for number in range(5):
        push(out, Tag(AUDIO, number, f"a{number}".encode(), True, False))
    watcher = Watcher(out)
    assert watcher.text == "a4@4"


def test_format_without_video_starts_where_the_keyframe_was() -> None:
    out = fanout(video=False)
    push(out, sound("a0", 0), key("K1", 10), sound("a2", 20))
    push(out, key("K3", 30))
    push(out, inter("f4", 40), sound("a5", 50))
    watcher = Watcher(out)
    assert watcher.text == "a5@50"
    push(out, sound("a6", 60), key("K7", 70))
    assert watcher.text == "a5@50 a6@60"
    later = Watcher(out)
    push(out, sound("a8", 80))
    assert (watcher.text, later.text) == ("a5@50 a6@60 a8@80", "a8@80")


# ---------------------------------------------------------------------- late viewers


def test_partial_send_goes_on_in_the_middle_of_the_message() -> None:
    out = fanout()
    push(out, key("K0"))
    watcher = Watcher(out, room=5)
    assert watcher.text == "K0@0"
    watcher.writer.room = 3
    push(out, inter("f1", 33))
    assert out.late == 1
    push(out, inter("f2", 66))
    assert watcher.text == "K0@0 f1@"
    watcher.take()
    assert watcher.text == "K0@0 f1@33 f2@66"
    push(out, inter("f3", 99))
    assert watcher.text == "K0@0 f1@33 f2@66 f3@99"
    assert (watcher.viewer.skips, out.skips) == (0, 0)


def test_full_socket_makes_a_viewer_late_and_loses_nothing() -> None:
    out = fanout()
    push(out, key("K0"))
    watcher = Watcher(out, room=5)
    push(out, inter("f1", 33))
    push(out, inter("f2", 66))
    assert watcher.text == "K0@0"
    watcher.take()
    assert watcher.text == "K0@0 f1@33 f2@66"


def test_viewer_that_catches_up_slowly_stays_late() -> None:
    out = fanout()
    push(out, key("K0"))
    watcher = Watcher(out, room=5)
    push(out, inter("f1", 33))
    push(out, inter("f2", 66))
    watcher.take(6)
    assert out.late == 1
    watcher.take(3)
    assert watcher.text == "K0@0 f1@33 f2@"
    watcher.take()
    assert watcher.text == "K0@0 f1@33 f2@66"
    assert out.late == 0


def test_late_viewer_skips_to_the_newest_keyframe() -> None:
    out = fanout()
    push(out, header("h1"), key("K0"))
    watcher = Watcher(out)
    watcher.writer.room = 2
    push(out, inter("f1", 33))
    push(out, inter("f2", 66))
    push(out, key("K3", 99))
    push(out, inter("f4", 132))
    watcher.take()
    assert watcher.text == "h1@0 K0@0 f1@33 K3@99 f4@132"
    assert (watcher.viewer.skips, out.skips) == (1, 1)


def test_late_viewer_gets_changed_headers_before_the_keyframe_it_skips_to() -> None:
    out = fanout()
    push(out, header("h1"), key("K0"))
    watcher = Watcher(out)
    watcher.writer.room = 0
    push(out, inter("f1", 33))
    push(out, header("h2", 66), key("K3", 99))
    watcher.take()
    assert watcher.text == "h1@0 K0@0 f1@33 h2@99 K3@99"


def test_header_pending_when_a_viewer_becomes_late_is_not_taken_for_seen() -> None:
    out = fanout()
    push(out, header("h1"), key("K0"))
    watcher = Watcher(out)
    out.push(header("h2", 66))
    watcher.writer.room = 0
    watcher.reply(b"pong ")
    push(out, inter("f1", 70))
    push(out, key("K3", 99))
    watcher.take()
    assert watcher.text == "h1@0 K0@0 pong h2@99 K3@99"


def test_viewer_that_becomes_live_where_the_keyframe_is_skips_nothing() -> None:
    out = fanout()
    push(out, key("K0"))
    watcher = Watcher(out)
    watcher.writer.room = 0
    push(out, inter("f1", 33))
    push(out, key("K2", 66))
    watcher.take()
    assert watcher.text == "K0@0 f1@33 K2@66"
    assert watcher.viewer.skips == 0


def test_stalled_twice_is_once() -> None:
    out = fanout()
    push(out, key("K0"))
    watcher = Watcher(out)
    watcher.writer.room = 0
    watcher.reply(b"x ")
    push(out, inter("f1", 33))
    out.stalled(watcher.viewer)
    watcher.take()
    assert watcher.text == "K0@0 x f1@33"


# ---------------------------------------------------------------------- limits of the log


def test_log_over_its_bytes_is_dropped_and_newcomers_wait() -> None:
    out = fanout(log_bytes=6)
    push(out, header("h1"), key("K0"))
    live = Watcher(out)
    push(out, inter("f1", 33), inter("f2", 66))
    assert Watcher(out).text == "h1@0 K0@0 f1@33 f2@66"
    push(out, inter("f3", 99))
    newcomer = Watcher(out)
    assert newcomer.text == "h1@99"
    assert live.text == "h1@0 K0@0 f1@33 f2@66 f3@99"
    push(out, key("K4", 132))
    assert newcomer.text == "h1@99 K4@132"


def test_log_over_its_time_is_dropped() -> None:
    out = fanout(log_s=1)
    push(out, key("K0"), inter("f1", 1000))
    assert Watcher(out).text == "K0@0 f1@1000"
    push(out, inter("f2", 1001))
    assert Watcher(out).text == ""


def test_keyframe_and_overflow_before_one_flush_leave_no_start() -> None:
    out = fanout(log_bytes=4)
    push(out, key("K0"), inter("f1"), inter("f2"))
    assert Watcher(out).text == ""


def test_late_viewer_of_a_dropped_log_waits_for_the_next_keyframe() -> None:
    out = fanout(log_bytes=6)
    push(out, key("K0"))
    watcher = Watcher(out)
    watcher.writer.room = 0
    push(out, inter("f1", 33))
    push(out, inter("f2", 66))
    push(out, inter("f3", 99))
    watcher.take()
    assert watcher.text == "K0@0 f1@33"
    assert (out.late, len(out)) == (0, 1)
    push(out, inter("f4", 132))
    push(out, key("K5", 165))
    assert watcher.text == "K0@0 f1@33 K5@165"
    assert watcher.viewer.skips == 1


def test_late_viewer_of_a_dropped_log_that_missed_nothing_is_live_again() -> None:
    out = fanout(log_bytes=6)
    push(out, key("K0"))
    watcher = Watcher(out)
    push(out, inter("f1", 33), inter("f2", 66))
    watcher.writer.room = 0
    push(out, inter("f3", 99))
    watcher.take()
    push(out, inter("f4", 132))
    assert watcher.text == "K0@0 f1@33 f2@66 f3@99 f4@132"


# ---------------------------------------------------------------------- words in between


def test_silence_and_return_are_told_to_everybody_behind_what_is_pending() -> None:
    out = fanout()
    waiting_for_ever = Watcher(out)
    out.push(key("K0"))
    out.interrupt()
    live, late = Watcher(out), Watcher(out, room=5)
    out.push(inter("f1", 33))
    out.resume()
    late.take()
    assert waiting_for_ever.text == "K0@0 [dry] f1@33 [back]"
    assert live.text == "K0@0 f1@33 [back]"
    assert late.text == "K0@0 f1@33 [back]"


def test_viewer_whose_socket_is_filled_by_a_word_is_late() -> None:
    out = fanout()
    push(out, key("K0"))
    watcher = Watcher(out, room=5 + 3)
    out.interrupt()
    assert (watcher.text, out.late) == ("K0@0 [dr", 1)
    push(out, inter("f1", 33))
    watcher.take()
    assert watcher.text == "K0@0 [dry] f1@33"
    assert out.late == 0


def test_next_publisher_s_headers_replace_the_last_one_s() -> None:
    out = fanout()
    out.start([])
    push(out, header("h1"), key("K0"))
    watcher = Watcher(out)
    out.interrupt()
    out.start([])
    out.resume()
    push(out, header("h2", 53), key("K1", 53))
    assert watcher.text == "h1@0 K0@0 [dry] [back] h2@53 K1@53"
    assert Watcher(out).text == "h2@53 K1@53"


def test_end_is_told_to_every_viewer_and_no_viewer_is_left() -> None:
    out = default_fanout(RtmpEncoder(Format(1), 65_536), FakeClock())
    waiting = Watcher(out)
    push(out, key("K0"))
    live, late = Watcher(out), Watcher(out, room=1)
    out.push(inter("f1"))
    out.end()
    late.take()
    assert len(out) == 0
    for watcher in (waiting, live, late):
        assert watcher.has_ended
        messages = chunk_reader().receive_data(
            b"\x02\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x01\x00\x00"
            + b"".join(watcher.writer.got)
        )
        assert messages[-3].payload == b"\x00\x01\x00\x00\x00\x01"
        assert b"NetStream.Play.UnpublishNotify" in messages[-2].payload
        assert b"NetStream.Play.Stop" in messages[-1].payload


def test_end_without_words_is_told_to_the_owner() -> None:
    out = fanout()
    watcher = Watcher(out)
    out.end()
    assert watcher.has_ended
    assert watcher.writer.got == []


def test_newcomer_after_the_end_is_told_at_once() -> None:
    out = default_fanout(RtmpEncoder(Format(1), 65_536), FakeClock())
    out.end()
    late = Watcher(out)
    assert late.has_ended
    assert b"NetStream.Play.Stop" in b"".join(late.writer.got)
    assert len(out) == 0


# ---------------------------------------------------------------------- everything at once


class Broadcast:
    """A stream whose bodies tell what a viewer must have seen before: `K 3 7`, `f 3 7 1`."""

    def __init__(self, out: Fanout) -> None:
        self.out = out
        self.time = 0
        self.header = self.gop = self.frame = 0
        self.has_header = False

    def push(self, what: str) -> None:
        self.time += 10
        match what:
            case "h":
                self.header += 1
                self.out.push(header(f"h {self.header}", self.time))
            case "K":
                self.gop += 1
                self.frame = 0
                self.out.push(key(f"K {self.header} {self.gop}", self.time))
            case _:
                self.frame += 1
                text = f"f {self.header} {self.gop} {self.frame}"
                self.out.push(inter(text, self.time))


def check_decodable(messages: Iterable[Message]) -> None:
    """Every picture follows its header, its keyframe and the frame before it."""
    seen_header, gop, frame = 0, 0, 0
    for message in messages:
        if message.type_id != 9:
            continue
        what, *numbers = message.payload.decode().split()
        values = [int(number) for number in numbers]
        if what == "h":
            seen_header = values[0]
        elif what == "K":
            assert values[0] == seen_header
            assert values[1] > gop
            gop, frame = values[1], 0
        else:
            assert values == [seen_header, gop, frame + 1]
            frame += 1


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["h", "K", "f", "f", "f", "flush", "join", "dry"]), st.just(0)),
        st.tuples(st.sampled_from(["take", "shrink", "ping"]), st.integers(0, 120)),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(ACTIONS, st.booleans(), st.sampled_from([200, 10_000]))
def test_whatever_sockets_do_viewers_get_whole_messages_in_an_order_that_decodes(
    actions: list[tuple[str, int]], starts_at_keyframe: bool, log_bytes: int
) -> None:
    out = default_fanout(
        RtmpEncoder(Format(1), 128),
        FakeClock(),
        starts_at_keyframe=starts_at_keyframe,
        log_bytes=log_bytes,
    )
    stream = Broadcast(out)
    watchers: list[Watcher] = []
    for number, (what, value) in enumerate(actions):
        some = watchers[number % 3 :: 3]
        match what:
            case "h" | "K" | "f":
                stream.push(what)
            case "flush":
                out.flush()
            case "join":
                watchers.append(Watcher(out))
            case "dry":
                out.interrupt()
            case "take":
                for watcher in some:
                    watcher.take(value)
            case "shrink":
                for watcher in some:
                    watcher.writer.room = value
            case _:
                for watcher in some:
                    watcher.reply(b"\x02\0\0\0\0\0\x06\x04\0\0\0\0\0\x07\0\0\0\0")
    stream.push("K")
    out.flush()
    for watcher in watchers:
        watcher.take()
        got = b"".join(watcher.writer.got)
        check_decodable(chunk_reader().receive_data(got))
        assert f"K {stream.header} {stream.gop}".encode() in got


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 4000])
def test_viewer_that_takes_byte_by_byte_gets_the_very_bytes_of_the_others(size: int) -> None:
    out = default_fanout(RtmpEncoder(Format(1), 128), FakeClock())
    push(out, key("K"))
    fast, slow = Watcher(out), Watcher(out, room=1)
    push(out, inter("f" * (size + 1)), sound("a" * (size + 1)))
    for _ in range(3 * size + 500):
        slow.take(1)
    assert b"".join(slow.writer.got) == b"".join(fast.writer.got)


def test_patient_viewer_waits_for_the_next_keyframe() -> None:
    out = fanout()
    push(out, key("K1"))
    watcher = Watcher(out, is_patient=True)
    push(out, inter("i1", 40))
    assert watcher.text == ""
    push(out, key("K2", 80))
    assert watcher.text == "K2@80"


def test_bytes_given_to_a_viewer_are_known_whatever_it_skipped() -> None:
    out = fanout()
    push(out, key("K1"))
    watcher = Watcher(out)
    push(out, inter("i1", 40))
    assert out.given(watcher.viewer) == len("K1@0 i1@40 ")
    watcher.writer.room = 0
    push(out, inter("i2", 80))
    given = len("K1@0 i1@40 i2@80 ")
    assert out.given(watcher.viewer) == given  # the writer keeps the rest
    push(out, inter("lost", 120))
    push(out, key("K2", 160))
    assert out.given(watcher.viewer) == given
    watcher.take()
    assert watcher.text == "K1@0 i1@40 i2@80 K2@160"
    assert out.given(watcher.viewer) == given + len("K2@160 ")


def test_viewer_that_has_seen_nothing_was_given_nothing() -> None:
    out = fanout()
    assert out.given(Watcher(out).viewer) == 0


def test_viewer_is_behind_by_what_it_was_not_given() -> None:
    out = fanout()
    assert out.behind(Watcher(out).viewer) == 0
    push(out, key("K1", 0))
    watcher = Watcher(out)
    assert out.behind(watcher.viewer) == 0
    watcher.writer.room = 0
    push(out, inter("i1", 40))
    push(out, inter("i2", 80))
    assert out.behind(watcher.viewer) == len("i2@80 ")
