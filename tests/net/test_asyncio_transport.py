"""Tests of headend.net.asyncio_transport over a transport that only notes."""

import asyncio
from typing import Any, cast

import pytest
from tests.harness import until

from headend.net import asyncio_transport
from headend.net.asyncio_transport import HIGH_WATER, AsyncioTransport
from headend.net.transport import Transport


class Below:
    """Takes the place of our transport.

    Attributes:
        said: What was asked of it.
        backlog: Bytes not sent; the test sets how many.
        drained_bytes: Bytes sent of the backlog; likewise.
        is_paused: Reading is paused.
    """

    def __init__(self) -> None:
        self.said: list[object] = []
        self.backlog = 0
        self.drained_bytes = 0
        self.is_paused = False

    def hand_over(self, owner: object) -> None:
        self.said.append("hand over")

    def write(self, data: bytes) -> None:
        self.said.append(data)

    def close(self) -> None:
        self.said.append("close")

    def abort(self) -> None:
        self.said.append("abort")

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Speaker(asyncio.Protocol):
    """A protocol that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)


def make(protocol: asyncio.Protocol) -> tuple[AsyncioTransport, Below]:
    below = Below()
    loop = asyncio.get_running_loop()
    transport = cast("Transport", below)
    return AsyncioTransport(loop, transport, protocol, {"peername": ("h", 1)}), below


async def test_bytes_pass_in_both_directions() -> None:
    speaker = Speaker()
    transport, below = make(speaker)
    transport.data_received(b"in")
    changing = bytearray(b"out")
    transport.write(changing)
    changing[0] = 0
    transport.writelines([b"a", b"b"])
    assert speaker.told == ["made", b"in"]
    assert below.said == ["hand over", b"out", b"ab"]
    assert transport.get_extra_info("peername") == ("h", 1)
    assert not transport.can_write_eof()


async def test_protocol_pauses_over_the_high_water_mark_until_all_is_sent() -> None:
    speaker = Speaker()
    transport, below = make(speaker)
    below.backlog = HIGH_WATER
    transport.write(b"a")
    assert speaker.told == ["made"]
    below.backlog += 1
    transport.write(b"b")
    transport.write_stalled()
    assert speaker.told == ["made", "pause"]
    assert transport.get_write_buffer_size() == HIGH_WATER + 1
    below.backlog = 0
    transport.write_drained()
    transport.write_drained()
    assert speaker.told == ["made", "pause", "resume"]


async def test_high_water_mark_can_be_set() -> None:
    speaker = Speaker()
    transport, below = make(speaker)
    transport.set_write_buffer_limits(10)
    assert transport.get_write_buffer_limits() == (0, 10)
    below.backlog = 11
    transport.write(b"a")
    assert speaker.told == ["made", "pause"]
    transport.set_write_buffer_limits()
    assert transport.get_write_buffer_limits() == (0, HIGH_WATER)


async def test_reading_is_paused_and_resumed() -> None:
    transport, _ = make(Speaker())
    assert transport.is_reading()
    transport.pause_reading()
    assert not transport.is_reading()
    transport.resume_reading()
    assert transport.is_reading()


async def test_another_protocol_takes_over() -> None:
    first, second = Speaker(), Speaker()
    transport, _ = make(first)
    transport.set_protocol(second)
    assert transport.get_protocol() is second
    transport.data_received(b"a")
    transport.set_protocol(asyncio.BaseProtocol())  # knows no data
    transport.data_received(b"b")
    assert (first.told, second.told) == (["made"], [b"a"])


async def test_loss_is_told_later_and_not_from_within_a_call() -> None:
    speaker = Speaker()
    transport, _ = make(speaker)
    error = OSError()
    transport.connection_lost(error)
    assert transport.is_closing()
    assert speaker.told == ["made"]
    await asyncio.sleep(0)
    assert speaker.told == ["made", error]


async def test_abort_closes_at_once() -> None:
    transport, below = make(Speaker())
    transport.abort()
    transport.close()
    assert transport.is_closing()
    assert below.said == ["hand over", "abort"]


async def test_close_ends_by_an_abort_when_the_peer_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asyncio_transport, "LINGER_S", 2.0)

    later: list[tuple[float, Any]] = []
    transport, below = make(Speaker())
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_later", lambda *call: later.append(call))
    below.backlog = 100
    transport.close()
    transport.close()
    assert transport.is_closing()
    for drained in (40, 90):  # a slow peer, but it takes something
        below.drained_bytes, below.backlog = drained, 100 - drained
        later[-1][1]()
        assert below.said == ["hand over", "close"]
    later[-1][1]()  # nothing since
    assert below.said == ["hand over", "close", "abort"]
    assert [seconds for seconds, _ in later] == [2.0, 2.0, 2.0]


async def test_close_ends_by_an_abort_when_the_peer_has_all_and_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asyncio_transport, "LINGER_S", 0.0)

    transport, below = make(Speaker())
    below.drained_bytes = 100
    transport.close()
    await until(lambda: len(below.said) == 3)
    assert below.said == ["hand over", "close", "abort"]
