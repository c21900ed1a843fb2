"""The command line of the bench: `python -m bench fanout --players 500,1000`."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Final

import typer

from bench import http
from bench import tls as secure
from bench.access import access as measure_access
from bench.client import client as measure_client
from bench.embed import embed as measure_embed
from bench.endurance import Figure, cycles, deaf_player, idle_players, resting, startup
from bench.hlsjs import hlsjs as measure_hlsjs
from bench.hlsjs import shown as stalls_shown
from bench.ingest import ingest as measure_ingest
from bench.measure import Sample, audience, fan_out
from bench.recording import recording as measure_recording
from bench.recording import recording_targets
from bench.relay import cost as relay_cost
from bench.relay import deaf, targets
from bench.report import (
    Row,
    figure_table,
    markdown_of,
    rows_of,
    save,
    show,
    table_of,
    target_markdown,
    target_table,
)
from bench.servers import KBPS, Variant, describe_machine
from bench.srt import srt as measure_srt
from bench.tools import BenchError
from bench.web import web as measure_web
from bench.workers import workers as measure_workers
from headend.cli.bench_server import raise_descriptor_limit

FIXED: Final = ("0", "30", "100")
CAPACITY_KBPS: Final = 600
CAPACITY_STEP: Final = 1000
CAPACITY_LIMIT: Final = 16000
CAPACITY_P99_MS: Final = 1000.0  # later than that, the core no longer carries them
app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)

Servers = Annotated[str, typer.Option("--server", help="Which, of headend,nginx,floor,pyfloor.")]
Counts = Annotated[str, typer.Option("--players", help="How many, as 500,1000,3000.")]
Publishers = Annotated[str, typer.Option("--publishers", help="How many, as 200,500.")]
Seconds = Annotated[float, typer.Option(help="Length of one window.")]
Runs = Annotated[int, typer.Option(help="Windows per row; the table shows medians.")]
Json = Annotated[Path | None, typer.Option("--json", help="Where; else bench/results/.")]
Flush = Annotated[str, typer.Option(help="Flush intervals in ms, or adaptive, as 0,30,100.")]


def variants_of(servers: str, flushes: Iterable[str]) -> list[Variant]:
    """Pair each server that was named with each flush it can have."""
    found = []
    for server in servers.split(","):
        if server not in ("headend", "nginx", "floor", "pyfloor"):
            raise typer.BadParameter(f"{server} is none of headend, nginx, floor, pyfloor")
        usable = [""] if server == "nginx" else [f for f in flushes if can_flush(server, f)]
        found += [Variant(server, flush) for flush in usable]
    return found


def can_flush(server: str, flush: str) -> bool:
    """Only Headend adapts."""
    return server == "headend" or flush != "adaptive"


def numbers(text: str) -> list[int]:
    """Read a list such as 500,1000."""
    return [int(part) for part in text.split(",")]


def progress(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Show each sample on stderr when it is there; a bench runs for minutes."""
    for s in samples:
        print(
            f"{time.strftime('%H:%M:%S')} {s.label:18} {s.count:6} {s.cpu:6.1f} %"
            f"  p50 {s.p50_ms:.1f} p99 {s.p99_ms:.1f} max {s.max_ms:.1f} ms"
            f"  load {s.load_cpu:.0f} % others {s.others_cpu:.0f} %"
            f"  {'complete' if s.complete else f'{100 * s.delivered:.1f} % delivered'}",
            file=sys.stderr,
            flush=True,
        )
        yield s


def finish(name: str, title: str, unit: str, samples: Iterable[Sample], path: Path | None) -> None:
    """Print the table and write the file."""
    rows: list[Row] = rows_of(samples)
    show(table_of(f"{title}\n{describe_machine()}", unit, rows))
    written = save(name, rows, path)
    written.with_suffix(".md").write_text(f"{describe_machine()}\n\n{markdown_of(unit, rows)}")
    print(f"written to {written} and, for a page, beside it as .md", file=sys.stderr)


def finish_figures(name: str, title: str, figures: Iterable[Figure], path: Path | None) -> None:
    """Print single figures and write the file."""
    found: list[Figure] = list(figures)
    show(figure_table(f"{title}\n{describe_machine()}", found))
    print(f"written to {save(name, found, path)}", file=sys.stderr)


