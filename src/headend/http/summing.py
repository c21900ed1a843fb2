"""Metrics of several workers in sum, and the load of each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.samples import Sample

# Of worker 0 alone: what is the same for all, and what has no sum.
_OF_FIRST: Final = frozenset(
    {
        "python_info",
        "process_start_time_seconds",
        "process_max_fds",
        "headend_info",
        "headend_database_up",
        "headend_draining",
        "headend_flush_interval_seconds",
        "headend_guessing_addresses",
        "headend_recordings_bytes",
        "headend_recordings_free_bytes",
        "headend_tls_cert_expiry_seconds",
        "headend_turn_pause_seconds",
    }
)
_BY_WORKER: Final[Mapping[str, tuple[str, str, type[Metric]]]] = {
    "process_cpu_seconds": (
        "headend_worker_cpu_seconds",
        "Time on a core, by worker.",
        CounterMetricFamily,
    ),
    "process_resident_memory_bytes": (
        "headend_worker_resident_memory_bytes",
        "Memory, by worker; what they share counts for each.",
        GaugeMetricFamily,
    ),
    "headend_sessions": ("headend_worker_sessions", "Sessions now, by worker.", GaugeMetricFamily),
    "headend_sent_bytes": (
        "headend_worker_sent_bytes",
        "Bytes to all sessions and HLS, by worker.",
        CounterMetricFamily,
    ),
}

Plain = list[Any]  # of a family: name, text, type, and its samples: name, labels, value


def plain(families: Iterable[Metric]) -> list[Plain]:
    """Return families as JSON has them."""
    documents: list[Plain] = []
    for each in families:
        samples = [[sample.name, sample.labels, sample.value] for sample in each.samples]
        documents.append([each.name, each.documentation, each.type, samples])
    return documents


def summed(own: Sequence[Metric], others: Mapping[int, Sequence[Plain]]) -> list[Metric]:
    """Add what other workers count to what this one does.

    Args:
        own: Families of worker 0.
        others: Those of the other workers, by number.
    """
    loads = {0: _loads((each.name, each.samples) for each in own)}
    whole = {each.name: each for each in own}
    for worker, families in others.items():
        found = [_family(each) for each in families]
        loads[worker] = _loads((each.name, each.samples) for each in found)
        for each in found:
            known = whole.get(each.name)
            if known is None:
                whole[each.name] = each
            elif each.name not in _OF_FIRST:
                known.samples = _added(known.samples, each.samples)
    return [*whole.values(), *_by_worker(loads)]


def _family(document: Plain) -> Metric:
    name, text, kind, samples = document
    family = Metric(name, text, kind)
    family.samples = [Sample(name, labels, value) for name, labels, value in samples]
    return family


def _added(known: Sequence[Sample], more: Sequence[Sample]) -> list[Sample]:
    sums = {_key(each): each for each in known}
    for each in more:
        key = _key(each)
        if key in sums:
            sums[key] = sums[key]._replace(value=sums[key].value + each.value)
        else:
            sums[key] = each
    return list(sums.values())


def _key(sample: Sample) -> tuple[str, tuple[tuple[str, str], ...]]:
    return sample.name, tuple(sorted(sample.labels.items()))


def _loads(families: Iterable[tuple[str, Sequence[Sample]]]) -> dict[str, float]:
    return {name: sum(s.value for s in samples) for name, samples in families if name in _BY_WORKER}


def _by_worker(loads: Mapping[int, Mapping[str, float]]) -> Iterable[Metric]:
    for source, (name, text, kind) in _BY_WORKER.items():
        family: Any = kind(name, text, labels=["worker"])  # type: ignore[call-arg]
        for worker, values in loads.items():
            if source in values:
                family.add_metric([str(worker)], values[source])
        yield family
