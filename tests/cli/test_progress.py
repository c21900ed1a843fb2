"""Tests of headend.cli.progress."""

import sys

import pytest

from headend.cli.progress import Meter, Progress
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag


def video(timestamp: int, size: int = 0, *, is_header: bool = False) -> Tag:
    return Tag(VIDEO, timestamp, bytes(size), False, is_header)


def test_meter_tells_time_bit_rate_and_speed() -> None:
    meter = Meter()
    meter.add(video(7000))
    meter.add(video(7000 + 83_400, 26_062_500))
    assert meter.describe(41.7) == "00:01:23.4   2.50 Mbit/s   2.00x"


def test_meter_tells_how_long_it_will_take() -> None:
    meter = Meter()
    meter.add(video(0))
    assert meter.describe(0, 90) == "00:00:00.0   0.00 Mbit/s   0.00x"
    meter.add(video(30_000))
    assert meter.describe(15, 90).endswith("   2.00x   00:00:30 left")
    meter.add(video(100_000))
    assert meter.describe(50, 90).endswith("00:00:00 left")


def test_meter_at_the_start() -> None:
    assert Meter().describe(0) == "00:00:00.0   0.00 Mbit/s   0.00x"


def test_headers_and_metadata_have_no_time() -> None:
    meter = Meter()
    meter.add(video(3_600_000))
    meter.add(video(0, is_header=True))
    meter.add(Tag(SCRIPT, 0, b"", False, False))
    meter.add(video(3_600_040))
    assert meter.media_ms == 40


def test_audio_and_video_may_cross_and_timestamps_wrap() -> None:
    meter = Meter()
    meter.add(video(0xFFFF_FFF0))
    meter.add(video(0x20))
    meter.add(Tag(AUDIO, 0x10, b"", False, False))
    meter.add(video(0x40))
    assert meter.media_ms == 0x50


def test_nothing_is_shown_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("played") as progress:
        progress.add(video(0))
    assert capsys.readouterr() == ("", "")


def test_summary_ends_what_was_seen(capsys: pytest.CaptureFixture[str]) -> None:
    def publish() -> None:
        with Progress("published") as progress:
            progress.add(video(0, 500_000))
            progress.add(video(2500, 500_000))
            raise KeyError  # it is told all the same

    with pytest.raises(KeyError):
        publish()
    assert capsys.readouterr().err == "published 00:00:02.5, 1.0 MB, 3.20 Mbit/s\n"


def test_terminal_gets_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with Progress("played") as progress:
        progress.add(video(0))
        progress.add(video(2500, 1000))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "00:00:02.5" in shown.err
