"""SRT as Prometheus sees it."""

from collections.abc import Mapping, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from headend.net.figures import Figures


def collect(
    sessions: int,
    refused: int,
    packets: Mapping[str, int],
    bytes_left_out: int,
    on_air: Mapping[str, Figures],
) -> Sequence[Metric]:
    """Return what there is to tell.

    Args:
        sessions: Connected now.
        refused: Callers that were refused before they were accepted.
        packets: Lost, resent and dropped, since the start.
        bytes_left_out: Of media, as the server or a viewer was too slow.
        on_air: What libsrt tells of publishers, by the labels of their streams.
    """
    family = CounterMetricFamily(
        "headend_srt_packets",
        "Packets that were lost, sent again, and dropped as too late.",
        labels=["what"],
    )
    for name, count in packets.items():
        family.add_metric([name], count)
    rtt = GaugeMetricFamily(
        "headend_srt_rtt_seconds", "Round-trip time to a publisher.", labels=["stream"]
    )
    latency = GaugeMetricFamily(
        "headend_srt_latency_seconds", "Agreed latency of a publisher.", labels=["stream"]
    )
    for stream, figures in on_air.items():
        rtt.add_metric([stream], figures.rtt_ms / 1000)
        latency.add_metric([stream], figures.latency_ms / 1000)
    return (
        GaugeMetricFamily("headend_srt_sessions", "SRT callers connected.", sessions),
        CounterMetricFamily("headend_srt_refused", "SRT callers refused before accept.", refused),
        CounterMetricFamily(
            "headend_srt_left_out_bytes", "Media lost as server or viewer was slow.", bytes_left_out
        ),
        family,
        rtt,
        latency,
    )
