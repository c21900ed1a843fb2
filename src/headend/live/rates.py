"""Samples of all streams, one a second: bit rates, frame rates, viewers, loop lag."""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from pydantic import ConfigDict

from headend.features.features import Features
from headend.hls.port import Packaging
from headend.hub.registry import Registry
from headend.hub.stream import Stream
from headend.net.runtime import Runtime
from headend.outputs.fanout import Fanout

PERIOD_S: Final = 1.0
HISTORY: Final = 120  # samples kept of a stream
AVERAGED: Final = 5  # samples that a rate of now is taken from
# Seconds that the loop is behind: a flush should wait for 0.03 at most, peers give up after some.
LAGS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


class RateSample(NamedTuple):
    """Counts of a stream at one time, monotonic seconds."""

    time: float
    bytes: int
    bytes_out: int
    frames: int
    sounds: int
    viewers: int


@dataclass(frozen=True, slots=True)
class StreamRates:
    """Rates of one stream over the last few seconds.

    Attributes:
        bit_rate: bit/s published.
        bit_rate_out: bit/s given to all viewers.
        frame_rate: Pictures a second.
        audio_rate: Audio frames a second.
    """

    bit_rate: int = 0
    bit_rate_out: int = 0
    frame_rate: float = 0.0
    audio_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class RateHistory:
    """Rates of one stream for each second, oldest first."""

    __pydantic_config__ = ConfigDict(title="History", extra="forbid")

    interval_s: float
    bit_rate: list[int]
    bit_rate_out: list[int]
    frame_rate: list[float]
    viewers: list[int]


class Rates:
    """The sampler.

    Attributes:
        loop_lag_s: By how many seconds the last sample was late, as the loop was busy.
        lags: How many samples were late by up to each of LAGS, and by more.
        lag_s: Sum of all lags, seconds.
        flush_interval_s: Seconds between rounds of flushes lately; 0: there were none.
        bit_rate_in: bit/s published, of all streams.
        bit_rate_out: bit/s given to all viewers.
        observers: Called once a second, with the time.
    """

    def __init__(self, runtime: Runtime, registry: Registry, features: Features) -> None:
        self._runtime = runtime
        self._registry = registry
        self._features = features
        self._samples: dict[str, tuple[Stream, deque[RateSample]]] = {}
        self.observers: list[Callable[[float], None]] = []
        self.loop_lag_s = 0.0
        self.lags = [0] * (len(LAGS) + 1)
        self.lag_s = 0.0
        self._rounds: deque[tuple[float, int]] = deque(maxlen=AVERAGED + 1)
        self._due = runtime.loop.time() + PERIOD_S
        self._timer = runtime.loop.call_at(self._due, self._sample)

    def close(self) -> None:
        """Stop sampling."""
        self._timer.cancel()

    @property
    def bit_rate_in(self) -> int:
        return sum(self.of(path).bit_rate for path in self._samples)

    @property
    def bit_rate_out(self) -> int:
        return sum(self.of(path).bit_rate_out for path in self._samples)

    @property
    def flush_interval_s(self) -> float:
        if len(self._rounds) < 2:
            return 0.0
        (began, old), (ended, new) = self._rounds[0], self._rounds[-1]
        return (ended - began) / (new - old) if new > old else 0.0

    def of(self, path: str) -> StreamRates:
        """Return a stream's rates of now; all 0 where nothing is known."""
        samples = self._of(path)
        if len(samples) < 2:
            return StreamRates()
        old, new = samples[max(0, len(samples) - 1 - AVERAGED)], samples[-1]
        span = new.time - old.time
        return StreamRates(
            _bit_rate(new.bytes - old.bytes, span),
            _bit_rate(new.bytes_out - old.bytes_out, span),
            round((new.frames - old.frames) / span, 2),
            round((new.sounds - old.sounds) / span, 2),
        )

    def history(self, path: str) -> RateHistory:
        """Return a stream's last two minutes."""
        samples = list(self._of(path))
        pairs = list(pairwise(samples))
        return RateHistory(
            PERIOD_S,
            [_bit_rate(b.bytes - a.bytes, b.time - a.time) for a, b in pairs],
            [_bit_rate(b.bytes_out - a.bytes_out, b.time - a.time) for a, b in pairs],
            [round((b.frames - a.frames) / (b.time - a.time), 1) for a, b in pairs],
            [b.viewers for _, b in pairs],
        )

    def _of(self, path: str) -> deque[RateSample]:
        known = self._samples.get(path)
        return deque() if known is None else known[1]

    def _sample(self) -> None:
        loop = self._runtime.loop
        now = loop.time()
        self.loop_lag_s = max(0.0, now - self._due)
        self.lags[bisect_left(LAGS, self.loop_lag_s)] += 1
        self.lag_s += self.loop_lag_s
        self._rounds.append((now, self._runtime.poller.clock.rounds))
        self._due = now + PERIOD_S
        self._timer = loop.call_at(self._due, self._sample)
        streams = {stream.path: stream for stream in self._registry.streams()}
        for path in self._samples.keys() - streams.keys():
            del self._samples[path]
        for path, stream in streams.items():
            known = self._samples.get(path)
            if known is None or known[0] is not stream:
                known = self._samples[path] = stream, deque(maxlen=HISTORY + 1)
            known[1].append(self._look(stream, now))
        for observer in self.observers:
            observer(now)

    def _look(self, stream: Stream, now: float) -> RateSample:
        """Take a sample of a stream."""
        hls = self._features.find(Packaging)
        packaged = None if hls is None else hls.find(stream.path)
        audience = None if packaged is None else packaged.audience
        viewers, bytes_out = (0, 0) if audience is None else (len(audience), audience.bytes_out)
        for sink in stream.sinks():
            if isinstance(sink, Fanout):
                viewers += len(sink)
                bytes_out += sink.bytes_out
        return RateSample(now, stream.bytes_in, bytes_out, stream.frames, stream.sounds, viewers)


def _bit_rate(size: int, span: float) -> int:
    """Return bit/s; what was given by an output that is gone does not count against the others."""
    return max(0, round(8 * size / span))
