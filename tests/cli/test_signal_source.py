"""Tests of headend.cli.signal_source."""

from contextlib import closing
from itertools import pairwise

import pytest

from headend.cli import signal_source
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag


class Clock:
    """Takes the place of the module `time`; only sleeping makes it go."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(signal_source, "time", clock)
    return clock


def take(batches: int, clock: Clock, *, stall_at: int = -1) -> list[Tag]:
    tags: list[Tag] = []
    with closing(signal_source.batches()) as source:
        for number in range(batches):
            if number == stall_at:
                clock.now += 0.5
            tags += next(source)
    return tags


def test_picture_and_tone_in_real_time(clock: Clock) -> None:
    tags = take(65, clock)
    video = [tag for tag in tags if tag.kind is VIDEO and not tag.is_sequence_header]
    audio = [tag for tag in tags if tag.kind is AUDIO and not tag.is_sequence_header]
    assert clock.now == pytest.approx(100 + 65 / 30)
    assert [tag.is_keyframe for tag in video].count(True) == 2
    assert video[60].is_keyframe
    assert {b.timestamp - a.timestamp for a, b in pairwise(video)} <= {33, 34}
    assert {b.timestamp - a.timestamp for a, b in pairwise(audio)} <= {21, 22}
    assert abs(audio[-1].timestamp - video[-1].timestamp) < 150
    assert tags[0].kind is SCRIPT
    assert [tag.kind for tag in tags if tag.is_sequence_header] == [VIDEO, AUDIO]


def test_machine_that_is_too_slow_leaves_frames_out(clock: Clock) -> None:
    tags = take(10, clock, stall_at=5)
    times = [t.timestamp for t in tags if t.kind is VIDEO and not t.is_sequence_header]
    assert len(times) <= 10
    assert max(later - earlier for earlier, later in pairwise(times)) >= 500
