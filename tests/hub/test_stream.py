"""Tests of headend.hub.stream."""

from typing import Self

import pytest
from tests.defaults import stream_settings
from tests.hub.fakes import (
    AAC,
    AVC,
    AVC_2,
    META,
    FakeObserver,
    FakePublisher,
    FakeSink,
    inter,
    key,
    name,
    sound,
)
from tests.wire import wire

from headend.hub.stream import SEARCHED, Stream, StreamSettings, StreamState, no_audience
from headend.media.codecs import audio_tag, script_tag, video_tag
from headend.media.tag import AUDIO, VIDEO, Tag


class Fixture:
    """A stream and what it reports."""

    def __init__(self, **limits: float) -> None:
        settings = StreamSettings(
            log_s=limits.get("log_s", 20),
            log_bytes=int(limits.get("log_bytes", 1 << 20)),
            reconnect_window_s=limits.get("reconnect_window_s", 60),
        )
        self.errors: list[str] = []
        self.stream = Stream("live/cam1", settings, self._report)
        self.publisher = FakePublisher()

    def _report(self, path: str, error: Exception) -> None:
        self.errors.append(f"{path}: {error}")

    def live(self, *tags: Tag, now: float = 0) -> Self:
        self.stream.begin(self.publisher, now)
        self.stream.publish(tags, now)
        return self

    def join(self) -> list[str]:
        """What an output gets that joins now and leaves again."""
        sink = FakeSink()
        self.stream.attach("newcomer", sink)
        self.stream.detach("newcomer")
        return sink.calls


# ---------------------------------------------------------------------- joining


def test_newcomer_gets_headers_and_then_the_log_from_the_newest_keyframe() -> None:
    fixture = Fixture().live(META, AVC, AAC, key(0), inter(33), key(66), sound(70), inter(99))
    assert fixture.join() == ["start meta h1 aac", "K66", "a70", "v99"]


# As OBS and FFmpeg send them: colorInfo before the first keyframe, and what the channels are.
HEVC = video_tag(0, wire("90 68766331 01022000"))
COLOR = video_tag(0, wire("84 68766331 020009 636f6c6f72496e666f 03 000009"))
OPUS = audio_tag(0, wire("90 4f707573 4f70757348656164"))
CHANNELS = audio_tag(0, wire("94 4f707573 01 06 0000003f"))


def test_what_describes_the_tracks_comes_to_those_who_wait_and_to_those_who_come_late() -> None:
    fixture = Fixture()
    early, late = FakeSink(), FakeSink()
    fixture.stream.attach("early", early)
    picture = video_tag(0, wire("91 68766331 000000 26"))
    fixture.live(META, HEVC, OPUS, CHANNELS, COLOR, picture, COLOR, CHANNELS)
    told = [META, HEVC, OPUS, CHANNELS, COLOR._replace(body=b"\xd4" + COLOR.body[1:]), picture]
    assert early.tags == told
    fixture.stream.attach("late", late)
    assert late.tags == [picture]
    assert fixture.stream.headers() == (META, HEVC, told[4], OPUS, CHANNELS)
    assert (fixture.stream.frames, fixture.stream.sounds) == (1, 0)


def test_newcomer_before_any_keyframe_gets_everything_there_is() -> None:
    fixture = Fixture().live(META, AVC, inter(33))
    assert fixture.join() == ["start", "meta", "h1", "v33"]


def test_headers_that_changed_behind_the_keyframe_come_where_they_changed() -> None:
    fixture = Fixture().live(AVC, key(0), AVC_2, inter(33))
    assert fixture.join() == ["start h1", "K0", "h2", "v33"]
    assert list(map(name, fixture.stream.headers())) == ["h2"]


def test_newcomer_of_a_stream_that_nobody_publishes_yet_waits() -> None:
    fixture = Fixture()
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    fixture.live(key(0))
    assert sink.calls == ["start", "start", "resume", "K0"]


def test_every_output_gets_the_same_tags() -> None:
    fixture = Fixture().live()
    sinks = [FakeSink(), FakeSink()]
    for number, sink in enumerate(sinks):
        fixture.stream.attach(number, sink)
    tag = key(40)
    fixture.stream.publish([tag], 0)
    assert all(sink.tags[0] is tag for sink in sinks)


