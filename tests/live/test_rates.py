"""Tests of headend.live.rates, second by second."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import MagicMock, Mock

import pytest
from tests.defaults import default_fanout, names

from headend.hub.registry import Registry
from headend.hub.stream import Stream
from headend.live.rates import AVERAGED, HISTORY, LAGS, Rates, StreamRates


class Clock:
    """A loop whose time a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: object) -> Mock:
        return Mock()


class Seen:
    """A sampler, and a stream whose counts a test sets."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.registry = Registry(names(), Mock())
        runtime, self.features = Mock(), Mock()
        runtime.loop = self.clock
        self.features.find.return_value = None
        runtime.poller.clock.rounds = 0
        self.poller = runtime.poller
        self.rates = Rates(runtime, self.registry, self.features)
        self.stream: Stream = self.registry.play("live/a")

    def second(self, size: int = 0, frames: int = 0, late: float = 0.0) -> None:
        """Let a second go by, with so many bytes and pictures."""
        self.clock.now += 1.0
        self.stream.bytes_in += size
        self.stream.frames += frames
        self.clock.now += late
        self.rates._sample()
        self.clock.now -= late


@contextmanager
def seen() -> Iterator[Seen]:
    made = Seen()
    yield made
    made.rates.close()


def test_nothing_is_known_before_the_second_sample() -> None:
    with seen() as it:
        assert it.rates.of("live/a") == StreamRates()
        it.second(1000)
        assert it.rates.of("live/a") == StreamRates()
        assert it.rates.of("live/b") == StreamRates()
        assert it.rates.history("live/b").bit_rate == []


def test_rates_are_averages_of_the_last_seconds() -> None:
    with seen() as it:
        it.second(10**6, 500)
        for _ in range(AVERAGED):
            it.second(1000, 25)
        assert it.rates.of("live/a") == StreamRates(8000, 0, 25.0, 0.0)
        assert it.rates.bit_rate_in == 8000


def test_history_is_second_by_second_and_bounded() -> None:
    with seen() as it:
        for number in range(HISTORY + 30):
            it.second(number, number)
        history = it.rates.history("live/a")
        assert len(history.bit_rate) == HISTORY
        assert history.bit_rate[-1] == 8 * (HISTORY + 29)
        assert history.frame_rate[-2:] == [HISTORY + 28.0, HISTORY + 29.0]
        assert history.viewers == [0] * HISTORY


def test_what_viewers_get_is_that_of_all_outputs_and_never_negative() -> None:
    with seen() as it:
        fanout = default_fanout(Mock(), Mock())
        it.stream.attach("x", fanout)
        packaged = Mock(audience=MagicMock(bytes_out=500))
        packaged.audience.__len__.return_value = 3
        it.features.find.return_value = Mock(find=lambda _: packaged)
        it.second()
        fanout.bytes_out += 1000
        packaged.audience.bytes_out += 250
        it.second()
        assert it.rates.of("live/a").bit_rate_out == 10_000
        assert it.rates.bit_rate_out == 10_000
        assert it.rates.history("live/a").viewers == [3]
        it.stream.detach("x")
        it.second()
        assert it.rates.history("live/a").bit_rate_out == [10_000, 0]


def test_stream_that_is_gone_is_forgotten_and_one_of_its_name_begins_anew() -> None:
    with seen() as it:
        it.second(10)
        it.second(10)
        it.stream.end()
        it.registry.sweep(it.clock.now)
        it.second()
        assert it.rates.history("live/a").bit_rate == []
        it.stream = it.registry.play("live/a")
        it.second()
        assert it.rates.history("live/a").bit_rate == []
        it.second(1)
        assert it.rates.history("live/a").bit_rate == [8]


@pytest.mark.parametrize(
    ("late", "bucket"), [(0.0, 0), (0.0009, 0), (0.02, 3), (2.0, 7), (100.0, len(LAGS))]
)
def test_lag_of_the_loop_is_measured(late: float, bucket: int) -> None:
    with seen() as it:
        it.second(late=late)
        assert it.rates.loop_lag_s == pytest.approx(late, abs=1e-9)
        assert it.rates.lag_s == pytest.approx(late, abs=1e-9)
        assert it.rates.lags[bucket] == sum(it.rates.lags) == 1


def test_interval_of_flushes_is_that_of_the_last_seconds() -> None:
    with seen() as it:
        assert it.rates.flush_interval_s == 0
        it.second()
        it.second()
        assert it.rates.flush_interval_s == 0
        it.poller.clock.rounds += 40
        it.second()
        assert it.rates.flush_interval_s == pytest.approx(0.05)
