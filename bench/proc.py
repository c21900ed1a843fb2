"""CPU time and memory of processes, the load of a core, and priorities, from `/proc`."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from headend.cli.bench_server import cpu_s

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def process_tree(pid: int) -> list[int]:
    """List a process and everything below it, threads' children included."""
    pids = [pid]
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended
            for child in listing.read_text().split():
                pids += process_tree(int(child))
    return pids


def share_priority() -> None:
    """Give all that this process started its own priority: Chromium takes the usual one again."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    for pid in process_tree(os.getpid())[1:]:
        with suppress(OSError):  # it has ended
            for thread in os.listdir(f"/proc/{pid}/task"):
                os.setpriority(os.PRIO_PROCESS, int(thread), own)


def total_cpu_s(pids: Iterable[int]) -> float:
    """Sum user and system time of processes, all threads, in seconds."""
    return sum(cpu_s(pid) or 0.0 for pid in pids)


def core_busy_s(core: int) -> float:
    """Tell how long a core has been busy since boot, in seconds, whoever used it."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq = map(int, ticks[:7])
            return (user + nice + system + irq + softirq) / TICKS_PER_S
    raise ValueError(f"core {core} is not in /proc/stat")


def rss_kib(pids: Iterable[int]) -> int:
    """Sum the resident memory of processes (VmRSS), in KiB."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU in a window, in percent of one core."""

    server: float
    load: float
    others: float  # on the server's core: a busy machine shows here


@dataclass(frozen=True, slots=True)
class Meter:
    """What the clocks showed when a window began."""

    server_pids: list[int]
    load_pids: list[int]
    core: int
    started: float
    server_s: float
    load_s: float
    core_s: float

    @classmethod
    def start(cls, server_pids: list[int], load_pids: list[int], core: int) -> Self:
        """Begin a window; `stop` ends it."""
        return cls(
            server_pids=server_pids,
            load_pids=load_pids,
            core=core,
            started=time.monotonic(),
            server_s=total_cpu_s(server_pids),
            load_s=total_cpu_s(load_pids),
            core_s=core_busy_s(core),
        )

    def stop(self) -> Usage:
        """End the window."""
        now = Meter.start(self.server_pids, self.load_pids, self.core)
        per_s = 100 / (now.started - self.started)
        server = (now.server_s - self.server_s) * per_s
        core = (now.core_s - self.core_s) * per_s
        return Usage(
            server=server,
            load=(now.load_s - self.load_s) * per_s,
            others=max(0.0, core - server),
        )
