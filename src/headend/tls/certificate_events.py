"""What becomes of certificates, told on the bus of events."""

from collections.abc import Iterable
from datetime import datetime
from time import time

from headend.events import CertificateExpiring, CertificateFailed, CertificateRenewed, Events
from headend.tls.certificate_files import Certificate
from headend.tls.certificates import WARNING, ReloadResult


def tell_expiring(events: Events, certificates: Iterable[Certificate], now: datetime) -> None:
    """Tell of those that expire within WARNING, or have expired."""
    for each in certificates:
        if each.not_after - now <= WARNING:
            end = each.not_after.timestamp()
            events.emit(CertificateExpiring(time=time(), names=each.names, not_after=end))


def tell_reloaded(events: Events, result: ReloadResult) -> None:
    """Tell what came of reading a certificate's files again, unless nothing changed."""
    if result.outcome == "kept":
        tell_failed(events, result.certificate.names, result.reason)
    elif result.outcome == "replaced":
        tell_renewed(events, result.certificate)


def tell_renewed(events: Events, certificate: Certificate) -> None:
    """Tell that a certificate is served from now on."""
    end = certificate.not_after.timestamp()
    events.emit(CertificateRenewed(time=time(), names=certificate.names, not_after=end))


def tell_failed(events: Events, names: tuple[str, ...], reason: str) -> None:
    """Tell that there is no new certificate."""
    events.emit(CertificateFailed(time=time(), names=names, reason=reason))
