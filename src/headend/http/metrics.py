"""The server's state as Prometheus sees it; everything is read when somebody asks.

What there is of each stream is in stream_metrics.py; features bring their own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import get_args

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from headend import __version__, logs
from headend.http import stream_metrics
from headend.live.rates import LAGS, Rates
from headend.live.services import Services
from headend.live.status import State, StreamStatus
from headend.store.recorder import Recorder
from headend.tls.served import ServedCertificates

# Shown from the start on, so that a graph has no gap before the first one.
PROTOCOLS = ("rtmp", "rtmps", "http-flv", "https-flv", "ws-flv", "wss-flv")


def collect(
    services: Services, streams: Sequence[StreamStatus], may_name: Callable[[str], bool]
) -> Iterable[Metric]:
    """Read all metrics but those of the process.

    Args:
        services: Services of the server.
        streams: The streams, described as they are now.
        may_name: Says of a path whether its stream is shown by name; others are shown as one.
    """
    return _Reading(services, streams, may_name).collect()


def collect_own(services: Services, may_name: Callable[[str], bool]) -> Iterable[Metric]:
    """Read all metrics but those of the process and of streams."""
    return _Reading(services, (), may_name).collect_own()


def database_is_up(services: Services) -> bool:
    """Say whether the database answers in time, and takes what is written."""
    return services.access.is_open and not services.features[Recorder].is_failing


class _Reading:
    def __init__(
        self, services: Services, streams: Sequence[StreamStatus], may_name: Callable[[str], bool]
    ) -> None:
        self._services = services
        self._streams = streams
        self._may_name = may_name

    def collect_own(self) -> Iterable[Metric]:
        yield _labelled("headend_info", "The version, as a label.", "version", {__version__: 1})
        yield from self._requests()
        yield from self._sessions()
        yield from self._http()
        yield from self._tls()
        yield from self._flushes()
        yield from self._access()
        yield from self._services.features.metrics(self._label)

    def collect(self) -> Iterable[Metric]:
        yield from self.collect_own()
        streams = self._streams
        states = Counter(stream.state for stream in streams)
        counts = {name: states[name] for name in get_args(State)}
        yield _labelled("headend_streams", "Streams now.", "state", counts)
        most = self._services.settings.limits.metrics_streams
        yield from stream_metrics.collect(streams, most, self._may_name)

    def _label(self, path: str) -> str:
        return path if self._may_name(path) else stream_metrics.REST

    def _requests(self) -> Iterable[Metric]:
        services = self._services
        counters = services.counters
        yield _gauge(
            "headend_connections", "RTMP connections now.", len(services.sessions.connections)
        )
        for name, text, value in (
            ("headend_connections_accepted", "RTMP connections accepted.", counters.accepted),
            ("headend_connections_refused", "RTMP connections over a limit.", counters.refused),
            (
                "headend_handshake_failures",
                "RTMP connections that came no further than the handshake.",
                counters.handshake_failures,
            ),
            ("headend_protocol_errors", "Connections closed on a fault.", counters.protocol_errors),
            ("headend_publishes", "Publish requests granted.", counters.publishes),
            ("headend_plays", "Play requests granted.", counters.plays),
            ("headend_requests_refused", "Publish and play refused.", counters.rejected),
            ("headend_late_viewers_closed", "Viewers that took nothing.", counters.late_closed),
            ("headend_sink_errors", "Outputs detached after a bug.", counters.sink_errors),
        ):
            yield CounterMetricFamily(name, text, value)

    def _sessions(self) -> Iterable[Metric]:
        services = self._services
        sessions = list(services.sessions)
        counts = Counter(each.protocol for each in sessions)
        yield _labelled(
            "headend_sessions",
            "Sessions now.",
            "protocol",
            {protocol: counts[protocol] for protocol in sorted({*PROTOCOLS, *counts})},
        )
        counters = services.counters
        received = counters.bytes_in + sum(each.bytes_in for each in sessions)
        sent = counters.bytes_out + sum(each.bytes_out for each in sessions)
        yield CounterMetricFamily("headend_received_bytes", "Bytes from all sessions.", received)
        yield CounterMetricFamily("headend_sent_bytes", "Bytes to all sessions and HLS.", sent)

    def _access(self) -> Iterable[Metric]:
        guard = self._services.access.guard
        text = "1: the database answers in time, and takes what is written."
        yield _gauge("headend_database_up", text, database_is_up(self._services))
        yield _gauge("headend_guessing_addresses", "Addresses that showed wrong keys.", len(guard))
        yield CounterMetricFamily("headend_bans", "Addresses shut out for guessing.", guard.bans)

    def _http(self) -> Iterable[Metric]:
        responses = CounterMetricFamily(
            "headend_http_responses", "HTTP responses.", labels=["status"]
        )
        for status_class, count in self._services.counters.responses.items():
            responses.add_metric([status_class], count)
        yield responses

    def _tls(self) -> Iterable[Metric]:
        if self._services.features.find(ServedCertificates) is None:
            return
        sessions = GaugeMetricFamily(
            "headend_tls_sessions",
            "RTMPS sessions now.",
            labels=["version", "cipher", "resumed"],
        )
        facts = [each.tls for each in self._services.sessions.connections if each.tls is not None]
        counts = Counter((fact.version, fact.cipher, str(fact.resumed).lower()) for fact in facts)
        for agreed, count in counts.items():
            sessions.add_metric(agreed, count)
        yield sessions

    def _flushes(self) -> Iterable[Metric]:
        poller, rates = self._services.poller, self._services.rates
        clock = poller.clock
        yield CounterMetricFamily("headend_flushes", "Flushes of fan-outs.", clock.flushes)
        yield CounterMetricFamily("headend_flush_seconds", "Time spent in flushes.", clock.flush_s)
        yield CounterMetricFamily(
            "headend_flush_rounds",
            "How often fan-outs were flushed, together.",
            clock.rounds,
        )
        yield _gauge("headend_turn_pause_seconds", "Pause after the last turn.", poller.pause_s)
        yield _gauge(
            "headend_flush_interval_seconds",
            "From one round of flushes to the next, lately; 0: there were none.",
            rates.flush_interval_s,
        )
        yield _lags(rates)
        yield CounterMetricFamily(
            "headend_log_lines_dropped", "Lines of the log that nobody read.", logs.dropped()
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _labelled(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _lags(rates: Rates) -> Metric:
    """What the event loop was behind, second by second."""
    family = HistogramMetricFamily(
        "headend_loop_lag_seconds", "What the event loop is behind, looked at every second."
    )
    buckets, total = [], 0
    for bound, count in zip([*map(str, LAGS), "+Inf"], rates.lags, strict=True):
        total += count
        buckets.append((bound, total))
    family.add_metric([], buckets, rates.lag_s)
    return family
