"""Tests of headend.tls.certificate_events."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from tests.tls_peers import NOW

from headend.events import (
    CertificateExpiring,
    CertificateFailed,
    CertificateRenewed,
    Event,
    Events,
    document,
)
from headend.tls.certificate_events import tell_expiring, tell_failed, tell_reloaded
from headend.tls.certificate_files import Certificate
from headend.tls.certificates import ReloadResult


def bus() -> tuple[Events, list[Event]]:
    events, heard = Events(lambda event, error: None), list[Event]()
    events.subscribe(heard.append)
    return events, heard


def certificate(days: float) -> Certificate:
    return Certificate(
        names=("a.example",),
        subject="",
        issuer="",
        not_before=NOW,
        not_after=NOW + timedelta(days=days),
        fingerprint="",
        key_type="",
        is_self_signed=False,
    )


def result(outcome: Literal["unchanged", "replaced", "kept"], reason: str = "") -> ReloadResult:
    return ReloadResult(Path("a.pem"), outcome, reason, certificate(90))


def test_certificates_that_expire_within_two_weeks_are_told() -> None:
    events, heard = bus()
    tell_expiring(events, [certificate(15), certificate(13), certificate(-1)], NOW)
    assert [type(event) for event in heard] == [CertificateExpiring] * 2
    assert document(heard[0])["names"] == ["a.example"]
    assert document(heard[0])["not_after"] == (NOW + timedelta(days=13)).timestamp()


def test_reload_is_told_unless_nothing_changed() -> None:
    events, heard = bus()
    for each in (result("unchanged"), result("replaced"), result("kept", "a.pem: no such file")):
        tell_reloaded(events, each)
    renewed, failed = heard
    assert isinstance(renewed, CertificateRenewed)
    assert isinstance(failed, CertificateFailed)
    assert failed.reason == "a.pem: no such file"


def test_failure_to_get_a_certificate_is_told() -> None:
    events, heard = bus()
    tell_failed(events, ("a.example",), "the authority is away")
    assert [event.name for event in heard] == ["certificate.failed"]
