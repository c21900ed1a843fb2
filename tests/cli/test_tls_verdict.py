"""Tests of what is said about TLS servers: what is wrong, what encoders will say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headend.cli.tls_probe import Outcome, Report, Version
from headend.cli.tls_verdict import judge
from headend.tls.certificate_files import Certificate

NOW = datetime(2026, 4, 1, tzinfo=UTC)

CERTIFICATE = Certificate(
    names=("a.example",),
    subject="CN=a.example",
    issuer="CN=ca",
    not_before=NOW - timedelta(days=30),
    not_after=NOW + timedelta(days=60),
    fingerprint="00",
    key_type="RSA 2048",
    is_self_signed=False,
)
GOOD = Report(
    host="a.example",
    port=1936,
    versions={"1.0": "refused", "1.1": "refused", "1.2": "accepted", "1.3": "accepted"},
    cipher="TLS_AES_256_GCM_SHA384",
    chain=(CERTIFICATE,),
    trust_error=None,
    has_tickets=False,
    wants_client_certificate=False,
    has_own_ca=False,
)


def _accepting(*accepted: Version) -> Report:
    versions: dict[Version, Outcome] = {
        version: "accepted" if version in accepted else "refused" for version in GOOD.versions
    }
    return replace(GOOD, versions=versions)


def _dated(**days: int) -> Report:
    dates = {name: NOW + timedelta(days=each) for name, each in days.items()}
    return replace(GOOD, chain=(replace(CERTIFICATE, **dates),))  # type: ignore[arg-type]


def test_good_server_has_no_problems_and_every_encoder_connects() -> None:
    verdict = judge(GOOD, NOW)
    assert (verdict.problems, verdict.name_matches, verdict.days_left) == ((), True, 60)
    assert dict(verdict.encoders) == {
        "FFmpeg": "connects; verifies from version 9 on, older ones with -tls_verify 1",
        "OBS": "connects",
        "GStreamer": "connects",
        "rtmpdump": "connects; verifies nothing and asks for no name",
    }


@pytest.mark.parametrize(
    ("report", "problems"),
    [
        (
            _accepting("1.0", "1.1", "1.2"),
            (
                "TLS 1.0 is accepted; it is broken (RFC 8996)",
                "TLS 1.1 is accepted; it is broken (RFC 8996)",
            ),
        ),
        (_accepting("1.3"), ()),
        (
            _accepting("1.1"),
            (
                "TLS 1.1 is accepted; it is broken (RFC 8996)",
                "neither TLS 1.2 nor 1.3 is accepted",
            ),
        ),
        (_dated(not_after=14), ("the certificate expires on 2026-04-15",)),
        (_dated(not_after=15), ()),
        (
            replace(_dated(not_after=-1), trust_error="certificate has expired"),
            ("the certificate is out of date: expired on 2026-03-31",),
        ),
        (_dated(not_before=1), ("the certificate is out of date: not valid before 2026-04-02",)),
        (replace(GOOD, host="b.example"), ("the certificate is not for b.example",)),
        (
            replace(GOOD, trust_error="self-signed certificate"),
            ("the certificate is not trusted: self-signed certificate",),
        ),
    ],
)
def test_what_is_wrong_is_told(report: Report, problems: tuple[str, ...]) -> None:
    assert judge(report, NOW).problems == problems


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [
        ("refused", "no TLS here, or none that we know; rtmp:// may be right for this port"),
        ("no answer", "no answer to a TLS client hello"),
    ],
)
def test_server_without_tls_is_told(outcome: str, problem: str) -> None:
    versions = {"1.0": "untested", "1.1": outcome, "1.2": outcome, "1.3": outcome}
    report = replace(GOOD, chain=(), cipher=None, versions=versions)  # type: ignore[arg-type]
    verdict = judge(report, NOW)
    assert verdict.problems == (problem,)
    assert (dict(verdict.encoders), verdict.name_matches, verdict.days_left) == ({}, False, None)


@pytest.mark.parametrize(
    "report",
    [replace(GOOD, trust_error="self-signed certificate"), replace(GOOD, host="b.example")],
)
def test_encoders_that_verify_refuse_what_is_not_trusted(report: Report) -> None:
    assert dict(judge(report, NOW).encoders) == {
        "FFmpeg": "fails from version 9 on, which verifies by default; -tls_verify 0 helps. "
        "Older ones connect without verifying",
        "OBS": "fails: it verifies always, by the system's authorities",
        "GStreamer": "fails: Unacceptable TLS certificate; tls-validation-flags=0 helps",
        "rtmpdump": "connects; verifies nothing and asks for no name",
    }


def test_authorities_of_our_own_are_not_those_of_encoders() -> None:
    encoders = judge(replace(GOOD, has_own_ca=True), NOW).encoders
    assert encoders["FFmpeg"].endswith("with -tls_verify 1; give it -ca_file FILE")
    assert encoders["OBS"] == "connects, if its system trusts that authority"
    assert encoders["GStreamer"] == "connects, if its system trusts that authority"


def test_server_of_tls_1_3_only_may_be_too_new_for_obs() -> None:
    assert judge(_accepting("1.3"), NOW).encoders["OBS"] == "fails if its TLS library ends at 1.2"


def test_tickets_stop_rtmpdump() -> None:
    report = replace(GOOD, has_tickets=True)
    assert judge(report, NOW).encoders["rtmpdump"] == (
        "fails if built with GnuTLS, as Debian's is: TLS 1.3 session tickets stop it"
    )


def test_client_certificates_are_not_for_everybody() -> None:
    encoders = judge(replace(GOOD, wants_client_certificate=True), NOW).encoders
    assert all(
        line.startswith("fails: the server wants a client certificate")
        for line in encoders.values()
    )
    assert encoders["FFmpeg"].endswith("give it with -cert_file and -key_file")
