"""How hls.js plays every kind of stream in Chromium: whether the picture ever stands still.

    FFmpeg ─► server ─► hls.js with low latency │ hls.js without │ the player page │ FFmpeg

FFmpeg plays what Chromium does not decode. Each kind has a server of its own. A kind that is
interrupted is played by the player page, which is what begins anew after the end; the others by
hls.js alone, with the page's configuration.
"""

import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.hls_ffmpeg import FfmpegPlayer
from bench.hls_kinds import KINDS, OTHER_SIZE, SIZE, Kind
from bench.hls_page import WATCH, open_hls_page
from bench.proc import share_priority
from bench.report import Target
from bench.servers import free_port, start_headend, wait_ready
from bench.tools import LOAD_CORE, BenchError, pinned
from bench.web import chromium
from headend.cli.bench_server import stop

PATH: Final = "live/a"
LEAST_S: Final = 0.1  # a picture that stands for less is not seen to
DISTURBED_S: Final = 3.0  # as long as a player takes to have its distance from the edge again
TICK_MS: Final = 200
# A player that joins sooner has less than the distance from the edge that it is told to keep.
LEAD_S: Final = 8.0
BEGIN_S: Final = 25.0  # a first segment may be as long as the keyframe interval
FIRST_BREAK_S: Final = 15.0  # into the stream, or after two fifths of it
BREAK_S: Final = 20.0  # from one to the next
CALM_S: Final = 5.0  # at the end, without one
AWAY_S: Final = {"reconnect": 2.0, "size": 0.0, "stop": 3.0, "restart": 0.0}
# How long the picture may stand for each: until the encoder is back, its first segment is there and
# the page has noticed.
BEARABLE_S: Final = {"reconnect": 6.0, "size": 3.0, "stop": 12.0, "restart": 12.0}


@dataclass(frozen=True, slots=True)
class Played:
    """How one page played.

    Attributes:
        kind: Of stream.
        page: `low`, `plain` or `player`; or `ffmpeg`, which is none.
        stalls: When the picture stood still and for how long, seconds from the first picture.
        errors: What the player said was wrong.
        breaks: How often the stream was interrupted.
        late: When the page got no turn for a fifth of a second and more, in the same form.
        holes: In what was buffered.
        is_stuck: It did not go on at the end.
    """

    kind: Kind
    page: str
    stalls: Sequence[tuple[float, float]]
    errors: Sequence[str]
    breaks: int = 0
    late: Sequence[float] = ()
    holes: int = 0
    is_stuck: bool = False

    @property
    def stood(self) -> float:
        """For how long the picture stood still on a machine that had time for it, seconds."""
        return sum(length for at, length in self.stalls if not self.is_disturbed(at, length))

    def is_disturbed(self, at: float, length: float) -> bool:
        """Say whether the page got no turn for a while in a stall or just before."""
        return any(at - length - DISTURBED_S <= late <= at for late in self.late)

    @property
    def target(self) -> Target:
        """What was measured beside what is borne."""
        limit = self.breaks * BEARABLE_S.get(self.kind.interrupted, 0)
        return Target(f"{self.kind.name}, {self.page}: stood still, s", self.stood, limit)


def shown(played: Played) -> str:
    """Say in a line how a page played."""
    stalls = ", ".join(
        f"{length:.1f} s at {at:.0f} s{' (busy)' if played.is_disturbed(at, length) else ''}"
        for at, length in played.stalls
    )
    errors = ", ".join(f"{error} × {count}" for error, count in Counter(played.errors).items())
    said = f"{played.kind.name}, {played.page}: {stalls or 'no stall'}"
    if played.is_stuck:
        said += "; it does not go on"
    if played.holes > 0:
        said += f"; {played.holes} holes"
    return f"{said}; {errors}" if errors else said