def test_detached_output_gets_nothing_more_and_its_key_is_free() -> None:
    fixture = Fixture().live()
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    assert fixture.stream.sink("a") is sink
    fixture.stream.detach("a")
    fixture.stream.publish([key(0)], 0)
    assert fixture.stream.sink("a") is None
    assert sink.calls == ["start"]
    fixture.stream.attach("a", FakeSink())
    assert len(list(fixture.stream.sinks())) == 1


def test_stream_without_a_track_0_is_joined_at_keyframes_of_its_lowest_track() -> None:
    header = video_tag(0, wire("96 00 61766331 01 01640028"))
    other = video_tag(0, wire("96 00 61766331 02 01640028"))
    start, later = (video_tag(time, wire("96 01 61766331 01 000000 65")) for time in (0, 2000))
    of_other = video_tag(2010, wire("96 01 61766331 02 000000 65"))
    between = video_tag(2033, wire("a6 01 61766331 01 000000 41"))
    fixture = Fixture().live(header, other, start)
    fixture.stream.publish([later, of_other, between], 2)
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    assert sink.tags == [later._replace(is_keyframe=True), of_other, between]
    assert fixture.stream.keyframe_interval == 2000


def test_second_track_that_lags_keeps_its_times() -> None:
    header = video_tag(0, wire("96 00 61766331 01 01640028"))
    second = video_tag(20, wire("a6 01 61766331 01 000000 41"))
    fixture = Fixture()
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    fixture.live(AVC, header, key(0), inter(33), second, inter(66))
    assert sink.tags == [AVC, header, key(0), inter(33), second, inter(66)]
    assert not any(fixture.stream.timeline.repairs.values())


def test_frame_of_a_kind_is_the_newest_in_the_log() -> None:
    stream = Fixture().live(META, AVC, AAC, key(0), sound(4), inter(33), sound(40), AAC).stream
    assert stream.frame(AUDIO) == sound(40)
    assert stream.frame(VIDEO) == inter(33)


def test_frame_stays_known_while_the_log_holds_no_newer_one() -> None:
    fixture = Fixture().live(key(0), sound(4))
    assert fixture.stream.frame(AUDIO) == sound(4)
    fixture.stream.publish([key(2000)], 0)
    assert fixture.stream.frame(AUDIO) == sound(4)
    fixture.stream.begin(fixture.publisher, 0)
    assert fixture.stream.frame(AUDIO) is None


def test_frame_is_searched_at_the_end_of_the_log_only() -> None:
    pictures = [inter(33 * number) for number in range(1, SEARCHED + 1)]
    assert Fixture().live(key(0), sound(4), *pictures).stream.frame(AUDIO) is None


def test_output_that_is_attached_while_tags_are_given_out_is_served_from_the_next_on() -> None:
    fixture = Fixture().live()
    first, second = FakeSink(), FakeSink()
    fixture.stream.attach("first", first)
    first.then = lambda: (
        None if fixture.stream.sink("second") else fixture.stream.attach("second", second)
    )
    fixture.stream.publish([key(0), inter(33)], 0)
    assert second.calls == ["start", "K0", "v33"]


# ---------------------------------------------------------------------- what counts as a keyframe


def test_without_video_any_sound_counts_as_a_keyframe() -> None:
    fixture = Fixture().live(AAC, sound(0), sound(21), sound(42))
    assert fixture.join() == ["start aac", "A42"]


def test_with_video_sound_counts_no_more() -> None:
    fixture = Fixture().live(sound(0), AVC, key(10), sound(21))
    assert fixture.join() == ["start h1", "K10", "a21"]


def test_when_video_stops_sound_counts_again_once_the_log_is_over_its_limit() -> None:
    fixture = Fixture(log_s=2).live(AVC, key(0), *(sound(time) for time in range(20, 2001, 20)))
    assert len(fixture.join()) == 1 + 1 + 100
    fixture.stream.publish([sound(2020)], 0)
    assert fixture.join() == ["start h1"]
    fixture.stream.publish([sound(2040), sound(2060)], 0)
    assert fixture.join() == ["start h1", "A2060"]


def test_a_few_sounds_in_a_log_over_its_limit_do_not_count() -> None:
    fixture = Fixture(log_s=1).live(key(0), sound(1001), sound(1021))
    assert fixture.join() == ["start"]
    fixture.stream.publish([key(1040), sound(1041)], 1)
    assert fixture.join() == ["start", "K1040", "a1041"]


