"""The cost of recording: beside HLS, alone, and beside nginx-rtmp's FLV recording."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from bench.endurance import Figure
from bench.http import PACKAGING_SETTLE_S, headend
from bench.proc import Meter, process_tree
from bench.report import Target
from bench.servers import APP, KBPS, NAME, free_port, run_nginx
from bench.tools import SERVER_CORE, Tool

BESIDE_HLS_LIMIT: Final = 0.10  # % of a core for each stream, above packaging for HLS
ALONE_LIMIT: Final = 0.25  # % of a core for each stream, above ingest

RECORD: Final = ("record.match=*", "record.min_free_bytes=0")
# What runs, and its settings; nginx-rtmp has its own.
HEADEND: Final[dict[str, tuple[str, ...]]] = {
    "ingest": ("hls.start=off",),
    "HLS": ("hls.start=publish",),
    "HLS and recording": ("hls.start=publish", *RECORD),
    "recording": ("hls.start=off", *RECORD),
    "recording, FLV": ("hls.start=off", *RECORD, "record.format=flv"),
}
NGINX_ALONE: Final = "nginx-rtmp"
NGINX_FLV: Final = "nginx-rtmp, FLV"
NGINX: Final = """
rtmp {{
    access_log off;
    server {{ listen 127.0.0.1:{port}; ping 1h; application {app} {{ live on; {record} }} }}
}}
"""


@contextmanager
def nginx_rtmp(record: str) -> Iterator[tuple[int, int]]:
    """Run nginx-rtmp that records, or not; give its port and process."""
    port = free_port()
    with run_nginx("rtmp", port, NGINX.format(port=port, app=APP, record=record)) as pid:
        yield port, pid


@contextmanager
def running(name: str) -> Iterator[tuple[int, int]]:
    """Run one of the servers; give its port and process."""
    if name in HEADEND:
        with headend("adaptive", *HEADEND[name]) as host:
            yield host.rtmp, host.pid
        return
    with tempfile.TemporaryDirectory(prefix="headend-bench-") as folder:
        Path(folder).chmod(0o777)
        record = f"record all; record_path {folder};" if name == NGINX_FLV else ""
        with nginx_rtmp(record) as server:
            yield server


def measured(name: str, streams: int, seconds: float) -> float:
    """Measure one server, just started: HLS ends where encoders pause for long. CPU %."""
    with ExitStack() as stack:
        port, pid = stack.enter_context(running(name))
        where = ("127.0.0.1", port, APP, NAME, streams, "--kbps", KBPS)
        tool = stack.enter_context(Tool.start("publishers", *where))
        tool.answer()
        tool.tell("run")
        time.sleep(PACKAGING_SETTLE_S)
        meter = Meter.start(process_tree(pid), [tool.pid], SERVER_CORE)
        time.sleep(seconds)
        return meter.stop().server


def recording(streams: int, *, seconds: float, runs: int) -> Iterator[Figure]:
    """What so many streams cost with and without recording; all on the same disk."""
    cpu: dict[str, list[float]] = {name: [] for name in (*HEADEND, NGINX_ALONE, NGINX_FLV)}
    for _ in range(runs):
        for name, values in cpu.items():
            values.append(measured(name, streams, seconds))
    middle = {name: median(values) for name, values in cpu.items()}
    for name, value in middle.items():
        server = "headend" if name in HEADEND else "nginx-rtmp"
        yield Figure(server, f"{streams} streams, {name}", value, "%")

    def each(name: str, above: str) -> float:
        return (middle[name] - middle[above]) / streams

    yield Figure("headend", "beside HLS", each("HLS and recording", "HLS"), "%")
    yield Figure("headend", "alone", each("recording", "ingest"), "%")
    yield Figure("headend", "alone, FLV", each("recording, FLV", "ingest"), "%")
    yield Figure("nginx-rtmp", "FLV", each(NGINX_FLV, NGINX_ALONE), "%")


def recording_targets(figures: Sequence[Figure]) -> Iterator[Target]:
    """Set recording beside what it may cost."""
    found = {figure.what: figure.value for figure in figures}
    yield Target(
        "recording of a stream beside HLS, above packaging, % of a core",
        found["beside HLS"],
        BESIDE_HLS_LIMIT,
    )
    yield Target(
        "recording of a stream alone, above ingest, % of a core", found["alone"], ALONE_LIMIT
    )
