"""The certificate that is served when none is configured.

It is signed by its own key, so that nobody vouches for it: encoders that verify must be given the
file, or be told not to verify. All others publish encrypted without any settings.
"""

import ipaddress
import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from headend import files
from headend.errors import SettingsError
from headend.settings import CertificatePair
from headend.tls.certificate_files import Certificate, is_ip_address, read_certificate, read_pair

FOLDER: Final = "tls"  # of the data folder
CERT_FILE: Final = "self-signed.pem"
KEY_FILE: Final = "self-signed.key"
PUBLIC: Final = 0o644  # mode of the certificate
COMMON_NAME: Final = "Headend self-signed"

VALIDITY: Final = timedelta(days=825)  # more than that is refused by Apple's devices
RENEWAL: Final = timedelta(days=30)  # before the end
CLOCK_SKEW: Final = timedelta(hours=1)  # of clients whose clock is behind ours

# Nothing is sent there: they only tell which of our addresses is used towards others.
_ELSEWHERE: Final = (
    (socket.AF_INET, "192.0.2.1"),  # documentation, RFC 5737
    (socket.AF_INET6, "2001:db8::1"),  # documentation, RFC 3849
)


def pair_in(folder: Path) -> CertificatePair:
    """Name the two files in a folder, there or not."""
    return CertificatePair(cert=folder / CERT_FILE, key=folder / KEY_FILE)


def load_or_create(folder: Path, now: datetime) -> tuple[CertificatePair, bool]:
    """Return the self-signed certificate of a folder, and whether it was made just now.

    It is made anew if it is missing, spoilt, or valid for less than 30 days more; then with the
    names that it had.

    Args:
        folder: Made with mode 0700 if it is missing.
        now: In UTC.

    Raises:
        SettingsError: The folder or a file cannot be used.
        StorageError: The disk is full or broken.
    """
    pair = pair_in(folder)
    try:
        certificate = read_pair(pair.cert, pair.key, now).certificate
    except SettingsError as error:
        # What may not be read must not be overwritten.
        if isinstance(error.__cause__, OSError) and not isinstance(
            error.__cause__, FileNotFoundError
        ):
            raise
    else:
        if certificate.not_after - now >= RENEWAL:
            return pair, False
    create(folder, [*_former_names(pair), *machine_names()], now)
    return pair, True


def _former_names(pair: CertificatePair) -> tuple[str, ...]:
    try:
        names = read_certificate(pair.cert).names
    except SettingsError:
        return ()
    return tuple(name for name in names if _is_name(name))


def create(folder: Path, names: Sequence[str], now: datetime) -> Certificate:
    """Make a certificate with its key (ECDSA P-256), and write both; return what it says.

    Args:
        folder: Made with mode 0700 if it is missing; the key gets mode 0600.
        names: DNS names and IP addresses for the subjectAltName.
        now: In UTC; valid from one hour before for 825 days.

    Raises:
        SettingsError: The folder or a file cannot be written, or a name is none.
        StorageError: The disk is full or broken.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign(key, _general_names(names), now)
    pair = pair_in(folder)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        files.make_folder(folder)
        files.write(pair.key, key_pem)
        files.write(pair.cert, certificate.public_bytes(serialization.Encoding.PEM), PUBLIC)
    except OSError as error:
        raise files.fault(f"certificate folder {folder}", error) from error
    return read_certificate(pair.cert)


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [
        x509.IPAddress(ipaddress.ip_address(name)) if is_ip_address(name) else _dns_name(name)
        for name in dict.fromkeys(names)
    ]


def _dns_name(name: str) -> x509.DNSName:
    try:
        # Refuses empty labels, and those over 63 bytes.
        label = name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        label = ""
    if not label:
        raise SettingsError(f"{name!r} is neither a host name nor an IP address")
    return x509.DNSName(label)


def _sign(
    key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName], now: datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, COMMON_NAME)])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def machine_names() -> list[str]:
    """Name this machine as its clients may: localhost, host name, addresses."""
    host = socket.gethostname().lower()
    names = ["localhost", host, "127.0.0.1", "::1", *_resolved(host)]
    for family, elsewhere in _ELSEWHERE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((elsewhere, 9))
            names.append(sock.getsockname()[0])
    return [name for name in dict.fromkeys(names) if _is_name(name)]


def _resolved(host: str) -> list[str]:
    try:
        # Link-local addresses carry a zone, fe80::1%eth0, which no certificate can hold.
        return [str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)]
    except (OSError, UnicodeError):
        return []


def _is_name(name: str) -> bool:
    try:
        _general_names([name])
    except SettingsError:
        return False
    return True