@dataclass
class _OnAir:
    """A stream of one kind with its server and its pages."""

    kind: Kind
    ffmpeg: str
    folder: Path
    http: int = field(default_factory=free_port)
    rtmp: int = field(default_factory=free_port)
    pages: dict[str, Any] = field(default_factory=dict)
    breaks: int = 0
    reader: FfmpegPlayer | None = None
    _server: subprocess.Popen[str] | None = None
    _encoder: subprocess.Popen[str] | None = None
    _back_at: float | None = None
    _is_other: bool = False  # of the two sizes

    def serve(self) -> None:
        (self.folder / "ready.json").unlink(missing_ok=True)
        self._server = start_headend(
            self.folder,
            ["hls.start=publish", *self.kind.settings],
            http=f"127.0.0.1:{self.http}",
            rtmp=f"127.0.0.1:{self.rtmp}",
        )
        wait_ready(self._server, self.folder)

    def publish(self) -> None:
        url = f"rtmp://127.0.0.1:{self.rtmp}/{PATH}"
        command = self.kind.command(self.ffmpeg, url, OTHER_SIZE if self._is_other else SIZE)
        with (self.folder / "encoder").open("w") as log:
            self._encoder = subprocess.Popen(
                pinned(command, LOAD_CORE), stdin=subprocess.DEVNULL, stderr=log, text=True
            )

    def open(self, browser: Any, seconds: float) -> None:
        base = f"http://127.0.0.1:{self.http}"
        if self.kind.is_foreign:
            self.reader = FfmpegPlayer(self.ffmpeg, f"{base}/{PATH}/index.m3u8", seconds)
            return
        names = ("player",) if self.kind.interrupted else ("low", "plain")
        for name in names:
            self.pages[name] = page = browser.new_context().new_page()
            if name == "player":
                page.goto(f"{base}/watch/{PATH}?mode=hls")
            else:
                open_hls_page(page, base, PATH, is_low=name == "low")
            page.evaluate(WATCH)

    def interrupt(self) -> None:
        self.breaks += 1
        assert self._encoder is not None
        assert self._server is not None
        if self.kind.interrupted == "restart":
            stop(self._server)
            self.serve()
        elif self.kind.interrupted == "stop":
            self._encoder.send_signal(signal.SIGINT)  # FFmpeg says goodbye
        self._is_other ^= self.kind.interrupted == "size"
        if self.kind.interrupted != "stop":
            self._encoder.kill()
        self._encoder.wait()
        self._back_at = time.monotonic() + AWAY_S[self.kind.interrupted]

    def look(self) -> None:
        """Call now and then: an encoder that is away comes back in time."""
        if self._back_at is not None and time.monotonic() >= self._back_at:
            self._back_at = None
            self.publish()
        elif self._back_at is None and self._encoder is not None and self._encoder.poll():
            text = (self.folder / "encoder").read_text()[-500:]
            raise BenchError(f"{self.kind.name}: FFmpeg has ended:\n{text}")

    def results(self, seconds: float) -> Iterator[Played]:
        if self.reader is not None:
            holes, said = self.reader.result()
            is_stuck = holes == [(0.0, 0.0)]
            yield Played(self.kind, "ffmpeg", holes, said, holes=len(holes), is_stuck=is_stuck)
        for name, page in self.pages.items():
            noted = page.evaluate("noted")
            errors = page.evaluate("window.seen?.errors ?? []")
            holes = page.evaluate("document.querySelector('video').buffered.length") - 1
            stalls = [(at, length) for at, length in noted["stalls"] if length >= LEAST_S]
            if not noted["begun"]:
                stalls = [(0.0, seconds)]
            elif noted["stands"] >= LEAST_S:
                stalls.append((seconds, noted["stands"]))
            is_stuck = not _wait(page, "noted.begun && noted.stands === 0")
            late = noted["late"]
            yield Played(self.kind, name, stalls, errors, self.breaks, late, holes, is_stuck)

    def close(self) -> None:
        for page in self.pages.values():
            page.context.close()
        if self.reader is not None:
            self.reader.close()
        for process in (self._encoder, self._server):
            if process is not None:
                stop(process)


def _wait(page: Any, expression: str) -> bool:
    """Wait until JavaScript is true; false: it took too long."""
    end = time.monotonic() + BEGIN_S
    while not page.evaluate(expression):
        if time.monotonic() > end:
            return False
        page.wait_for_timeout(TICK_MS)
    return True


def new_ffmpeg() -> str:
    """Find an FFmpeg that publishes the codecs of Enhanced RTMP.

    Raises:
        BenchError: There is none.
    """
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped]
    except ImportError:
        raise BenchError("no new FFmpeg: pip install imageio-ffmpeg") from None
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def play(browser: Any, kinds: Sequence[Kind], seconds: float) -> Iterator[Played]:
    """Play streams of some kinds at the same time; give how it went."""
    with ExitStack() as stack:
        streams = []
        for kind in kinds:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-")))
            stream = _OnAir(kind, new_ffmpeg(), folder)
            stack.callback(stream.close)
            stream.serve()
            stream.publish()
            streams.append(stream)
        time.sleep(LEAD_S)
        for stream in streams:
            stream.open(browser, seconds)
        share_priority()
        pages = [page for stream in streams for page in stream.pages.values()]
        for page in pages:
            _wait(page, "noted.begun")
        began = time.monotonic()
        due = min(FIRST_BREAK_S, 0.4 * seconds)
        while (passed := time.monotonic() - began) < seconds:
            if passed >= due and passed < seconds - CALM_S:
                due += BREAK_S
                for stream in streams:
                    if stream.kind.interrupted:
                        stream.interrupt()
            for stream in streams:
                stream.look()
            if pages:
                pages[0].wait_for_timeout(TICK_MS)
            else:
                time.sleep(TICK_MS / 1000)
        for stream in streams:
            yield from stream.results(seconds)


def hlsjs(seconds: float, together: int, names: Sequence[str] = ()) -> Iterator[Played]:
    """Play every kind of stream, or those that are named, for so many seconds each.

    Raises:
        BenchError: There is no browser or no FFmpeg, or a page plays nothing.
    """
    known = {kind.name: kind for kind in KINDS}
    if unknown := [name for name in names if name not in known]:
        raise BenchError(f"no kind of stream is called {unknown[0]!r}: one of {', '.join(known)}")
    kinds = [known[name] for name in names] or list(KINDS)
    with chromium() as browser:
        for at in range(0, len(kinds), together):
            yield from play(browser, kinds[at : at + together], seconds)