def test_keyframe_of_a_second_track_does_not_start_the_log_anew() -> None:
    track_0 = video_tag(0, wire("96 01 61766331 00 000000 65"))
    track_1 = video_tag(10, wire("96 01 61766331 01 000000 65"))
    fixture = Fixture().live(track_0, track_1)
    assert fixture.join() == ["start", "K0", "v10"]


# ---------------------------------------------------------------------- tracks that send nothing


def wait_for_tracks(fixture: Fixture) -> None:
    """Let the time pass that a declared track is waited for, from 0 s on."""
    for now in (0.1, 3, 3.1):
        fixture.stream.handle_timeout(now)


def test_sound_counts_as_a_keyframe_when_a_declared_picture_does_not_come() -> None:
    fixture = Fixture().live(META, AVC, AAC, sound(0))
    assert fixture.join() == ["start", "meta", "h1", "aac", "a0"]
    wait_for_tracks(fixture)
    fixture.stream.publish([sound(21), sound(42)], 3.2)
    assert fixture.join() == ["start meta aac", "A42"]
    assert [name(tag) for tag in fixture.stream.all_headers()] == ["meta", "h1", "aac"]


def test_newcomer_is_not_told_of_sound_that_does_not_come() -> None:
    fixture = Fixture().live(META, AVC, AAC, key(0), inter(33))
    wait_for_tracks(fixture)
    assert fixture.join() == ["start meta h1", "K0", "v33"]
    fixture.stream.publish([key(2000)], 3.2)
    assert fixture.join() == ["start meta h1", "K2000"]


def test_header_in_the_log_of_a_track_that_does_not_come_is_left_out() -> None:
    fixture = Fixture().live(AVC, key(0), AAC, inter(33))
    assert fixture.join() == ["start h1", "K0", "aac", "v33"]
    wait_for_tracks(fixture)
    assert fixture.join() == ["start h1", "K0", "v33"]


def test_track_that_comes_late_is_announced_to_all_just_before_it_comes() -> None:
    fixture = Fixture().live(META, AVC, AAC, key(0))
    wait_for_tracks(fixture)
    sink, bad = FakeSink(), FakeSink(raises_on="aac")
    fixture.stream.attach("a", sink)
    fixture.stream.attach("bad", bad)
    fixture.stream.publish([inter(33), sound(40), sound(61)], 3.2)
    assert sink.calls == ["start meta h1", "K0", "v33", "aac", "a40", "a61"]
    assert [tag.timestamp for tag in sink.tags if tag.is_sequence_header] == [40]
    assert fixture.join() == ["start meta h1", "K0", "v33", "aac", "a40", "a61"]
    assert fixture.errors == ["live/cam1: aac"]
    fixture.stream.publish([key(66)], 3.2)
    assert fixture.join() == ["start meta h1 aac", "K66"]


def test_header_of_a_track_that_sends_nothing_yet_waits_for_its_first_frame() -> None:
    fixture = Fixture().live(sound(0))
    wait_for_tracks(fixture)
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    fixture.stream.publish([AVC, sound(21)], 3.2)
    assert sink.calls == ["start", "A0", "A21"]
    fixture.stream.publish([key(30), sound(42)], 3.2)
    assert sink.calls[3:] == ["h1", "K30", "a42"]


# ---------------------------------------------------------------------- headers and data


def test_repeated_headers_and_metadata_are_not_passed_on() -> None:
    fixture = Fixture().live()
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    fixture.stream.publish([META, AVC, AAC, key(0), META, AVC, AAC, key(33), AVC_2], 0)
    assert sink.calls == ["start", "meta", "h1", "aac", "K0", "K33", "h2"]


def test_headers_never_move_the_clock() -> None:
    fixture = Fixture()
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    fixture.live(key(5000), sound(5000), AVC, AAC, inter(5033), sound(5021))
    fixture.stream.publish([AVC_2._replace(timestamp=99_000), key(5066), sound(5042)], 0)
    assert sink.calls[3:] == [
        *("K5000", "a5000", "h1", "aac", "v5033", "a5021", "h2", "K5066", "a5042"),
    ]
    assert [tag.timestamp for tag in sink.tags if tag.is_sequence_header] == [5000, 5000, 5033]
    assert not any(fixture.stream.timeline.repairs.values())


