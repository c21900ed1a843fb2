"""The cost of many publishers while nobody watches, or each has one player."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench.measure import SETTLE_S, Sample
from bench.proc import Meter
from bench.servers import APP, KBPS, NAME, Server, Variant, running
from bench.tools import SERVER_CORE, BenchError, Tool

STALL_MS = 1000.0  # a message that an encoder could not send for so long: its queue is full


@contextmanager
def publishers(
    variant: Variant, count: int, kbps: int, *, is_watched: bool = False
) -> Iterator[tuple[Server, Tool]]:
    """Start a server and encoders that publish to it, and if wanted a player for each."""
    with ExitStack() as stack:
        server = stack.enter_context(running(variant))
        where = ("127.0.0.1", server.port, APP, NAME)
        tool = stack.enter_context(Tool.start("publishers", *where, count, "--kbps", kbps))
        tool.answer()
        if is_watched:
            players = stack.enter_context(Tool.start("players", *where, "--streams", count))
            joined = players.ask(f"add {count}")["joined"]
            if joined != count:
                raise BenchError(f"{variant.label}: {joined} of {count} players have joined")
        yield server, tool


def measure(server: Server, tool: Tool, seconds: float) -> Sample:
    """Let all encoders send for a window; their delays stand in the place of latencies."""
    tool.tell("run")
    time.sleep(SETTLE_S)
    tool.ask("mark")
    meter = Meter.start(server.pids(), [tool.pid], SERVER_CORE)
    time.sleep(seconds)
    usage = meter.stop()
    sent = tool.ask("mark")
    tool.tell("trickle")
    return Sample(
        label=server.variant.label,
        flush=server.variant.flush,
        count=int(sent["publishers"]),
        cpu=usage.server,
        load_cpu=usage.load,
        others_cpu=usage.others,
        p50_ms=0.0,
        p99_ms=0.0,
        max_ms=sent["worst_delay_ms"],
        delivered=1.0 - sent["lost"] / sent["publishers"],
        complete=sent["lost"] == 0 and sent["worst_delay_ms"] < STALL_MS,
    )


def ingest(
    variants: Sequence[Variant],
    counts: Sequence[int],
    *,
    seconds: float,
    runs: int,
    kbps: int = KBPS,
    is_watched: bool = False,
) -> Iterator[Sample]:
    """Measure servers with so many publishers each, in turns as in `measure.fan_out`."""
    for count in counts:
        with ExitStack() as stack:
            pairs = [
                stack.enter_context(publishers(each, count, kbps, is_watched=is_watched))
                for each in variants
            ]
            for _ in range(runs):
                for server, tool in pairs:
                    yield measure(server, tool, seconds)
