"""Tables and JSON of what `headend bench` saw."""

import statistics
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from headend.cli import output
from headend.cli.bench_load import Load
from headend.errors import HeadendError

WIDTH = 100  # columns, also where stdout is no terminal


def show_players(name: str, load: Load, *, as_json: bool) -> None:
    """Tell what players saw."""
    document = {"bench": name, **players_document(load)}
    if as_json:
        output.result_json(document)
    else:
        _show_figures(f"{name}: {load.plan.count} players, {load.plan.kbps} kbit/s", document)


def show_publishers(load: Load, *, as_json: bool) -> None:
    """Tell what publishers saw."""
    document = {"bench": "ingest", **publishers_document(load)}
    if as_json:
        output.result_json(document)
    else:
        title = f"ingest: {load.plan.count} publishers, {load.plan.kbps} kbit/s each"
        _show_figures(title, document)


def show_comparison(loads: Mapping[str, Load], *, as_json: bool) -> None:
    """Set what players of one server saw side by side."""
    documents = {name: players_document(load) for name, load in loads.items()}
    if as_json:
        output.result_json({"bench": "tls", **documents})
        return
    plan = next(iter(loads.values())).plan
    table = Table()
    table.add_column()
    for name in documents:
        table.add_column(name, justify="right")
    for key in next(iter(documents.values())):
        values = [document[key] for document in documents.values()]
        if any(value is not None for value in values):
            table.add_row(_words(key), *map(_cell, values))
    _print(f"tls: {plan.count} players, {plan.kbps} kbit/s", table)


def players_document(load: Load) -> dict[str, object]:
    """Lay out what players saw of the window; sizes are those of pictures."""
    seen = [each for each in load.seen if each.loss is None]
    sent = load.sent[0]
    ages = sorted(age for each in seen for age in each.ages)
    sizes = sorted(each.size for each in seen)
    server = load.usage.server
    return {
        "players": load.plan.count,
        "lost_players": len(load.seen) - len(seen),
        "reason": _reason([each.loss for each in load.seen]),
        "seconds": load.plan.seconds,
        "frames_sent": sent.frames,
        "frames_missing": sum(max(0, sent.frames - each.frames) for each in seen),
        "bytes_sent": sent.size,
        "bytes_per_player_min": sizes[0],
        "bytes_per_player_median": int(statistics.median(sizes)),
        "bytes_per_player_max": sizes[-1],
        "gap_ms_max": round(max(each.longest_gap for each in seen) / 1e6, 2),
        "latency_ms_p50": _percentile(ages, 0.5),
        "latency_ms_p99": _percentile(ages, 0.99),
        "latency_ms_max": _percentile(ages, 1.0),
        "server_cpu_percent": None if server is None else round(server, 1),
        # CPU time per second for each player.
        "server_cpu_ms_per_player": (
            None if server is None else round(10 * server / load.plan.count, 3)
        ),
        "load_cpu_percent": round(load.usage.load, 1),
    }


def publishers_document(load: Load) -> dict[str, object]:
    """Lay out what publishers saw of the window."""
    sent = [each for each in load.sent if each.loss is None]
    return {
        "publishers": load.plan.count,
        "lost_publishers": len(load.sent) - len(sent),
        "reason": _reason([each.loss for each in load.sent]),
        "seconds": load.plan.seconds,
        "frames_sent": sum(each.frames for each in sent),
        "bytes_sent": sum(each.size for each in sent),
        # From when a message was due until it was with the kernel.
        "delay_ms_max": round(1000 * max(each.longest_delay for each in sent), 2),
        "load_cpu_percent": round(load.usage.load, 1),
    }


def _reason(losses: Sequence[HeadendError | None]) -> str | None:
    """Why the first that was lost was lost."""
    return next((str(loss) for loss in losses if loss is not None), None)


def _percentile(ages: Sequence[int], share: float) -> float | None:
    """The age, of sorted ones in ns, below which a share of them lies, in ms; None of none."""
    return round(ages[int(share * (len(ages) - 1))] / 1e6, 2) if ages else None


def _show_figures(title: str, document: Mapping[str, object]) -> None:
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for key, value in document.items():
        if value is not None and key != "bench":
            table.add_row(_words(key), _cell(value))
    _print(title, table)


def _words(key: str) -> str:
    return key.replace("_", " ").replace(" percent", " %").replace("cpu", "CPU")


def _cell(value: object) -> str:
    return "–" if value is None else str(value)


def _print(title: str, table: Table) -> None:
    console = Console(width=WIDTH)
    with console.capture() as captured:
        console.print(table)
    output.result(f"{title}\n{captured.get().rstrip()}")
