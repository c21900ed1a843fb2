"""Tests of headend.hub.timeline."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.hub.timeline import Repair, Timeline
from headend.media.tag import AUDIO, SCRIPT, VIDEO, TagKind

WRAP = 2**32
DAY = 86_400_000

KINDS = {"a": AUDIO, "v": VIDEO, "s": SCRIPT}


def feed(timeline: Timeline, text: str) -> str:
    """Map `v0 a0 +15 v15000` in order: `+15` is 15 seconds later, `|` a restart.

    Gives what is sent in the same form.
    """
    sent = []
    for word in text.split():
        if word == "|":
            timeline.restart()
            sent.append(word)
        elif word[0] == "+":
            timeline.now += float(word)
            timeline.review()
        else:
            sent.append(f"{word[0]}{timeline.map(KINDS[word[0]], int(word[1:]))}")
    return " ".join(sent)


def run(text: str) -> tuple[str, dict[str, int]]:
    timeline = Timeline()
    return feed(timeline, text), {cause.value: n for cause, n in timeline.repairs.items() if n}


def backward(before: int, after: int) -> bool:
    return (after - before) % WRAP >= WRAP // 2


@pytest.mark.parametrize(
    "text",
    [
        "s0 v0 a0 v33 a21 v66 a42",
        "a5000000 v5000040 a5000021",
        "v0 v0 v0",
        # the edges of 24, 31 and 32 bits
        "v16777205 a16777206 v16777215 a16777216 v16777238",
        "v2147483640 a2147483647 v2147483648 a2147483670",
        "v4294957000 a4294957020 v4294957033 a4294957041",
        # the sender's interleaving
        "v0 a9000 v33 a9021 v66 a9042 v99",
        # data on the stream's clock
        "v0 s10 v33 s30 s30 v66 s1066 v99",
    ],
)
def test_sound_timestamps_pass_unchanged(text: str) -> None:
    assert run(text) == (text, {})


@pytest.mark.parametrize(
    "text",
    [
        "v0 a0 v33 a21 +15 v15000 a15010 v15033",
        "v0 a0 v33 +10 a10000 +10 a20000 +10 a30000 +10 a40000 +10 a50000 v50010 a50021",
        "v0 +20 v20000 +20 v40000 +20 v60000",
        "v0 +30 v30000",
        "v4294957000 a4294957020 +10 v4294967290 a4294967295 v27 a20 v60",
        "v0 +0.5 v500 +0.4 v1000",  # networks are uneven
        "v0 +1 v1000 v2000 v3000 v5000 v8000",  # a slow stream whose connection was held up
    ],
)
def test_silence_as_long_as_it_took_passes_unchanged(text: str) -> None:
    sent = " ".join(word for word in text.split() if word[0] != "+")
    assert run(text) == (sent, {})


@pytest.mark.parametrize("forward", [101, 400, 2_000, 10_000, 30_000])
def test_silence_that_took_no_time_is_believed_at_the_second_message(forward: int) -> None:
    assert run(f"v0 a0 v33 v{33 + forward} v{66 + forward} v{99 + forward} a21") == (
        f"v0 a0 v33 v34 v{66 + forward} v{99 + forward} a21",
        {},
    )


# ---------------------------------------------------------------------- one message, and two


def sound_stream(seconds: int) -> list[tuple[TagKind, int]]:
    """Pictures and sound in the order of their times, from 100 s on."""
    pictures = [(VIDEO, time) for time in range(100_000, 100_000 + 1000 * seconds, 33)]
    sounds = [(AUDIO, time) for time in range(100_007, 100_000 + 1000 * seconds, 21)]
    return sorted(pictures + sounds, key=lambda each: each[1])


@pytest.mark.parametrize("kind", [AUDIO, VIDEO])
@pytest.mark.parametrize(
    "timestamp",
    [
        *(0, 98_000, 99_700, 101_500, 102_500, 110_500, 130_500, 140_500, 2**31),
        *(4_294_967_199, WRAP - 1),
    ],
)
def test_one_stray_message_moves_nothing_but_itself(kind: TagKind, timestamp: int) -> None:
    timeline = Timeline()
    messages = sound_stream(4)
    for each, (_, time) in enumerate(messages):
        timeline.now = time / 1000
        assert timeline.map(*messages[each]) == time
        if each in (40, 80, 120):
            newest = max(time for known, time in messages[: each + 1] if known is kind)
            assert newest <= timeline.map(kind, timestamp) <= newest + 1
    assert timeline.repairs[Repair.STRAY] + timeline.repairs[Repair.BACKWARD_STEP] == 3
    assert timeline.repairs[Repair.BACKWARD_JUMP] == timeline.repairs[Repair.FORWARD_JUMP] == 0


@given(
    st.lists(st.tuples(st.integers(3, 200), st.integers(0, WRAP - 1)), max_size=6),
    st.sampled_from([AUDIO, VIDEO]),
)
def test_stray_messages_now_and_then_move_nothing_but_themselves(
    strays: list[tuple[int, int]], kind: TagKind
) -> None:
    timeline = Timeline()
    clock = iter(sound_stream(20))
    for count, timestamp in strays:
        for _ in range(3 + count):
            expected = next(clock, None)
            assert expected is None or timeline.map(*expected) == expected[1]
        timeline.map(kind, timestamp)


@pytest.mark.parametrize("back", [300, 500, 1000])
def test_step_back_of_both_tracks_up_to_a_second_is_believed_at_the_second_message(
    back: int,
) -> None:
    timeline = Timeline()
    feed(timeline, "v5000 a5010 v5033 a5031")
    text = " ".join(f"v{5066 - back + 33 * n} a{5052 - back + 21 * n}" for n in range(4))
    assert feed(timeline, text) == "v5033 a5031 v5086 a5060 v5119 a5081 v5152 a5102"
    assert timeline.repairs[Repair.BACKWARD_JUMP] == 1


def test_step_back_of_a_stream_of_one_track_is_believed_at_the_second_message() -> None:
    assert run("a5000 a5021 a4500 a4521 a4542") == (
        "a5000 a5021 a5021 a5062 a5083",
        {"backward_step": 1, "backward_jump": 1},
    )


def test_track_that_steps_back_alone_keeps_its_distance_to_the_other() -> None:
    assert run("v5000 a5010 v4500 v4533 a5031 v4566 a5052 +0.5 v5033 a5073") == (
        "v5000 a5010 v5000 v5000 a5031 v5000 a5052 v5033 a5073",
        {"backward_step": 3},
    )


def test_disorder_is_clamped_to_the_last_of_its_kind() -> None:
    assert run("v0 a0 +1 v1000 a1000 v0 a1021 v960 v1033") == (
        "v0 a0 v1000 a1000 v1000 a1021 v1000 v1033",
        {"backward_step": 2},
    )


def test_display_times_of_reordered_pictures_are_no_jumps() -> None:
    timeline = Timeline()
    newest = 0
    for group in range(0, 60_000, 160):
        for time in (group + 120, group, group + 40, group + 80):
            sent = timeline.map(VIDEO, time)
            assert newest <= sent <= group + 120
            newest = sent
        timeline.map(AUDIO, group)
    assert timeline.repairs[Repair.BACKWARD_JUMP] == timeline.repairs[Repair.FORWARD_JUMP] == 0


def test_times_that_go_on_from_nothing_are_believed_in_the_end() -> None:
    assert run("v0 v2000 v5000 v7500 v12000 v13000") == (
        "v0 v1 v2 v3 v12000 v13000",
        {"stray": 2},
    )


def test_picture_in_several_messages_does_not_confirm_itself() -> None:
    assert run("v5000 v0 v0 v0 v5033 v5066") == (
        "v5000 v5001 v5001 v5001 v5033 v5066",
        {"stray": 1},
    )


def test_track_returns_from_several_stray_messages() -> None:
    assert run("v99967 v0 v33 v66 v100033 v100066") == (
        "v99967 v99968 v100020 v100053 v100053 v100066",
        {"backward_jump": 1},
    )


# ---------------------------------------------------------------------- clocks that jump


def test_clock_that_starts_again_goes_on_from_the_newest_sent_for_both_tracks() -> None:
    assert run("v5000 a5010 v5033 a5031 v0 a10 v33 a31") == (
        "v5000 a5010 v5033 a5031 v5034 a5032 v5086 a5084",
        {"backward_jump": 1},
    )


def test_messages_of_the_old_clock_between_the_jumps_of_both_tracks_keep_it() -> None:
    assert run("v5000 a5010 a0 v5033 a21 v5066 a42 v30") == (
        "v5000 a5010 a5011 v5033 a5051 v5066 a5072 v5066",
        {"backward_jump": 1},
    )


def test_a_short_playlist_that_loops_goes_on_forever() -> None:
    timeline = Timeline()
    newest = -1
    for _ in range(100):
        for timestamp in range(0, 4000, 40):
            sent = timeline.map(VIDEO, timestamp)
            assert newest < sent <= newest + 59
            newest = sent
    assert timeline.repairs[Repair.BACKWARD_JUMP] == 99


def test_jump_forward_of_both_tracks_is_taken_out_once() -> None:
    assert run("v0 a0 v33 a21 a3600042 v3600066 a3600063 v3600099") == (
        "v0 a0 v33 a21 a22 v34 a74 v110",
        {"forward_jump": 1},
    )


def test_frames_at_zero_before_a_wall_clock_do_not_set_tracks_apart() -> None:
    assert run("v0 a0 v90000000 a90000010 v90000033 a90000031") == (
        "v0 a0 v1 a1 v53 a51",
        {"forward_jump": 1},
    )


def test_picture_that_paused_for_minutes_beside_sound_is_where_it_was() -> None:
    timeline = Timeline()
    feed(timeline, "v0 a0")
    for time in range(0, 60_000, 50):
        timeline.now = time / 1000
        timeline.map(AUDIO, time)
    assert feed(timeline, "v60010 v60043 a60000") == "v60010 v60043 a60000"
    assert not any(timeline.repairs.values())


def test_picture_that_pauses_in_a_file_is_where_it_was_at_the_second_message() -> None:
    timeline = Timeline()
    feed(timeline, "v0 a0")
    for time in range(0, 60_000, 50):
        timeline.map(AUDIO, time)
    assert feed(timeline, "v60010 v60043 a60000") == "v1 v60043 a60000"
    assert not any(timeline.repairs.values())


def test_clock_of_31_bits_goes_on_where_it_wraps() -> None:
    assert run("v2147483620 a2147483640 v5 a13 v38") == (
        "v2147483620 a2147483640 v2147483653 a2147483661 v2147483686",
        {"wrap_31": 1},
    )


def test_clock_of_31_bits_wraps_to_zero_again_after_49_days() -> None:
    timeline = Timeline(gap_ms=3_600_000)
    feed(timeline, "v2147483620 v5")
    for timestamp in range(5, 2_147_480_000, 3_600_000):
        assert timeline.map(VIDEO, timestamp) == timestamp + 2_147_483_648
        timeline.now += 3600
    assert feed(timeline, "v2147483640 v20") == "v4294967288 v20"
    assert timeline.repairs[Repair.WRAP_31] == 2


def test_late_message_from_before_a_wrap_of_31_bits_is_clamped() -> None:
    assert run("v2147483620 v5 v2147483640 v38") == (
        "v2147483620 v2147483653 v2147483653 v2147483686",
        {"wrap_31": 2},
    )


def test_a_restart_near_31_bits_is_no_wrap() -> None:
    assert run("v2147383620 v0 v33") == (
        "v2147383620 v2147383621 v2147383673",
        {"backward_jump": 1},
    )


def test_late_message_from_before_the_wrap_of_32_bits_is_clamped() -> None:
    assert run("v4294957000 +10.3 v4294967290 v10 v4294967290 v43") == (
        "v4294957000 v4294967290 v10 v10 v43",
        {"backward_step": 1},
    )


def test_tracks_that_start_on_different_clocks_are_brought_together() -> None:
    assert run("v90000000 a0 v90000033 a21") == (
        "v90000000 a90000020 v90000033 a90000041",
        {"apart": 1},
    )


def progress(timeline: Timeline, audio: int, video: int, seconds: int) -> tuple[int, int]:
    """Both tracks go on in steps of 500 ms; the last sent of each."""
    a = v = 0
    for step in range(0, 1000 * seconds, 500):
        timeline.now += 0.5
        timeline.review()
        a = timeline.map(AUDIO, audio + step)
        v = timeline.map(VIDEO, video + step)
    return a, v


def test_a_track_that_is_left_behind_is_pulled_up_after_a_while() -> None:
    timeline = Timeline()
    progress(timeline, 0, 0, 5)
    timeline.now += 20
    audio, video = progress(timeline, 5000, 25000, 2)
    assert video - audio == 20000
    audio, video = progress(timeline, 7000, 27000, 8)
    assert abs(video - audio) <= 500
    assert timeline.repairs[Repair.APART] == 1


def test_a_track_that_catches_up_is_not_pulled() -> None:
    text = "v0 a0 +12 a12000 v2100 +1 a12500 v4000 +9 v12600 a14700 +2 v15000 a17000 +2 v17100"
    sent = " ".join(word for word in text.split() if word[0] != "+")
    assert run(text) == (sent, {})


def test_a_track_is_not_pulled_after_one_that_stands_still() -> None:
    text = "v0 a0 +21 v11000 +9 v21000 a2100 +2 a4200 +2 a6300 +2 a8400"
    sent = " ".join(word for word in text.split() if word[0] != "+")
    assert run(text) == (sent, {})


def test_negative_timestamps_at_the_start_become_zero() -> None:
    assert run("v4294967199 a4294967200 v4294967232 v33") == ("v0 a1 v33 v130", {"negative": 1})


@pytest.mark.parametrize("first", [-900, -67, -9_900])
def test_first_frames_below_zero_keep_their_distances(first: int) -> None:
    timeline = Timeline()
    frames = sorted(
        [(time, VIDEO) for time in range(first, first + 3000, 33)]
        + [(time, AUDIO) for time in range(first + 8, first + 3000, 21)]
    )
    for time, kind in frames:
        assert timeline.map(kind, time % WRAP) == time - first
    assert {cause for cause, count in timeline.repairs.items() if count} == {Repair.NEGATIVE}


@pytest.mark.parametrize("edge", [2**31, WRAP])
def test_first_frames_before_an_edge_keep_their_distances_to_a_first_message_at_zero(
    edge: int,
) -> None:
    timeline = Timeline()
    feed(timeline, "a0")
    sent = [timeline.map(AUDIO, time % WRAP) for time in range(edge - 900, edge + 900, 21)]
    steps = {(later - time) % WRAP for time, later in pairwise(sent[1:])}
    assert steps == {21}


def test_a_second_track_below_zero_moves_both_up() -> None:
    assert run("v5 a4294967275 v38 a0") == ("v5 a0 v59 a21", {"negative": 1})


@pytest.mark.parametrize("first", [0, 7, 16_777_215, 2_147_483_648, 4_294_967_295])
def test_next_publisher_goes_on_just_after_the_newest_sent(first: int) -> None:
    timeline = Timeline()
    feed(timeline, "v5000 a5010 v5033 a5031")
    timeline.restart()
    assert timeline.map(VIDEO, first) == 5053
    assert timeline.map(AUDIO, (first + 10) % WRAP) == 5063
    assert timeline.map(VIDEO, (first + 33) % WRAP) == 5086
    assert not any(timeline.repairs.values())


def test_first_publisher_may_be_announced_too() -> None:
    assert run("| v90 a80") == ("| v90 a80", {})


def test_second_track_of_the_next_publisher_moves_both_up_rather_than_back() -> None:
    assert run("v5000 a5010 | v500 a0 v533 a21") == ("v5000 a5010 | v5030 a5010 v5543 a5031", {})


def test_distance_of_audio_and_video_of_the_next_publisher_is_kept() -> None:
    assert run("v5000 a5010 | a3000 v0 v33 a3021") == ("v5000 a5010 | a5030 v5000 v5033 a8021", {})


def test_next_publisher_may_lack_a_track() -> None:
    assert run("v5000 a5010 | a0 a21 | v0 a0") == ("v5000 a5010 | a5030 a5051 | v5071 a5071", {})


def test_headers_have_the_time_of_the_newest_frame_of_their_kind() -> None:
    timeline = Timeline()
    feed(timeline, "v5000 v5033")
    assert timeline.header_time(VIDEO, 0) == 5033
    assert timeline.header_time(AUDIO, 0) == 5033
    feed(timeline, "a4990")
    assert timeline.header_time(AUDIO, 90_000) == 4990
    assert feed(timeline, "v5066 a5011") == "v5066 a5011"


def test_header_before_the_first_frame_keeps_its_own_time_if_that_is_not_below_zero() -> None:
    timeline = Timeline()
    assert timeline.header_time(VIDEO, 90_000_000) == 90_000_000
    assert timeline.header_time(AUDIO, WRAP - 900) == 0


def test_script_tags_stay_beside_their_neighbours_and_never_back() -> None:
    assert run("s77 v5000 s0 s5900 v5033 s4100 s999999 | s0 v0 s0 s7") == (
        "s77 v5000 s5000 s5900 v5033 s5900 s5900 | s5900 v5053 s5900 s5900",
        {},
    )


def test_script_tags_far_after_a_strange_one_are_not_held_back() -> None:
    assert run("s3000000000 v0 s0 s5") == ("s3000000000 v0 s0 s5", {})


def test_script_tags_follow_audio_in_a_stream_without_video() -> None:
    assert run("a5000 | a0 s10") == ("a5000 | a5020 s5030", {})


def test_longest_silence_can_be_set() -> None:
    timeline = Timeline(gap_ms=120_000)
    assert feed(timeline, "v0 +100 v100000 +300 v400000 v400033") == "v0 v100000 v100001 v100053"


def test_longest_step_that_is_believed_at_once_can_be_set() -> None:
    timeline = Timeline(steady_ms=5000)
    assert feed(timeline, "v0 v5000 v10001 v10034") == "v0 v5000 v5001 v10034"


def test_a_track_that_ended_a_month_ago_does_not_turn_up_in_the_future() -> None:
    timeline = Timeline(gap_ms=3_600_000)
    feed(timeline, "a0 v0")
    for now in range(0, 60 * DAY, 3_599_999):
        timeline.now = now / 1000
        assert timeline.map(VIDEO, now % WRAP) == now % WRAP
    assert timeline.map(AUDIO, now % WRAP) == now % WRAP
    timeline.restart()
    assert timeline.map(AUDIO, 0) == now % WRAP + 20


def check_never_back(timeline: Timeline, messages: Iterable[tuple[TagKind | None, int]]) -> None:
    newest: dict[TagKind, int] = {}
    for kind, timestamp in messages:
        if kind is None:
            timeline.restart()
            continue
        sent = timeline.map(kind, timestamp)
        assert 0 <= sent < WRAP
        if kind is not SCRIPT:
            assert not backward(newest.get(kind, sent), sent)
        newest[kind] = sent


timestamps = st.one_of(
    st.integers(0, WRAP - 1),
    st.integers(0, 20_000),
    st.integers(2**31 - 2000, 2**31 + 2000),
    st.integers(WRAP - 20_000, WRAP - 1),
)
any_message = st.tuples(st.sampled_from([AUDIO, VIDEO, SCRIPT, None]), timestamps)


@given(st.lists(any_message, max_size=60))
def test_whatever_comes_nothing_is_sent_that_goes_back(
    messages: list[tuple[TagKind | None, int]],
) -> None:
    check_never_back(Timeline(), messages)


@given(st.lists(any_message, max_size=60))
def test_after_any_faults_a_sound_stream_flows_again(
    messages: list[tuple[TagKind | None, int]],
) -> None:
    timeline = Timeline()
    check_never_back(timeline, messages)
    timeline.restart()
    first = timeline.map(VIDEO, 1000)
    begun = timeline.map(AUDIO, 1010)
    offset = (begun - 1010) % WRAP
    assert not backward(first + 10, begun)
    for timestamp in range(1100, 9000, 100):
        assert timeline.map(VIDEO, timestamp) == (timestamp + offset) % WRAP
        assert timeline.map(AUDIO, timestamp + 5) == (timestamp + 5 + offset) % WRAP


edges = st.sampled_from([0, 2**24, 2**31, WRAP])


@given(
    edge=edges,
    before=st.integers(15_001, 30_000),
    steps=st.lists(st.tuples(st.sampled_from([AUDIO, VIDEO]), st.integers(0, 5000)), max_size=80),
)
def test_sound_input_is_not_changed_at_any_edge(
    edge: int, before: int, steps: list[tuple[TagKind, int]]
) -> None:
    timeline = Timeline()
    now = max(0, edge - before)
    for kind, step in steps:
        now += step
        timeline.now += step / 1000
        assert timeline.map(kind, now % WRAP) == now % WRAP
    assert not any(timeline.repairs.values())


@given(
    loops=st.lists(st.integers(2_000, 200_000), min_size=1, max_size=5),
    audio_lag=st.integers(-400, 400),
)
def test_audio_and_video_stay_together_through_loops(loops: list[int], audio_lag: int) -> None:
    timeline = Timeline()
    for length in loops:
        for timestamp in range(500, length, 500):
            video = timeline.map(VIDEO, timestamp)
            audio = timeline.map(AUDIO, timestamp + audio_lag)
        assert abs(audio - video - audio_lag) <= 1000
    assert timeline.repairs[Repair.APART] == 0


def test_track_beside_the_lowest_may_lag_or_lead_and_moves_with_it() -> None:
    timeline = Timeline()
    assert timeline.map_beside(VIDEO, 1, 4000) == 4000  # the first of all
    timeline.now = 1
    assert timeline.map(VIDEO, 5000) == 5000
    assert timeline.map_beside(AUDIO, 1, 5000) == 5000
    assert [timeline.map_beside(VIDEO, 1, each) for each in (4960, 5200, 4900)] == [
        4960,
        5200,
        4900,
    ]
    assert timeline.map(VIDEO, 5033) == 5033
    assert not any(timeline.repairs.values())
    feed(timeline, "v0 v33")  # the clock is started again
    assert [timeline.map_beside(VIDEO, 1, each) for each in (10, 43)] == [5063, 5096]


def test_track_beside_the_lowest_on_another_clock_is_pulled_up() -> None:
    timeline = Timeline()
    timeline.map(VIDEO, 50_000)
    assert [timeline.map_beside(VIDEO, 1, each) for each in (0, 33, 66)] == [50_000] * 3
    assert timeline.repairs[Repair.APART] == 2
    assert timeline.map(VIDEO, 50_033) == 50_033


@pytest.mark.parametrize("stray", [0, 42_000, 58_000, 70_000, WRAP - 1])
def test_stray_message_of_a_track_beside_moves_nothing_but_itself(stray: int) -> None:
    timeline = Timeline()
    timeline.map(VIDEO, 50_000)
    assert timeline.map_beside(VIDEO, 1, 49_990) == 49_990
    assert timeline.map_beside(VIDEO, 1, stray) == 50_000
    assert timeline.map(VIDEO, 50_033) == 50_033
    assert timeline.map_beside(VIDEO, 1, 50_023) == 50_023
    assert timeline.repairs[Repair.STRAY] == 1


def test_track_beside_goes_on_when_the_lowest_is_over() -> None:
    timeline = Timeline()
    timeline.map(VIDEO, 0)
    times = range(1000, 60_000, 1000)
    timeline.map_beside(VIDEO, 1, 0)
    assert [timeline.map_beside(VIDEO, 1, time) for time in times] == list(times)
    assert not any(timeline.repairs.values())
