"""One stream with many players: CPU, latency, and what arrives."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from bench.proc import Meter
from bench.servers import APP, KBPS, NAME, Server, Variant, running, source
from bench.tools import SERVER_CORE, BenchError, Tool

SETTLE_S: Final = 2.0  # an adaptive flush finds its interval, TCP its windows
QUIET_S: Final = 0.3  # no byte for so long: all has arrived
DRAIN_S: Final = 20.0
# nginx-rtmp writes some headers 4 bytes longer for some players; no message is as small as this.
FRAMING_BYTES: Final = 100


@dataclass(frozen=True, slots=True)
class Sample:
    """What a server cost in one window. CPU in percent of a core, times in ms, of pictures."""

    label: str
    flush: str
    count: int  # players, or publishers
    cpu: float
    load_cpu: float
    others_cpu: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    delivered: float  # share of the published bytes that the worst player got
    complete: bool  # every player got every byte
    sound_p99_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Audience:
    """A stream, its players, and probes that joined before and after them."""

    server: Server
    source: Tool
    players: Tool
    probes: list[Tool] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)

    def add_probe(self) -> None:
        """Let a parsing player join; the first and the newest measure, as servers have an order."""
        probe = self.stack.enter_context(
            Tool.start(self.server.tool("probe"), "127.0.0.1", self.server.play_port, APP, NAME)
        )
        probe.answer()
        self.probes.append(probe)

    def grow_to(self, total: int) -> None:
        """Let more players join, while the encoder only shows that it is alive.

        Raises:
            BenchError: Some of them did not get in.
        """
        joined = int(self.players.ask("stats")["joined"])
        counts = self.players.ask(f"add {max(0, total - joined)}")
        if lost := int(counts["closed"] + counts["refused"]):
            raise BenchError(f"{self.server.variant.label}: {lost} players closed or refused")
        self.add_probe()

    def drain(self) -> None:
        """Stop the stream and wait until nothing moves, so that all players can be compared."""
        self.source.tell("hold")
        deadline = time.monotonic() + DRAIN_S
        before = -1.0
        while time.monotonic() < deadline:
            time.sleep(QUIET_S)
            total = self.players.ask("stats")["total_bytes"]
            if total == before:
                return
            before = total

    def measure(self, seconds: float) -> Sample:
        """Run the stream for a window and compare what went in with what came out."""
        first, last = self.probes[0], self.probes[-1]
        tools = (self.players, self.source, first, last)
        self.source.tell("key")  # nginx-rtmp sends a new player no video before a keyframe
        self.drain()
        for tool in tools:
            tool.ask("mark")
        self.source.tell("run")
        time.sleep(SETTLE_S)
        for probe in (first, last):
            probe.ask("sample")
        meter = Meter.start(self.server.pids(), [self.players.pid], SERVER_CORE)
        time.sleep(seconds)
        usage = meter.stop()
        ages = [probe.ask("ages") for probe in (first, last)]
        self.drain()
        got, sent, *seen = (tool.ask("mark") for tool in tools)
        self.source.tell("trickle")
        expected = max(1.0, *(probe["raw_bytes"] for probe in seen))
        parsed = min(probe["payload_bytes"] for probe in seen) / max(1.0, sent["payload_bytes"])
        return Sample(
            label=self.server.variant.label,
            flush=self.server.variant.flush,
            count=int(got["joined"]),
            cpu=usage.server,
            load_cpu=usage.load,
            others_cpu=usage.others,
            p50_ms=sum(probe["p50_ms"] for probe in ages) / 2,
            p99_ms=max(probe["p99_ms"] for probe in ages),
            max_ms=max(probe["max_ms"] for probe in ages),
            delivered=parsed * min(1.0, got["min_bytes"] / expected),
            complete=(
                parsed == 1
                and got["max_bytes"] - got["min_bytes"] < FRAMING_BYTES
                and abs(got["min_bytes"] - expected) < FRAMING_BYTES
                and not got["closed"]
            ),
            sound_p99_ms=max(probe["sound_p99_ms"] for probe in ages),
        )


@contextmanager
def audience(
    variant: Variant, *, kbps: int = KBPS, settings: Sequence[str] = ()
) -> Iterator[Audience]:
    """Start a server, a stream and a probe; players are still to come (`grow_to`)."""
    with ExitStack() as stack:
        server = stack.enter_context(running(variant, kbps=kbps, settings=settings))
        encoder = stack.enter_context(source(server, kbps=kbps))
        where = ("127.0.0.1", server.play_port, APP, NAME)
        players = stack.enter_context(Tool.start(server.tool("players"), *where))
        scene = Audience(server, encoder, players, stack=stack)
        scene.add_probe()
        yield scene


def fan_out(
    variants: Sequence[Variant],
    players: Sequence[int],
    *,
    seconds: float,
    runs: int,
    kbps: int = KBPS,
) -> Iterator[Sample]:
    """Measure servers with growing numbers of players, in turns.

    All servers are up at the same time and take short turns, so that a machine that is slower for a
    minute is slower for all of them, and ratios hold.
    """
    with ExitStack() as stack:
        scenes = [stack.enter_context(audience(variant, kbps=kbps)) for variant in variants]
        for count in sorted(players):
            for scene in scenes:
                scene.grow_to(count)
            for _ in range(runs):
                for scene in scenes:
                    yield scene.measure(seconds)
