"""Start-up time, and memory: per idle player and over a long time."""

import socket
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.measure import audience
from bench.proc import rss_kib
from bench.servers import APP, NAME, Server, Variant, running, start_headend, wait_ready
from bench.tools import BenchError, Tool
from headend.cli.bench_server import stop

SETTLE_S: Final = 3.0
LOG_FILL_S: Final = 30.0  # the log of recent tags holds 20 s; before that memory may grow
PLAYLIST_S: Final = 30.0  # until a stream that begins has a playlist
PACKAGED_S: Final = 20.0  # the window of segments is full then
PUBLISHERS: Final = 10  # at once, in the publish and unpublish cycles
# Idle players get a stream that only trickles, for longer than usual.
IDLE_SETTINGS: Final = ("live.wait_s=600", "limits.idle_s=600")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value: what, how much, and of which unit."""

    label: str
    what: str
    value: float
    unit: str


def startup(runs: int) -> Iterator[Figure]:
    """Time from starting `headend serve` to its first byte in answer to a handshake."""
    times = [start_once() for _ in range(runs + 1)][1:]  # the first fills the caches
    yield Figure("headend", "start to first handshake answered", statistics.median(times), "s")
    yield Figure("headend", "slowest start", max(times), "s")


def start_once() -> float:
    """Start Headend, shake hands, stop it; return the seconds to the first byte of the answer."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-")))
        began = time.monotonic()
        process = start_headend(folder, [])
        stack.callback(stop, process)
        port = wait_ready(process, folder)
        peer = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        peer.sendall(b"\x03" + bytes(1536))
        if peer.recv(1) != b"\x03":
            raise BenchError("headend does not answer the handshake")
        return time.monotonic() - began


def resting() -> Iterator[Figure]:
    """Resident memory with HTTP and TLS: waiting for a first stream, and packaging one for HLS."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-")))
        everywhere = {"tls": "127.0.0.1:0", "http": "127.0.0.1:0"}
        process = start_headend(folder, [], **everywhere)  # it makes the database, which takes more
        wait_ready(process, folder)
        time.sleep(SETTLE_S)
        stop(process)
        (folder / "ready.json").unlink(missing_ok=True)
        process = start_headend(folder, [], **everywhere)
        stack.callback(stop, process)
        port, http = wait_ready(process, folder), wait_ready(process, folder, "http")
        time.sleep(SETTLE_S)
        yield Figure("headend", "resident memory, idle", rss_kib([process.pid]) / 1024, "MiB")
        where = ("127.0.0.1", port, APP, NAME, 1)
        tool = stack.enter_context(Tool.start("publishers", *where))
        tool.answer()
        tool.tell("run")
        playlist = f"http://127.0.0.1:{http}/{APP}/{NAME}/index.m3u8"
        with urllib.request.urlopen(playlist, timeout=PLAYLIST_S) as answer:
            answer.read()
        time.sleep(PACKAGED_S)
        used = rss_kib([process.pid]) / 1024
        yield Figure("headend", "resident memory, one stream as HLS", used, "MiB")


def idle_players(variant: Variant, count: int) -> Iterator[Figure]:
    """Resident memory per player of a stream that rests, above the server with one player."""
    settings = IDLE_SETTINGS if variant.server == "headend" else ()
    with audience(variant, settings=settings) as scene:
        time.sleep(SETTLE_S)
        base = rss_kib(scene.server.pids())
        scene.grow_to(count)
        time.sleep(SETTLE_S)
        grown = rss_kib(scene.server.pids())
    yield Figure(variant.label, "base", base / 1024, "MiB")
    yield Figure(variant.label, f"per idle player, {count} players", (grown - base) / count, "KiB")


def cycles(variant: Variant, count: int) -> Iterator[Figure]:
    """Resident memory while streams are published and unpublished, `count` in all."""
    with running(variant) as server:
        publish_and_end(server, count // 10)
        base = rss_kib(server.pids())
        seen = []
        for _ in range(9):
            publish_and_end(server, count // 10)
            seen.append(rss_kib(server.pids()))
    yield from drift(variant.label, f"{count} publish/unpublish cycles", base, seen)


def publish_and_end(server: Server, count: int) -> None:
    """Publish streams for a moment, a few at once, and end each as an encoder does."""
    where = ("127.0.0.1", server.port, APP, NAME, PUBLISHERS)
    for _ in range(max(1, count // PUBLISHERS)):
        with Tool.start("publishers", *where) as tool:
            tool.answer()
            tool.tell("run")
            time.sleep(0.1)
            tool.tell("end")
            tool.wait()


def deaf_player(variant: Variant, seconds: float) -> Iterator[Figure]:
    """Resident memory while a player never reads; it comes back whenever it is closed."""
    with audience(variant) as scene, ExitStack() as stack:
        where = ("127.0.0.1", scene.server.port, APP, NAME)
        deaf = stack.enter_context(Tool.start("players", *where, "--deaf", 1))
        deaf.ask("add 1")
        scene.source.tell("run")
        time.sleep(LOG_FILL_S)
        base = rss_kib(scene.server.pids())
        seen: list[int] = []
        returns = 0
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(1)
            seen.append(rss_kib(scene.server.pids()))
            if deaf.ask("stats")["joined"] < 1:
                deaf.ask("add 1")
                returns += 1
    yield from drift(variant.label, f"{seconds:.0f} s with a player that never reads", base, seen)
    yield Figure(variant.label, "times it was closed and came back", returns, "")


def drift(label: str, what: str, base: int, seen: list[int]) -> Iterator[Figure]:
    """Express memory after a warm-up as the range around its value then."""
    yield Figure(label, f"{what}: lowest", 100 * (min(seen) / base - 1), "%")
    yield Figure(label, f"{what}: highest", 100 * (max(seen) / base - 1), "%")
    yield Figure(label, f"{what}: at the end", seen[-1] / 1024, "MiB")
