"""Medians, ratios, tables and JSON, made of samples."""

import dataclasses
import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.endurance import Figure
from bench.measure import Sample
from bench.servers import Variant, describe_machine
from bench.tools import TLS_SUFFIX

RESULTS: Final = Path(__file__).parent / "results"
BUSY_PERCENT: Final = 10.0  # of the server's core, used by processes that are not part of the bench


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """Median of the samples of one server and one number of players or publishers."""

    sample: Sample
    samples: int
    quiet: bool  # no other process disturbed the samples that count
    to_floor: float | None  # CPU as a multiple of the floor's with the same flush
    to_nginx: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """What a figure may be at most.

    Attributes:
        label: Which figure.
        value: As measured; None where one of its parts was not.
        limit: Most that it may be.
    """

    label: str
    value: float | None
    limit: float

    @property
    def is_reached(self) -> bool | None:
        """None where it was not measured."""
        return None if self.value is None else self.value <= self.limit


def median_sample(samples: Sequence[Sample]) -> Sample:
    """Take the median of each figure; one incomplete sample makes the whole incomplete."""

    def median(name: str) -> float:
        return statistics.median(float(getattr(sample, name)) for sample in samples)

    return dataclasses.replace(
        samples[0],
        cpu=median("cpu"),
        load_cpu=median("load_cpu"),
        others_cpu=median("others_cpu"),
        p50_ms=median("p50_ms"),
        p99_ms=median("p99_ms"),
        max_ms=median("max_ms"),
        sound_p99_ms=median("sound_p99_ms"),
        delivered=min(sample.delivered for sample in samples),
        complete=all(sample.complete for sample in samples),
    )


def rows_of(samples: Iterable[Sample]) -> list[Row]:
    """Group samples by server and count, and set each beside the floor and nginx-rtmp of its kind.

    Samples whose window other processes disturbed count only when there are no others.
    """
    groups: dict[tuple[int, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.count, sample.label), []).append(sample)
    quiet = {
        key: [sample for sample in group if sample.others_cpu < BUSY_PERCENT]
        for key, group in groups.items()
    }
    medians = {key: median_sample(quiet[key] or group) for key, group in groups.items()}

    def ratio(sample: Sample, server: str, flush: str = "") -> float | None:
        label = Variant(server + TLS_SUFFIX if TLS_SUFFIX in sample.label else server, flush).label
        other = medians.get((sample.count, label))
        return sample.cpu / other.cpu if other and other.cpu else None

    return [
        Row(
            sample=sample,
            samples=len(quiet[key] or groups[key]),
            quiet=bool(quiet[key]),
            to_floor=ratio(sample, "floor", sample.flush),
            to_nginx=ratio(sample, "nginx"),
        )
        for key, sample in medians.items()
    ]


def number(value: float | None, digits: int = 1) -> str:
    """Format a cell; what does not exist is a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


HEADINGS: Final = (
    *("CPU %", "/ floor", "/ nginx", "ms/s each"),
    *("p50 ms", "p99 ms", "max ms", "sound p99"),
)
CHECKS: Final = ("complete", "load %", "others %", "samples")


def cells_of(row: Row) -> list[str]:
    """Format one row; `ms/s each` is CPU time per second for each player or publisher."""
    s = row.sample
    return [
        s.label,
        str(s.count),
        number(s.cpu),
        number(row.to_floor, 2),
        number(row.to_nginx, 2),
        number(10 * s.cpu / s.count if s.count else None, 3),
        number(s.p50_ms),
        number(s.p99_ms),
        number(s.max_ms),
        number(s.sound_p99_ms),
        "yes" if s.complete else f"{100 * s.delivered:.1f} %",
        number(s.load_cpu, 0),
        number(s.others_cpu, 0) + ("" if row.quiet else " busy"),
        str(row.samples),
    ]


def table_of(title: str, unit: str, rows: Sequence[Row]) -> Table:
    """Lay out fan-out or ingest rows."""
    table = Table(title=title)
    table.add_column("server")
    for heading in (unit, *HEADINGS, *CHECKS):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*cells_of(row))
    return table


def markdown_of(unit: str, rows: Sequence[Row]) -> str:
    """Lay out the same rows for a page such as `bench/README.md`."""
    lines = [["server", unit, *HEADINGS, *CHECKS], ["---", *["--:"] * 13]]
    lines += [cells_of(row) for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def target_markdown(targets: Sequence[Target]) -> str:
    """Lay out targets for a page."""
    lines = [["what", "value", "at most", "reached"], ["---", "--:", "--:", "--:"]]
    lines += [target_cells(target) for target in targets]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def target_cells(target: Target) -> list[str]:
    """Format one target."""
    reached = {None: "–", True: "yes", False: "no"}[target.is_reached]
    return [target.label, number(target.value, 2), number(target.limit, 2), reached]


def figure_table(title: str, figures: Sequence[Figure]) -> Table:
    """Lay out single figures."""
    table = Table(title=title)
    table.add_column("server")
    table.add_column("what")
    table.add_column("value", justify="right")
    for figure in figures:
        table.add_row(figure.label, figure.what, f"{figure.value:.2f} {figure.unit}")
    return table


def target_table(title: str, targets: Sequence[Target]) -> Table:
    """Lay out figures beside what they may be at most."""
    table = Table(title=title)
    table.add_column("what")
    for heading in ("value", "at most", "reached"):
        table.add_column(heading, justify="right")
    for target in targets:
        table.add_row(*target_cells(target))
    return table


def show(table: Table) -> None:
    """Print a table as wide as it is, even into a file."""
    Console(width=160).print(table)


def save(name: str, rows: Sequence[Row | Figure | Target], path: Path | None) -> Path:
    """Write results as JSON, to `bench/results/NAME.json` unless told otherwise."""
    path = path or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "bench": name,
        "machine": describe_machine(),
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path
