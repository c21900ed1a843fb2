"""The cost of viewers over HTTP: HTTP-FLV beside RTMP, and packaging for HLS."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.endurance import Figure
from bench.measure import FRAMING_BYTES, SETTLE_S, Sample
from bench.proc import Meter
from bench.report import Row, Target
from bench.servers import (
    APP,
    KBPS,
    NAME,
    Variant,
    flush_settings,
    free_port,
    start_headend,
    wait_port,
    wait_ready,
)
from bench.tools import BUILD, SERVER_CORE, BenchError, Tool, pinned
from headend.cli.bench_server import stop

# Node-Media-Server, from npm; nginx-rtmp has no HTTP-FLV.
NODE_PACKAGE: Final = "node-media-server@4"
FLV_LIMIT: Final = 1.1  # of the CPU of as many RTMP players
PACKAGING_LIMIT: Final = 0.15  # % of a core for each stream
PACKAGING_SETTLE_S: Final = 6.0  # the first segments
DRAIN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Host:
    """A server that accepts RTMP and HTTP."""

    variant: Variant
    rtmp: int
    http: int
    pid: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A stream and those who watch it over one protocol."""

    label: str
    host: Host
    source: Tool
    viewers: Tool

    def measure(self, seconds: float) -> Sample:
        """Run the stream for a window."""
        self.source.tell("run")
        time.sleep(SETTLE_S)
        self.viewers.ask("mark")
        meter = Meter.start([self.host.pid], [self.viewers.pid], SERVER_CORE)
        time.sleep(seconds)
        usage = meter.stop()
        self.source.tell("hold")
        time.sleep(DRAIN_S)
        got = self.viewers.ask("mark")
        self.source.tell("trickle")
        return Sample(
            label=self.label,
            flush=self.host.variant.flush,
            count=int(got["joined"]),
            cpu=usage.server,
            load_cpu=usage.load,
            others_cpu=usage.others,
            p50_ms=0.0,
            p99_ms=0.0,
            max_ms=0.0,
            delivered=got["min_bytes"] / max(1.0, got["max_bytes"]),
            complete=got["max_bytes"] - got["min_bytes"] < FRAMING_BYTES and not got["closed"],
        )


@contextmanager
def headend(flush: str, *settings: str) -> Iterator[Host]:
    """Run Headend with HTTP."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-")))
        given = [*flush_settings(flush), *settings]
        process = start_headend(folder, given, http="127.0.0.1:0")
        stack.callback(stop, process)
        rtmp, http = (wait_ready(process, folder, name) for name in ("rtmp", "http"))
        yield Host(Variant("headend", flush), rtmp, http, process.pid)


@contextmanager
def node_media_server() -> Iterator[Host]:
    """Run Node-Media-Server, installed from npm the first time.

    Raises:
        BenchError: There is no node or npm.
    """
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise BenchError("no Node.js: install it with npm")
    folder = BUILD / "node"
    program = folder / "node_modules" / "node-media-server" / "bin" / "app.js"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--prefix", str(folder), "--no-save", NODE_PACKAGE]
        subprocess.run(command, check=True, capture_output=True)
    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-"))
        rtmp, http = free_port(), free_port()
        command = [node, str(program), "-b", "127.0.0.1", "--no-admin", "--data-path", data]
        command += ["--rtmp-port", str(rtmp), "--http-port", str(http)]
        command += ["--rtmps-port", str(free_port()), "--https-port", str(free_port())]
        process = subprocess.Popen(
            pinned(command, SERVER_CORE),
            text=True,
            cwd=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(stop, process)
        wait_port(rtmp, process)
        wait_port(http, process)
        yield Host(Variant("node"), rtmp, http, process.pid)


def flv(flushes: Sequence[str], viewers: int, *, seconds: float, runs: int) -> Iterator[Sample]:
    """Measure as many HTTP-FLV viewers as RTMP players, in turns, and Node-Media-Server's."""
    with ExitStack() as stack:
        scenes = [
            scene(stack, stack.enter_context(headend(flush)), is_flv=is_flv)
            for flush in flushes
            for is_flv in (False, True)
        ]
        scenes.append(scene(stack, stack.enter_context(node_media_server()), is_flv=True))
        for each in scenes:
            each.viewers.ask(f"add {viewers}")
        for _ in range(runs):
            for each in scenes:
                yield each.measure(seconds)


def scene(stack: ExitStack, host: Host, *, is_flv: bool) -> Scene:
    """Start the encoder and the viewers of a server; they end with the stack."""
    source = Tool.start("publishers", "127.0.0.1", host.rtmp, APP, NAME, 1, "--kbps", KBPS)
    encoder = stack.enter_context(source)
    encoder.answer()
    port, options = (host.http, ("--flv", 1)) if is_flv else (host.rtmp, ())
    viewers = stack.enter_context(Tool.start("players", "127.0.0.1", port, APP, NAME, *options))
    kind = "flv" if is_flv else "rtmp"
    flush = f"/{host.variant.flush}" if host.variant.flush else ""
    return Scene(f"{host.variant.server}-{kind}{flush}", host, encoder, viewers)


def flv_targets(rows: Sequence[Row]) -> Iterator[Target]:
    """Set HTTP-FLV beside RTMP and beside Node-Media-Server."""
    cpu = {row.sample.label: row.sample.cpu for row in rows}
    for label, value in cpu.items():
        if label.startswith("headend-flv"):
            other = cpu[label.replace("-flv", "-rtmp")]
            share = value / other if other else None
            yield Target(f"{label} / as many RTMP players, CPU", share, FLV_LIMIT)
            if node := cpu.get("node-flv"):
                yield Target(f"{label} / node-flv, CPU", value / node, 1.0)


def packaging(
    streams: int, *, seconds: float, runs: int, settle_s: float = PACKAGING_SETTLE_S
) -> Iterator[Figure]:
    """What packaging so many streams costs above their ingest."""
    cpu: dict[str, list[float]] = {"off": [], "publish": []}
    with ExitStack() as stack:
        encoders = {}
        for start in cpu:
            host = stack.enter_context(headend("adaptive", f"hls.start={start}"))
            where = ("127.0.0.1", host.rtmp, APP, NAME, streams, "--kbps", KBPS)
            tool = stack.enter_context(Tool.start("publishers", *where))
            tool.answer()
            encoders[start] = host, tool
        for _ in range(runs):
            for start, (host, tool) in encoders.items():
                tool.tell("run")
                time.sleep(settle_s)
                meter = Meter.start([host.pid], [tool.pid], SERVER_CORE)
                time.sleep(seconds)
                cpu[start].append(meter.stop().server)
                tool.tell("trickle")
    ingest, packaged = (min(values) for values in cpu.values())
    yield Figure("headend", f"{streams} streams, ingest", ingest, "%")
    yield Figure("headend", f"{streams} streams, packaged for HLS", packaged, "%")
    yield Figure("headend", "packaging, each stream", (packaged - ingest) / streams, "%")


def packaging_targets(figures: Sequence[Figure]) -> Iterator[Target]:
    """Set packaging beside what it may cost."""
    (each,) = (f.value for f in figures if f.what == "packaging, each stream")
    yield Target("packaging of a stream above ingest, % of a core", each, PACKAGING_LIMIT)
