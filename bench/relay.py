"""The cost of relays: destinations beside players, and one that reads nothing."""

import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.endurance import LOG_FILL_S, Figure, drift
from bench.measure import SETTLE_S, Audience, audience
from bench.proc import Meter, rss_kib
from bench.report import Target
from bench.servers import APP, NAME, Variant, start_headend, wait_ready
from bench.tools import LOAD_CORE, SERVER_CORE, BenchError
from headend.cli.bench_server import stop

MOST_RATIO: Final = 1.2  # what issue 6 allows 20 destinations beside 20 players
VARIANT: Final = Variant("headend", "30")
START_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Destination:
    """A Headend on the load's core that others publish to."""

    process: "subprocess.Popen[str]"
    port: int
    http_port: int

    def rule(self, number: int) -> str:
        """Write a relay to it, as in the settings."""
        url = f"rtmp://127.0.0.1:{self.port}/copy/{{name}}-{number}"
        return f'{{match="{APP}/{NAME}", url="{url}"}}'

    def wait_publishes(self, count: int) -> None:
        """Wait until so many publishers were let in."""
        deadline = time.monotonic() + START_S
        url = f"http://127.0.0.1:{self.http_port}/metrics"
        while time.monotonic() < deadline:
            with urllib.request.urlopen(url, timeout=START_S) as answer:
                if f"headend_publishes_total {count}.0" in answer.read().decode():
                    return
            time.sleep(0.1)
        raise BenchError(f"there are no {count} relays after {START_S:g} s")


@contextmanager
def destination() -> Iterator[Destination]:
    """Run a destination until the block ends."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-")))
        process = start_headend(folder, [], http="127.0.0.1:0")
        stack.callback(stop, process)
        os.sched_setaffinity(process.pid, {LOAD_CORE})
        port, http_port = wait_ready(process, folder), wait_ready(process, folder, "http")
        yield Destination(process, port, http_port)


def cost(count: int, *, seconds: float, runs: int) -> Iterator[Figure]:
    """CPU of one stream for destinations, and for as many players, in turns."""
    with destination() as there:
        relays = f"relay.out=[{', '.join(there.rule(number) for number in range(count))}]"
        with audience(VARIANT) as players, audience(VARIANT, settings=[relays]) as sending:
            players.grow_to(count)
            sending.add_probe()  # as `grow_to` did
            sending.source.tell("run")
            there.wait_publishes(count)
            sending.source.tell("trickle")
            taken: dict[str, list[float]] = {"players": [], "destinations": []}
            for _ in range(runs):
                taken["players"].append(cpu(players, seconds))
                taken["destinations"].append(cpu(sending, seconds))
    for what, values in taken.items():
        yield Figure(VARIANT.label, f"CPU of {count} {what}", median(values), "%")


def cpu(scene: Audience, seconds: float) -> float:
    """CPU of a server while its stream runs, percent of a core."""
    scene.source.tell("run")
    time.sleep(SETTLE_S)
    meter = Meter.start(scene.server.pids(), [scene.players.pid], SERVER_CORE)
    time.sleep(seconds)
    usage = meter.stop()
    scene.source.tell("trickle")
    return usage.server


def deaf(seconds: float) -> Iterator[Figure]:
    """Resident memory, and the gaps of a player, while one of two destinations reads nothing."""
    with destination() as there, destination() as steady:
        relays = f"relay.out=[{there.rule(0)}, {steady.rule(0)}]"
        with audience(VARIANT, settings=[relays]) as scene:
            scene.source.tell("run")
            there.wait_publishes(1)
            steady.wait_publishes(1)
            there.process.send_signal(signal.SIGSTOP)
            try:
                yield from watch(scene, seconds)
            finally:
                there.process.send_signal(signal.SIGCONT)
            steady.wait_publishes(1)  # it is the same one


def watch(scene: Audience, seconds: float) -> Iterator[Figure]:
    time.sleep(LOG_FILL_S)
    base = rss_kib(scene.server.pids())
    seen: list[int] = []
    scene.probes[0].ask("sample")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(1)
        seen.append(rss_kib(scene.server.pids()))
    gap = scene.probes[0].ask("ages")["gap_ms"]
    what = f"{seconds:.0f} s with a destination that reads nothing"
    yield from drift(VARIANT.label, what, base, seen)
    yield Figure(VARIANT.label, f"{what}: longest gap of a player", gap, "ms")


def targets(figures: list[Figure]) -> Iterator[Target]:
    """Set the cost beside what it must reach."""
    costs = [figure.value for figure in figures if figure.what.startswith("CPU of")]
    ratio = costs[1] / costs[0] if len(costs) == 2 and costs[0] else None
    yield Target("destinations / players, CPU", ratio, MOST_RATIO)
