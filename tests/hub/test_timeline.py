"""This module tests headend.hub.timeline."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.hub.timeline import Repair, Timeline
from headend.media.tag import AUDIO, SCRIPT, VIDEO, TagKind

WRAP = 2**32
DAY = 86_400_000

KINDS = {"a": AUDIO, "v": VIDEO, "s": SCRIPT}


def feed(timeline: Timeline, text: str) -> str:
    """Map `v0 a0 v33` in order; `|` is a restart. Gives the sent ones in the same form."""
    sent = []
    for word in text.split():
        if word == "|":
            timeline.restart()
            sent.append(word)
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
        "v4294957000 a4294957020 v4294967290 a4294967295 v27 a20 v60",
        # silences
        "v0 a0 v33 a21 v15000 a15010 v15033",
        "v0 a0 v33 a10000 a20000 a30000 a40000 a50000 v50010 a50021",
        "v0 v20000 v40000 v60000",
        "v0 v30000",
        # the sender's interleaving
        "v0 a9000 v33 a9021 v66 a9042 v5000 a9900 v9000",
        # data on the stream's clock
        "v0 s10 v33 s30 s30 v66 s1066 v99",
    ],
)
def test_sound_timestamps_pass_unchanged(text: str) -> None:
    assert run(text) == (text, {})


def test_small_step_back_is_clamped_to_the_last_of_its_kind() -> None:
    assert run("v0 a0 v1000 a1000 v0 a1021 v960 v1033") == (
        "v0 a0 v1000 a1000 v1000 a1021 v1000 v1033",
        {"backward_step": 2},
    )


def test_clock_that_starts_again_goes_on_from_the_newest_sent_for_both_tracks() -> None:
    assert run("v5000 a5010 v5033 a5031 v0 a10 v33 a31") == (
        "v5000 a5010 v5033 a5031 v5053 a5063 v5086 a5084",
        {"backward_jump": 1},
    )


def test_messages_of_the_old_clock_between_the_jumps_of_both_tracks_keep_it() -> None:
    assert run("v5000 a5010 a0 v5033 a21 v5066 a42 v30") == (
        "v5000 a5010 a5030 v5033 a5051 v5066 a5072 v5066",
        {"backward_jump": 1},
    )


def test_a_short_playlist_that_loops_goes_on_forever() -> None:
    timeline = Timeline()
    newest = -1
    for _ in range(100):
        for timestamp in range(0, 4000, 40):
            sent = timeline.map(VIDEO, timestamp)
            assert newest < sent <= newest + 40
            newest = sent
    assert timeline.repairs[Repair.BACKWARD_JUMP] == 99


def test_jump_forward_of_both_tracks_is_taken_out_once() -> None:
    assert run("v0 a0 v33 a21 a3600042 v3600066 a3600063 v3600099") == (
        "v0 a0 v33 a21 a53 v77 a74 v110",
        {"forward_jump": 1},
    )


def test_headers_at_zero_before_a_wall_clock_do_not_set_tracks_apart() -> None:
    assert run("v0 a0 v90000000 a90000010 v90000033 a90000031") == (
        "v0 a0 v20 a30 v53 a51",
        {"forward_jump": 1},
    )


def test_one_stray_message_does_not_move_its_track() -> None:
    # 0xffffff9f: -97, by an encoder that subtracted too much
    assert run("v99967 a100000 v4294967199 v100033 a100021 v100066") == (
        "v99967 a100000 v100020 v100033 a100021 v100066",
        {"backward_jump": 1},
    )
    assert run("v100000 v0 v100033 v100066") == (
        "v100000 v100020 v100033 v100066",
        {"backward_jump": 1},
    )


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
    assert feed(timeline, "v2147483640 v20") == "v4294967288 v20"
    assert timeline.repairs[Repair.WRAP_31] == 2


def test_late_message_from_before_a_wrap_of_31_bits_is_clamped() -> None:
    assert run("v2147483620 v5 v2147483640 v38") == (
        "v2147483620 v2147483653 v2147483653 v2147483686",
        {"wrap_31": 1, "backward_step": 1},
    )


def test_a_restart_near_31_bits_is_no_wrap() -> None:
    assert run("v2147383620 v0 v33") == (
        "v2147383620 v2147383640 v2147383673",
        {"backward_jump": 1},
    )


def test_late_message_from_before_the_wrap_of_32_bits_is_clamped() -> None:
    assert run("v4294957000 v4294967290 v10 v4294967290 v43") == (
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
        a = timeline.map(AUDIO, audio + step)
        v = timeline.map(VIDEO, video + step)
    return a, v


def test_a_track_that_is_left_behind_is_pulled_up_after_a_while() -> None:
    timeline = Timeline()
    progress(timeline, 0, 0, 5)
    audio, video = progress(timeline, 5000, 25000, 2)
    assert video - audio == 20000
    audio, video = progress(timeline, 7000, 27000, 8)
    assert abs(video - audio) <= 500
    assert timeline.repairs[Repair.APART] == 1


def test_a_track_that_catches_up_is_not_pulled() -> None:
    text = "v0 a0 a12000 v2100 a12500 v4000 v12600 a14700 v15000 a17000 v17100"
    assert run(text) == (text, {})


def test_a_track_is_not_pulled_after_one_that_stands_still() -> None:
    text = "v0 a0 v11000 v21000 a2100 a4200 a6300 a8400"
    assert run(text) == (text, {})


def test_negative_timestamps_at_the_start_become_zero() -> None:
    assert run("v4294967199 a4294967200 v4294967232 v33") == ("v0 a1 v33 v130", {"negative": 1})


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
    assert feed(timeline, "v0 v100000 v400000") == "v0 v100000 v100020"


def test_a_track_that_ended_a_month_ago_does_not_turn_up_in_the_future() -> None:
    timeline = Timeline(gap_ms=3_600_000)
    feed(timeline, "a0 v0")
    for now in range(0, 60 * DAY, 3_599_999):
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
    assert timeline.map_beside(VIDEO, 4000) == 4000  # the first of all
    assert timeline.map(VIDEO, 5000) == 5000
    assert timeline.map_beside(AUDIO, 5000) == 5000
    assert [timeline.map_beside(VIDEO, each) for each in (4960, 5200, 4900)] == [4960, 5200, 4900]
    assert timeline.map(VIDEO, 5033) == 5033
    assert not any(timeline.repairs.values())
    assert timeline.map(VIDEO, 0) == 5053  # the clock is started again
    assert timeline.map_beside(VIDEO, 10) == 5063


def test_track_beside_the_lowest_on_another_clock_is_pulled_up() -> None:
    timeline = Timeline()
    timeline.map(VIDEO, 50_000)
    assert timeline.map_beside(VIDEO, 0) == 50_000
    assert timeline.repairs[Repair.APART] == 1
    assert timeline.map(VIDEO, 50_033) == 50_033


def test_track_beside_goes_on_when_the_lowest_is_over() -> None:
    timeline = Timeline()
    timeline.map(VIDEO, 0)
    times = range(1000, 60_000, 1000)
    assert [timeline.map_beside(VIDEO, time) for time in times] == list(times)
    assert not any(timeline.repairs.values())
