"""Tests of headend.app.signals, with signals to the process of the test itself."""

import asyncio
import os
import signal
import threading

import pytest
from tests.harness import log_lines, run, until

from headend.app import signals
from headend.app.signals import Signals


class End:
    """Takes the place of the end of the process."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.codes: list[int] = []

    def __call__(self, code: int) -> None:
        self.codes.append(code)
        self.came.set()


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch) -> End:
    monkeypatch.setattr(signals, "LEAST_S", 0.01)
    return End()


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def handlers() -> list[object]:
    return [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]


@pytest.mark.parametrize("number", signals.STOPS)
def test_first_signal_asks_to_stop_and_the_next_are_those_of_the_system(
    number: signal.Signals, end: End
) -> None:
    async def main() -> None:
        before = handlers()
        with Signals(end) as heard:
            heard.limit_s = lambda: 60
            stop = heard.attach()
            assert not stop.is_set()
            send(number)
            await stop.wait()
            assert handlers()[:2] == [signal.SIG_DFL, signal.SIG_DFL]
        assert handlers() == before

    run(main())
    assert not end.codes


def test_signal_from_before_the_loop_is_not_lost(end: End) -> None:
    async def main(heard: Signals) -> None:
        assert heard.attach().is_set()

    with Signals(end) as heard:
        heard.limit_s = lambda: 60
        send(signal.SIGTERM)
        run(main(heard))


def test_process_that_does_not_stop_in_time_ends_with_0(
    end: End, caplog: pytest.LogCaptureFixture
) -> None:
    with Signals(end):
        send(signal.SIGTERM)  # and no loop turns that could do anything about it
        assert end.came.wait(10)
    assert end.codes == [0]
    assert log_lines(caplog) == [
        "ERROR not stopped within 0.01 s (limits.shutdown_s): what still runs is cut off"
    ]


def test_process_that_nobody_stops_goes_on(end: End) -> None:
    with Signals(end):
        watching = [each for each in threading.enumerate() if each.name == "stop"]
    for thread in watching:
        thread.join(10)
    assert watching
    assert not any(thread.is_alive() for thread in watching)
    assert not end.codes


async def test_hang_up_reloads_in_the_loop_as_often_as_it_comes(end: End) -> None:
    reloads: list[asyncio.AbstractEventLoop] = []
    with Signals(end) as heard:
        heard.attach()
        send(signal.SIGHUP)
        heard.reload_by(lambda: reloads.append(asyncio.get_running_loop()))
        assert len(reloads) == 1  # what was asked for before it could be done
        send(signal.SIGHUP)
        await until(lambda: len(reloads) == 2)


def test_signals_after_the_loop_are_no_error(end: End) -> None:
    async def main(heard: Signals) -> None:
        heard.attach()
        heard.reload_by(lambda: None)

    with Signals(end) as heard:
        heard.limit_s = lambda: 60
        run(main(heard))
        send(signal.SIGHUP)
        send(signal.SIGTERM)


async def test_first_signal_drains_and_the_second_stops(end: End) -> None:
    drains: list[bool] = []
    with Signals(end) as heard:
        heard.limit_s = lambda: 60
        heard.drain_by(lambda: drains.append(True), lambda: 60)
        stop = heard.attach()
        send(signal.SIGTERM)
        await until(lambda: drains)
        assert not stop.is_set()
        assert signal.SIG_DFL not in handlers()
        heard.stop()
        await stop.wait()
        assert handlers()[:2] == [signal.SIG_DFL, signal.SIG_DFL]
    assert drains == [True]
    assert not end.codes


async def test_signal_stops_at_once_where_there_is_nothing_to_drain(end: End) -> None:
    drains: list[bool] = []
    with Signals(end) as heard:
        heard.limit_s = lambda: 60
        heard.drain_by(lambda: drains.append(True), lambda: 0)
        stop = heard.attach()
        send(signal.SIGTERM)
        await stop.wait()
    assert not drains


async def test_process_whose_drain_does_not_end_in_time_ends(end: End) -> None:
    with Signals(end) as heard:
        heard.attach()
        heard.drain_by(lambda: None, lambda: 0.01)
        send(signal.SIGTERM)
        assert end.came.wait(10)
    assert end.codes == [0]
