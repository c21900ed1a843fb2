"""What a report on a TLS server means: what is wrong, and what encoders will say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from headend.cli.tls_probe import Report

EXPIRES_SOON: Final = timedelta(days=14)  # as the server's own warnings


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to think of a server.

    Attributes:
        problems: One line each; none: all is well.
        encoders: One line by encoder: will it connect, and if not, what helps.
        name_matches: Whether the certificate is for the host that was asked for.
        days_left: Whole days until it expires; negative: since; None without a certificate.
    """

    problems: tuple[str, ...]
    encoders: Mapping[str, str]
    name_matches: bool
    days_left: int | None


def judge(report: Report, now: datetime) -> Verdict:
    """Draw the conclusions from a report.

    Args:
        report: Of `probe`.
        now: In UTC.
    """
    name_matches = bool(report.chain) and report.chain[0].covers(report.host)
    return Verdict(
        problems=tuple(_problems(report, now, name_matches=name_matches)),
        encoders=_encoders(report, name_matches=name_matches) if report.chain else {},
        name_matches=name_matches,
        days_left=(report.chain[0].not_after - now).days if report.chain else None,
    )


def _problems(report: Report, now: datetime, *, name_matches: bool) -> Iterator[str]:
    if not report.chain:
        yield _why_nothing(report)
        return
    for version in ("1.0", "1.1"):
        if report.versions[version] == "accepted":
            yield f"TLS {version} is accepted; it is broken (RFC 8996)"
    if "accepted" not in (report.versions["1.2"], report.versions["1.3"]):
        yield "neither TLS 1.2 nor 1.3 is accepted"
    certificate = report.chain[0]
    fault = certificate.fault(now)
    if fault:
        yield f"the certificate is out of date: {fault}"
    elif certificate.not_after - now <= EXPIRES_SOON:
        yield f"the certificate expires on {certificate.not_after:%Y-%m-%d}"
    if not name_matches:
        yield f"the certificate is not for {report.host}"
    if report.trust_error is not None and not fault:
        yield f"the certificate is not trusted: {report.trust_error}"


def _why_nothing(report: Report) -> str:
    if set(report.versions.values()) <= {"no answer", "untested"}:
        return "no answer to a TLS client hello"
    return "no TLS here, or none that we know; rtmp:// may be right for this port"


def _encoders(report: Report, *, name_matches: bool) -> dict[str, str]:
    if report.wants_client_certificate:
        no = "fails: the server wants a client certificate"
        return {
            "FFmpeg": f"{no}; give it with -cert_file and -key_file",
            "OBS": f"{no}, and OBS has none",
            "GStreamer": f"{no}; an application can give it, gst-launch-1.0 cannot",
            "rtmpdump": no,
        }
    is_trusted = name_matches and report.trust_error is None
    return {
        "FFmpeg": _ffmpeg(report, is_trusted=is_trusted),
        "OBS": _obs(report, is_trusted=is_trusted),
        "GStreamer": _gstreamer(report, is_trusted=is_trusted),
        "rtmpdump": _rtmpdump(report),
    }


def _ffmpeg(report: Report, *, is_trusted: bool) -> str:
    if is_trusted:
        words = "connects; verifies from version 9 on, older ones with -tls_verify 1"
        return f"{words}; give it -ca_file FILE" if report.has_own_ca else words
    return (
        "fails from version 9 on, which verifies by default; -tls_verify 0 helps. "
        "Older ones connect without verifying"
    )


def _obs(report: Report, *, is_trusted: bool) -> str:
    if not is_trusted:
        return "fails: it verifies always, by the system's authorities"
    if report.versions["1.2"] != "accepted":
        return "fails if its TLS library ends at 1.2"
    return "connects, if its system trusts that authority" if report.has_own_ca else "connects"


def _gstreamer(report: Report, *, is_trusted: bool) -> str:
    if not is_trusted:
        return "fails: Unacceptable TLS certificate; tls-validation-flags=0 helps"
    return "connects, if its system trusts that authority" if report.has_own_ca else "connects"


def _rtmpdump(report: Report) -> str:
    if report.has_tickets:
        return "fails if built with GnuTLS, as Debian's is: TLS 1.3 session tickets stop it"
    return "connects; verifies nothing and asks for no name"
