"""The cost of TLS: what it adds to fan-out and latency, handshakes, and memory."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from bench.endurance import Figure, idle_players
from bench.measure import SETTLE_S, Audience, Sample, audience, fan_out
from bench.proc import Meter
from bench.report import Row, Target, rows_of
from bench.servers import Variant
from bench.tools import ANSWER_S, SERVER_CORE, Answer, BenchError, Tool

STREAM_PLAYERS: Final = 100  # who must not notice that others shake hands
LATENCY_FLUSHES: Final = ("0", "adaptive")  # 0: TLS alone; adaptive: what users have
PAUSE_S: Final = 0.5
# What `handshakes` is started with, and how it is called in tables.
KINDS: Final = {
    "TLS 1.3": ("--version", "13"),
    "TLS 1.2": ("--version", "12"),
    "TLS 1.2 resumed": ("--version", "12", "--resume", "1"),
}


def variants(flushes: Sequence[str]) -> list[Variant]:
    """List the servers of the fan-out: Headend with and without TLS, the TLS floor, nginx."""
    names = ("floor-tls", "headend-tls", "headend")
    return [*(Variant(name, flush) for flush in flushes for name in names), Variant("nginx-tls")]


def latencies(players: int, *, seconds: float, runs: int) -> Iterator[Sample]:
    """Measure Headend with and without TLS for few players, where latency is small."""
    servers = ("headend", "headend-tls")
    pairs = [Variant(name, flush) for flush in LATENCY_FLUSHES for name in servers]
    yield from fan_out(pairs, [players], seconds=seconds, runs=runs)


def handshakes(per_second: int, seconds: float) -> Iterator[Figure]:
    """What handshakes cost, and whether a stream to 100 players notices them."""
    with audience(Variant("headend-tls", "30")) as scene:
        for kind, options in KINDS.items():
            yield from handshake_cost(scene, kind, options, per_second, seconds)
        scene.grow_to(STREAM_PLAYERS)
        yield from gaps(scene, per_second, seconds)


def handshake_cost(
    scene: Audience, kind: str, options: Sequence[str], per_second: int, seconds: float
) -> Iterator[Figure]:
    """CPU time of one handshake, of a server that does nothing else."""
    server = scene.server
    where = ("127.0.0.1", server.play_port, "--per-second", per_second)
    with Tool.start("handshakes-tls", *where, *options) as tool:
        tool.tell("run")
        shaken(tool, PAUSE_S)  # the first one is full, whatever the kind
        meter = Meter.start(server.pids(), [tool.pid], SERVER_CORE)
        counts = shaken(tool, seconds)
        elapsed_s, usage = time.monotonic() - meter.started, meter.stop()
    done, label = counts["done"], server.variant.label
    yield Figure(label, f"{kind}: handshakes done", done / elapsed_s, "/s")
    yield Figure(label, f"{kind}: handshakes refused or lost", counts["failed"], "")
    yield Figure(label, f"{kind}: CPU of a handshake", 10 * usage.server * elapsed_s / done, "ms")
    yield Figure(label, f"{kind}: longest handshake", counts["longest_ms"], "ms")
    yield Figure(label, f"{kind}: share that was resumed", counts["resumed"] / done, "")


def shaken(tool: Tool, seconds: float) -> Answer:
    """Wait, and tell what handshakes came to since the last mark: one is done at least.

    The wait is longer where the machine stood still meanwhile.

    Raises:
        BenchError: None is done, for ever.
    """
    deadline = time.monotonic() + seconds + ANSWER_S
    while time.monotonic() < deadline:
        time.sleep(seconds)
        counts = tool.ask("mark")
        if counts["done"]:
            return counts
    raise BenchError(f"no handshake was done within {ANSWER_S:.0f} s")


def gaps(scene: Audience, per_second: int, seconds: float) -> Iterator[Figure]:
    """Longest time between two messages at a player, without and with handshakes beside it."""
    where = ("127.0.0.1", scene.server.play_port, "--per-second", per_second)
    scene.source.tell("run")
    with Tool.start("handshakes-tls", *where) as tool:
        time.sleep(SETTLE_S)
        yield from gap(scene, "no handshakes", seconds)
        tool.tell("run")
        time.sleep(PAUSE_S)
        yield from gap(scene, f"{per_second} handshakes/s", seconds)
        counts = tool.ask("mark")
    scene.source.tell("trickle")
    label = scene.server.variant.label
    rate = counts["done"] / (PAUSE_S + seconds)
    yield Figure(label, "beside the stream: handshakes done", rate, "/s")
    yield Figure(label, "beside the stream: handshakes refused or lost", counts["failed"], "")
    yield Figure(label, "beside the stream: longest handshake", counts["longest_ms"], "ms")


def gap(scene: Audience, when: str, seconds: float) -> Iterator[Figure]:
    """Watch the stream for a window."""
    probes = (scene.probes[0], scene.probes[-1])
    for probe in probes:
        probe.ask("sample")
    meter = Meter.start(scene.server.pids(), [scene.players.pid], SERVER_CORE)
    time.sleep(seconds)
    usage = meter.stop()
    ages = [probe.ask("ages") for probe in probes]
    label = f"{scene.server.variant.label}, {STREAM_PLAYERS} players"
    longest = max(age["gap_ms"] for age in ages)
    yield Figure(label, f"{when}: longest gap of the stream", longest, "ms")
    yield Figure(label, f"{when}: p99 latency", max(age["p99_ms"] for age in ages), "ms")
    yield Figure(label, f"{when}: CPU", usage.server, "%")
    yield Figure(label, f"{when}: others on the core", usage.others, "%")


def memory(players: int) -> Iterator[Figure]:
    """Resident memory of idle players, with and without TLS."""
    for name in ("headend", "headend-tls"):
        yield from idle_players(Variant(name, "30"), players)


def fan_out_targets(rows: Sequence[Row], players: int) -> Iterator[Target]:
    """Set the fan-out beside what it must reach (most players of the run)."""
    cpu = {row.sample.label: row.sample.cpu for row in rows if row.sample.count == players}

    def ratio(label: str, other: str) -> float | None:
        return cpu[label] / cpu[other] if label in cpu and cpu.get(other) else None

    for flush, share in (("30", 0.25), ("100", 0.18)):
        own = f"headend-tls/{flush}"
        yield Target(f"{own} / TLS floor, CPU", ratio(own, f"floor-tls/{flush}"), 1.15)
        yield Target(f"{own} / nginx-tls, CPU", ratio(own, "nginx-tls"), share)
        yield Target(f"{own} / headend/{flush}, CPU", ratio(own, f"headend/{flush}"), 2.2)


def latency_targets(samples: Sequence[Sample]) -> Iterator[Target]:
    """Set the median latency over TLS beside that without."""
    p50 = {row.sample.label: row.sample.p50_ms for row in rows_of(samples)}
    for flush in LATENCY_FLUSHES:
        own, other = (p50.get(f"{name}/{flush}") for name in ("headend-tls", "headend"))
        added = None if own is None or other is None else own - other
        yield Target(f"median latency TLS adds, flush {flush}, ms", added, 3.0)


def figure_targets(figures: Sequence[Figure]) -> Iterator[Target]:
    """Set handshakes and memory beside what they must reach."""

    def value(text: str) -> float | None:
        found = [f.value for f in figures if text in f.what and f.label.startswith("headend-tls")]
        return found[0] if found else None

    full, resumed = (value(f"{kind}: CPU of") for kind in ("TLS 1.2", "TLS 1.2 resumed"))
    share = resumed / full if full and resumed is not None else None
    yield Target("resumed / full handshake, CPU", share, 0.6)
    yield Target("longest gap beside handshakes, ms", value("handshakes/s: longest gap"), 100.0)
    yield Target("memory of an idle RTMPS player, KiB", value("per idle player"), 60.0)
