"""The flags of every command that connects to an RTMPS server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headend.errors import SettingsError

if TYPE_CHECKING:
    from yarl import URL

    from headend.net.tls_client import TlsOptions
    from headend.rtmp.url import Url
    from headend.srt_url import SrtUrl

TLS_SCHEMES: Final = frozenset({"rtmps", "https", "wss"})

CaFlag = Annotated[
    Path | None,
    typer.Option(
        "--ca", metavar="FILE", help="rtmps: trust these authorities (PEM), not the system's."
    ),
]
FingerprintFlag = Annotated[
    str | None,
    typer.Option(metavar="HEX", help="rtmps: trust the certificate with this SHA-256 only."),
]
InsecureFlag = Annotated[
    bool, typer.Option("--insecure", help="rtmps: trust every certificate; for tests only.")
]
CertFlag = Annotated[
    Path | None,
    typer.Option(
        "--cert",
        metavar="FILE",
        help="rtmps: certificate (PEM) to send if the server asks for one.",
    ),
]
KeyFlag = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="rtmps: key of --cert, if it is in another file."),
]


def tls_options(
    url: "Url | SrtUrl | URL",
    ca: Path | None,
    fingerprint: str | None,
    *,
    insecure: bool,
    cert: Path | None = None,
    key: Path | None = None,
) -> "TlsOptions | None":
    """Return what the flags say of whom to trust, and who we are; None for a URL without TLS.

    Raises:
        SettingsError: The flags do not go together, or not with the URL.
    """
    if url.scheme in TLS_SCHEMES:
        from headend.net.tls_client import TlsOptions

        return TlsOptions(ca, fingerprint, insecure, cert, key)
    if insecure or any(flag is not None for flag in (ca, fingerprint, cert, key)):
        # Who gives them believes that the connection is encrypted.
        raise SettingsError(
            "--ca, --fingerprint, --insecure, --cert and --key are for rtmps://, "
            f"not for {url.scheme or 'rtmp'}://"
        )
    return None
