"""Tests of headend.cli.status_tables."""

import io
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from rich.console import Console
from tests.described import described

from headend.cli.status_tables import bit_rate, duration, size, tables
from headend.http.api import models
from headend.live.health import Finding
from headend.live.status import SessionStatus, StreamStatus, TrackStatus


def stream(path: str = "live/a", **values: Any) -> StreamStatus:
    return described(path, **{"tracks": [track("h264", 1280, 720), track("aac")], **values})


def track(codec: str, width: int = 0, height: int = 0) -> TrackStatus:
    kind: Literal["audio", "video"] = "video" if width else "audio"
    return TrackStatus(kind, 0, codec, "", width, height, None, None, None, 0, 0)


def session(id: int, **values: Any) -> SessionStatus:
    known: dict[str, Any] = {"id": id, "protocol": "rtmp", "peer": "10.0.0.7:51044"}
    known |= {"connected_s": 65.0, "publishes": ["live/a"], "plays": [], "tls": None}
    known |= {"bytes_in": 1_500_000, "bytes_out": 12, "user_agent": None}
    return SessionStatus(**{**known, **values})


def shown(
    streams: list[StreamStatus],
    sessions: list[SessionStatus],
    *,
    width: int = 140,
    height: int = 1000,
    more: int = 0,
    workers: Sequence[models.Worker] = (),
) -> list[str]:
    server = models.Server(
        version="1.0",
        pid=7,
        started="",
        uptime_s=3700,
        is_stopping=False,
        listeners=models.Listeners(rtmp=[], tls=[], http=[], srt=[]),
        streams=len(streams),
        sessions=len(sessions),
        viewers=3,
        bytes_in=0,
        bytes_out=0,
        bit_rate_in=2_500_000,
        bit_rate_out=7_500_000,
        memory_bytes=50 * 2**20,
        loop_lag_s=0.002,
        workers=list(workers),
    )
    event = models.Event(
        server=server, streams=streams, sessions=sessions, more_streams=more, more_sessions=0
    )
    console = Console(file=io.StringIO(), width=width)
    console.print(tables(event, width, height))
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_server_streams_and_sessions_are_shown() -> None:
    lines = shown([stream()], [session(1)])
    assert lines[0] == "headend 1.0, up 1:01:40"
    assert "streams 1 sessions 1 viewers 3 in 2.50 Mbit/s out 7.50 Mbit/s" in lines[1]
    wanted = "live/a live 1:05 h264 1280×720, aac 2.50 Mbit/s 25.0 3 7.50 Mbit/s ok"
    assert wanted in lines
    assert "1 rtmp 10.0.0.7:51044 1:05 live/a 1.50 MB 12 B" in lines


def test_what_an_operator_should_look_at_is_named() -> None:
    slow = Finding("warning", "there is no sound")
    lines = shown([stream(late=2, health=[slow], state="interrupted")], [])
    assert any("3 (2 late)" in line and "there is no sound" in line for line in lines)
    assert any(line.startswith("live/a interrupted") for line in lines)


def test_narrow_terminal_gets_fewer_columns() -> None:
    lines = shown([stream()], [session(1)], width=90)
    assert any(line.endswith("25.0 3") for line in lines)
    assert any(line.endswith("1:05 live/a") for line in lines)


def test_narrow_terminal_is_told_why_a_stream_is_yellow() -> None:
    silent = Finding("warning", "there is no sound")
    slow = Finding("warning", "keyframe interval 9 s")
    streams = [stream("live/a", health=[silent, slow]), stream("live/b")]
    lines = shown(streams, [session(1)], width=90)
    assert "live/a: there is no sound; keyframe interval 9 s" in lines
    assert not any(line.startswith("live/b:") for line in lines)
    many = [stream(f"live/{number}", health=[silent]) for number in range(20)]
    lines = shown(many, [session(number) for number in range(30)], width=90, height=30)
    assert len(lines) <= 30
    assert "live/4: there is no sound" in lines
    assert "live/5: there is no sound" not in lines
    assert "and 15 more in yellow" in lines


def test_what_does_not_fit_is_counted() -> None:
    many = [stream(f"live/{number}") for number in range(30)]
    lines = shown(many, [session(number) for number in range(30)], height=30, more=5)
    assert len(lines) <= 30
    assert "and 22 more" in lines  # of 35 streams
    assert "and 24 more" in lines  # of 30 sessions


def test_names_cannot_command_the_terminal() -> None:
    lines = shown([stream("live/\x1b[2J[bold]x")], [])
    assert any("live/\\x1b[2J[bold]x" in line for line in lines)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (65.9, "1:05"), (3600, "1:00:00"), (176_640, "2d 01:04")]
)
def test_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 bit/s"),
        (999, "999 bit/s"),
        (1000, "1.00 kbit/s"),
        (99_960, "100 kbit/s"),
        (999_700, "1.00 Mbit/s"),
        (12_340_000, "12.3 Mbit/s"),
        (2 * 10**13, "20000 Gbit/s"),
    ],
)
def test_rate_has_three_digits_and_a_unit(value: float, text: str) -> None:
    assert bit_rate(value) == text


def test_size_has_a_unit() -> None:
    assert size(2_500_000_000) == "2.50 GB"


def test_workers_have_a_line_each() -> None:
    worker = models.Worker(
        worker=1,
        pid=8,
        uptime_s=1.0,
        is_stopping=False,
        streams=0,
        sessions=4,
        viewers=3,
        bit_rate_in=0,
        bit_rate_out=2_500_000,
        memory_bytes=40 * 2**20,
        loop_lag_s=0.001,
    )
    lines = shown([], [], workers=[worker])
    assert any(line.startswith("worker 1: sessions 4") for line in lines)
