"""The metrics of HLS."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from headend.hls.streams import HlsStreams

# Shown from the start on, so that a graph has no gap before the first one.
KINDS = ("multivariant", "playlist", "init", "part", "segment")


def collect(hls: "HlsStreams") -> Sequence[Metric]:
    """Return the metrics of all streams that are packaged."""
    requests = CounterMetricFamily("headend_hls_requests", "HLS requests.", labels=["kind"])
    for kind in sorted({*KINDS, *hls.requests}):
        requests.add_metric([kind], hls.requests[kind])
    packaged = hls.packaged()
    left_out = hls.left_out + sum(each.packager.packets.left_out for each in packaged)
    viewers = sum(len(each.audience) for each in packaged)
    size = sum(each.playlists.size for each in packaged)
    return (
        requests,
        CounterMetricFamily(
            "headend_hls_frames_left_out", "Frames that HLS could not package.", left_out
        ),
        GaugeMetricFamily("headend_hls_streams", "Streams that are packaged.", len(packaged)),
        GaugeMetricFamily("headend_hls_waiting", "HLS requests that wait for a part.", hls.waiting),
        GaugeMetricFamily("headend_hls_viewers", "HLS viewers.", viewers),
        GaugeMetricFamily("headend_hls_bytes", "Bytes of segments in memory.", size),
    )
