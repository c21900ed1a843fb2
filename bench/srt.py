"""The cost of SRT: publishers, viewers and idle callers, beside a bare loop over libsrt."""

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.endurance import Figure
from bench.measure import SETTLE_S
from bench.proc import Meter, rss_kib
from bench.servers import KBPS, free_port, start_headend, wait_ready
from bench.tools import SERVER_CORE, BenchError, Tool
from headend.cli.bench_server import stop

ROUNDS = 3  # of callers that come and go; the first fills what is kept
GONE_S = 3.0  # libsrt frees a socket a second after its end
SERVERS = ("headend", "libsrt alone")


@contextmanager
def running(name: str) -> Iterator[tuple[int, int]]:
    """Run Headend, or the bare loop, until the block ends; give its port and its process."""
    with ExitStack() as stack:
        if name != "headend":
            port = free_port()
            tool = stack.enter_context(Tool.start("srt_load", "floor", port, core=SERVER_CORE))
            tool.answer()
            yield port, tool.pid
            return
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-")))
        settings = ["srt.listen=127.0.0.1:0", "limits.connections_per_address=5000"]
        process = start_headend(folder, settings)
        stack.callback(stop, process)
        yield wait_ready(process, folder, "srt"), process.pid


@contextmanager
def clip() -> Iterator[Path]:
    """Make ten seconds of MPEG-TS at the bench's bit rate, most of it pictures."""
    if shutil.which("ffmpeg") is None:
        raise BenchError("no ffmpeg: install the Debian package ffmpeg")
    with tempfile.TemporaryDirectory(prefix="headend-bench-") as folder:
        file = Path(folder, "clip.ts")
        noise = "testsrc2=size=1280x720:rate=30,noise=alls=20"
        rate = ("-b:v", "2400k", "-minrate", "2400k", "-maxrate", "2400k", "-bufsize", "600k")
        video = ("-c:v", "libx264", "-preset", "ultrafast", *rate, "-g", "60")
        inputs = ("-f", "lavfi", "-i", noise, "-f", "lavfi", "-i", "sine=440")
        command = ("ffmpeg", "-v", "error", *inputs, "-t", "10", *video, "-pix_fmt", "yuv420p")
        sound = ("-c:a", "aac", "-b:a", "128k", "-f", "mpegts", "-muxrate", f"{KBPS}k", str(file))
        subprocess.run([*command, *sound], check=True)
        yield file


def cost(name: str, what: str, count: int, seconds: float, file: Path) -> Iterator[Figure]:
    """Measure the processor that so many publishers, or viewers of one, take."""
    with ExitStack() as stack:
        port, pid = stack.enter_context(running(name))
        publishers = count if what == "publisher" else 1
        tool = stack.enter_context(
            Tool.start("srt_load", "publish", port, publishers, KBPS, str(file))
        )
        tool.answer()
        if what == "viewer":
            time.sleep(SETTLE_S)
            tool = stack.enter_context(Tool.start("srt_load", "play", port, count))
            tool.answer()
        time.sleep(SETTLE_S)
        before = tool.ask("")["bytes"]
        meter = Meter.start([pid], [tool.pid], SERVER_CORE)
        time.sleep(seconds)
        usage = meter.stop()
        bits = (tool.ask("")["bytes"] - before) * 8
    label = f"{name}, {count} {what}s"
    yield Figure(label, f"of a core for each {what}", usage.server / count, "%")
    yield Figure(label, f"of each {what}", bits / seconds / count / 1e6, "Mbit/s")


def memory(count: int) -> Iterator[Figure]:
    """Measure what idle callers hold, and what is left of callers that are gone."""
    for name in SERVERS:
        with running(name) as (port, pid):
            before = rss_kib([pid])
            with Tool.start("srt_load", "idle", port, count) as tool:
                tool.answer()
                time.sleep(SETTLE_S)
                held = rss_kib([pid]) - before
        yield Figure(f"{name}, {count} idle callers", "memory of each", held / count, "KiB")
    with running("headend") as (port, pid):
        sizes = []
        for _ in range(ROUNDS):
            with Tool.start("srt_load", "churn", port, 500) as tool:
                tool.answer()
            time.sleep(GONE_S)
            sizes.append(rss_kib([pid]))
    growth = (sizes[-1] - sizes[0]) / 1024
    yield Figure("headend, 1000 callers come and go", "memory that grows", growth, "MiB")


def srt(publishers: int, viewers: int, idle: int, seconds: float, runs: int) -> Iterator[Figure]:
    """Measure all; each figure is the median of its runs, in turns."""
    with clip() as file:
        for what, count in (("publisher", publishers), ("viewer", viewers)):
            found: dict[tuple[str, str, str], list[float]] = {}
            for _ in range(runs):
                for name in SERVERS:
                    for each in cost(name, what, count, seconds, file):
                        key = (each.label, each.what, each.unit)
                        found.setdefault(key, []).append(each.value)
            for (label, text, unit), values in found.items():
                yield Figure(label, text, statistics.median(values), unit)
    yield from memory(idle)