@pytest.mark.parametrize("edge", [2**31, 2**32])
def test_headers_at_zero_do_not_hold_the_first_frames_before_an_edge(edge: int) -> None:
    fixture = Fixture().live(AVC, AAC)
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    for time in range(edge - 900, edge + 900, 30):
        fixture.stream.publish([key(time % 2**32), sound((time + 10) % 2**32)], 0)
    times = [tag.timestamp for tag in sink.tags[2:]]
    assert [(time - times[0]) % 2**32 for time in times[::2]] == list(range(0, 1800, 30))
    assert [(time - times[0]) % 2**32 for time in times[1::2]] == list(range(10, 1810, 30))


def test_other_data_is_passed_on_every_time() -> None:
    text = script_tag(5, b"\x02\x00\x0aonTextData\x05")
    fixture = Fixture().live(key(0), text, text)
    assert fixture.join() == ["start", "K0", "s5", "s5"]


def test_empty_bodies_are_dropped() -> None:
    fixture = Fixture().live(key(0), audio_tag(5, b""), video_tag(6, b""))
    assert fixture.join() == ["start", "K0"]
    assert fixture.stream.bytes_in == 6


def test_what_is_published_is_counted() -> None:
    fixture = Fixture().live(AVC, key(0), inter(33))
    assert (fixture.stream.tags_in, fixture.stream.bytes_in) == (3, 9 + 6 + 6)


# ---------------------------------------------------------------------- the log


def test_log_over_its_bytes_is_dropped_until_the_next_keyframe() -> None:
    fixture = Fixture(log_bytes=18).live(AVC, key(0), inter(33), inter(66))
    assert fixture.join() == ["start h1", "K0", "v33", "v66"]
    fixture.stream.publish([inter(99)], 0)
    assert fixture.join() == ["start h1"]
    fixture.stream.publish([inter(132), key(165), inter(198)], 0)
    assert fixture.join() == ["start h1", "K165", "v198"]


def test_log_over_its_time_is_dropped_until_the_next_keyframe() -> None:
    fixture = Fixture(log_s=1).live(key(0), inter(1000), inter(1001))
    assert fixture.join() == ["start"]


# ---------------------------------------------------------------------- sinks that fail


@pytest.mark.parametrize("raises_on", ["start", "resume", "K0", "v33", "interrupt", "end"])
def test_output_that_raises_is_detached_and_reported_and_the_others_go_on(raises_on: str) -> None:
    fixture = Fixture()
    bad, good = FakeSink(), FakeSink()
    fixture.stream.attach("bad", bad)
    fixture.stream.attach("good", good)
    bad.raises_on = raises_on
    fixture.live(key(0), inter(33), inter(66))
    fixture.stream.interrupt(1)
    fixture.stream.end()
    assert fixture.errors == [f"live/cam1: {raises_on}"]
    assert bad.calls[-1] == "end"
    assert raises_on in bad.calls[-2:]
    assert good.calls == ["start", "start", "resume", "K0", "v33", "v66", "interrupt", "end"]


@pytest.mark.parametrize("raises_on", ["start", "K0"])
def test_output_that_raises_while_it_is_attached_is_reported_and_not_there(raises_on: str) -> None:
    fixture = Fixture().live(key(0))
    bad, good = FakeSink(raises_on), FakeSink()
    fixture.stream.attach("bad", bad)
    fixture.stream.attach("good", good)
    assert fixture.errors == [f"live/cam1: {raises_on}"]
    assert bad.calls[-1] == "end"
    assert fixture.stream.sink("bad") is None
    assert good.calls == ["start", "K0"]


# ---------------------------------------------------------------------- silence, loss and return


def test_silence_of_4_seconds_is_told_once_and_so_is_its_end() -> None:
    fixture = Fixture().live(key(0), now=100)
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    fixture.stream.handle_timeout(103.9)
    assert sink.calls == ["start", "K0"]
    fixture.stream.handle_timeout(104)
    fixture.stream.handle_timeout(105)
    assert sink.calls == ["start", "K0", "interrupt"]
    fixture.stream.publish([inter(33), inter(66)], 106)
    assert sink.calls == ["start", "K0", "interrupt", "resume", "v33", "v66"]
    assert fixture.stream.is_live


