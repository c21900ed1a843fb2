"""Streams of odd cadences: how long a tag waits in fan-out and flush clock, and in which order."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest
from tests.defaults import default_fanout
from tests.net.loops import FakeLoop

from headend.hub.stream import Stream, StreamSettings
from headend.media.tag import AUDIO, VIDEO, Tag, TagKind
from headend.net.flush_clock import EARLY_S, FlushClock, FlushMode
from headend.outputs.fanout import Viewer

BUDGET_S = 0.03
SECONDS = 3
SOUND_S = 0.023

Arrival = tuple[float, TagKind, int]  # when it comes, seconds; what; its timestamp


class PlainEncoder:
    """Writes the bodies alone."""

    def learn(self, headers: Sequence[Tag]) -> None:
        """Nothing."""

    def append(self, pieces: list[bytes], tag: Tag, timestamp: int) -> None:
        pieces.append(tag.body[2:])

    def interrupted(self) -> bytes:
        return b""

    resumed = ended = interrupted


class Socket:
    """Notes which tags come, and when."""

    def __init__(self, loop: FakeLoop) -> None:
        self._loop = loop
        self.backlog = 0
        self.descriptor = -1
        self.came: list[tuple[float, int]] = []
        self.send: Callable[[bytes], int] = self._send

    def _send(self, data: bytes) -> int:
        self.came += [(self._loop.now, int(number)) for number in data.split()]
        return len(data)

    def write(self, data: bytes) -> None:
        if data:
            self._send(data)

    def keep(self, data: bytes, sent: int) -> None:
        raise AssertionError("it takes all")

    def close(self) -> None: ...

    def stream_ended(self) -> None: ...


class Camera:
    """A publisher that nobody asks anything."""

    peer = "192.0.2.1"

    def watched(self, *, is_watched: bool) -> None: ...

    def replaced(self) -> None: ...


def sounds(until: float = SECONDS) -> Iterator[Arrival]:
    return ((n * SOUND_S, AUDIO, int(1000 * n * SOUND_S)) for n in range(int(until / SOUND_S)))


def pictures(a_second: float, until: float = SECONDS) -> Iterator[Arrival]:
    return ((n / a_second, VIDEO, int(1000 * n / a_second)) for n in range(int(until * a_second)))


STREAMS: dict[str, list[Arrival]] = {
    "usual": [*pictures(30), *sounds()],
    "sound alone": [*sounds()],
    "one picture a second": [*pictures(1), *sounds()],
    "120 pictures a second": [*pictures(120), *sounds()],
    "video stops": [*pictures(30, until=1), *sounds()],
    "sound stops": [*pictures(30), *sounds(until=1)],
    "a picture in several tags": [
        *((at + part / 10_000, kind, time) for at, kind, time in pictures(30) for part in range(3)),
        *sounds(),
    ],
    "timestamps that stand still": [(at, kind, 7) for at, kind, _ in (*pictures(30), *sounds())],
    "pictures whose timestamps stand still": [
        *((at, kind, 7) for at, kind, _ in pictures(30)), *sounds(),
    ],
    "sound whose timestamps run ahead": [
        *pictures(30), *((at, kind, time + 400) for at, kind, time in sounds()),
    ],
}  # fmt: skip


@pytest.mark.parametrize("mode", ["adaptive", "fixed"])
@pytest.mark.parametrize("name", STREAMS)
def test_no_tag_waits_longer_than_the_budget_and_none_overtakes_another(
    name: str, mode: FlushMode
) -> None:
    loop = FakeLoop()
    clock = FlushClock(
        cast(AbstractEventLoop, cast(Any, loop)), BUDGET_S, mode, lambda: None, lambda: None
    )
    stream = Stream("live/a", StreamSettings(20, 10**8, 10), lambda path, error: None)
    stream.begin(Camera(), loop.now)
    socket = Socket(loop)
    fanout = default_fanout(PlainEncoder(), clock)
    stream.attach("plain", fanout)
    fanout.add(Viewer(socket, socket))

    arrivals = sorted(STREAMS[name], key=lambda arrival: arrival[0])
    began = loop.now
    for number, (at, kind, timestamp) in enumerate(arrivals):
        loop.run_until(began + at)
        is_key = kind is VIDEO and number == 0
        head = (b"\x17\x01" if is_key else b"\x27\x01") if kind is VIDEO else b"\xaf\x01"
        clock.is_expected = True
        stream.publish([Tag(kind, timestamp, head + b"%d " % number, is_key, False)], loop.now)
        clock.turn_ended()
        clock.is_expected = False
    loop.run_until(loop.now + 1)

    assert [number for _, number in socket.came] == list(range(len(arrivals)))
    waits = [when - began - arrivals[number][0] for when, number in socket.came]
    assert max(waits) <= BUDGET_S + EARLY_S
