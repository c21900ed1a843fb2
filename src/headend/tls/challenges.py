"""Answers to an authority that checks whether we are who we say: ACME's challenges.

TLS-ALPN-01 (RFC 8737): the authority connects to the TLS port for the name, with the protocol
`acme-tls/1`, and must be shown a certificate that holds a digest. HTTP-01 (RFC 8555, 8.3): it
fetches /.well-known/acme-challenge/TOKEN.

Challenges are added and cleared by the thread that talks to the authority, and looked up by the
loop; each look-up is of one dictionary, in one step.
"""

import hashlib
import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from headend.tls.acme_files import private_pem
from headend.tls.client_hello import ClientHello

Kind = Literal["tls-alpn-01", "http-01"]

PROTOCOL: Final = "acme-tls/1"
ACME_IDENTIFIER: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
OCTET_STRING: Final = b"\x04\x20"  # DER: tag, 32 bytes
VALIDITY: Final = timedelta(days=1)  # an order takes minutes


class AcmeOthers(Protocol):
    """The other processes that serve the same ports, one of which an authority may meet."""

    async def challenge(self, name: str, key_authorization: str) -> None:
        """Have them ready for TLS-ALPN-01 of a name; they are when it returns."""

    def renewed(self) -> None:
        """Have them serve the certificate that was got."""


class Challenges:
    """What an authority that comes now is to be answered."""

    def __init__(self, share: Callable[[str, str], None] = lambda name, text: None) -> None:
        """Begin with none.

        Args:
            share: Has others answer TLS-ALPN-01 too: name, key authorization; it may wait.
        """
        self._share: Final = share
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._answers: dict[str, str] = {}

    def context(self, hello: ClientHello) -> ssl.SSLContext | None:
        """Return the context to check a name with; None for all who ask for something else.

        Source: RFC 8737, 3: the authority offers that one protocol only, and the name.
        """
        if hello.protocols != (PROTOCOL.encode(),) or hello.server_name is None:
            return None
        return self._contexts.get(hello.server_name)

    def answer(self, token: str) -> str | None:
        """Return what /.well-known/acme-challenge/TOKEN shows."""
        return self._answers.get(token)

    def add_tls(self, name: str, key_authorization: str) -> None:
        """Be ready for TLS-ALPN-01 of a name, and have others ready."""
        self.take_tls(name, key_authorization)
        self._share(name, key_authorization)

    def take_tls(self, name: str, key_authorization: str) -> None:
        """Be ready for TLS-ALPN-01 of a name, because another process asks an authority."""
        self._contexts[name] = _context(name, key_authorization)

    def add_http(self, token: str, key_authorization: str) -> None:
        """Be ready for HTTP-01."""
        self._answers[token] = key_authorization

    def clear(self) -> None:
        """Forget all."""
        self._contexts.clear()
        self._answers.clear()


def _context(name: str, key_authorization: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([PROTOCOL])
    context.num_tickets = 0  # nobody comes back to it
    # OpenSSL by Python takes a certificate from a file only; its name is gone before we return.
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(validation_certificate(name, key_authorization, datetime.now(UTC)))
        file.flush()
        context.load_cert_chain(Path(file.name))
    return context


def validation_certificate(name: str, key_authorization: str, now: datetime) -> bytes:
    """Make the certificate of TLS-ALPN-01, and its key.

    Args:
        name: The one in its subjectAltName.
        key_authorization: Whose SHA-256 it holds.
        now: In UTC.

    Returns:
        Both in PEM.

    Source: RFC 8737, 3.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    digest = hashlib.sha256(key_authorization.encode()).digest()
    identifier = x509.UnrecognizedExtension(ACME_IDENTIFIER, OCTET_STRING + digest)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PROTOCOL)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - VALIDITY)
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(identifier, critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private_pem(key)
