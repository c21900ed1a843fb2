"""What a viewer of the player page notices, measured in headless Chromium.

A stream with the time drawn into its picture is published; the page is opened, and a script reads
the time out of each picture that the browser shows. So "glass to glass" is from drawing to screen:
it holds the encoder's time, the server's and the player's.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.proc import share_priority
from bench.report import Target
from bench.servers import start_headend, wait_ready
from bench.tools import LOAD_CORE, BenchError, Tool
from bench.web_source import BITS, CELL, CODE_Y

NAME: Final = "live/bench"
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LIMIT_S: Final = 30.0
LOOK_S: Final = 0.02
SETTLE_S: Final = 5.0  # until a player has found its distance from the live edge

FIRST_PICTURE_S: Final = 1.0  # what must be reached, with keyframes every 2 s
FLV_S: Final = 1.0
HLS_S: Final = 1.5

# Reads the time out of each picture, and notes the latency that the page shows.
COLLECT: Final = f"""() => {{
  const video = document.getElementById('video');
  const canvas = new OffscreenCanvas({BITS}, 1);
  const context = canvas.getContext('2d', {{ willReadFrequently: true }});
  const found = window.found = {{ glass: [], told: [] }};
  const read = () => {{
    context.drawImage(video, 0, {CODE_Y}, {BITS * CELL}, {CELL}, 0, 0, {BITS}, 1);
    const {{ data }} = context.getImageData(0, 0, {BITS}, 1);
    let drawn = 0;
    for (let bit = 0; bit < {BITS}; bit += 1) drawn = drawn * 2 + (data[4 * bit] > 127 ? 1 : 0);
    found.glass.push(((Date.now() % 2 ** 32) - drawn) / 1000);
    if (headend.latency !== null) found.told.push(headend.latency);
    video.requestVideoFrameCallback(read);
  }};
  video.requestVideoFrameCallback(read);
}}"""


@dataclass(frozen=True, slots=True)
class Watched:
    """What one page showed. Times in seconds.

    Attributes:
        way: How it was played.
        told: Live latency as the page tells it, one for each picture.
        glass: From drawing to screen, one for each picture.
        stalls: How often the player had to wait for data.
        stalled: How long that took.
        dropped: Pictures that came too late to be shown.
    """

    way: str
    told: Sequence[float]
    glass: Sequence[float]
    stalls: int
    stalled: float
    dropped: int


@contextmanager
def on_air() -> Iterator[str]:
    """Run a server with a stream that tells the time; give the address of its player page."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-")))
        process = start_headend(folder, [], http="127.0.0.1:0")
        stack.callback(process.wait)
        stack.callback(process.terminate)
        rtmp = wait_ready(process, folder)
        http = wait_ready(process, folder, "http")
        command = [sys.executable, "-m", "bench.web_source", f"rtmp://127.0.0.1:{rtmp}/{NAME}"]
        stack.enter_context(Tool.run(command, core=LOAD_CORE))
        yield f"http://127.0.0.1:{http}/watch/{NAME}"


@contextmanager
def chromium() -> Iterator[Any]:
    """Run the system's Chromium.

    Raises:
        BenchError: There is none.
    """
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise BenchError("no browser: install the Debian package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def wait(page: Any, expression: str) -> None:
    """Wait until JavaScript is true.

    Raises:
        BenchError: It never is.
    """
    end = time.monotonic() + LIMIT_S
    while not page.evaluate(expression):
        if time.monotonic() > end:
            raise BenchError(f"the player page: not within {LIMIT_S:g} s: {expression}")
        time.sleep(LOOK_S)


def first_pictures(browser: Any, address: str, runs: int) -> list[float]:
    """Open the page with nothing in the cache, again and again; return seconds to a picture."""
    times = []
    for _ in range(runs + 1):
        context = browser.new_context()
        page = context.new_page()
        page.goto(address, wait_until="commit")
        wait(page, "window.headend?.firstPicture")
        times.append(float(page.evaluate("headend.firstPicture")))
        context.close()
    return times[1:]  # the first has the browser start what it needs


def watch(browser: Any, address: str, seconds: float) -> Watched:
    """Watch for a while."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    wait(page, "window.headend?.state === 'playing'")
    share_priority()
    time.sleep(SETTLE_S)
    before = page.evaluate("({ ...headend, dropped: headend.pictures.dropped, video: null })")
    page.evaluate(COLLECT)
    time.sleep(seconds)
    after = page.evaluate("({ ...headend, dropped: headend.pictures.dropped, video: null, found })")
    context.close()
    found = after["found"]
    if not found["glass"] or not found["told"]:
        raise BenchError("the player page showed no picture")
    counts = {name: after[name] - before[name] for name in ("stalls", "stalled", "dropped")}
    return Watched(after["way"], found["told"], found["glass"], **counts)


def targets(first: Sequence[float], flv: Watched, hls: Watched) -> Iterator[Target]:
    """Set what was measured beside what must be reached."""
    yield Target("first picture, median, s", statistics.median(first), FIRST_PICTURE_S)
    yield Target("first picture, slowest, s", max(first), FIRST_PICTURE_S)
    for watched, limit in ((flv, FLV_S), (hls, HLS_S)):
        yield Target(f"{watched.way}: live latency, median, s", middle(watched.told), limit)
        yield Target(f"{watched.way}: live latency, p99, s", late(watched.told), limit)
        yield Target(f"{watched.way}: glass to glass, median, s", middle(watched.glass), limit)
        yield Target(f"{watched.way}: glass to glass, p99, s", late(watched.glass), limit)
        yield Target(f"{watched.way}: stalls", watched.stalls, 0)


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def late(values: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return sorted(values)[int(0.99 * (len(values) - 1))]


def web(seconds: float, runs: int) -> list[Target]:
    """Measure first pictures, then FLV and low-latency HLS for so many seconds each.

    Raises:
        BenchError: There is no browser, or the page does not play.
    """
    with on_air() as address, chromium() as browser:
        first = first_pictures(browser, address, runs)
        flv = watch(browser, f"{address}?mode=flv", seconds)
        hls = watch(browser, f"{address}?mode=hls", seconds)
    return list(targets(first, flv, hls))
