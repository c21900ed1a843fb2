"""Certificates and keys in PEM files, and what is wrong with them."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes,
    PublicKeyTypes,
)

from headend.errors import SettingsError

# No file of certificates is larger; /dev/zero and a video given by mistake are.
MAX_FILE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says.

    Attributes:
        names: DNS names in lower case and IP addresses as text, of the subjectAltName only: the
            common name counts for no client any more.
        subject: Of RFC 4514, such as `CN=example.com`.
        issuer: The same, of its signer.
        not_before: First moment of its validity, in UTC.
        not_after: Last moment.
        fingerprint: SHA-256 of its DER form: 32 bytes in hexadecimal, upper case, with colons.
        key_type: `ECDSA secp256r1`, `RSA 2048`, or another algorithm.
        is_self_signed: Whether subject and issuer are one.
    """

    names: tuple[str, ...]
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    key_type: str
    is_self_signed: bool

    def covers(self, host: str) -> bool:
        """Say whether the certificate is one for a DNS name or IP address.

        A wildcard stands for exactly one label. Source: RFC 9525, 6.3.
        """
        host = host.lower().rstrip(".")
        _, dot, domain = host.partition(".")
        if dot and not is_ip_address(host) and f"*.{domain}" in self.names:
            return True
        return (_ip_text(host) or host) in self.names

    def fault(self, now: datetime) -> str | None:
        """Say in words why it is not valid at a time; None if it is."""
        if now > self.not_after:
            return f"expired on {self.not_after:%Y-%m-%d}"
        if now < self.not_before:
            return f"not valid before {self.not_before:%Y-%m-%d}"
        return None


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """A certificate as it was read.

    Attributes:
        certificate: What it says.
        content: Bytes of both files, to see whether they changed.
    """

    certificate: Certificate
    content: tuple[bytes, bytes]


def read_pair(cert: Path, key: Path, now: datetime) -> CertificateFile:
    """Read a certificate and its key, and check that they can be served.

    Args:
        cert: PEM file of the certificate, followed by those of its chain.
        key: PEM file of the key; may be the same file.
        now: In UTC.

    Raises:
        SettingsError: A file cannot be read, holds nothing of the kind, the key is encrypted or
            another's, or the certificate is not in date. One line that names the file.
    """
    content = read_file(cert, "certificate"), read_file(key, "key")
    chain = _parse_chain(cert, content[0])
    public_key = _parse_key(key, content[1])
    _check_match(cert, key, chain, public_key)
    certificate = describe(chain[0])
    if fault := certificate.fault(now):
        raise SettingsError(f"certificate {cert}: {fault}")
    return CertificateFile(certificate, content)


def read_certificate(path: Path) -> Certificate:
    """Read the first certificate of a PEM file, in date or not; raises as `read_pair` does."""
    return describe(_parse_chain(path, read_file(path, "certificate"))[0])


def read_file(path: Path, what: str) -> bytes:
    """Read a small file; SettingsError names it with `what` it should hold."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{what} {path}: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(f"{what} {path}: too large, more than {MAX_FILE_BYTES} bytes")
    return content


def _parse_chain(path: Path, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise SettingsError(f"certificate {path}: no PEM certificate in it") from None


def _parse_key(path: Path, content: bytes) -> PublicKeyTypes:
    try:
        key = serialization.load_pem_private_key(content, None)
    except TypeError:
        raise SettingsError(f"key {path}: encrypted; TLS needs it without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError(f"key {path}: no PEM private key in it") from None
    return key.public_key()


def _check_match(
    cert: Path, key: Path, chain: list[x509.Certificate], public_key: PublicKeyTypes
) -> None:
    if _public_key(chain[0]) == public_key:
        return
    if any(_public_key(other) == public_key for other in chain[1:]):
        raise SettingsError(f"certificate {cert}: the one of key {key} must come first in the file")
    raise SettingsError(f"key {key}: does not match certificate {cert}")


def _public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes | None:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def describe(certificate: x509.Certificate) -> Certificate:
    """Read what a certificate says; parts that are ill-formed count as missing."""
    subject, issuer = _name(certificate, "subject"), _name(certificate, "issuer")
    return Certificate(
        names=tuple(dict.fromkeys(_names(certificate))),
        subject=subject,
        issuer=issuer,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        key_type=_key_type(_public_key(certificate)),
        is_self_signed=subject == issuer,
    )


def _name(certificate: x509.Certificate, role: str) -> str:
    try:
        name = certificate.subject if role == "subject" else certificate.issuer
        return name.rfc4514_string()
    except ValueError:
        return "(ill-formed)"


def _names(certificate: x509.Certificate) -> Iterator[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return
    for name in extension.value:
        if isinstance(name, x509.DNSName | x509.IPAddress):
            yield str(name.value).lower()


def _key_type(public_key: CertificatePublicKeyTypes | None) -> str:
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return f"ECDSA {public_key.curve.name}"
    if isinstance(public_key, rsa.RSAPublicKey):
        return f"RSA {public_key.key_size}"
    return type(public_key).__name__.removesuffix("PublicKey") if public_key else "unknown"


def is_ip_address(host: str) -> bool:
    """Tell an IP address from a name."""
    return _ip_text(host) is not None


def _ip_text(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None