def test_publisher_that_sends_nothing_from_the_start_is_silent_too() -> None:
    fixture = Fixture()
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    fixture.live(now=100)
    fixture.stream.handle_timeout(104)
    assert sink.calls == ["start", "start", "resume", "interrupt"]


def test_lost_publisher_is_told_and_the_stream_ends_with_the_window() -> None:
    fixture = Fixture(reconnect_window_s=10).live(AVC, key(0), now=100)
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    fixture.stream.interrupt(105)
    assert not fixture.stream.is_live
    fixture.stream.handle_timeout(114.9)
    assert fixture.stream.state is StreamState.INTERRUPTED
    assert sink.calls == ["start h1", "K0", "interrupt"]
    fixture.stream.handle_timeout(115)
    assert sink.calls[-1] == "end"
    assert fixture.stream.is_unused
    assert list(fixture.stream.sinks()) == []


def test_loss_of_a_silent_publisher_is_not_told_twice() -> None:
    fixture = Fixture().live(key(0), now=100)
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    fixture.stream.handle_timeout(104)
    fixture.stream.interrupt(105)
    assert sink.calls == ["start", "K0", "interrupt"]


def test_newcomer_in_the_window_gets_the_last_pictures() -> None:
    fixture = Fixture().live(AVC, key(0), inter(33))
    fixture.stream.interrupt(1)
    assert fixture.join() == ["start h1", "K0", "v33"]


def test_next_publisher_brings_its_own_headers_and_goes_on_with_the_timestamps() -> None:
    fixture = Fixture().live(META, AVC, key(5000), inter(5033), now=100)
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    fixture.stream.interrupt(110)
    fixture.live(AVC_2, key(0), inter(33), now=120)
    assert sink.calls == [
        *("start meta h1", "K5000", "v5033", "interrupt"),
        *("start", "resume", "h2", "K5053", "v5086"),
    ]
    assert fixture.join() == ["start h2", "K5053", "v5086"]
    assert fixture.stream.began == 100


def test_next_publisher_without_video_has_keyframes_at_once() -> None:
    fixture = Fixture().live(key(0))
    fixture.stream.interrupt(1)
    fixture.live(sound(0), sound(21))
    assert fixture.join() == ["start", "A41"]


def test_end_is_told_once_and_detaches_all() -> None:
    fixture = Fixture().live()
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    fixture.stream.end()
    fixture.stream.end()
    fixture.stream.interrupt(1)
    fixture.stream.handle_timeout(1000)
    assert sink.calls == ["start", "end"]
    assert fixture.stream.state is StreamState.ENDED


def test_stream_is_unused_when_it_ended_or_nobody_waits_for_it() -> None:
    fixture = Fixture()
    assert fixture.stream.is_unused
    fixture.stream.attach("a", FakeSink())
    assert not fixture.stream.is_unused
    fixture.stream.detach("a")
    fixture.live()
    assert not fixture.stream.is_unused
    fixture.stream.interrupt(1)
    assert not fixture.stream.is_unused
    fixture.stream.end()
    assert fixture.stream.is_unused


# ---------------------------------------------------------------------- who watches


def test_publisher_is_told_when_the_first_viewer_comes_and_the_last_one_leaves() -> None:
    fixture = Fixture().live()
    fixture.stream.attach("a", FakeSink())
    fixture.stream.attach("b", FakeSink())
    fixture.stream.detach("a")
    fixture.stream.detach("b")
    assert fixture.publisher.calls == ["unwatched", "watched", "unwatched"]


def test_publisher_of_a_stream_that_is_waited_for_is_watched_from_the_start() -> None:
    fixture = Fixture()
    fixture.stream.attach("a", FakeSink())
    fixture.live()
    assert fixture.publisher.calls == ["watched"]


def test_what_the_publisher_had_not_read_yet_is_in_the_log_of_the_first_viewer() -> None:
    fixture = Fixture().live(key(0))
    fixture.publisher.before_watched = lambda: fixture.stream.publish([inter(33)], 1)
    assert fixture.join() == ["start", "K0", "v33"]


@pytest.mark.parametrize("how", ["interrupt", "end"])
def test_publisher_that_is_gone_is_told_nothing(how: str) -> None:
    fixture = Fixture().live()
    if how == "end":
        fixture.stream.end()
    else:
        fixture.stream.interrupt(1)
    fixture.join()
    assert fixture.publisher.calls == ["unwatched"]


