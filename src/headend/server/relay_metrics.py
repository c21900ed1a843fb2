"""This module shows relays to Prometheus; `limits.relays` bounds how many label sets there are."""

from collections.abc import Iterable
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from headend.server.relay_port import Relays

LABELS: Final = ("relay", "stream", "direction")
STATES: Final = ("connecting", "live", "retrying", "failed")


def collect(relays: Relays | None) -> Iterable[Metric]:
    """Show each stream of each relay.

    Args:
        relays: None: the server has none.
    """
    if relays is None:
        return
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
    for relay in relays.status():
        for target in relay["targets"]:
            values = [relay["id"], target["stream"], relay["direction"]]
            for each in STATES:
                state.add_metric([*values, each], each == target["state"])
            bit_rate.add_metric(values, target["bit_rate"])
            lag.add_metric(values, target["lag_s"])
            drops.add_metric(values, target["drops"])
            size.add_metric(values, target["bytes"])
            tries.add_metric(values, target["tries"])
    yield from (state, bit_rate, lag, drops, size, tries)
