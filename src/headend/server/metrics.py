"""This module shows the server's state to Prometheus; everything is read when somebody asks."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from headend import __version__
from headend.server import integration_metrics, status
from headend.server.services import Services


def render(services: Services) -> tuple[bytes, str]:
    """Return the metrics in Prometheus' text form, and its content type."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(_Collector(services))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Collector(Collector):
    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        yield from self._totals()
        yield from self._tls()
        yield from self._flushes()
        yield from self._streams()
        yield from self._hls()
        yield from self._sessions()
        yield from integration_metrics.collect(self._services.integrations)

    def _sessions(self) -> Iterable[Metric]:
        services = self._services
        sessions = GaugeMetricFamily("headend_sessions", "Sessions now.", labels=["protocol"])
        for protocol, count in Counter(each.protocol for each in services.sessions()).items():
            sessions.add_metric([protocol], count)
        yield sessions
        counters = services.counters
        for name, text, value in (
            (
                "headend_received_bytes",
                "Bytes received by sessions that are over.",
                counters.bytes_in,
            ),
            ("headend_sent_bytes", "Bytes sent to sessions that are over.", counters.bytes_out),
        ):
            yield CounterMetricFamily(name, text, value)
        responses = CounterMetricFamily(
            "headend_http_responses", "HTTP responses.", labels=["status"]
        )
        for status_class, count in counters.responses.items():
            responses.add_metric([status_class], count)
        yield responses
        if services.rates is not None:
            yield _gauge(
                "headend_loop_lag_seconds",
                "What the event loop is behind.",
                services.rates.loop_lag_s,
            )

    def _hls(self) -> Iterable[Metric]:
        hls = self._services.hls
        if hls is None:
            return
        requests = CounterMetricFamily("headend_hls_requests", "HLS requests.", labels=["kind"])
        for kind, count in hls.requests.items():
            requests.add_metric([kind], count)
        yield requests
        yield _gauge("headend_hls_streams", "Streams that are packaged.", len(hls.packaged()))
        yield _gauge("headend_hls_waiting", "HLS requests that wait for a part.", hls.waiting)
        size = sum(each.packager.size for each in hls.packaged())
        yield _gauge("headend_hls_bytes", "Bytes of segments in memory.", size)

    def _totals(self) -> Iterable[Metric]:
        services = self._services
        counters = services.counters
        info = GaugeMetricFamily("headend_info", "The version, as a label.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield _gauge("headend_connections", "RTMP connections now.", len(services.connections))
        for name, text, value in (
            ("headend_connections_accepted", "RTMP connections accepted.", counters.accepted),
            ("headend_connections_refused", "RTMP connections over a limit.", counters.refused),
            ("headend_protocol_errors", "Connections closed on a fault.", counters.protocol_errors),
            ("headend_publishes", "Publish requests granted.", counters.publishes),
            ("headend_plays", "Play requests granted.", counters.plays),
            ("headend_requests_refused", "Publish and play refused.", counters.rejected),
            ("headend_late_viewers_closed", "Viewers that took nothing.", counters.late_closed),
            ("headend_sink_errors", "Outputs detached after a bug.", counters.sink_errors),
        ):
            yield CounterMetricFamily(name, text, value)

    def _tls(self) -> Iterable[Metric]:
        tls = self._services.tls
        if tls is None:
            return
        handshakes = tls.handshakes
        yield _gauge("headend_tls_handshakes", "In progress now.", handshakes.in_progress)
        yield CounterMetricFamily(
            "headend_tls_handshake_failures", "Handshakes that failed.", handshakes.failures
        )
        yield CounterMetricFamily(
            "headend_tls_reload_failures",
            "Certificates on disk that were not served: the log says why.",
            tls.failed_reloads,
        )
        yield CounterMetricFamily(
            "headend_acme_failures",
            "Attempts to get a certificate that failed: the log says why.",
            self._services.counters.acme_failures,
        )
        sessions = GaugeMetricFamily(
            "headend_tls_sessions",
            "RTMPS sessions now.",
            labels=["version", "cipher", "resumed"],
        )
        facts = [each.tls for each in self._services.connections if each.tls is not None]
        counts = Counter(
            (fact.version, fact.cipher, str(fact.is_resumed).lower()) for fact in facts
        )
        for agreed, count in counts.items():
            sessions.add_metric(agreed, count)
        yield sessions
        expiry = GaugeMetricFamily(
            "headend_tls_cert_expiry_seconds", "Until a certificate expires.", labels=["names"]
        )
        now = datetime.now(UTC)
        for names, end in tls.store.expiries():
            expiry.add_metric([",".join(names)], (end - now).total_seconds())
        yield expiry

    def _flushes(self) -> Iterable[Metric]:
        poller = self._services.poller
        yield CounterMetricFamily("headend_flushes", "Flushes of fan-outs.", poller.flushes)
        yield CounterMetricFamily("headend_flush_seconds", "Time spent in flushes.", poller.flush_s)
        yield _gauge("headend_turn_pause_seconds", "Pause after the last turn.", poller.pause_s)

    def _streams(self) -> Iterable[Metric]:
        """Per stream; `limits.streams` bounds the number of label sets."""
        labels = ["stream"]
        viewers = GaugeMetricFamily("headend_stream_viewers", "Viewers now.", labels=labels)
        late = GaugeMetricFamily("headend_stream_late_viewers", "Late viewers now.", labels=labels)
        live = GaugeMetricFamily("headend_stream_live", "1 while published.", labels=labels)
        skips = CounterMetricFamily(
            "headend_stream_skips", "Skips of late viewers to a keyframe.", labels=labels
        )
        received = CounterMetricFamily(
            "headend_stream_received_bytes", "Bytes of media published.", labels=labels
        )
        repairs = CounterMetricFamily(
            "headend_stream_timestamp_repairs", "Faults mended.", labels=["stream", "cause"]
        )
        by_protocol = GaugeMetricFamily(
            "headend_stream_viewers_by_protocol", "Likewise.", labels=["stream", "protocol"]
        )
        bit_rate = GaugeMetricFamily("headend_stream_bit_rate", "bit/s now.", labels=labels)
        frame_rate = GaugeMetricFamily(
            "headend_stream_frame_rate", "Pictures a second now.", labels=labels
        )
        interval = GaugeMetricFamily(
            "headend_stream_keyframe_interval_seconds", "The newest.", labels=labels
        )
        for stream in status.streams(self._services):
            path = stream["path"]
            viewers.add_metric([path], stream["viewers"])
            late.add_metric([path], stream["late"])
            live.add_metric([path], stream["state"] == "live")
            skips.add_metric([path], stream["skips"])
            received.add_metric([path], stream["bytes_in"])
            for cause, count in stream["repairs"].items():
                repairs.add_metric([path, cause], count)
            for protocol, number in stream["viewers_by_protocol"].items():
                by_protocol.add_metric([path, protocol], number)
            bit_rate.add_metric([path], stream["bit_rate"])
            frame_rate.add_metric([path], stream["frame_rate"])
            if stream["keyframe_interval_s"] is not None:
                interval.add_metric([path], stream["keyframe_interval_s"])
        yield from (viewers, late, live, skips, received, repairs)
        yield from (by_protocol, bit_rate, frame_rate, interval)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)