def test_newcomer_of_a_stream_whose_end_is_read_just_then_is_told_so() -> None:
    fixture = Fixture().live(key(0))
    fixture.publisher.before_watched = fixture.stream.end
    sink = FakeSink()
    fixture.stream.attach("a", sink)
    assert sink.calls == ["start", "end"]
    assert list(fixture.stream.sinks()) == []


def test_frames_and_keyframe_interval_are_counted() -> None:
    stream = Fixture().live(META, AVC, AAC, key(100), inter(140), sound(150)).stream
    stream.publish([key(2100)], 2)
    assert (stream.frames, stream.sounds, stream.keyframe_interval) == (3, 1, 2000)
    stream.begin(FakePublisher(), 5)
    assert stream.keyframe_interval is None


def test_picture_in_several_messages_is_one_picture_and_one_keyframe() -> None:
    fixture = Fixture().live(AVC, *[key(0)] * 4, *[inter(40)] * 4, sound(45), *[inter(80)] * 4)
    fixture.stream.publish([*[key(2000)] * 4, *[inter(2040)] * 4], 2)
    assert fixture.stream.frames == 5
    assert fixture.stream.keyframe_interval == 2000
    assert fixture.join() == ["start h1", "K2000", *["v2000"] * 3, *["v2040"] * 4]


def test_keyframes_of_a_clock_that_stands_still_are_several() -> None:
    assert Fixture().live(key(0), inter(0), key(0, size=1)).join() == ["start", "K0"]
    assert Fixture().live(key(0), inter(0), key(0), inter(0)).join() == ["start", "K0", "v0"]


def test_only_the_lowest_track_is_counted() -> None:
    header = video_tag(0, wire("96 00 61766331 01 01640028"))
    second = [video_tag(time, wire("a6 01 61766331 01 000000 41")) for time in (20, 53)]
    sounds = [audio_tag(0, wire(f"95 0{n} 6d703461 01 1190")) for n in (0, 1)]
    fixture = Fixture().live(AVC, header, AAC, sounds[0], key(0), second[0], inter(33), second[1])
    fixture.stream.publish([sound(60), sounds[1]._replace(timestamp=60)], 0)
    assert (fixture.stream.frames, fixture.stream.sounds) == (2, 1)


def test_newest_keyframe_comes_with_the_headers_it_is_decoded_with() -> None:
    stream = Fixture().stream
    assert stream.keyframe() is None
    stream.begin(FakePublisher(), 0)
    stream.publish([AVC, key(0), inter(40), AVC_2], 0)
    assert stream.keyframe() == ((AVC,), key(0))
    stream.publish([key(2000)], 2)
    found = stream.keyframe()
    assert found is not None
    assert [tag.body for tag in found[0]] == [AVC_2.body]
    assert found[1] == key(2000)


def test_stream_without_video_has_no_keyframe() -> None:
    stream = Fixture().live(AAC, sound(0), sound(23)).stream
    assert stream.keyframe() is None
    assert stream.has_begun


# ---------------------------------------------------------------------- what the observer is told


class Observed(Fixture):
    """A stream with an observer."""

    def __init__(self) -> None:
        super().__init__()
        self.observer = FakeObserver()
        self.stream = Stream("live/cam1", stream_settings(), self._report, self.observer)

    def told(self) -> list[str]:
        """What was told since the last time."""
        told, self.observer.told = self.observer.told, []
        return told


def test_observer_is_told_of_a_publisher_and_of_its_media_once() -> None:
    fixture = Observed().live(AVC)
    assert fixture.stream.publisher is fixture.publisher
    assert fixture.told() == ["created", "connected"]
    fixture.stream.handle_timeout(0.5)
    fixture.stream.publish([inter(33)], 0.6)  # nothing can be decoded yet
    fixture.stream.handle_timeout(1)
    assert fixture.told() == []
    fixture.stream.publish([key(66)], 1.2)
    fixture.stream.handle_timeout(1.5)
    fixture.stream.handle_timeout(2)
    assert fixture.told() == ["active"]


def test_sound_makes_a_stream_without_video_active_for_each_publisher() -> None:
    fixture = Observed().live(AAC, sound(1))
    fixture.stream.handle_timeout(0.5)
    fixture.stream.interrupt(1)
    fixture.stream.begin(fixture.publisher, 2)
    fixture.stream.handle_timeout(2.5)
    assert fixture.told() == ["created", "connected", "active", "disconnected lost", "connected"]
    fixture.stream.publish([sound(5)], 2.6)
    fixture.stream.handle_timeout(3)
    assert fixture.told() == ["active"]


