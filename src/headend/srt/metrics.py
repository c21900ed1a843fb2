"""SRT as Prometheus sees it."""

from collections.abc import Mapping, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric


def collect(
    sessions: int, refused: int, packets: Mapping[str, int], bytes_left_out: int
) -> Sequence[Metric]:
    """Return what there is to tell.

    Args:
        sessions: Connected now.
        refused: Callers that were refused before they were accepted.
        packets: Lost, resent and dropped, since the start.
        bytes_left_out: Of media, as the server or a viewer was too slow.
    """
    family = CounterMetricFamily(
        "headend_srt_packets",
        "Packets that were lost, sent again, and dropped as too late.",
        labels=["what"],
    )
    for name, count in packets.items():
        family.add_metric([name], count)
    return (
        GaugeMetricFamily("headend_srt_sessions", "SRT callers connected.", sessions),
        CounterMetricFamily("headend_srt_refused", "SRT callers refused before accept.", refused),
        CounterMetricFamily(
            "headend_srt_left_out_bytes", "Media lost as server or viewer was slow.", bytes_left_out
        ),
        family,
    )
