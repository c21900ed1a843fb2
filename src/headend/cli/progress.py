"""How far a stream has come, on a terminal: time, bit rate, speed."""

import sys
import time
from typing import TYPE_CHECKING, Self

from headend.cli import output
from headend.media.tag import SCRIPT, Tag

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

REFRESHES_PER_S = 4


class Meter:
    """Counts what goes by.

    Attributes:
        size: Bytes of bodies.
        media_ms: Time of the stream, from the first frame to the last.
    """

    def __init__(self) -> None:
        self.size = 0
        self.media_ms = 0
        self._last: int | None = None

    def add(self, tag: Tag) -> None:
        self.size += len(tag.body)
        if tag.kind is SCRIPT or tag.is_sequence_header:
            return  # whose timestamps are often 0
        step = 0 if self._last is None else (tag.timestamp - self._last) & 0xFFFFFFFF
        if step < 0x80000000:  # else a little back: audio and video take turns
            self.media_ms += step
            self._last = tag.timestamp

    def summary(self) -> str:
        """Put what went by into words: `00:01:23.4, 27.6 MB, 2.65 Mbit/s`."""
        bit_rate = self.size * 8 / max(self.media_ms, 1) / 1000
        return f"{self._time()}, {self.size / 1e6:.1f} MB, {bit_rate:.2f} Mbit/s"

    def _time(self) -> str:
        return f"{_clock(self.media_ms // 1000)}.{self.media_ms % 1000 // 100}"

    def describe(self, elapsed_s: float, total_s: float | None = None) -> str:
        """Put into words: `00:01:23.4   2.65 Mbit/s   1.00x   00:00:12 left`.

        Args:
            elapsed_s: Since the start.
            total_s: How long all will be; None: not known.
        """
        bit_rate = self.size * 8 / max(self.media_ms, 1) / 1000
        speed = self.media_ms / 1000 / max(elapsed_s, 0.001)
        words = f"{self._time()}   {bit_rate:.2f} Mbit/s   {speed:.2f}x"
        if total_s is None or speed <= 0:
            return words
        left = max(0.0, total_s - self.media_ms / 1000) / speed
        return f"{words}   {_clock(round(left))} left"


def _clock(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


class Progress:
    """A line on stderr while the `with` block runs, on a terminal; a summary at its end."""

    def __init__(self, done: str, total_s: float | None = None) -> None:
        """Prepare.

        Args:
            done: What was done with the stream, in a word, for the summary.
            total_s: How long the stream will be; None: not known.
        """
        self._done = done
        self._total_s = total_s
        self._meter = Meter()
        self._started = time.monotonic()
        self._shown = 0.0
        self._line: RichProgress | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress as RichProgress
            from rich.progress import SpinnerColumn, TextColumn

            console = Console(stderr=True)
            self._line = RichProgress(
                SpinnerColumn(), TextColumn("{task.description}"), console=console
            )
            self._line.add_task("waiting")
            self._line.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._show(self._line, time.monotonic())
            self._line.stop()
        if self._meter.size:
            output.note(f"{self._done} {self._meter.summary()}")

    def add(self, tag: Tag) -> None:
        """Count a tag."""
        self._meter.add(tag)
        if self._line is not None and (now := time.monotonic()) - self._shown > 1 / REFRESHES_PER_S:
            self._shown = now
            self._show(self._line, now)

    def _show(self, line: "RichProgress", now: float) -> None:
        line.update(
            line.task_ids[0], description=self._meter.describe(now - self._started, self._total_s)
        )
