"""The metrics of the TLS port and its certificates."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from headend.tls.served import ServedCertificates


def collect(served: "ServedCertificates", acme_failures: int, now: datetime) -> Sequence[Metric]:
    """Return what there is to tell.

    Args:
        served: The certificates.
        acme_failures: Attempts to get one that failed.
        now: In UTC.
    """
    expiry = GaugeMetricFamily(
        "headend_tls_cert_expiry_seconds", "Until a certificate expires.", labels=["names"]
    )
    for names, end in served.store.expiries():
        expiry.add_metric([",".join(names)], (end - now).total_seconds())
    return (
        GaugeMetricFamily(
            "headend_tls_handshakes", "In progress now.", served.handshakes.in_progress
        ),
        CounterMetricFamily(
            "headend_tls_handshake_failures", "Handshakes that failed.", served.handshakes.failures
        ),
        CounterMetricFamily(
            "headend_tls_reload_failures",
            "Certificates on disk that were not served: the log says why.",
            served.failed_reloads,
        ),
        CounterMetricFamily(
            "headend_acme_failures",
            "Attempts to get a certificate that failed: the log says why.",
            acme_failures,
        ),
        expiry,
    )
