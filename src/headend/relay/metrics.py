"""Relays as Prometheus sees them; `limits.relays` bounds how many label sets there are."""

from collections.abc import Sequence
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from headend.features.feature import Label
from headend.relay.status import RelayStatus, TargetStatus

LABELS: Final = ("relay", "stream", "direction")
STATES: Final = ("connecting", "live", "retrying", "failed")


def collect(relays: Sequence[RelayStatus], label: Label) -> Sequence[Metric]:
    """Return the metrics of each stream of each relay.

    Streams that are not to be named are one stream of their relay.
    """
    state = GaugeMetricFamily(
        "headend_relay_state", "1: the state it is in.", labels=[*LABELS, "state"]
    )
    bit_rate = GaugeMetricFamily("headend_relay_bit_rate", "bit/s now.", labels=LABELS)
    lag = GaugeMetricFamily(
        "headend_relay_lag_seconds", "What a destination is behind.", labels=LABELS
    )
    drops = CounterMetricFamily(
        "headend_relay_drops", "Losses of media of late destinations.", labels=LABELS
    )
    size = CounterMetricFamily("headend_relay_bytes", "Bytes of media.", labels=LABELS)
    tries = CounterMetricFamily("headend_relay_tries", "Connections begun.", labels=LABELS)
    for relay in relays:
        groups: dict[str, list[TargetStatus]] = {}
        for target in relay.targets:
            groups.setdefault(label(target.stream), []).append(target)
        for name, group in groups.items():
            values = [relay.id, name, relay.direction]
            for each in STATES:
                state.add_metric([*values, each], sum(each == one.state for one in group))
            bit_rate.add_metric(values, sum(one.bit_rate for one in group))
            lag.add_metric(values, max(one.lag_s for one in group))
            drops.add_metric(values, sum(one.drops for one in group))
            size.add_metric(values, sum(one.bytes for one in group))
            tries.add_metric(values, sum(one.tries for one in group))
    return state, bit_rate, lag, drops, size, tries