def test_observer_is_told_of_media_before_it_is_told_of_the_end() -> None:
    fixture = Observed().live(AVC, key(0))
    fixture.stream.end()
    fixture.stream.end()
    assert fixture.stream.publisher is None
    assert fixture.told() == ["created", "connected", "active", "disconnected ended", "ended ended"]


def test_observer_is_told_when_a_publisher_does_not_come_back() -> None:
    fixture = Observed().live()
    fixture.stream.interrupt(1)
    fixture.stream.interrupt(2)
    fixture.stream.handle_timeout(61)
    assert fixture.told() == ["created", "connected", "disconnected lost", "ended lost"]


def test_observer_is_told_that_the_last_viewer_left() -> None:
    fixture = Observed().live()
    fixture.stream.handle_timeout(0.5)
    fixture.stream.attach("a", FakeSink())
    fixture.stream.attach("b", FakeSink())
    fixture.stream.handle_timeout(1)
    fixture.stream.detach("a")
    fixture.stream.handle_timeout(1.5)
    assert fixture.told() == ["created", "connected"]
    fixture.stream.detach("b")
    fixture.stream.handle_timeout(2)
    fixture.stream.handle_timeout(2.5)
    assert fixture.told() == ["idle"]


def test_name_that_was_only_waited_for_is_no_stream_to_the_observer() -> None:
    fixture = Observed()
    fixture.stream.attach("a", FakeSink())
    fixture.stream.handle_timeout(0.5)
    fixture.stream.detach("a")
    fixture.stream.handle_timeout(1)
    fixture.stream.end()
    assert fixture.told() == []


# ---------------------------------------------------------------------- patient outputs


def test_publisher_may_take_its_time_while_only_patient_outputs_watch() -> None:
    publisher = FakePublisher()
    made = Stream("live/a", stream_settings(), lambda _path, _error: None)
    made.begin(publisher, 0)
    publisher.calls.clear()
    made.attach("hls", FakeSink(), is_patient=True)
    assert publisher.calls == []
    made.attach("rtmp", FakeSink())
    made.attach("flv", FakeSink())
    assert publisher.calls == ["watched"]
    made.detach("flv")
    made.detach("rtmp")
    assert publisher.calls == ["watched", "unwatched"]
    made.detach("hls")
    assert publisher.calls == ["watched", "unwatched"]


def test_patient_output_is_no_reason_for_the_next_publisher_to_hurry() -> None:
    made = Stream("live/a", stream_settings(), lambda _path, _error: None)
    made.attach("hls", FakeSink(), is_patient=True)
    publisher = FakePublisher()
    made.begin(publisher, 0)
    assert publisher.calls == ["unwatched"]


def test_patient_output_that_fails_is_not_counted_any_more() -> None:
    publisher = FakePublisher()
    made = Stream("live/a", stream_settings(), lambda _path, _error: None)
    made.begin(publisher, 0)
    made.attach("hls", FakeSink(raises_on="K0"), is_patient=True)
    made.publish([key(0)], 0)
    publisher.calls.clear()
    made.attach("rtmp", FakeSink())
    assert publisher.calls == ["watched"]


# ---------------------------------------------------------------------- audiences


def test_output_is_there_for_somebody_unless_it_says_otherwise() -> None:
    made = Stream("live/a", stream_settings(), lambda _path, _error: None)
    assert not made.is_watched
    viewers = 0
    made.attach("hls", FakeSink(), audience=lambda: viewers)
    made.attach("relay", FakeSink(), audience=no_audience)
    assert not made.is_watched
    viewers = 2
    assert made.is_watched
    made.detach("hls")
    assert not made.is_watched
    made.attach("hls", FakeSink())  # another one, which has an audience for sure
    assert made.is_watched


def test_audience_of_an_output_that_failed_is_forgotten() -> None:
    made = Stream("live/a", stream_settings(), lambda _path, _error: None)
    made.attach("a", FakeSink(raises_on="start"), audience=no_audience)
    made.attach("a", FakeSink())
    assert made.is_watched
    made.end()
    assert not made.is_watched