@app.command()
def fanout(
    server: Servers = "nginx,floor,headend",
    players: Counts = "500,1000,3000",
    flush: Flush = "0,30,100",
    seconds: Seconds = 5.0,
    runs: Runs = 3,
    kbps: int = KBPS,
    json: Json = None,
) -> None:
    """CPU and latency of one stream for many players, beside nginx-rtmp and the floor."""
    variants = variants_of(server, flush.split(","))
    samples = fan_out(variants, numbers(players), seconds=seconds, runs=runs, kbps=kbps)
    finish("fanout", f"Fan-out, {kbps} kbit/s", "players", progress(samples), json)


@app.command()
def latency(
    server: Servers = "nginx,floor,headend",
    players: Counts = "1,100,500,1000",
    flush: Flush = "0,30,100,adaptive",
    seconds: Seconds = 10.0,
    runs: Runs = 3,
    json: Json = None,
) -> None:
    """Latency from the encoder's send to the player's receive; floor/0 is the network alone."""
    variants = variants_of(server, flush.split(","))
    samples = fan_out(variants, numbers(players), seconds=seconds, runs=runs)
    finish("latency", "Latency", "players", progress(samples), json)


@app.command()
def adaptive(
    server: Servers = "headend",
    players: Counts = "1,10,50,100,200,500,1000,2000,3000",
    seconds: Seconds = 5.0,
    runs: Runs = 3,
    json: Json = None,
) -> None:
    """The adaptive flush: CPU and latency from one player to thousands."""
    samples = fan_out(
        variants_of(server, ["adaptive"]), numbers(players), seconds=seconds, runs=runs
    )
    finish("adaptive", "Adaptive flush", "players", progress(samples), json)


@app.command()
def ingest(
    server: Servers = "nginx,headend",
    publishers: Publishers = "200,500",
    flush: Flush = "30",
    seconds: Seconds = 10.0,
    runs: Runs = 3,
    watched: Annotated[bool, typer.Option("--watched", help="A player for each.")] = False,
    json: Json = None,
) -> None:
    """CPU of many publishers whom nobody watches; "max ms" is an encoder's longest delay."""
    variants = variants_of(server, flush.split(","))
    samples = measure_ingest(
        variants, numbers(publishers), seconds=seconds, runs=runs, is_watched=watched
    )
    title = f"Ingest, {KBPS} kbit/s each" + ", with a player each" * watched
    finish("ingest", title, "publishers", progress(samples), json)


def carried(variant: Variant, seconds: float, limit: int) -> Iterator[Sample]:
    """Add players to one server until its core no longer carries them."""
    with audience(variant, kbps=CAPACITY_KBPS) as scene:
        for count in range(CAPACITY_STEP, limit + 1, CAPACITY_STEP):
            scene.grow_to(count)
            sample = scene.measure(seconds)
            yield sample
            if not sample.complete or sample.p99_ms > CAPACITY_P99_MS:
                return


@app.command()
def capacity(
    server: Servers = "nginx,headend",
    flush: Flush = "30,100,adaptive",
    seconds: Seconds = 5.0,
    limit: Annotated[int, typer.Option(help="Stop at so many players.")] = CAPACITY_LIMIT,
    json: Json = None,
) -> None:
    """How many players of a 600 kbit/s stream one core carries, with every byte delivered."""
    samples = (
        sample
        for variant in variants_of(server, flush.split(","))
        for sample in carried(variant, seconds, limit)
    )
    title = f"Capacity of one core, {CAPACITY_KBPS} kbit/s"
    finish("capacity", title, "players", progress(samples), json)


@app.command()
def memory(
    server: Servers = "nginx,headend",
    players: Counts = "2000",
    seconds: Annotated[float, typer.Option(help="With a player that never reads.")] = 600.0,
    count: Annotated[int, typer.Option("--cycles", help="Publish and unpublish.")] = 1000,
    json: Json = None,
) -> None:
    """Resident memory: per idle player, over publish cycles, with a player that never reads."""

    def figures(variants: Sequence[Variant]) -> Iterator[Figure]:
        for variant in variants:
            for total in numbers(players):
                yield from idle_players(variant, total)
            if count:
                yield from cycles(variant, count)
            if seconds:
                yield from deaf_player(variant, seconds)

    finish_figures("memory", "Memory", figures(variants_of(server, ["30"])), json)


