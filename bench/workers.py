"""The cost of workers: players of two beside those of one, a copy, memory, and a new start."""

import json
import os
import signal
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.endurance import Figure
from bench.measure import SETTLE_S, audience
from bench.proc import process_tree
from bench.servers import Variant, start_headend, wait_ready
from bench.tools import BenchError
from headend.cli.bench_server import stop

VARIANT: Final = Variant("headend", "30")
FEW: Final = 8  # players that show what a copy costs
START_S: Final = 30.0


def workers(players: int, seconds: float, runs: int) -> Iterator[Figure]:
    """Measure all; costs are medians of runs in turns, all processes on one core."""
    for count, what in ((players, "of a core for 100 players"), (FEW, "of a core in all")):
        found: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(runs):
            for each, values in found.items():
                values.append(_cpu(each, count, seconds))
        costs = {each: statistics.median(values) for each, values in found.items()}
        share = count / 100 if count == players else 1
        for each, cost in costs.items():
            yield Figure(f"{each} workers, {count} players", what, cost / share, "%")
    yield from _memory_and_start()


def _cpu(count: int, players: int, seconds: float) -> float:
    with audience(VARIANT, settings=[f"workers={count}"]) as scene:
        scene.grow_to(players)
        return scene.measure(seconds).cpu


def _memory_and_start() -> Iterator[Figure]:
    """Measure what is a worker's own, and how soon one that was killed is there again."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-")))
        process = start_headend(folder, ["workers=2"], http="127.0.0.1:0")
        stack.callback(stop, process)
        port = wait_ready(process, folder, "http")
        time.sleep(SETTLE_S)
        known = _pids(port, folder)
        *_, last = process_tree(process.pid)
        yield Figure("2 workers", "memory of a worker's own", _own_kib(last) / 1024, "MiB")
        began = time.monotonic()
        os.kill(last, signal.SIGKILL)
        while not _pids(port, folder) - {last, *known}:
            if time.monotonic() - began > START_S:
                raise BenchError("the worker was not started again")
            time.sleep(0.005)
        yield Figure("2 workers", "killed to ready again", time.monotonic() - began, "s")


def _pids(port: int, folder: Path) -> set[int]:
    """Ask the API which workers serve."""
    token = next(folder.rglob("admin.token")).read_text().strip()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/server")
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=START_S) as answer:
        return {each["pid"] for each in json.load(answer)["workers"]}


def _own_kib(pid: int) -> int:
    """Return the memory that a process shares with no other (Private of smaps), in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
