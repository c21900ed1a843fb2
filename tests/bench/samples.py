"""Samples as a benchmark takes them."""

from bench.measure import Sample


def sample(label: str, cpu: float, *, others: float = 0.0, flush: str = "") -> Sample:
    return Sample(
        label=label,
        flush=flush,
        count=500,
        cpu=cpu,
        load_cpu=10.0,
        others_cpu=others,
        p50_ms=1.0,
        p99_ms=2.0,
        max_ms=3.0,
        delivered=1.0,
        complete=True,
    )
