"""The command `tls`: makes and shows certificates, and checks TLS servers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headend.cli import output
from headend.cli.config import JsonFlag
from headend.cli.serve import ConfigFlag, DataFlag, SetFlag, load
from headend.errors import HeadendError

if TYPE_CHECKING:
    from headend.cli.tls_probe import Report
    from headend.cli.tls_served import Served
    from headend.cli.tls_verdict import Verdict
    from headend.settings import Settings
    from headend.tls.certificate_files import Certificate

# Where FFmpeg, GStreamer, librtmp and OBS connect to without a port in an rtmps URL.
DEFAULT_PORT: Final = 443

OutFlag = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Folder to write to; default: the data folder."),
]
NameFlag = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        metavar="HOST",
        help="Host name or IP address of the server; repeatable; default: this machine's.",
    ),
]
ForceFlag = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
TargetArgument = Annotated[
    str, typer.Argument(metavar="HOST[:PORT]", help="Any TLS server; the default port is 443.")
]
CaFlag = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        help="Trust the authorities of this PEM file, not the system's.",
    ),
]

group = typer.Typer(help="Make and show certificates, check TLS servers.", no_args_is_help=False)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.add_typer(group, name="tls")


# ---------------------------------------------------------------------- self-signed


@group.command("self-signed")
def self_signed(
    out: OutFlag = None,
    name: NameFlag = None,
    config: ConfigFlag = None,
    data: DataFlag = None,
    force: ForceFlag = False,
) -> None:
    """Make a self-signed certificate: self-signed.pem, and its key self-signed.key."""
    from headend.tls import self_signed

    folder = out or load(config, [], {"data": data}).settings.data / self_signed.FOLDER
    pair = self_signed.pair_in(folder)
    if not force:
        for path in (pair.cert, pair.key):
            if path.exists():
                raise HeadendError(f"{path} is there already; --force overwrites it")
    names = name or self_signed.machine_names()
    certificate = self_signed.create(folder, names, datetime.now(UTC))
    rows = {"certificate": str(pair.cert), "key file": str(pair.key), **_rows(certificate)}
    output.result(_table(rows))


# ---------------------------------------------------------------------- show


@group.command()
def show(
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> int:
    """Show the certificates that a server with these settings uses, the default one first."""
    from headend.cli.tls_served import served

    effective = load(config, settings or [], {"data": data}).settings
    shown = served(effective, datetime.now(UTC))
    if as_json:
        output.result_json(_show_document(effective, shown))
    elif not shown:
        first = "the first start makes a self-signed one"
        if effective.tls.acme.domains:
            first += ", and serves it until ACME has got another"
        output.note(f"no certificate yet: {first}")
    else:
        output.result("\n\n".join(_table(_shown_rows(each)) for each in shown))
    problems = [each.problem for each in shown if each.problem]
    if not as_json:
        for problem in problems:
            output.fail(problem)
    return 1 if problems else 0


def _shown_rows(shown: "Served") -> dict[str, str]:
    rows = {"certificate": str(shown.pair.cert), "key file": str(shown.pair.key)}
    rows |= _rows(shown.certificate) if shown.certificate else {}
    return rows | {"from": shown.source, "problem": shown.problem or "none"}


def _show_document(settings: "Settings", shown: Sequence["Served"]) -> dict[str, object]:
    others = settings.tls.certificates or [e for e in shown if e.source == "acme" and not e.problem]
    return {
        "self_signed": not others,
        "profile": settings.tls.profile,
        "client_auth": settings.tls.client_auth,
        "certificates": [
            {
                "cert": str(each.pair.cert),
                "key": str(each.pair.key),
                "source": each.source,
                **(_fields(each.certificate) if each.certificate else {}),
                "problem": each.problem,
            }
            for each in shown
        ],
    }


# ---------------------------------------------------------------------- check


@group.command()
def check(target: TargetArgument, ca: CaFlag = None, as_json: JsonFlag = False) -> int:
    """Check any TLS server and say what encoders will do; exit code 1 if there are problems."""
    from headend.cli.tls_probe import probe
    from headend.cli.tls_verdict import judge

    host, port = _parse_target(target)
    report = probe(host, port, ca)
    verdict = judge(report, datetime.now(UTC))
    if as_json:
        output.result_json(_check_document(report, verdict))
    else:
        output.result(_table(_check_rows(report, verdict)))
        for problem in verdict.problems:
            output.fail(problem)
    return 1 if verdict.problems else 0


def _parse_target(target: str) -> tuple[str, int]:
    """Split `host`, `host:port`, `[::1]:port`, or the same in a URL such as rtmps://host/app."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(target if "://" in target else f"//{target}")
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except ValueError:
        host, port = "", None
    if not host:
        raise typer.BadParameter(f"{target!r} is not HOST[:PORT], such as [::1]:1936")
    return host, port or DEFAULT_PORT


def _check_document(report: "Report", verdict: "Verdict") -> dict[str, object]:
    return {
        "host": report.host,
        "port": report.port,
        "ok": not verdict.problems,
        "problems": list(verdict.problems),
        "versions": dict(report.versions),
        "cipher": report.cipher,
        "tickets": report.has_tickets,
        "client_certificate": report.wants_client_certificate,
        "chain": [_fields(certificate) for certificate in report.chain],
        "trusted": report.trust_error is None,
        "trust_error": report.trust_error,
        "name_matches": verdict.name_matches,
        "days_left": verdict.days_left,
        "encoders": dict(verdict.encoders),
    }


def _check_rows(report: "Report", verdict: "Verdict") -> dict[str, str]:
    rows = {"server": f"{report.host} port {report.port}"}
    rows |= {f"TLS {version}": outcome for version, outcome in report.versions.items()}
    if report.chain:
        rows["cipher"] = report.cipher or "unknown"
        rows |= _rows(report.chain[0])
        rows["days left"] = str(verdict.days_left)
        rows["chain"] = " < ".join(certificate.subject for certificate in report.chain)
        rows["trust"] = report.trust_error or "trusted"
        rows["name"] = "matches" if verdict.name_matches else "does not match"
    return rows | dict(verdict.encoders)


# ---------------------------------------------------------------------- words for all three


def _rows(certificate: "Certificate") -> dict[str, str]:
    return {
        "names": ", ".join(certificate.names) or "none",
        "issuer": "itself (self-signed)" if certificate.is_self_signed else certificate.issuer,
        "valid": f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}",
        "SHA-256": certificate.fingerprint,
        "key type": certificate.key_type,
    }


def _fields(certificate: "Certificate") -> dict[str, object]:
    return {
        "names": list(certificate.names),
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "fingerprint": certificate.fingerprint,
        "key_type": certificate.key_type,
        "self_signed": certificate.is_self_signed,
    }


def _table(rows: Mapping[str, str]) -> str:
    """Lines of a name and a value; what a peer chose is shown without control characters."""
    from headend.logs import escape

    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {escape(value)}" for name, value in rows.items())