@app.command()
def tls(
    players: Counts = "100,500",
    flush: Flush = "30,100",
    seconds: Seconds = 5.0,
    runs: Runs = 3,
    per_second: Annotated[int, typer.Option(help="Handshakes a second.")] = 300,
    idle: Annotated[int, typer.Option(help="Idle players, for their memory.")] = 1000,
    json: Json = None,
) -> None:
    """RTMPS: CPU and latency beside RTMP, a TLS floor and nginx; handshakes; memory."""
    counts = numbers(players)
    fan = list(
        progress(fan_out(secure.variants(flush.split(",")), counts, seconds=seconds, runs=runs))
    )
    late = list(progress(secure.latencies(secure.STREAM_PLAYERS, seconds=seconds, runs=runs)))
    figures = [*secure.handshakes(per_second, seconds), *secure.memory(idle)]
    rows = rows_of(fan)
    targets = [
        *secure.fan_out_targets(rows, max(counts)),
        *secure.latency_targets(late),
        *secure.figure_targets(figures),
    ]
    machine, late_rows = describe_machine(), rows_of(late)
    show(table_of(f"TLS, {KBPS} kbit/s\n{machine}", "players", rows))
    show(table_of("TLS, latency", "players", late_rows))
    show(figure_table("TLS, handshakes and memory", figures))
    show(target_table(f"TLS, {max(counts)} players, beside what it must reach", targets))
    written = save("tls", [*rows, *late_rows, *figures, *targets], json)
    page = f"{markdown_of('players', [*rows, *late_rows])}\n{target_markdown(targets)}"
    written.with_suffix(".md").write_text(f"{machine}\n\n{page}")
    print(f"written to {written} and, for a page, beside it as .md", file=sys.stderr)


@app.command()
def flv(
    viewers: Annotated[int, typer.Option(help="How many of each kind.")] = 1000,
    flush: Flush = "30,adaptive",
    seconds: Seconds = 5.0,
    runs: Runs = 3,
    json: Json = None,
) -> None:
    """HTTP-FLV: CPU beside as many RTMP players, and beside Node-Media-Server."""
    samples = http.flv(flush.split(","), viewers, seconds=seconds, runs=runs)
    rows = rows_of(progress(samples))
    targets = list(http.flv_targets(rows))
    show(table_of(f"HTTP-FLV, {KBPS} kbit/s\n{describe_machine()}", "viewers", rows))
    show(target_table("HTTP-FLV, beside what it must reach", targets))
    written = save("flv", [*rows, *targets], json)
    page = f"{markdown_of('viewers', rows)}\n{target_markdown(targets)}"
    written.with_suffix(".md").write_text(f"{describe_machine()}\n\n{page}")


@app.command()
def hls(
    streams: Annotated[int, typer.Option(help="How many at once.")] = 50,
    seconds: Seconds = 10.0,
    runs: Runs = 3,
    json: Json = None,
) -> None:
    """HLS: what packaging costs above ingest."""
    figures = list(http.packaging(streams, seconds=seconds, runs=runs))
    targets = list(http.packaging_targets(figures))
    show(figure_table(f"HLS, {KBPS} kbit/s each\n{describe_machine()}", figures))
    show(target_table("HLS, beside what it must reach", targets))
    save("hls", [*figures, *targets], json)


@app.command()
def record(
    streams: Annotated[int, typer.Option(help="How many at once.")] = 50,
    seconds: Seconds = 10.0,
    runs: Runs = 3,
    json: Json = None,
) -> None:
    """Recording: what it costs beside HLS, alone, and beside nginx-rtmp's."""
    figures = list(measure_recording(streams, seconds=seconds, runs=runs))
    targets = list(recording_targets(figures))
    show(figure_table(f"Recording, {KBPS} kbit/s each\n{describe_machine()}", figures))
    show(target_table("Recording, beside what it must reach", targets))
    save("record", [*figures, *targets], json)


@app.command()
def web(
    seconds: Annotated[float, typer.Option(help="Of FLV, and of HLS.")] = 300.0,
    runs: Annotated[int, typer.Option(help="How often the page is opened.")] = 5,
    json: Json = None,
) -> None:
    """The player page in Chromium: first picture, latency of FLV and low-latency HLS, stalls."""
    targets = measure_web(seconds, runs)
    show(target_table(f"Player page, {seconds:g} s each\n{describe_machine()}", targets))
    written = save("web", targets, json)
    written.with_suffix(".md").write_text(f"{describe_machine()}\n\n{target_markdown(targets)}")
    print(f"written to {written} and, for a page, beside it as .md", file=sys.stderr)


