"""What a TLS handshake agreed on, or why it failed, for logs and the API."""

import ssl
from dataclasses import dataclass

from pydantic import ConfigDict


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a TLS handshake agreed on.

    Attributes:
        version: Such as `TLSv1.3`.
        cipher: OpenSSL's name of the cipher suite.
        server_name: What the client asked for; None without SNI.
        resumed: An earlier session went on.
        client_certificate: Common name of the client's verified certificate, if it showed one.
    """

    __pydantic_config__ = ConfigDict(title="Tls", extra="forbid")

    version: str
    cipher: str
    server_name: str | None
    resumed: bool
    client_certificate: str | None

    def __str__(self) -> str:
        words = [self.version, self.cipher]
        if self.server_name is not None:
            words.append(f"sni={self.server_name}")
        if self.resumed:
            words.append("resumed")
        if self.client_certificate is not None:
            words.append(f"client={self.client_certificate}")
        return " ".join(words)


def tls_facts(sock: ssl.SSLSocket, server_name: str | None) -> TlsFacts:
    """Read what a finished handshake agreed on."""
    cipher = sock.cipher()
    return TlsFacts(
        version=sock.version() or "",
        cipher=cipher[0] if cipher else "",
        server_name=server_name,
        resumed=bool(sock.session_reused),
        client_certificate=_common_name(sock.getpeercert()),
    )


def _common_name(certificate: object) -> str | None:
    if not isinstance(certificate, dict):
        return None
    for names in certificate.get("subject", ()):
        for name, value in names:
            if name == "commonName":
                return str(value)
    return None


def explain(error: OSError) -> str:
    """Say in words why a handshake failed."""
    reason = getattr(error, "reason", None)
    known = {
        "HTTP_REQUEST": "plain HTTP on the TLS port; use https://",
        "WRONG_VERSION_NUMBER": "no TLS; use rtmps:// or https:// on this port",
        "UNSUPPORTED_PROTOCOL": "the client offers only TLS versions that are too old",
        "NO_SHARED_CIPHER": "the client offers no cipher suite that is allowed",
        "TLSV1_ALERT_UNKNOWN_CA": "the client does not trust our certificate",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the client does not accept our certificate",
        "SSLV3_ALERT_BAD_CERTIFICATE": "the client does not accept our certificate",
        "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the client showed no certificate",
        "CERTIFICATE_VERIFY_FAILED": "the client's certificate is not valid here",
        "CALLBACK_FAILED": "the client asks for a name that is not ASCII",
    }
    if reason in known:
        return f"TLS handshake: {known[reason]}"
    return f"TLS handshake: {reason or error.strerror or error}"
