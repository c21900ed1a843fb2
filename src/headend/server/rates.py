"""This module samples all streams once a second: bit rates, frame rates, viewers, loop lag."""

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from headend.hub.stream import Stream
from headend.outputs.fanout import Fanout
from headend.server.services import Services

PERIOD_S: Final = 1.0
HISTORY: Final = 120  # samples kept of a stream
AVERAGED: Final = 5  # samples that a rate of now is taken from


class Sample(NamedTuple):
    """Counts of a stream at one time, monotonic seconds."""

    time: float
    bytes: int
    frames: int
    sounds: int
    viewers: int


@dataclass(frozen=True, slots=True)
class StreamRates:
    """What a stream brings a second, over the last few seconds.

    Attributes:
        bit_rate: bit/s.
        frame_rate: Pictures a second.
        audio_rate: Audio frames a second.
    """

    bit_rate: int = 0
    frame_rate: float = 0.0
    audio_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class History:
    """A stream second by second, oldest first."""

    bit_rate: list[int]
    frame_rate: list[float]
    viewers: list[int]


class Rates:
    """The sampler.

    Attributes:
        loop_lag_s: By how much the last sample came late: what the loop is behind.
        bit_rate_in: bit/s of all streams.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._samples: dict[str, tuple[Stream, deque[Sample]]] = {}
        self.loop_lag_s = 0.0
        self._due = services.loop.time() + PERIOD_S
        self._timer = services.loop.call_at(self._due, self._sample)

    def close(self) -> None:
        """Sample no more."""
        self._timer.cancel()

    @property
    def bit_rate_in(self) -> int:
        return sum(self.of(path).bit_rate for path in self._samples)

    def of(self, path: str) -> StreamRates:
        """Return a stream's rates of now; all 0 where nothing is known."""
        samples = self._of(path)
        if len(samples) < 2:
            return StreamRates()
        old, new = samples[max(0, len(samples) - 1 - AVERAGED)], samples[-1]
        span = new.time - old.time
        return StreamRates(
            round(8 * (new.bytes - old.bytes) / span),
            round((new.frames - old.frames) / span, 2),
            round((new.sounds - old.sounds) / span, 2),
        )

    def history(self, path: str) -> History:
        """Return a stream's last two minutes."""
        samples = list(self._of(path))
        pairs = list(pairwise(samples))
        return History(
            [round(8 * (b.bytes - a.bytes) / (b.time - a.time)) for a, b in pairs],
            [round((b.frames - a.frames) / (b.time - a.time), 1) for a, b in pairs],
            [b.viewers for _, b in pairs],
        )

    def _of(self, path: str) -> deque[Sample]:
        known = self._samples.get(path)
        return deque() if known is None else known[1]

    def _sample(self) -> None:
        services = self._services
        now = services.loop.time()
        self.loop_lag_s = max(0.0, now - self._due)
        self._due = now + PERIOD_S
        self._timer = services.loop.call_at(self._due, self._sample)
        streams = {stream.path: stream for stream in services.registry.streams()}
        for path in self._samples.keys() - streams.keys():
            del self._samples[path]
        for path, stream in streams.items():
            known = self._samples.get(path)
            if known is None or known[0] is not stream:
                known = self._samples[path] = stream, deque(maxlen=HISTORY + 1)
            known[1].append(
                Sample(now, stream.bytes_in, stream.frames, stream.sounds, self._viewers(stream))
            )

    def _viewers(self, stream: Stream) -> int:
        hls = self._services.hls
        direct = sum(len(sink) for sink in stream.sinks() if isinstance(sink, Fanout))
        return direct + (0 if hls is None else hls.viewers(stream.path))