@app.command()
def hlsjs(
    seconds: Annotated[float, typer.Option(help="Of each kind.")] = 60.0,
    together: Annotated[int, typer.Option(help="Kinds at the same time.")] = 3,
    kinds: Annotated[str, typer.Option(help="Which, as 'steady;1 fps'; else all.")] = "",
    json: Json = None,
) -> None:
    """hls.js in Chromium with every kind of stream: whether the picture stands still."""
    targets = []
    for played in measure_hlsjs(seconds, together, [name for name in kinds.split(";") if name]):
        print(f"{time.strftime('%H:%M:%S')} {stalls_shown(played)}", file=sys.stderr, flush=True)
        targets.append(played.target)
    show(target_table(f"hls.js, {seconds:g} s of each kind\n{describe_machine()}", targets))
    written = save("hlsjs", targets, json)
    written.with_suffix(".md").write_text(f"{describe_machine()}\n\n{target_markdown(targets)}")
    print(f"written to {written} and, for a page, beside it as .md", file=sys.stderr)


@app.command(name="startup")
def start_up(runs: Runs = 5, json: Json = None) -> None:
    """From the start of `headend serve` to the first handshake; memory at rest, and with HLS."""
    finish_figures("startup", "Start-up", chain(startup(runs), resting()), json)


@app.command()
def embed(
    tags: Annotated[int, typer.Option(help="How many, in each run.")] = 100_000, json: Json = None
) -> None:
    """What a tag costs that is published and played in the process of the server."""
    finish_figures("embed", "Embedded", measure_embed(tags), json)


@app.command()
def access(
    keys: Annotated[int, typer.Option(help="In the database.")] = 10_000,
    requests: Annotated[int, typer.Option(help="Decisions of each kind.")] = 5000,
    guesses: Annotated[int, typer.Option(help="Wrong keys.")] = 50_000,
    json: Json = None,
) -> None:
    """What deciding costs: keys in SQLite, tokens, and 50 000 wrong keys."""
    finish_figures("access", "Access", measure_access(keys, requests, guesses), json)


@app.command()
def client(seconds: Seconds = 10.0, json: Json = None) -> None:
    """What it costs to play 720p30 with headend.client: tags, packets, frames, arrays."""
    finish_figures("client", "Client", measure_client(seconds), json)


@app.command()
def relay(
    count: Annotated[int, typer.Option("--destinations", help="How many.")] = 20,
    seconds: Seconds = 10.0,
    runs: Runs = 5,
    deaf_seconds: Annotated[
        float, typer.Option(help="With a destination that reads nothing; 0: not.")
    ] = 600.0,
    json: Json = None,
) -> None:
    """CPU of destinations beside as many players; memory with one that reads nothing."""
    figures = list(relay_cost(count, seconds=seconds, runs=runs))
    reached = list(targets(figures))
    if deaf_seconds:
        figures += deaf(deaf_seconds)
    show(figure_table(f"Relays, {KBPS} kbit/s\n{describe_machine()}", figures))
    show(target_table("Relays, beside what they must reach", reached))
    save("relay", [*figures, *reached], json)


@app.command()
def srt(
    publishers: Annotated[int, typer.Option(help="How many.")] = 50,
    viewers: Annotated[int, typer.Option(help="Of one stream.")] = 40,
    idle: Annotated[int, typer.Option(help="Callers that send nothing.")] = 200,
    seconds: Seconds = 8.0,
    runs: Runs = 3,
    json: Json = None,
) -> None:
    """CPU and memory of SRT callers, beside a bare loop over libsrt."""
    figures = list(measure_srt(publishers, viewers, idle, seconds, runs))
    show(figure_table(f"SRT, {KBPS} kbit/s\n{describe_machine()}", figures))
    save("srt", figures, json)


@app.command()
def workers(
    players: Annotated[int, typer.Option(help="Of one stream.")] = 400,
    seconds: Seconds = 8.0,
    runs: Runs = 3,
    json: Json = None,
) -> None:
    """CPU of players with two workers beside one, a worker's memory, and its start."""
    figures = list(measure_workers(players, seconds, runs))
    show(figure_table(f"workers\n{describe_machine()}", figures))
    save("workers", figures, json)


@app.command(name="all")
def everything(server: Servers = "nginx,floor,headend", runs: Runs = 3) -> None:
    """All of them, one after the other, with their defaults."""
    without_floor = ",".join(name for name in server.split(",") if "floor" not in name)
    fanout(server=server, runs=runs)
    latency(server=server, runs=runs)
    ingest(server=without_floor, runs=runs)
    if "headend" in server:
        adaptive(runs=runs)
        startup_runs = max(runs, 5)
        start_up(runs=startup_runs)
        flv(runs=runs)
        hls(runs=runs)
        embed()
        access()
        relay()
    if "headend" in server and "nginx" in server:
        tls(runs=runs)
    capacity(server=without_floor)
    memory(server=without_floor)


def main() -> None:
    """Run the command line; a server that is missing is one line, not a traceback."""
    raise_descriptor_limit()
    try:
        app()
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
